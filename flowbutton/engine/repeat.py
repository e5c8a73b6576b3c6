"""One task again, alone and in this process: what ``flowbutton debug`` does.

It reads the order that a run kept of a failed task, and the inputs in the store. Nothing is captured, so that prints
and debuggers work. Nothing is committed: what the task returns lies in the store by its digest, as it does after any
attempt, and no record names it. Imports `flowbutton.model`, `worker`, `engine`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from flowbutton.engine.folders import Traced, read_json, read_trace
from flowbutton.engine.hiding import reveal
from flowbutton.engine.journal import CALLS, KEPT_CALLS
from flowbutton.model.canonical import canonical
from flowbutton.model.errors import MissingInput, OptionError
from flowbutton.model.records import TaskRecord
from flowbutton.worker.context import context_for
from flowbutton.worker.payload import CallOrder
from flowbutton.worker.perform import perform

_NAMED = re.compile(r"([^\[\]]+)(?:\[(.*)\])?")


@dataclass(frozen=True, slots=True)
class Repeatable:
    """A failed task of a run, and the order of its call."""

    traced: Traced
    order: CallOrder

    def repeat(self) -> TaskRecord:
        """Do the task; return its record, which is not committed. Raises whatever the task raises."""
        return perform(self.order, self.order.tasks[0], context_for(self.order.store))


def repeatable(folder: Path, name: str, *, store: str, env: Mapping[str, str]) -> Repeatable:
    """Return the task called ``name`` (`find_task`) of the run in ``folder``, to be repeated with inputs of ``store``.

    Raises:
        MissingInput: there is no such task, or its call was not kept; the hint says which were.
        OptionError: ``name`` means several tasks, or an environment variable of the run is not set.
    """
    traced = find_task(read_trace(folder), name, folder)
    kept = folder / CALLS / f"{traced.task}.json"
    order = read_json(kept)
    if order is None:
        known = sorted(int(place.stem) for place in kept.parent.glob("*.json"))
        raise MissingInput(
            f"the call of task {traced.task} ({traced}) was not kept",
            why=f"it is {traced.status}; a run keeps the calls of the first {KEPT_CALLS} tasks that failed",
            hint=f"these can be repeated: {', '.join(map(str, known[:20]))}" if known else "no task of this run failed",
            file=str(folder),
        )
    return Repeatable(traced, replace(CallOrder.decode(canonical(reveal(order, env))), store=store))


def find_task(tasks: Iterable[Traced], name: str, folder: Path) -> Traced:
    """Return the task that ``name`` means: its number, or its stage and what tells it by its key: ``align[lane=L1]``.

    Raises:
        MissingInput: none is meant.
        OptionError: several are.
    """
    known = [*tasks]
    found = [task for task in known if _is_meant(task, name)]
    if not found:
        stages = ", ".join(dict.fromkeys(task.stage for task in known)) or "none"
        raise MissingInput(
            f"the run has no task '{name}'",
            why="",
            hint=f"give its number in trace.tsv, or stage[column=value]; its stages: {stages}",
            file=str(folder),
        )
    if len(found) > 1:
        shown = ", ".join(f"{task.task} ({task})" for task in found[:5]) + (", ..." if len(found) > 5 else "")
        raise OptionError(f"'{name}' means {len(found)} tasks", why="", hint=f"name one of them by its number: {shown}")
    return found[0]


def _is_meant(task: Traced, name: str) -> bool:
    if name.isdigit():
        return task.task == int(name)
    parts = _NAMED.fullmatch(name)
    wanted = parts[2].split(",") if parts and parts[2] else []
    return parts is not None and task.stage == parts[1] and set(wanted) <= {*task.key.split(",")}
