"""Running calls in warm worker processes of this machine, each on a pipe of its own.

Here: which worker has which call, its time limit, and what became of it. One thread, no locks.
Not here: how workers are made and killed (`executors.nursery`), and who makes them (`executors.births`).
Not the standard pools: there one killed process breaks the pool, and with it all calls (bugs.python.org/issue22393).
Imports `flowbutton.model`.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection, Pipe
from time import monotonic

from flowbutton.executors import nursery
from flowbutton.executors.births import Nursery, new_nursery
from flowbutton.executors.carry import packed
from flowbutton.executors.marks import Marks
from flowbutton.executors.serial import take
from flowbutton.model.errors import Bug, WorkerLost
from flowbutton.model.executor import (
    Call,
    Capacity,
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

# Twice what order, messages, pack and segment of a call take, of driver and worker together: work that the schedule
# leaves for another call must be worth halving, so that a half takes longer than one more call.
_CALL_S = 0.008
_VAIN_STARTS = 5  # processes that ended, one after the other, without ever having finished a call


class ProcessExecutor(Executor):
    """Runs each call in one of ``slots`` processes of this machine, which are kept for the next call.

    Holds: a call is given to an idle worker only, so at most ``slots`` run at once and a killed worker costs the one
    call that it ran; a stopped call (time limit, `cancel`, `close`) is killed with SIGKILL, which also ends C code,
    together with the programs that it started, unless these moved to a process group of their own. Workers do not
    hear Ctrl-C (nor Ctrl-Z), or what else is sent to the driver's process group, and end when the driver ends, however
    it ends. Standard input is empty, output and error are the driver's.
    Does not hold: memory limits. What a call leaves behind in its process (imports, caches, environment) is there for
    the next one. A program that a call left running is killed with its worker, not with its call.

    `submit` and `events` raise `Bug` when the work function can't be loaded in another process, and `WorkerLost` when
    no worker stays alive. Linux and macOS.
    """

    def __init__(self, work: Work, *, slots: int, memory_bytes: int | None = None) -> None:
        if slots < 1:
            raise ValueError(f"slots must be at least 1, not {slots}")
        self._work = packed(work)
        self._capacity = Capacity(slots, memory_bytes, _CALL_S)
        self._used: set[int] = set()
        self._waiting: OrderedDict[int, Call] = OrderedDict()
        self._running: dict[int, _Worker] = {}  # by the call's id
        self._workers: dict[int, _Worker] = {}  # by the worker's number: all that are not known to have ended
        self._idle: list[_Worker] = []
        self._numbers = count()
        self._happened: list[Event] = []
        self._vain = 0
        self._nursery: Nursery | None = None
        self._selector = selectors.DefaultSelector()
        self._closed = False

    @property
    def capacity(self) -> Capacity:
        """The slots and memory that it was opened with."""
        return self._capacity

    def submit(self, calls: Sequence[Call]) -> None:
        """Take calls; the first ones make all workers start."""
        if self._closed:
            raise ValueError("the executor is closed")
        take(calls, self._used, self._waiting)
        if self._nursery is None and self._waiting:
            self._start()
        self._assign()

    def events(self, timeout_s: float) -> Sequence[Event]:
        """Return what has happened, waiting up to ``timeout_s`` seconds for a first event."""
        if self._closed:
            return ()
        until = monotonic() + timeout_s
        while True:
            now = monotonic()
            self._listen(0.0 if self._happened else max(0.0, min([until, *self._deadlines()]) - now))
            self._expire()
            if self._happened or monotonic() >= until:
                happened, self._happened = self._happened, []
                return happened

    def cancel(self, ids: Sequence[int]) -> None:
        """Drop those that wait, kill those that run."""
        for id in ids:
            self._waiting.pop(id, None)
            if id in self._running:
                self._kill(self._running[id])

    def close(self) -> None:
        """Kill all workers, wait until they are gone, free all pipes."""
        if self._closed:
            return
        self._closed = True
        self._waiting.clear()
        if self._nursery:
            if not any(worker.pid for worker in self._workers.values()):
                self._nursery.abandon()
            self._nursery.close()
        for worker in self._workers.values():
            worker.pipe.close()
        self._selector.close()
        self._nursery = None  # and with it, and with the workers, the memory of marks
        for held in (self._workers, self._running, self._idle):
            held.clear()

    def _start(self) -> None:
        """Start the nursery, and ask for all workers that are missing."""
        self._nursery = new_nursery()
        self._nursery.begin(self._work, self._capacity.slots)
        self._selector.register(self._nursery.reports, selectors.EVENT_READ)
        for _ in range(self._capacity.slots):
            self._ask_for_worker(self._nursery)

    def _ask_for_worker(self, home: Nursery) -> None:
        number = next(self._numbers)
        ours, theirs = Pipe()
        place = home.places.pop()
        with theirs:
            home.fork(number, place, theirs)
        self._workers[number] = worker = _Worker(number, ours, home.marks, place)
        self._selector.register(ours, selectors.EVENT_READ, worker)

    def _assign(self) -> None:
        """Give waiting calls to idle workers."""
        while self._waiting and self._idle:
            worker = self._idle.pop()
            id, call = next(iter(self._waiting.items()))
            worker.marks.clear(worker.place)
            try:
                worker.pipe.send_bytes(call.payload)
            except (BrokenPipeError, ConnectionResetError):
                continue  # it died idle, and the nursery will say so; the call did not start
            self._waiting.popitem(last=False)
            worker.call, worker.started_s = call, monotonic()
            self._running[id] = worker
            self._happened.append(Started(id))

    def _listen(self, wait_s: float) -> None:
        """Take in one message of each who has something to say."""
        for key, _ in self._selector.select(wait_s):
            if key.data is None:
                self._hear_nursery()
            elif key.data.number in self._workers and not key.data.deaf:
                self._hear(key.data)
        self._assign()

    def _hear(self, worker: _Worker) -> None:
        """Take in one message of a worker."""
        try:
            message = worker.pipe.recv_bytes()
        except (EOFError, ConnectionResetError):
            # It died, or the work function closed its files. The nursery makes the first of the second, and says how.
            self._stop_hearing(worker)
            self._ask_to_kill(worker)
            return
        kind, body = message[:1], message[1:]
        if worker.call is None:
            return
        id = worker.call.id
        if kind == nursery.PROGRESS:
            self._happened.append(Progressed(id, body))
            return
        self._happened.append(Returned(id, body) if kind == nursery.ANSWER else Raised(id, body.decode(), worker.item))
        self._release(worker)
        self._idle.append(worker)
        self._vain = 0

    def _hear_out(self, worker: _Worker) -> None:
        """Take in all that a worker has said so far about its call."""
        while worker.call and not worker.deaf and worker.pipe.poll():
            self._hear(worker)

    def _hear_nursery(self) -> None:
        home = self._nursery
        if home is None:
            return
        try:
            message = home.reports.recv_bytes()
        except (EOFError, ConnectionResetError):
            self._bury_nursery(home)
            return
        if message.startswith(nursery.BROKEN):
            text = message[1:].decode(errors="replace")
            raise Bug(
                "worker processes can't be made",
                why=text.strip().rpartition("\n")[2],
                hint="the work function must be importable, and the system must allow that many processes",
                traceback=text,
            )
        kind, number, value = nursery.REPORT.unpack(message)
        worker = self._workers[number]
        if kind == nursery.FORKED:
            worker.pid = value
            if not worker.deaf:
                self._idle.append(worker)
        else:
            self._bury(worker, _how(value))
            home.places.append(worker.place)
            self._count_vain(was_busy=worker.was_busy)
            self._ask_for_worker(home)

    def _bury(self, worker: _Worker, why: str) -> None:
        """Take leave of a worker that is dead; what it had said before counts."""
        self._hear_out(worker)
        if worker.call:
            self._happened.append(Lost(worker.call.id, why, worker.item))
            self._release(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        self._stop_hearing(worker)
        worker.pipe.close()
        del self._workers[worker.number]

    def _bury_nursery(self, home: Nursery) -> None:
        """The nursery was killed: its workers end with it. Start again."""
        self._nursery = None
        self._selector.unregister(home.reports)
        home.close()
        for worker in list(self._workers.values()):
            if worker.pid:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(worker.pid, signal.SIGKILL)
            self._bury(worker, "the process that workers are forked from was killed, and its workers with it")
        self._count_vain(was_busy=False)
        self._start()

    def _count_vain(self, *, was_busy: bool) -> None:
        self._vain += not was_busy
        if self._vain >= _VAIN_STARTS + self._capacity.slots:
            raise WorkerLost(
                "worker processes end as soon as they are made",
                why=f"{self._vain} of them, one after the other, ended before they got a call",
                hint="look for a limit on processes or memory (ulimit, cgroup), and at the system's log",
            )

    def _deadlines(self) -> list[float]:
        return [worker.deadline_s for worker in self._running.values() if worker.deadline_s is not None]

    def _expire(self) -> None:
        """Kill what runs for too long, but never what has answered in time while nobody listened."""
        now = monotonic()
        for worker in [w for w in self._running.values() if w.deadline_s is not None and w.deadline_s <= now]:
            self._hear_out(worker)
            if worker.call and worker.begun_s + (worker.call.timeout_s or 0.0) <= now:
                self._happened.append(TimedOut(worker.call.id, now - worker.begun_s, worker.item))
                self._kill(worker)
        self._assign()

    def _kill(self, worker: _Worker) -> None:
        """End a worker and forget its call. It keeps its slot until it is dead."""
        self._release(worker)
        self._stop_hearing(worker)
        self._ask_to_kill(worker)

    def _ask_to_kill(self, worker: _Worker) -> None:
        if self._nursery:
            self._nursery.kill(worker.number)

    def _release(self, worker: _Worker) -> None:
        if worker.call:
            del self._running[worker.call.id]
            worker.call, worker.was_busy = None, True

    def _stop_hearing(self, worker: _Worker) -> None:
        if not worker.deaf:
            worker.deaf = True
            self._selector.unregister(worker.pipe)


@dataclass(slots=True, eq=False)
class _Worker:
    """The driver's view of a worker. ``deaf``: nothing that it says is listened to any more; it is to die."""

    number: int
    pipe: Connection
    marks: Marks
    place: int
    pid: int | None = None
    call: Call | None = None
    started_s: float = 0.0
    deaf: bool = False
    was_busy: bool = False

    @property
    def deadline_s(self) -> float | None:
        """When the time of its call's item is over, on the monotonic clock."""
        if self.call is None or self.call.timeout_s is None:
            return None
        return self.begun_s + self.call.timeout_s

    @property
    def item(self) -> int | None:
        """The item of its call that was begun last."""
        mark = self.marks.get(self.place)
        return None if mark is None else mark[0]

    @property
    def begun_s(self) -> float:
        """When that item was begun, or the call."""
        mark = self.marks.get(self.place)
        return self.started_s if mark is None else mark[1]


def _how(exit_code: int) -> str:
    """Say how a process ended that should not have."""
    if exit_code >= 0:
        return f"its process left with exit code {exit_code} before it had answered"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = "unnamed"
    cause = {
        "SIGKILL": "; the system's out-of-memory killer does that",
        "SIGSEGV": "; a library of C code crashed",
        "SIGBUS": "; a library of C code crashed, or a mapped file became shorter, or a disk is full",
        "SIGABRT": "; a library of C code gave up",
    }.get(name, "")
    return f"killed by signal {-exit_code} ({name}){cause}"
