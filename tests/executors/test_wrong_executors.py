"""The contract suite's own test: executors that break one promise each must fail it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from flowbutton.executors.processes import ProcessExecutor
from flowbutton.executors.serial import SerialExecutor
from flowbutton.model.executor import Call, Capacity, Event, Executor, Lost, Progressed, Returned, Started, Work
from flowbutton.testing.executors import ExecutorContract


class LosesAnEvent(SerialExecutor):
    def events(self, timeout_s: float) -> Sequence[Event]:
        return [event for event in super().events(timeout_s) if not (isinstance(event, Returned) and event.id == 2)]


class DoublesAnEvent(SerialExecutor):
    def events(self, timeout_s: float) -> Sequence[Event]:
        events = super().events(timeout_s)
        return [*events, *events[-1:]]


class NeverSaysStarted(SerialExecutor):
    def events(self, timeout_s: float) -> Sequence[Event]:
        return [event for event in super().events(timeout_s) if not isinstance(event, Started)]


class TurnsMessagesRound(SerialExecutor):
    def events(self, timeout_s: float) -> Sequence[Event]:
        events = super().events(timeout_s)
        said = [event for event in events if isinstance(event, Progressed)]
        return [*events[:1], *reversed(said), *events[1 + len(said) :]]


class MixesAnswersUp(SerialExecutor):
    def events(self, timeout_s: float) -> Sequence[Event]:
        return [Returned(e.id, b"same") if isinstance(e, Returned) else e for e in super().events(timeout_s)]


class TakesAnIdTwice(SerialExecutor):
    def submit(self, calls: Sequence[Call]) -> None:
        self._used.clear()
        super().submit(calls)


class IgnoresCancel(SerialExecutor):
    def cancel(self, ids: Sequence[int]) -> None:
        del ids


class RunsTooManyAtOnce(ProcessExecutor):
    def __init__(self, work: Work, *, slots: int) -> None:
        super().__init__(work, slots=slots + 1)

    @property
    def capacity(self) -> Capacity:
        return Capacity(super().capacity.slots - 1, None)


class HidesThatTooManyRun(RunsTooManyAtOnce):
    """Says Started only when a call ends, so that only the calls themselves can see the crowd."""

    def events(self, timeout_s: float) -> Sequence[Event]:
        last = [event for event in super().events(timeout_s) if not isinstance(event, Started)]
        return [each for event in last for each in (Started(event.id), event)]


class LosesNeighbours(ProcessExecutor):
    """As the standard pools do: one dead process, and all that runs is lost."""

    def events(self, timeout_s: float) -> Sequence[Event]:
        events = list(super().events(timeout_s))
        if any(isinstance(event, Lost) for event in events):
            running = list(self._running)
            self.cancel(running)
            events += [Lost(id, "the pool is broken") for id in running]
        return events


class ForgetsTimeLimits(ProcessExecutor):
    def submit(self, calls: Sequence[Call]) -> None:
        super().submit([Call(call.id, call.payload, call.memory_bytes, None) for call in calls])


class ForgetsItems(ProcessExecutor):
    """Gives the whole call the time of one item."""

    def events(self, timeout_s: float) -> Sequence[Event]:
        for worker in self._running.values():
            worker.marks.clear(worker.place)
        return [Lost(e.id, e.why) if isinstance(e, Lost) else e for e in super().events(timeout_s)]


class CountsWaitingTime(ProcessExecutor):
    def submit(self, calls: Sequence[Call]) -> None:
        super().submit(calls)
        for call in self._waiting.values():
            if call.timeout_s is not None:
                self._waiting[call.id] = Call(call.id, call.payload, call.memory_bytes, call.timeout_s / 1e6)


def contract_of(make: Callable[[Work, int], Executor], *, is_isolated: bool) -> ExecutorContract:
    class Contract(ExecutorContract):
        isolated = is_isolated
        patience_s = 3.0

        def executor(self, work: Work, slots: int) -> Executor:
            return make(work, slots)

    return Contract()


def broken(contract: ExecutorContract, only: str, folder: Path) -> bool:
    """Run one of the suite's tests as pytest would; whether it failed."""
    test = getattr(contract, only)
    try:
        test(folder) if "tmp_path" in inspect.signature(test).parameters else test()
    except (AssertionError, pytest.fail.Exception):
        return True
    return False


@pytest.mark.parametrize(
    ("wrong", "promise"),
    [
        (LosesAnEvent, "test_answers_come_with_their_calls"),
        (LosesAnEvent, "test_a_thousand_small_calls_each_end_once"),
        (DoublesAnEvent, "test_answers_come_with_their_calls"),
        (NeverSaysStarted, "test_answers_come_with_their_calls"),
        (TurnsMessagesRound, "test_messages_come_in_the_order_of_emission"),
        (MixesAnswersUp, "test_payloads_and_answers_of_64_kib_arrive_whole"),
        (TakesAnIdTwice, "test_an_id_is_used_once"),
        (IgnoresCancel, "test_a_waiting_call_that_is_cancelled_never_starts"),
        (RunsTooManyAtOnce, "test_never_more_run_than_there_are_slots"),
        (HidesThatTooManyRun, "test_never_more_run_than_there_are_slots"),
        (LosesNeighbours, "test_a_killed_worker_costs_its_own_call_only"),
        (ForgetsTimeLimits, "test_a_call_that_runs_too_long_is_stopped"),
        (ForgetsItems, "test_who_is_lost_was_at_an_item"),
        (CountsWaitingTime, "test_time_spent_waiting_is_not_counted"),
    ],
)
def test_a_wrong_executor_fails(wrong: type[SerialExecutor | ProcessExecutor], promise: str, tmp_path: Path) -> None:
    isolated = issubclass(wrong, ProcessExecutor)
    right = ProcessExecutor if isolated else SerialExecutor
    (tmp_path / "wrong").mkdir()
    (tmp_path / "right").mkdir()
    assert broken(
        contract_of(lambda work, slots: wrong(work, slots=slots), is_isolated=isolated), promise, tmp_path / "wrong"
    )
    assert not broken(
        contract_of(lambda work, slots: right(work, slots=slots), is_isolated=isolated), promise, tmp_path / "right"
    )
