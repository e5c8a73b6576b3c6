"""Executors are opened by their names."""

from __future__ import annotations

import pytest

from flowbutton.executors.opening import open_executor
from flowbutton.executors.processes import ProcessExecutor
from flowbutton.executors.serial import SerialExecutor
from flowbutton.model.errors import OptionError
from flowbutton.model.executor import Executor
from flowbutton.testing.carried import perform


def test_ours_are_found_by_name() -> None:
    ours: list[tuple[str, type[Executor], int]] = [("serial", SerialExecutor, 1), ("processes", ProcessExecutor, 3)]
    for name, kind, slots in ours:
        executor = open_executor(name, perform, slots=3, memory_bytes=1 << 30)
        assert type(executor) is kind
        assert (executor.capacity.slots, executor.capacity.memory_bytes) == (slots, 1 << 30)
        executor.close()


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(OptionError, match="no executor called 'clouds'") as caught:
        open_executor("clouds", perform, slots=1, memory_bytes=None)
    assert "processes, serial" in caught.value.hint
