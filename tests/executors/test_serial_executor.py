"""Calls in the driver's own process."""

from __future__ import annotations

import os

import pytest

from flowbutton.executors.serial import SerialExecutor
from flowbutton.model.executor import Call, Capacity, Emit, Executor, Progressed, Raised, Returned, Started, Work
from flowbutton.testing.carried import perform
from flowbutton.testing.executors import ExecutorContract


class TestSerialExecutor(ExecutorContract):
    isolated = False
    registered = "serial"

    def executor(self, work: Work, slots: int) -> Executor:
        return SerialExecutor(work, slots=slots)


def test_it_runs_here_one_call_at_each_look() -> None:
    executor = SerialExecutor(lambda _, __: b"%d" % os.getpid(), slots=8, memory_bytes=5)
    assert executor.capacity == Capacity(slots=1, memory_bytes=5)
    executor.submit([Call(4, b"", 0, None), Call(2, b"", 0, None)])
    here = b"%d" % os.getpid()
    assert executor.events(0) == [Started(4), Returned(4, here)]
    assert executor.events(0) == [Started(2), Returned(2, here)]


def test_a_time_limit_is_not_enforced_and_not_reported() -> None:
    executor = SerialExecutor(perform)
    executor.submit([Call(0, b"chatter 1", 0, 0.0)])
    assert executor.events(0) == [Started(0), Progressed(0, b"0"), Returned(0, b"said")]


def test_ctrl_c_goes_through_and_the_rest_can_go_on() -> None:
    def interrupted(payload: bytes, _: Emit) -> bytes:
        if payload == b"stop":
            raise KeyboardInterrupt
        return payload

    executor = SerialExecutor(interrupted)
    executor.submit([Call(0, b"stop", 0, None), Call(1, b"go", 0, None)])
    with pytest.raises(KeyboardInterrupt):
        executor.events(0)
    assert executor.events(0) == [Started(1), Returned(1, b"go")]


def test_leaving_is_a_bug_of_the_work_not_the_end_of_the_driver() -> None:
    def leaving(_: bytes, __: Emit) -> bytes:
        raise SystemExit(3)

    executor = SerialExecutor(leaving)
    executor.submit([Call(0, b"", 0, None)])
    assert isinstance(executor.events(0)[-1], Raised)


def test_no_slots_and_closed_executors_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        SerialExecutor(perform, slots=0)
    executor = SerialExecutor(perform)
    executor.close()
    with pytest.raises(ValueError, match="closed"):
        executor.submit([])
