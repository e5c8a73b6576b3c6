"""The engine's heart: a pure state machine that decides what runs when.

Tasks go in as they become ready, events as they happen, and calls come out. No clock (time is an argument, in seconds),
no store, no executor. Admission is by slots and declared memory; small tasks of one stage travel together in a batch;
after a lost batch the task that had started runs alone and the rest is batched again.
Invariants, checked by `Schedule.check`: a task is in one state; a running call's tasks are running; running memory fits
unless one call runs alone. Imports `flowbutton.model`, `engine.retry`, `engine.tasks`.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from typing import NamedTuple

from flowbutton.engine.retry import Again, decide
from flowbutton.engine.tasks import Order, Task
from flowbutton.model.errors import FlowbuttonError
from flowbutton.model.executor import Capacity

BATCH_TARGET_S = 0.25
"""A batch takes about this long, by what the stage's tasks took so far."""
BATCH_LIMIT = 128
CALLS_WORTH = 10
"""A batch takes so many times what its call costs beside the work, where that is more."""
COSTLY_BATCH_LIMIT = 1024


class State(StrEnum):
    """Where a task stands."""

    READY = "ready"
    RUNNING = "running"
    WAITING = "waiting"  # for its next attempt
    FAILED = "failed"


class Demand(NamedTuple):
    """What the schedule needs to know of a task: its stage's rank, memory in bytes, time limit in seconds, retries.

    Tasks of higher ``rank`` start first: the rank is the length of the path that still hangs on a stage.
    """

    task: Task
    rank: int
    memory_bytes: int
    timeout_s: float | None
    retries: int


@dataclass(frozen=True, slots=True)
class Submit:
    """Start a call: these tasks of one node, in order. ``timeout_s`` is the limit of each of them."""

    call: int
    tasks: tuple[Task, ...]
    memory_bytes: int
    timeout_s: float | None


@dataclass(slots=True)
class _Entry:
    demand: Demand
    state: State = State.READY
    attempts: int = 0
    memory_factor: int = 1
    alone: bool = False
    call: int = 0

    @property
    def memory_bytes(self) -> int:
        return self.demand.memory_bytes * self.memory_factor


@dataclass(slots=True)
class _Running:
    tasks: dict[int, None]  # in order, those that have neither a written record nor a failure yet
    memory_bytes: int


