"""The plan as a value: what is shown, stored, and what runs.

Here: the value, its JSON and its text. Not here: how it is found (`engine.planning`), reasons (`dag.why`).
Imports `model`, `dag.why`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flowbutton.dag.why import Changed, CodeChanged, New, Reason, Renamed, Waits
from flowbutton.model.canonical import Json
from flowbutton.model.units import show_bytes

_HEAD = ("stage", "tasks", "done", "to run", "bytes in", "memory/task", "why")
_LEGEND = "≤: may be reused, where what comes before gives its old answer again"


@dataclass(frozen=True, slots=True)
class LastTime:
    """How a stage was when it last finished: what can be told of it before its tasks are known."""

    tasks: int
    largest_share: float


@dataclass(frozen=True, slots=True)
class StagePlan:
    """What is planned for one stage, source or transposition.

    ``tasks`` of None: not known before ``known_after`` is done. ``reused`` are done already; ``ready`` could start now.
    ``bytes_in`` and ``memory_bytes`` (of the largest) are of the tasks known so far. ``largest_share`` is the share of
    the input that goes to one task, what of the stage is serial at least; 0 before all tasks are known, and of a task
    that is alone by nature.
    ``why`` is empty where nothing is to run. Any change of ``whole_modules`` runs the stage again: what it
    uses of them can't be told. ``executor``: by which its tasks run.
    """

    name: str
    uses: str
    tasks: int | None
    known_after: str
    reused: int
    ready: int
    bytes_in: int
    memory_bytes: int
    largest_share: float
    why: tuple[Reason, ...] = ()
    last_time: LastTime | None = None
    whole_modules: tuple[str, ...] = ()
    executor: str = ""

    @property
    def to_run(self) -> int | None:
        """How many tasks will run, at most; None when that is not known."""
        return None if self.tasks is None else self.tasks - self.reused

    @property
    def may_be_reused(self) -> bool:
        """Whether old results stay good if what the stage waits for gives its old answer again."""
        itself = any(isinstance(reason, New | Changed | CodeChanged | Renamed) for reason in self.why)
        return not itself and any(isinstance(reason, Waits) for reason in self.why)

    def to_json(self) -> dict[str, Json]:
        """Return the stage's plan as JSON; each reason has its words too."""
        why: list[Json] = [{**reason.to_json(), "text": str(reason)} for reason in self.why]
        last = self.last_time
        return {
            "name": self.name,
            "uses": self.uses,
            "tasks": self.tasks,
            "known_after": self.known_after,
            "reused": self.reused,
            "ready": self.ready,
            "to_run": self.to_run,
            "may_be_reused": self.may_be_reused,
            "bytes_in": self.bytes_in,
            "memory_bytes": self.memory_bytes,
            "largest_share": self.largest_share,
            "why": why,
            "whole_modules": list(self.whole_modules),
            "executor": self.executor,
            "last_time": None if last is None else {"tasks": last.tasks, "largest_share": last.largest_share},
        }


@dataclass(frozen=True, slots=True, repr=False)
class Plan:
    """The stages in the order of the graph, and what `when` dropped."""

    pipeline: str
    store: str
    stages: tuple[StagePlan, ...]
    dropped: tuple[str, ...]

    @property
    def nothing_to_run(self) -> bool:
        """Whether every task is done already."""
        return all(stage.to_run == 0 for stage in self.stages)

    def to_json(self) -> dict[str, Json]:
        """Return the plan as JSON."""
        stages: list[Json] = [stage.to_json() for stage in self.stages]
        return {
            "pipeline": self.pipeline,
            "store": self.store,
            "nothing_to_run": self.nothing_to_run,
            "stages": stages,
            "dropped": list(self.dropped),
        }

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        rows = [_HEAD, *(_row(stage) for stage in self.stages)]
        if len({stage.executor for stage in self.stages}) > 1:
            where = ["executor", *(stage.executor for stage in self.stages)]
            rows = [(*row[:1], name, *row[1:]) for row, name in zip(rows, where, strict=True)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        if any(stage.may_be_reused for stage in self.stages):
            lines.append(_LEGEND)
        for stage in self.stages:
            if stage.whole_modules:
                modules = ", ".join(stage.whole_modules)
                lines.append(f"{stage.name}: any change of {modules} counts, since it can't be told what is used of it")
        if self.dropped:
            lines.append(f"dropped by 'when': {', '.join(self.dropped)}")
        return "\n".join(lines)


def _row(stage: StagePlan) -> tuple[str, ...]:
    known = stage.tasks is not None
    to_run = str(stage.to_run) if known else "?"
    return (
        stage.name,
        str(stage.tasks) if known else "?",
        str(stage.reused),
        f"≤ {to_run}" if known and stage.may_be_reused else to_run,
        show_bytes(stage.bytes_in) if stage.bytes_in else "",
        show_bytes(stage.memory_bytes) if stage.memory_bytes else "",
        "; ".join(_words(stage)),
    )


def _words(stage: StagePlan) -> Iterator[str]:
    """Yield why it runs, and what is known of the number and the share of its tasks."""
    new = New() in stage.why
    for reason in stage.why:
        said = isinstance(reason, Waits) and (new or (stage.tasks is None and reason.names == (stage.known_after,)))
        if not said:
            yield str(reason)
    last = stage.last_time
    before = serial_remark(last.tasks, last.largest_share, verb="held") if last is not None else ""
    if stage.tasks is None:
        told = ", ".join(filter(None, [f"{last.tasks:,} last time" if last is not None else "", before]))
        yield f"known after {stage.known_after}" + (f" ({told})" if told else "")
    elif stage.largest_share:
        now = serial_remark(stage.tasks, stage.largest_share)
        if now:
            yield now
    elif before and stage.to_run:
        yield f"last time {before}"


def serial_remark(tasks: int, largest_share: float, *, verb: str = "holds") -> str:
    """Say that a stage is mostly one task, where it is: more workers will not help it. Empty where it isn't."""
    if largest_share >= 0.5 and (tasks == 1 or largest_share * tasks >= 1.5):
        return f"one task {verb} {largest_share:.0%} of the input"
    return ""


def largest_share(sizes: Sequence[int]) -> float:
    """Return the share of the largest in the sum; 0 if there is nothing."""
    total = sum(sizes)
    return max(sizes) / total if total else 0.0
