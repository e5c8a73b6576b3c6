"""What every executor promises, as tests to inherit.

Here: `ExecutorContract`, and the `Driver` that checks each event. Not here: what the calls do (`testing.carried`).
May import `flowbutton.model` and pytest.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from flowbutton.model.executor import (
    Call,
    Event,
    Executor,
    Lost,
    Progressed,
    Raised,
    Returned,
    Started,
    TimedOut,
    Work,
)
from flowbutton.model.registry import load
from flowbutton.testing.carried import is_gone, perform, until
from flowbutton.testing.kinds import leave_out, needs

Last = Returned | Raised | Lost | TimedOut


class Driver:
    """Drives an executor as the engine does, and checks each event against all that came before."""

    def __init__(self, executor: Executor, *, patience_s: float) -> None:
        self.executor, self._patience_s = executor, patience_s
        self.known: set[int] = set()
        self.started: set[int] = set()
        self.cancelled: set[int] = set()
        self.last: dict[int, Last] = {}
        self.messages: dict[int, list[bytes]] = {}

    def submit(self, *payloads: bytes, timeout_s: float | None = None, only: bytes = b"") -> list[int]:
        """Submit a call per payload, in one go, with the limit what begins with ``only``; return their ids."""
        limits = [timeout_s if payload.startswith(only) else None for payload in payloads]
        calls = [Call(len(self.known) + n, payload, 1 << 20, limits[n]) for n, payload in enumerate(payloads)]
        self.known.update(call.id for call in calls)
        self.executor.submit(calls)
        return [call.id for call in calls]

    def cancel(self, *ids: int) -> None:
        """Cancel calls: from now on they need no last event, and may have one."""
        self.cancelled.update(ids)
        self.executor.cancel(ids)

    def pump(self, condition: Callable[[], bool], what: str) -> None:
        """Take events until ``condition`` holds."""
        end = time.monotonic() + self._patience_s
        while not condition():
            assert time.monotonic() < end, f"waited {self._patience_s} s until {what}; ended so far: {self.last}"
            self._check(self.executor.events(0.1))

    def finish(self, ids: Sequence[int]) -> list[Last]:
        """Take events until all these calls have ended, and whatever follows at once; return how they ended."""
        self.pump(lambda: self.last.keys() >= set(ids), f"calls {ids} have ended")
        self._check(self.executor.events(0.0))
        return [self.last[id] for id in ids]

    def run(self, *payloads: bytes, timeout_s: float | None = None) -> list[Last]:
        """Submit and finish."""
        return self.finish(self.submit(*payloads, timeout_s=timeout_s))

    def pids(self, ids: Sequence[int]) -> list[int]:
        """Take events until each of these calls has told its process."""
        self.pump(lambda: all(self.messages.get(id) for id in ids), f"calls {ids} have told their processes")
        return [int(self.messages[id][0]) for id in ids]

    def _check(self, events: Sequence[Event]) -> None:
        for event in events:
            assert event.id in self.known, f"{event} is about a call that nobody submitted"
            assert event.id not in self.last, f"{event} came after the last event of its call, {self.last[event.id]}"
            if isinstance(event, Started):
                assert event.id not in self.started, f"{event} came twice"
                self.started.add(event.id)
            elif isinstance(event, Progressed):
                assert event.id in self.started, f"{event} came before Started"
                self.messages.setdefault(event.id, []).append(event.message)
            else:
                assert event.id in self.started or isinstance(event, Lost), f"{event} came before Started"
                self.last[event.id] = event
            running = len(self.started - self.last.keys() - self.cancelled)
            assert running <= self.executor.capacity.slots, f"{running} calls at once after {event}"


class ExecutorContract(ABC):
    """Inherit it, make an executor, and say what kind it is."""

    isolated: ClassVar[bool] = True
    """Calls run outside the driver's process: they can be killed, and can kill themselves."""
    local: ClassVar[bool] = True
    """Calls run on this host: its files and processes are theirs."""
    registered: ClassVar[str | None] = None
    """The name that it is registered under; without one, what needs a second driver process is left out."""
    patience_s: ClassVar[float] = 300.0
    """After this time an event counts as lost."""
    many: ClassVar[int] = 1000
    """How many calls are many; fewer where each costs a good part of a second."""

    @abstractmethod
    def executor(self, work: Work, slots: int) -> Executor:
        """A new executor of at most ``slots`` slots; the test closes it."""

    @contextlib.contextmanager
    def driver(self, slots: int = 2) -> Iterator[Driver]:
        """An executor of `perform`, driven, and closed at the end."""
        executor = self.executor(perform, slots)
        try:
            yield Driver(executor, patience_s=self.patience_s)
        finally:
            executor.close()

    def __init_subclass__(cls) -> None:
        """Leave out the tests of what this kind of executor can't show."""
        super().__init_subclass__()
        kinds = {"isolated": cls.isolated, "local": cls.local, "registered": cls.registered is not None}
        leave_out(cls, {kind for kind, fits in kinds.items() if fits})

    def test_capacity_is_at_most_what_was_asked_for(self) -> None:
        with self.driver(slots=2) as driver:
            assert 1 <= driver.executor.capacity.slots <= 2

    def test_answers_come_with_their_calls(self) -> None:
        with self.driver() as driver:
            assert driver.run(b"echo a", b"echo ", b"echo c") == [
                Returned(0, b"a"),
                Returned(1, b""),
                Returned(2, b"c"),
            ]
            assert driver.run(b"echo d") == [Returned(3, b"d")]
            assert driver.started == {0, 1, 2, 3}

    def test_many_small_calls_each_end_once(self) -> None:
        with self.driver() as driver:
            ended = driver.run(*[b"echo %d" % n for n in range(self.many)])
            assert ended == [Returned(n, b"%d" % n) for n in range(self.many)]

    def test_payloads_and_answers_of_64_kib_arrive_whole(self) -> None:
        body = bytes(range(256)) * 256
        bodies = [body[len(b"echo ") + n :] + body[:n] for n in range(8)]
        with self.driver() as driver:
            ended = driver.run(*[b"echo " + each for each in bodies])
            assert ended == [Returned(n, each) for n, each in enumerate(bodies)]

    def test_messages_come_in_the_order_of_emission(self) -> None:
        with self.driver() as driver:
            assert driver.run(b"chatter 500", b"chatter 500") == [Returned(0, b"said"), Returned(1, b"said")]
            assert driver.messages == {id: [b"%d" % n for n in range(500)] for id in (0, 1)}

    def test_what_the_work_raises_is_told_with_its_traceback(self) -> None:
        with self.driver(slots=1) as driver:
            first, second = driver.run("raise ein Fehler: ü".encode(), b"echo after")
            assert isinstance(first, Raised)
            assert "RuntimeError: ein Fehler: ü" in first.traceback
            assert "in _raise" in first.traceback
            assert second == Returned(1, b"after")

    def test_an_id_is_used_once(self) -> None:
        with self.driver() as driver:
            driver.run(b"echo a")
            with pytest.raises(ValueError, match="used before"):
                driver.executor.submit([Call(0, b"echo b", 0, None)])
            with pytest.raises(ValueError, match="used before"):
                driver.executor.submit([Call(7, b"echo b", 0, None), Call(7, b"echo c", 0, None)])

    def test_events_wait_no_longer_than_asked(self) -> None:
        with self.driver() as driver:
            begin = time.monotonic()
            assert [*driver.executor.events(0.0), *driver.executor.events(0.05)] == []
            assert time.monotonic() - begin < self.patience_s

    @needs(local=True)
    def test_all_slots_run_at_once(self, tmp_path: Path) -> None:
        with self.driver(slots=3) as driver:
            assert driver.run(*_meeting(tmp_path, driver.executor.capacity.slots)) == [
                Returned(n, b"met") for n in range(driver.executor.capacity.slots)
            ]

    @needs(local=True)
    def test_never_more_run_than_there_are_slots(self, tmp_path: Path) -> None:
        room = tmp_path / "room"
        room.mkdir()
        with self.driver(slots=2) as driver:
            slots = driver.executor.capacity.slots
            ids = driver.submit(*[b"enter " + os.fsencode(room)] * (6 * slots))
            if self.isolated:
                driver.pump(lambda: len(list(room.iterdir())) >= slots, "the slots are taken")
            room.with_suffix(".gate").touch()
            crowds = [int(end.answer) for end in driver.finish(ids) if isinstance(end, Returned)]
            assert len(crowds) == len(ids)
            assert max(crowds) <= slots

    @needs(local=True)
    def test_a_waiting_call_that_is_cancelled_never_starts(self, tmp_path: Path) -> None:
        gate = tmp_path / "gate"
        with self.driver(slots=1) as driver:
            first, dropped, third = driver.submit(
                b"wait " + os.fsencode(gate), b"meet " + os.fsencode(tmp_path / "0"), b"echo c"
            )
            driver.cancel(dropped, 99)
            gate.touch()
            assert isinstance(driver.finish([first, third])[0], Returned)
            assert dropped not in driver.started

    @needs(isolated=True, local=True)
    def test_a_running_call_that_is_cancelled_frees_its_slot(self) -> None:
        with self.driver(slots=1) as driver:
            held, after = driver.submit(b"hold", b"echo after")
            pids = driver.pids([held])
            driver.cancel(held)
            assert driver.finish([after]) == [Returned(after, b"after")]
            assert held not in driver.last
            until(lambda: all(map(is_gone, pids)), "the cancelled call's process is gone")

    def test_cancelling_what_has_ended_does_nothing(self) -> None:
        with self.driver() as driver:
            (id,) = driver.submit(b"echo a")
            driver.finish([id])
            driver.cancel(id)
            assert driver.run(b"echo b") == [Returned(1, b"b")]

    @needs(isolated=True, local=True)
    def test_a_killed_worker_costs_its_own_call_only(self, tmp_path: Path) -> None:
        gate = tmp_path / "gate"
        with self.driver(slots=2) as driver:
            neighbour, victim, waiting = driver.submit(b"wait " + os.fsencode(gate), b"die", b"echo c")
            lost, after = driver.finish([victim, waiting])
            assert isinstance(lost, Lost)
            assert lost.why
            assert after == Returned(waiting, b"c")
            gate.touch()
            assert isinstance(driver.finish([neighbour])[0], Returned)

    @needs(isolated=True, local=True)
    def test_the_capacity_is_whole_again_after_every_kind_of_end(self, tmp_path: Path) -> None:
        with self.driver(slots=2) as driver:
            ends = driver.run(b"die", b"die", b"leave 0", b"leave 3", b"raise x", b"die", b"die")
            assert [type(end) for end in ends] == [Lost, Lost, Lost, Lost, Raised, Lost, Lost]
            assert isinstance(driver.run(b"hold", timeout_s=0.1)[0], TimedOut)
            slots = driver.executor.capacity.slots
            assert all(isinstance(end, Returned) for end in driver.run(*_meeting(tmp_path, slots)))

    @needs(isolated=True, local=True)
    def test_a_call_that_runs_too_long_is_stopped(self, tmp_path: Path) -> None:
        gate = tmp_path / "gate"
        with self.driver(slots=2) as driver:
            (neighbour,) = driver.submit(b"wait " + os.fsencode(gate))
            (held,) = driver.submit(b"hold", timeout_s=1.5)
            pids = driver.pids([held])
            (end,) = driver.finish([held])
            assert isinstance(end, TimedOut)
            assert 1.5 <= end.after_s < self.patience_s
            until(lambda: all(map(is_gone, pids)), "the stopped call's process is gone")
            gate.touch()
            assert isinstance(driver.finish([neighbour])[0], Returned)

    @needs(isolated=True)
    def test_each_item_of_a_call_has_its_own_time(self) -> None:
        with self.driver(slots=2) as driver:
            strolled, held = driver.run(b"stroll 7", b"at 7 hold", timeout_s=1.5)
            assert strolled == Returned(0, b"strolled"), "seven items take longer than the time of one"
            assert isinstance(held, TimedOut)
            assert held.item == 7
            assert 1.5 <= held.after_s < self.patience_s

    @needs(isolated=True)
    def test_who_is_lost_was_at_an_item(self) -> None:
        with self.driver(slots=1) as driver:
            ends = driver.run(b"at 4 die", b"die")
            assert [end.item for end in ends if isinstance(end, Lost)] == [4, None], "not that of the call before"

    def test_who_raises_was_at_an_item(self) -> None:
        with self.driver(slots=1) as driver:
            ends = driver.run(b"at 2 raise x", b"raise y")
            assert [end.item for end in ends if isinstance(end, Raised)] == [2, None]

    @needs(isolated=True)
    def test_time_spent_waiting_is_not_counted(self) -> None:
        with self.driver(slots=1) as driver:
            (held,) = driver.submit(b"hold", timeout_s=1.5)
            (after,) = driver.submit(b"echo after", timeout_s=1.4)
            stopped, returned = driver.finish([held, after])
            assert isinstance(stopped, TimedOut)
            assert returned == Returned(after, b"after")

    def test_who_answered_in_time_is_not_timed_out_by_a_busy_driver(self) -> None:
        with self.driver(slots=1) as driver:
            (id,) = driver.submit(b"echo in time", timeout_s=1.5)
            driver.pump(lambda: id in driver.started, "the call has started")
            time.sleep(1.6)  # the driver is busy with other things, past the call's time
            assert driver.finish([id]) == [Returned(id, b"in time")]

    @needs(isolated=True)
    def test_many_calls_of_every_kind_of_end_each_end_once(self) -> None:
        kinds = [b"echo a", b"die", b"echo b", b"raise x", b"chatter 9", b"leave 1", b"hold", b"echo c"]
        expected = [Returned, Lost, Returned, Raised, Returned, Lost, TimedOut, Returned]
        with self.driver(slots=3) as driver:
            ids = driver.submit(*kinds * max(2, min(12, self.many // 8)), timeout_s=0.3, only=b"hold")
            driver.cancel(*ids[6:80:8], *ids[:3])
            ends = dict(zip(kept := [id for id in ids if id not in driver.cancelled], driver.finish(kept), strict=True))
            assert not {id: end for id, end in ends.items() if not isinstance(end, expected[id % 8])}

    @needs(isolated=True, local=True)
    def test_closing_stops_what_runs_and_may_be_repeated(self) -> None:
        with self.driver(slots=2) as driver:
            ids = driver.submit(b"hold", b"hold", b"echo never")
            pids = driver.pids(ids[:2])
            driver.executor.close()  # the calls would hold for ever
            driver.executor.close()
            assert list(driver.executor.events(0.0)) == []
            until(lambda: all(map(is_gone, pids)), "the workers are gone")

    def test_closing_before_or_right_after_the_first_call(self) -> None:
        self.executor(perform, 2).close()
        executor = self.executor(perform, 2)
        executor.submit([Call(0, b"echo a", 0, None)])
        executor.close()
        assert list(executor.events(0.0)) == []

    @needs(isolated=True, local=True, registered=True)
    def test_workers_die_with_a_driver_that_is_killed(self) -> None:
        with _other_driver(hold_until_killed, self.registered or "") as other:
            assert other.stdout
            pids = [int(other.stdout.readline()) for _ in range(2)]
            assert not any(map(is_gone, pids))
            other.kill()
            until(lambda: all(map(is_gone, pids)), "the workers of the dead driver are gone")

    @needs(isolated=True, local=True, registered=True)
    def test_signals_to_the_drivers_group_are_its_own_business(self) -> None:
        with _other_driver(go_on_after_signals, self.registered or "") as other:
            assert other.stdout
            before = [int(other.stdout.readline()) for _ in range(2)]
            for pid in before:
                os.kill(pid, signal.SIGINT)
            os.killpg(other.pid, signal.SIGINT)
            os.killpg(other.pid, signal.SIGTERM)
            assert [int(other.stdout.readline()) for _ in range(2)] == before


def _meeting(folder: Path, size: int) -> list[bytes]:
    room = folder / str(size)
    room.mkdir()
    return [b"meet " + os.fsencode(room)] * size


@contextlib.contextmanager
def _other_driver(program: Callable[[str], None], registered: str) -> Iterator[subprocess.Popen[str]]:
    """Another driver process, in a process group of its own; killed at the end."""
    code = f"from {__name__} import {program.__name__} as program; program({registered!r})"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, process_group=0) as other:
        try:
            yield other
        finally:
            other.kill()


def hold_until_killed(registered: str) -> None:
    """A driver whose two calls hang; it prints their processes."""
    driver = Driver(load("executors", registered)(perform, slots=2, memory_bytes=None), patience_s=300)
    for pid in driver.pids(driver.submit(b"hold", b"hold")):
        print(pid, flush=True)
    driver.pump(lambda: False, "somebody kills this driver")


def go_on_after_signals(registered: str) -> None:
    """A driver that hears two signals while its two calls run, and lets them end; prints their processes twice."""
    heard: set[int] = set()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda number, _: heard.add(number))
    with tempfile.TemporaryDirectory() as folder:
        gate = Path(folder) / "gate"
        driver = Driver(load("executors", registered)(perform, slots=2, memory_bytes=None), patience_s=300)
        ids = driver.submit(*[b"wait " + os.fsencode(gate)] * 2)
        for pid in driver.pids(ids):
            print(pid, flush=True)
        driver.pump(lambda: len(heard) == 2, "this driver has heard both signals")
        gate.touch()
        for end in driver.finish(ids):
            print(end.answer.decode() if isinstance(end, Returned) else end, flush=True)
        driver.executor.close()
