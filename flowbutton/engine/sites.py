"""The executors of a run, each with a schedule of its own: to the loop they are one.

Most runs have one. A profile may name others for single stages (`Settings.elsewhere`); then calls of all of them are
numbered together, and a task waits for room at its own site only. Decides nothing itself.
Imports `flowbutton.model`, `engine.schedule`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, groupby

from flowbutton.engine.retry import Again
from flowbutton.engine.schedule import Demand, Schedule, Submit
from flowbutton.model.errors import FlowbuttonError
from flowbutton.model.executor import Call, Event, Executor

_LOOK_S = 0.05
"""The longest wait at one site while calls run at others too."""


@dataclass(frozen=True, slots=True)
class _Site:
    executor: Executor
    schedule: Schedule


class Sites:
    """Executors by name; ``site_of`` says by which of them the tasks of a node run.

    Holds: a task, and each of its calls, is at one site for ever; ids of calls are unique among all.
    """

    def __init__(self, executors: Mapping[str, Executor], site_of: Callable[[str], str]) -> None:
        calls = count(1)
        self._sites = {name: _Site(found, Schedule(found.capacity, calls=calls)) for name, found in executors.items()}
        self._site_of = site_of
        self._of_call: dict[int, _Site] = {}

    def drain(self) -> None:
        """Start nothing more."""
        for site in self._sites.values():
            site.schedule.draining = True

    def add(self, demands: Iterable[Demand]) -> None:
        """Take in tasks that are ready."""
        for node, wanted in groupby(demands, key=lambda demand: demand.task.node):
            self._sites[self._site_of(node)].schedule.add(wanted)

    def next(self, now_s: float) -> list[Submit]:
        """Return the calls that start now, of all sites."""
        submits: list[Submit] = []
        for site in self._sites.values():
            site.schedule.capacity = site.executor.capacity
            starting = site.schedule.next(now_s)
            self._of_call.update((submit.call, site) for submit in starting)
            submits += starting
        return submits

    def submit(self, calls: Sequence[Call]) -> None:
        """Hand calls to the executors that they were made for."""
        for site in self._sites.values():
            own = [call for call in calls if self._of_call[call.id] is site]
            if own:
                site.executor.submit(own)

    def events(self, timeout_s: float) -> Sequence[Event]:
        """Return what has happened anywhere, waiting up to ``timeout_s`` seconds for a first event; may be empty."""
        first, *others = self._sites.values()
        if not others:
            return first.executor.events(timeout_s)
        busy = [site for site in self._sites.values() if site.schedule.running]
        if len(busy) < 2:
            return (busy or [first])[0].executor.events(timeout_s)
        found: list[Event] = []
        for site in busy:  # who had something to tell is not waited for
            found += site.executor.events(0.0 if found else min(timeout_s, _LOOK_S))
        return found

    def written(self, tasks: Sequence[int]) -> None:
        """The records of tasks are written: `Schedule.written`."""
        for site in self._sites.values():
            site.schedule.written(tasks)

    def done(self, task: int, wall_s: float) -> int:
        """A task's record is named: `Schedule.done`."""
        return self._schedule_of(task).done(task, wall_s)

    def failed(self, task: int, error: FlowbuttonError, now_s: float) -> Again | None:
        """A task's attempt failed: `Schedule.failed`."""
        return self._schedule_of(task).failed(task, error, now_s)

    def ended(self, call: int, last: int | None = None) -> tuple[int | None, list[int]]:
        """A call is over: `Schedule.ended`."""
        site = self._of_call.pop(call, None)
        return (None, []) if site is None else site.schedule.ended(call, last)

    def attempts(self, task: int) -> int:
        """Return how many attempts of a task have failed."""
        return self._schedule_of(task).attempts(task)

    def _schedule_of(self, task: int) -> Schedule:
        """Return the schedule that knows a task; any where none does, which then says so."""
        for site in self._sites.values():
            if task in site.schedule.entries:
                break
        return site.schedule

    def wake_s(self, now_s: float) -> float | None:
        """Return in how many seconds a delayed task becomes ready, None if none waits."""
        waits = [wait for site in self._sites.values() if (wait := site.schedule.wake_s(now_s)) is not None]
        return min(waits, default=None)

    @property
    def idle(self) -> bool:
        """Whether nothing runs anywhere and nothing will."""
        return all(site.schedule.idle for site in self._sites.values())