@dataclass(slots=True)
class _Pace:
    """How long a stage's tasks take, for the size of batches."""

    tasks: int = 0
    wall_s: float = 0.0

    def batch(self, ready: int, capacity: Capacity) -> int:
        if not self.tasks:
            return 1
        task_s = max(self.wall_s / self.tasks, 1e-4)
        target_s = max(BATCH_TARGET_S, CALLS_WORTH * capacity.call_s)
        limit = min(int(BATCH_LIMIT * target_s / BATCH_TARGET_S), COSTLY_BATCH_LIMIT)
        fair = -(-ready // (2 * capacity.slots))  # leave work for the others
        worth = int(capacity.call_s / task_s)  # less work than a call costs is not worth leaving
        return max(1, min(limit, int(target_s / task_s), max(fair, worth)))


@dataclass(slots=True)
class Schedule:
    """The state of all tasks that became ready and are not done. ``capacity`` may be set anew at any time."""

    capacity: Capacity
    entries: dict[int, _Entry] = field(default_factory=dict)
    running: dict[int, _Running] = field(default_factory=dict)
    draining: bool = False
    calls: Iterator[int] = field(default_factory=lambda: count(1))  # their numbers
    # What is ready, a heap per node.
    _lanes: dict[str, list[tuple[Order, int]]] = field(default_factory=lambda: defaultdict(list))
    _delayed: list[tuple[float, int]] = field(default_factory=list)
    _pace: dict[str, _Pace] = field(default_factory=lambda: defaultdict(_Pace))

    def add(self, demands: Iterable[Demand]) -> None:
        """Take in tasks that are ready."""
        for demand in demands:
            entry = self.entries[demand.task.id] = _Entry(demand)
            self._enqueue(entry)

    def _enqueue(self, entry: _Entry) -> None:
        entry.state = State.READY
        task = entry.demand.task
        heapq.heappush(self._lanes[task.node], (task.order, task.id))

    def next(self, now_s: float) -> list[Submit]:
        """Return the calls that start now."""
        while self._delayed and self._delayed[0][0] <= now_s:
            self._enqueue(self.entries[heapq.heappop(self._delayed)[1]])
        submits: list[Submit] = []
        while not self.draining and len(self.running) < self.capacity.slots:
            submit = self._one()
            if submit is None:
                break
            submits.append(submit)
        return submits

    def _one(self) -> Submit | None:
        """Start the first task that fits, with as many of its neighbours as travel well.

        A task that does not fit holds up the tasks behind it of its own node only: it is not overtaken by smaller ones
        for ever, and finding what fits takes a look at each node, not at each task.
        """
        room = self._room()
        for lane in sorted(filter(None, self._lanes.values()), key=self._place):
            first = self.entries[lane[0][1]]
            if self._fits(first, room):
                return self._start(self._travellers(lane, first, room))
        return None

    def _place(self, lane: list[tuple[Order, int]]) -> tuple[int, Order, int]:
        order, task = lane[0]
        return -self.entries[task].demand.rank, order, task

    def _travellers(self, lane: list[tuple[Order, int]], first: _Entry, room: int | None) -> list[_Entry]:
        """Take the first of a lane, and those behind it that join its batch."""
        size = self._batch(first, len(lane))
        chosen = [self.entries[heapq.heappop(lane)[1]]]
        while lane and len(chosen) < size:
            entry = self.entries[lane[0][1]]
            if entry.alone or not self._fits(entry, room):
                break
            heapq.heappop(lane)
            chosen.append(entry)
        return chosen

    def _start(self, chosen: list[_Entry]) -> Submit:
        call = next(self.calls)
        memory = max(entry.memory_bytes for entry in chosen)
        for entry in chosen:
            entry.state, entry.call = State.RUNNING, call
        tasks = tuple(entry.demand.task for entry in chosen)
        self.running[call] = _Running(dict.fromkeys(task.id for task in tasks), memory)
        # One limit for all: they are of one node. Who ran out of time or memory gets more of both, and runs alone.
        limit = chosen[0].demand.timeout_s
        return Submit(call, tasks, memory, None if limit is None else limit * chosen[0].memory_factor)

    def _room(self) -> int | None:
        if self.capacity.memory_bytes is None:
            return None
        return self.capacity.memory_bytes - sum(call.memory_bytes for call in self.running.values())

    def _fits(self, entry: _Entry, room: int | None) -> bool:
        # What needs more than there is at all runs alone: it may still fit, and waiting would never end.
        return room is None or entry.memory_bytes <= room or not self.running

    def _batch(self, first: _Entry, ready: int) -> int:
        return 1 if first.alone else self._pace[first.demand.task.node].batch(ready, self.capacity)

    def written(self, tasks: Iterable[int]) -> None:
        """The records of tasks are written, and will be named: nothing of their call's end is theirs any more."""
        for task in tasks:
            if task in self.entries:
                self._leave(self.entries[task])

    def done(self, task: int, wall_s: float) -> int:
        """A task's record is named; return how many of its attempts had failed."""
        entry = self.entries.pop(task, None)
        if entry is None:
            return 0
        pace = self._pace[entry.demand.task.node]
        pace.tasks += 1
        pace.wall_s += wall_s
        self._leave(entry)
        return entry.attempts

    def failed(self, task: int, error: FlowbuttonError, now_s: float) -> Again | None:
        """A task's attempt failed. Return how it goes on, None if the task has failed for good."""
        entry = self.entries[task]
        self._leave(entry)
        entry.attempts += 1
        again = decide(
            error,
            attempts=entry.attempts,
            retries=entry.demand.retries,
            memory_factor=entry.memory_factor,
            seed=entry.demand.task.fingerprint,
        )
        if again is None:
            entry.state = State.FAILED
            return None
        entry.state, entry.alone, entry.memory_factor = State.WAITING, True, again.memory_factor
        heapq.heappush(self._delayed, (now_s + again.delay_s, task))
        return again

    def ended(self, call: int, last: int | None = None) -> tuple[int | None, list[int]]:
        """A call is over; ``last`` is the task that it had begun last, None if it is not known to have begun any.

        Return the task that began and did not end, and put those that had not begun back in line. A call that ended
        before anything began has its first task as the suspect, so that what breaks every call is not tried for ever.
        The second value are the tasks that were put back.
        """
        running = self.running.pop(call, None)
        if running is None or not running.tasks:
            return None, []
        first = next(iter(running.tasks)) if last is None else last
        suspect = first if first in running.tasks else None
        again = [task for task in running.tasks if task != suspect]
        for task in again:
            self._enqueue(self.entries[task])
        return suspect, again

    def attempts(self, task: int) -> int:
        """Return how many attempts of a task have failed."""
        return self.entries[task].attempts if task in self.entries else 0

    def _leave(self, entry: _Entry) -> None:
        call = self.running.get(entry.call)
        if call is not None:
            call.tasks.pop(entry.demand.task.id, None)

    def wake_s(self, now_s: float) -> float | None:
        """Return in how many seconds a delayed task becomes ready, None if none waits."""
        return max(0.0, self._delayed[0][0] - now_s) if self._delayed else None

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing will."""
        return not self.running and (self.draining or not (any(self._lanes.values()) or self._delayed))

    def check(self) -> None:
        """Assert the invariants; for tests."""
        running = [task for call in self.running.values() for task in call.tasks]
        assert len(running) == len(set(running)), "a task runs in two calls"
        assert all(self.entries[task].state is State.RUNNING for task in running), "a running call holds another state"
        queued = [task for lane in self._lanes.values() for _, task in lane]
        assert len(queued) == len(set(queued)), "a task is queued twice"
        assert all(self.entries[task].state is State.READY for task in queued), "the queue holds another state"
        assert len(self.running) <= self.capacity.slots, "more calls than slots"
        limit = self.capacity.memory_bytes
        held = sum(call.memory_bytes for call in self.running.values())
        assert limit is None or len(self.running) <= 1 or held <= limit, "running memory does not fit"
