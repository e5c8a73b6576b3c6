"""Processors and memory, read from the texts of real systems."""

from __future__ import annotations

import os

import pytest

from flowbutton.executors.machine import available, cpu_slots, groups, headrooms, memory_bytes, quotas, table

MEMINFO = (
    "MemTotal:       32614460 kB\nMemFree:         1020040 kB\nMemAvailable:   24000000 kB\nHugePages_Total:       0\n"
)

# systemd, version 2: a service with CPUQuota=150% in a slice with MemoryMax=4G.
V2 = {
    "/proc/self/cgroup": "0::/user.slice/work.service\n",
    "/proc/meminfo": MEMINFO,
    "/sys/fs/cgroup/user.slice/work.service/cpu.max": "150000 100000\n",
    "/sys/fs/cgroup/user.slice/work.service/memory.max": "max\n",
    "/sys/fs/cgroup/user.slice/work.service/memory.current": "1000\n",
    "/sys/fs/cgroup/user.slice/cpu.max": "max 100000\n",
    "/sys/fs/cgroup/user.slice/memory.max": "4294967296\n",
    "/sys/fs/cgroup/user.slice/memory.current": "1073741824\n",
    "/sys/fs/cgroup/user.slice/memory.stat": "anon 800000000\nfile 273741824\ninactive_file 73741824\n",
}

# Docker, version 1: the path is the host's, the mount is the container's own group.
V1 = {
    "/proc/self/cgroup": "4:memory:/docker/ab34\n3:cpu,cpuacct:/docker/ab34\n1:name=systemd:/docker/ab34\n",
    "/proc/meminfo": MEMINFO,
    "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
    "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "2147483648\n",
    "/sys/fs/cgroup/memory/memory.usage_in_bytes": "1500000000\n",
    "/sys/fs/cgroup/memory/memory.stat": "cache 900000000\ntotal_inactive_file 600000000\n",
}

V1_UNLIMITED = {
    "/proc/self/cgroup": "4:memory:/\n1:cpu:/\n0::/\n",
    "/proc/meminfo": MEMINFO,
    "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
    "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    "/sys/fs/cgroup/memory/memory.usage_in_bytes": "1500000000\n",
}


def test_groups_lead_from_ours_to_the_root() -> None:
    assert list(groups(V2.get, "cpu")) == [
        "/sys/fs/cgroup/user.slice/work.service",
        "/sys/fs/cgroup/user.slice",
        "/sys/fs/cgroup",
    ]
    assert list(groups(V1.get, "cpu")) == [
        "/sys/fs/cgroup/cpu,cpuacct/docker/ab34",
        "/sys/fs/cgroup/cpu,cpuacct/docker",
        "/sys/fs/cgroup/cpu,cpuacct",
    ]


@pytest.mark.parametrize(("system", "expected"), [(V2, [1.5]), (V1, [0.5]), (V1_UNLIMITED, []), ({}, [])])
def test_quotas(system: dict[str, str], expected: list[float]) -> None:
    assert list(quotas(system.get)) == expected


def test_slots_are_whole_and_at_least_one() -> None:
    assert cpu_slots(V1.get) == 1
    assert cpu_slots(V2.get) == min(2, len(os.sched_getaffinity(0)))
    assert cpu_slots(lambda _: None) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        (V2, 4294967296 - (1073741824 - 73741824)),
        (V1, 2147483648 - 900000000),
        (V1_UNLIMITED, 24000000 * 1024),
        ({}, None),
    ],
)
def test_memory_is_the_tightest_limit(system: dict[str, str], expected: int | None) -> None:
    assert memory_bytes(system.get) == expected


def test_a_group_that_is_full_has_no_headroom() -> None:
    full = V1 | {"/sys/fs/cgroup/memory/memory.usage_in_bytes": "3000000000\n"}
    assert list(headrooms(full.get)) == [0]


def test_texts_are_parsed_or_absent() -> None:
    assert table(MEMINFO)["MemTotal"] == 32614460
    assert table("\nodd\nname text\n") == {}
    assert list(available({"/proc/meminfo": "MemTotal: 5 kB\n"}.get)) == []


def test_this_machine_has_something() -> None:
    assert 1 <= cpu_slots() <= (os.cpu_count() or 1)
    assert (memory_bytes() or 0) > 1 << 20
