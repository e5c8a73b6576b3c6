"""The schedule: any events in any order keep its invariants, and every task ends."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, precondition, rule

from flowbutton.engine.schedule import BATCH_LIMIT, Demand, Schedule, State, Submit
from flowbutton.engine.tasks import Task
from flowbutton.executors.processes import ProcessExecutor
from flowbutton.model.errors import (
    BadInput,
    Bug,
    FlowbuttonError,
    NoSpace,
    ResourceExhausted,
    Throttled,
    WorkerLost,
)
from flowbutton.model.executor import Capacity
from flowbutton.worker.entry import work

ERRORS = (BadInput, Bug, ResourceExhausted, NoSpace, Throttled, WorkerLost)


def task(number: int, node: str = "a") -> Task:
    return Task(number, node, (), (number,), f"{number:064x}", {}, {}, 0)


def demand(number: int, node: str = "a", *, rank: int = 1, memory: int = 1, retries: int = 3) -> Demand:
    return Demand(task(number, node), rank, memory, None, retries)


def error(kind: type[FlowbuttonError]) -> FlowbuttonError:
    return kind("it failed", why="a test says so", hint="")


@dataclass
class Running:
    """The executor's side of a call: which of its tasks began, and which of those are not over."""

    submit: Submit
    begun: int = 0
    open: list[int] = field(default_factory=list)


