"""Leases: one holder, takeover by epoch, stale by counter or by a process that is gone."""

from __future__ import annotations

import itertools
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from flowbutton.model.errors import Locked
from flowbutton.model.process import process_start
from flowbutton.model.store import Store
from flowbutton.stores.layout import lease_key
from flowbutton.stores.leases import Lease, LeaseOwner, acquire, hold
from flowbutton.stores.local import LocalStore
from flowbutton.stores.memory import MemoryStore
from flowbutton.testing.faulty import WrappedStore

_numbers = itertools.count()
HERE = LeaseOwner("here", 10, "100")
ELSEWHERE = LeaseOwner("elsewhere", 20, "200")


class Clock:
    """Time passes only when somebody pauses; ``meanwhile`` is what others do then."""

    def __init__(self) -> None:
        self.time_s = 1000.0
        self.meanwhile = lambda: None

    def now(self) -> float:
        return self.time_s

    def pause(self, seconds: float) -> None:
        assert seconds > 0
        self.time_s += seconds
        self.meanwhile()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> Store:
    return MemoryStore(f"leases-{next(_numbers)}")


def take(store: Store, clock: Clock, owner: LeaseOwner, wait_s: float | None = 0, ttl_s: float = 10) -> Lease:
    return acquire(store, "genomics", owner=owner, ttl_s=ttl_s, now=clock.now, wait_s=wait_s, pause=clock.pause)


def test_the_second_is_told_who_holds_it_and_what_to_do(store: Store, clock: Clock) -> None:
    take(store, clock, HERE)
    with pytest.raises(Locked) as caught:
        take(store, clock, ELSEWHERE)
    assert "process 10 on here since 20" in caught.value.why
    assert "--on-conflict wait" in caught.value.hint
    assert clock.time_s == 1000.0


def test_a_released_lease_is_free_at_once(store: Store, clock: Clock) -> None:
    first = take(store, clock, HERE)
    first.release()
    first.release()
    second = take(store, clock, ELSEWHERE)
    assert (first.epoch, second.epoch) == (1, 2)
    assert [*store.list("leases/")] == [lease_key("genomics", 2)]
    with pytest.raises(Locked, match="taken over"):
        first.renew()
    first.release()
    with pytest.raises(Locked):
        take(store, clock, HERE)


def test_who_waits_gets_it_when_it_is_released(store: Store, clock: Clock) -> None:
    first = take(store, clock, HERE)
    clock.meanwhile = lambda: first.renew() if clock.time_s < 1060 else first.release()
    assert take(store, clock, ELSEWHERE, wait_s=None).epoch == 2
    assert 1060 <= clock.time_s < 1065


def test_a_lease_that_is_renewed_is_never_stale(store: Store, clock: Clock) -> None:
    first = take(store, clock, HERE)
    clock.meanwhile = first.renew
    with pytest.raises(Locked):
        take(store, clock, ELSEWHERE, wait_s=500)
    first.renew()


def test_a_silent_lease_is_taken_over_after_its_own_time(store: Store, clock: Clock) -> None:
    first = take(store, clock, HERE, ttl_s=30)
    assert take(store, clock, ELSEWHERE, wait_s=None, ttl_s=2).epoch == 2
    assert 1030 <= clock.time_s < 1032
    with pytest.raises(Locked) as caught:
        first.renew()
    assert "process 20 on elsewhere" in caught.value.why


def test_silence_counts_from_the_last_sign_of_life(store: Store, clock: Clock) -> None:
    first = take(store, clock, HERE)
    clock.meanwhile = lambda: first.renew() if clock.time_s < 1009 else None
    take(store, clock, ELSEWHERE, wait_s=None)
    assert 1018 <= clock.time_s < 1021


def test_a_damaged_claim_holds_nothing(store: Store, clock: Clock) -> None:
    store.put(lease_key("genomics", 4), b"torn")
    assert take(store, clock, HERE).epoch == 5


def test_a_cleared_number_is_not_held(store: Store, clock: Clock) -> None:
    """A slow observer puts an epoch that was held, released and cleared since it looked."""
    take(store, clock, HERE).release()
    steps = itertools.count()

    def others(method: str, key: str) -> None:  # noqa: ARG001
        if method == "put_if_absent" and next(steps) == 0:
            take(store, clock, HERE).release()
            take(store, clock, HERE)

    with pytest.raises(Locked):
        take(WrappedStore(store, others), clock, ELSEWHERE)
    assert max(store.list("leases/")) == lease_key("genomics", 3)


def test_names_are_apart(store: Store, clock: Clock) -> None:
    take(store, clock, HERE)
    acquire(store, "genomics-2", owner=ELSEWHERE, ttl_s=10, now=clock.now, wait_s=0)


def test_one_of_many_gets_it(tmp_path: Path, clock: Clock) -> None:
    def attempt(number: int) -> bool:
        try:
            take(LocalStore(tmp_path), clock, LeaseOwner(f"host-{number}", number, "1"))
        except Locked:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(24))) == 1


def test_a_killed_driver_of_this_host_is_followed_at_once(tmp_path: Path, clock: Clock) -> None:
    code = """
import sys, time
from pathlib import Path
from flowbutton.stores.leases import LeaseOwner, acquire
from flowbutton.stores.local import LocalStore
store = LocalStore(Path(sys.argv[1]))
acquire(store, "genomics", owner=LeaseOwner.current(), ttl_s=1e6, now=time.monotonic, wait_s=0)
print("held", flush=True)
sys.stdin.read()
"""
    me = LeaseOwner.current()
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "held\n"
        with pytest.raises(Locked) as caught:
            take(LocalStore(tmp_path), clock, me)
        assert f"process {driver.pid}" in caught.value.why
        driver.kill()
        driver.wait(timeout=300)
    assert take(LocalStore(tmp_path), clock, me).epoch == 2
    assert clock.time_s == 1000.0


def test_a_reused_pid_is_another_process() -> None:
    me = LeaseOwner.current()
    assert not me.is_gone(me)
    assert LeaseOwner(me.host, me.pid, "1").is_gone(me)
    assert not LeaseOwner("another host", me.pid, "1").is_gone(me)


def test_an_unreaped_process_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", "print('alive', flush=True)"], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.read()
        while process_start(child.pid) is not None:  # it is ending; nobody has waited for it
            pass
        assert child.returncode is None


def test_who_holds_beside_others_is_never_at_work_with_them(tmp_path: Path) -> None:
    """Two that must not be at work together, each with a lease of its own, taken in any order."""
    store = LocalStore(tmp_path)
    inside: set[str] = set()
    both: list[set[str]] = []

    def work(mine: str, other: str) -> int:
        done = 0
        for _ in range(2000):  # each may be refused while the other one looks, many times running
            if done == 20:
                break
            with suppress(Locked), hold(store, mine, beside=lambda: [other], ttl_s=30.0, wait_s=0.0):
                inside.add(mine)
                store.put("work", b"")  # what takes some time
                both.append({*inside})
                inside.discard(mine)
                done += 1
        return done

    with ThreadPoolExecutor(2) as pool:
        done = [*pool.map(work, ["clean", "run"], ["run", "clean"])]
    assert all(len(found) == 1 for found in both)
    assert sum(done) > 0
