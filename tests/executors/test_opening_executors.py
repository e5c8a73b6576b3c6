"""Executors are opened by their names."""

from __future__ import annotations

import pytest

from flowbutton.executors.opening import open_executor
from flowbutton.executors.processes import ProcessExecutor
from flowbutton.executors.serial import SerialExecutor
from flowbutton.model.errors import OptionError
from flowbutton.model.executor import Capacity, Executor
from flowbutton.testing.carried import perform


def test_ours_are_found_by_name() -> None:
    ours: list[tuple[str, type[Executor], Capacity]] = [
        ("serial", SerialExecutor, Capacity(1, 1 << 30)),
        ("processes", ProcessExecutor, Capacity(3, 1 << 30)),
    ]
    for name, kind, capacity in ours:
        executor = open_executor(name, perform, slots=3, memory_bytes=1 << 30)
        assert type(executor) is kind
        assert executor.capacity == capacity
        executor.close()


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(OptionError, match="no executor called 'clouds'") as caught:
        open_executor("clouds", perform, slots=1, memory_bytes=None)
    assert "processes, serial" in caught.value.hint
