"""Opening an executor by its name, ours and plug-ins alike. Imports `flowbutton.model`."""

from __future__ import annotations

from flowbutton.model.executor import Executor, Work
from flowbutton.model.registry import load


def open_executor(name: str, work: Work, *, slots: int, memory_bytes: int | None) -> Executor:
    """Return the executor called ``name``, carrying ``work``.

    Raises:
        OptionError: no executor has this name; the hint lists those installed.
        MissingExtra: it needs a library that is not installed.
    """
    executor: Executor = load("executors", name)(work, slots=slots, memory_bytes=memory_bytes)
    return executor