class Scheduling(RuleBasedStateMachine):
    """Tasks come, calls start, and everything that can happen to a call happens."""

    calls = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.schedule = Schedule(Capacity(slots=3, memory_bytes=100))
        self.now = 0.0
        self.numbers = 0
        self.retries: dict[int, int] = {}
        self.written: list[int] = []

    @rule(
        node=st.sampled_from("abc"),
        count=st.integers(1, 40),
        memory=st.sampled_from([1, 30, 60, 300]),
        retries=st.integers(0, 3),
    )
    def add(self, node: str, count: int, memory: int, retries: int) -> None:
        fresh = range(self.numbers, self.numbers + count)
        self.numbers += count
        self.retries.update(dict.fromkeys(fresh, retries))
        self.schedule.add([demand(n, node, rank=ord(node), memory=memory, retries=retries) for n in fresh])

    @rule(target=calls)
    def start(self) -> object:
        submits = self.schedule.next(self.now)
        for submit in submits:
            entries = [self.schedule.entries[task.id] for task in submit.tasks]
            assert len({task.node for task in submit.tasks}) == 1
            assert [task.order for task in submit.tasks] == sorted(task.order for task in submit.tasks)
            assert len(submit.tasks) <= BATCH_LIMIT
            assert len(submit.tasks) == 1 or not any(entry.attempts for entry in entries), "a retry runs alone"
            assert submit.memory_bytes == max(entry.memory_bytes for entry in entries)
        assert not (submits and self.schedule.draining)
        return multiple(*map(Running, submits))

    @rule(call=calls)
    def begin(self, call: Running) -> None:
        if call.begun < len(call.submit.tasks) and call.submit.call in self.schedule.running:
            call.open.append(call.submit.tasks[call.begun].id)
            call.begun += 1

    @rule(call=calls, wall_s=st.sampled_from([0.0, 0.01, 5.0]))
    def name_records(self, call: Running, wall_s: float) -> None:
        """A pack arrives: all that began and did not fail is done."""
        for number in call.open:
            self.schedule.done(number, wall_s)
        call.open.clear()

    @rule(call=calls)
    def write_records(self, call: Running) -> None:
        """A pack is heard of; its records are named later, perhaps when the call is over."""
        self.schedule.written(call.open)
        self.written += call.open
        call.open.clear()

    @rule()
    def name_written(self) -> None:
        for number in self.written:
            self.schedule.done(number, 0.01)
        self.written.clear()

    @rule(call=calls, kind=st.sampled_from(ERRORS))
    def fail(self, call: Running, kind: type[FlowbuttonError]) -> None:
        if call.open:
            self._fail(call.open.pop(), error(kind))

    @rule(call=consumes(calls), kind=st.sampled_from([WorkerLost, ResourceExhausted, Bug]))
    def lose(self, call: Running, kind: type[FlowbuttonError]) -> None:
        """The call breaks off; what it had done and not told is done again."""
        self._end(call, kind)

    @rule(call=consumes(calls))
    def finish(self, call: Running) -> None:
        """The call goes through to its end."""
        while call.begun < len(call.submit.tasks):
            self.begin(call)
        self.name_records(call, 0.01)
        assert self.schedule.ended(call.submit.call) == (None, [])
        assert self.schedule.ended(call.submit.call) == (None, []), "a second end says nothing"

    @rule(seconds=st.sampled_from([0.0, 0.3, 2.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.numbers > 20)
    @rule()
    def drain(self) -> None:
        self.schedule.draining = True

    @invariant()
    def holds(self) -> None:
        self.schedule.check()
        for number, retries in self.retries.items():
            assert self.schedule.attempts(number) <= retries + 1
        assert self.schedule.wake_s(self.now) is None or self.schedule.wake_s(self.now) >= 0

    def _end(self, call: Running, kind: type[FlowbuttonError]) -> None:
        last = call.submit.tasks[call.begun - 1].id if call.begun else None
        suspect, again = self.schedule.ended(call.submit.call, last)
        assert suspect not in again
        if call.open and call.open[-1] == last:
            assert suspect == last, "who had begun and not ended is the suspect"
        if suspect is not None:
            self._fail(suspect, error(kind))

    def _fail(self, number: int, failure: FlowbuttonError) -> None:
        again = self.schedule.failed(number, failure, self.now)
        state = self.schedule.entries[number].state
        assert state is (State.FAILED if again is None else State.WAITING)
        if isinstance(failure, BadInput | Bug | NoSpace):
            assert again is None

    def teardown(self) -> None:
        """Whatever happened: calls end, and then all tasks are done or failed, or a drained schedule is idle."""
        self.name_written()
        for call in list(self.schedule.running):
            suspect, _ = self.schedule.ended(call)
            if suspect is not None:
                self._fail(suspect, error(WorkerLost))
        for _ in range(20 * (self.numbers + 1)):
            if self.schedule.idle:
                break
            self.now += self.schedule.wake_s(self.now) or 0.0
            for submit in self.schedule.next(self.now):
                self.finish(Running(submit))
            self.schedule.check()
        assert self.schedule.idle
        if not self.schedule.draining:
            assert all(entry.state is State.FAILED for entry in self.schedule.entries.values()), "what is done is gone"


TestScheduling = Scheduling.TestCase
TestScheduling.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def run_all(schedule: Schedule, wall_s: float = 5.0) -> list[Submit]:
    """Run calls to their ends, one after the other as they were started; return them."""
    started: list[Submit] = []
    waiting: list[Submit] = []
    while not schedule.idle:
        fresh = schedule.next(0.0)
        started += fresh
        waiting += fresh
        call = waiting.pop(0)
        for one in call.tasks:
            schedule.done(one.id, wall_s)
        schedule.ended(call.call)
    return started


def test_the_longest_path_starts_first_and_a_nodes_tasks_in_their_order() -> None:
    schedule = Schedule(Capacity(1, None))
    schedule.add([demand(3, "short", rank=1), demand(2, "long", rank=5), demand(1, "long", rank=5)])
    assert [[one.id for one in call.tasks] for call in run_all(schedule)] == [[1], [2], [3]]


def test_memory_admits_what_fits_and_the_too_large_alone() -> None:
    schedule = Schedule(Capacity(8, 100))
    schedule.add([demand(1, memory=60), demand(2, memory=60), demand(3, "b", memory=40), demand(4, "c", memory=900)])
    assert [call.tasks[0].id for call in schedule.next(0.0)] == [1, 3]
    for number, call in ((1, 1), (3, 2)):
        schedule.done(number, 1.0)
        schedule.ended(call)
    assert [call.tasks[0].id for call in schedule.next(0.0)] == [2]
    schedule.done(2, 1.0)
    schedule.ended(3)
    assert [call.memory_bytes for call in schedule.next(0.0)] == [900]


def test_a_large_task_is_not_overtaken_for_ever_by_its_neighbours() -> None:
    schedule = Schedule(Capacity(8, 100))
    schedule.add([demand(1, memory=50), demand(2, memory=80), *(demand(n, memory=50) for n in range(3, 9))])
    assert [call.tasks[0].id for call in run_all(schedule)][:2] == [1, 2]


def test_quick_tasks_travel_in_batches_and_leave_work_for_the_other_slots() -> None:
    schedule = Schedule(Capacity(4, None))
    schedule.add([demand(n) for n in range(1600)])
    sizes = [len(call.tasks) for call in run_all(schedule, wall_s=0.001)]
    assert sizes[:4] == [1, 1, 1, 1], "nothing is known of the stage yet"
    assert max(sizes) == BATCH_LIMIT
    assert sum(sizes) == 1600
    assert len(sizes) < 60


def test_where_calls_cost_much_they_take_more_and_their_number_stays_small() -> None:
    schedule = Schedule(Capacity(4, None, call_s=0.5))
    schedule.add([demand(n) for n in range(1600)])
    sizes = [len(call.tasks) for call in run_all(schedule, wall_s=0.001)]
    assert sum(sizes) == 1600
    assert len(sizes) == 8, "one task each to learn how long they take, then half a second of work each"


def test_where_calls_cost_little_the_last_calls_are_still_worth_one() -> None:
    schedule = Schedule(Capacity(4, None, call_s=0.002))
    schedule.add([demand(n) for n in range(800)])
    sizes = [len(call.tasks) for call in run_all(schedule, wall_s=0.0001)]
    assert sum(sizes) == 800
    assert min(sizes[4:-1]) >= 19, "2 ms of work, rounded"


def test_a_stage_of_quick_tasks_takes_few_calls_of_processes() -> None:
    with closing(ProcessExecutor(work, slots=2)) as executor:
        schedule = Schedule(executor.capacity)
    schedule.add([demand(n) for n in range(1000)])
    sizes = [len(call.tasks) for call in run_all(schedule, wall_s=0.0002)]
    assert len(sizes) <= 14
    assert min(sizes[2:-1]) >= 39, "8 ms of work, rounded"


def test_long_tasks_do_not_travel_together_though_calls_cost_much() -> None:
    schedule = Schedule(Capacity(4, None, call_s=0.5))
    schedule.add([demand(n) for n in range(40)])
    assert {len(call.tasks) for call in run_all(schedule, wall_s=6.0)} == {1}


def test_a_slot_is_free_when_all_is_written_though_not_yet_named() -> None:
    schedule = Schedule(Capacity(1, None))
    schedule.add([demand(1), demand(2)])
    [first] = schedule.next(0.0)
    schedule.written([1])
    assert schedule.ended(first.call, 1) == (None, []), "what is written is no suspect"
    assert [[one.id for one in call.tasks] for call in schedule.next(0.0)] == [[2]]
    schedule.done(1, 1.0)
    assert set(schedule.entries) == {2}


def test_slow_tasks_do_not_travel_together() -> None:
    schedule = Schedule(Capacity(4, None))
    schedule.add([demand(n) for n in range(40)])
    assert {len(call.tasks) for call in run_all(schedule, wall_s=2.0)} == {1}


def test_each_item_of_a_batch_has_its_own_time_limit() -> None:
    schedule = Schedule(Capacity(1, None))
    schedule.add([Demand(task(n), 1, 1, 10.0, 3) for n in range(9)])
    for call in run_all(schedule, wall_s=0.001):
        assert call.timeout_s == 10.0


def batch_of(schedule: Schedule, count: int) -> Submit:
    """Return a running batch of ``count`` tasks."""
    schedule.add([demand(n) for n in range(count * 2 + 1)])
    [first] = schedule.next(0.0)
    schedule.done(0, 0.001)
    schedule.ended(first.call)
    [batch] = schedule.next(0.0)
    assert len(batch.tasks) == count
    return batch


def test_after_a_lost_batch_the_suspect_runs_alone_and_the_rest_is_batched_again() -> None:
    schedule = Schedule(Capacity(1, None))
    batch = batch_of(schedule, 10)
    schedule.done(batch.tasks[0].id, 0.001)
    suspect, again = schedule.ended(batch.call, batch.tasks[2].id)
    assert suspect == batch.tasks[2].id
    assert again == [one.id for one in (batch.tasks[1], *batch.tasks[3:])]
    assert schedule.failed(suspect, error(WorkerLost), 0.0) is not None
    calls = schedule.next(100.0)
    while suspect not in [one.id for one in calls[0].tasks]:
        for one in calls[0].tasks:
            schedule.done(one.id, 0.001)
        schedule.ended(calls[0].call)
        calls = schedule.next(100.0)
    assert len(calls[0].tasks) == 1


def test_a_call_that_ends_before_its_first_task_counts_as_an_attempt() -> None:
    schedule = Schedule(Capacity(1, None))
    schedule.add([demand(1, retries=3)])
    for attempt in (1, 2, 3, 4):
        [call] = schedule.next(1000.0 * attempt)
        suspect, again = schedule.ended(call.call)
        assert (suspect, again) == (1, [])
        schedule.failed(1, error(WorkerLost), 0.0)
    assert schedule.idle
    assert schedule.entries[1].state is State.FAILED


def test_what_ran_out_of_memory_gets_more_and_is_admitted_by_it() -> None:
    schedule = Schedule(Capacity(4, 100))
    schedule.add([demand(1, memory=40)])
    sizes: list[int] = []
    while not schedule.idle:
        [call] = schedule.next(0.0)
        sizes.append(call.memory_bytes)
        schedule.failed(1, error(ResourceExhausted), 0.0)
        schedule.ended(call.call)
    assert sizes == [40, 80, 160]


def test_a_drained_schedule_starts_nothing_and_is_idle_when_its_calls_end() -> None:
    schedule = Schedule(Capacity(2, None))
    schedule.add([demand(n) for n in range(5)])
    calls = schedule.next(0.0)
    schedule.draining = True
    assert schedule.next(0.0) == []
    assert not schedule.idle
    for call in calls:
        schedule.done(call.tasks[0].id, 1.0)
        schedule.ended(call.call)
    assert schedule.idle


@pytest.mark.parametrize("late", ["done", "ended"])
def test_what_is_told_late_is_not_an_error(late: str) -> None:
    schedule = Schedule(Capacity(1, None))
    schedule.add([demand(1)])
    [call] = schedule.next(0.0)
    schedule.done(1, 1.0)
    schedule.ended(call.call)
    says: dict[str, Sequence[object]] = {
        "done": [schedule.done(1, 1.0)],
        "ended": schedule.ended(call.call),
    }
    assert not any(says[late])
    schedule.check()


def test_many_tasks_that_wait_for_memory_cost_no_time() -> None:
    """A look at the queue costs the same with 30,000 tasks behind it: 10⁵ tasks in one stage are promised."""
    schedule = Schedule(Capacity(16, 8))
    schedule.add([demand(n) for n in range(30_000)])
    begun = time.process_time()
    assert len(run_all(schedule)) == 30_000
    assert time.process_time() - begun < 10  # 0.6 s here; a look at each task makes it minutes
