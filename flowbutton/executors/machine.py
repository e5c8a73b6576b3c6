"""What this machine lets us use: processors and memory, within the limits of its control group.

Formats: Linux kernel documentation, cgroup-v1 (cpu, memory) and cgroup-v2; proc(5). Imports nothing of flowbutton.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from math import ceil
from pathlib import Path, PurePosixPath

Read = Callable[[str], str | None]
"""The text of a file by its absolute path; None if there is no such file or it may not be read."""


def read_text(path: str) -> str | None:
    """Read a file of the running system."""
    try:
        return Path(path).read_text()
    except OSError:
        return None


def cpu_slots(read: Read = read_text) -> int:
    """How many processes can compute at once: this process's affinity, cut by the quotas of its control groups."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([affinity, *map(ceil, quotas(read))]))


def memory_bytes(read: Read = read_text) -> int | None:
    """Bytes that processes can take without swapping: what is available, cut by control groups; None if unknown."""
    return min([*available(read), *headrooms(read)], default=None)


def quotas(read: Read) -> Iterator[float]:
    """Processors that each control group above us grants; nothing for those without a limit."""
    for folder in groups(read, "cpu"):
        both = read(f"{folder}/cpu.max")
        if both is None:
            both = f"{read(f'{folder}/cpu.cfs_quota_us') or 'max'} {read(f'{folder}/cpu.cfs_period_us') or 100_000}"
        quota, period = both.split()
        if quota not in ("max", "-1"):
            yield int(quota) / int(period)


def headrooms(read: Read) -> Iterator[int]:
    """Bytes that each control group above us still grants; page cache that can be dropped is not counted as used."""
    names = [
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ]
    for folder in groups(read, "memory"):
        for limit_name, used_name, cache_name in names:
            limit, used = read(f"{folder}/{limit_name}"), read(f"{folder}/{used_name}")
            # Version 1 has no word for "no limit", only a number that no machine has.
            if limit and used and limit.strip() != "max" and int(limit) < 1 << 60:
                cache = table(read(f"{folder}/memory.stat") or "").get(cache_name, 0)
                yield max(0, int(limit) - max(0, int(used) - cache))


def available(read: Read) -> Iterator[int]:
    """MemAvailable of the whole machine, in bytes; nothing where there is no /proc."""
    text = read("/proc/meminfo")
    if text and "MemAvailable" in (fields := table(text)):
        yield fields["MemAvailable"] * 1024


def table(text: str) -> dict[str, int]:
    """Parse lines of a name (with or without a colon) and a number."""
    lines = (line.split() for line in text.splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in lines if len(words) > 1 and words[1].isdigit()}


def groups(read: Read, controller: str) -> Iterator[str]:
    """Folders of the control groups that we are in, from ours up to the root, for one controller of either version."""
    for line in (read("/proc/self/cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            yield from upward("/sys/fs/cgroup", path)
        elif controller in controllers.split(","):
            yield from upward(f"/sys/fs/cgroup/{controllers}", path)


def upward(mount: str, path: str) -> Sequence[str]:
    """Folders of a group and of all above it; in a container the mount is often the group, whatever the path says."""
    inner = PurePosixPath(path.lstrip("/"))
    return [str(mount / PurePosixPath(part)) for part in (inner, *inner.parents)]
