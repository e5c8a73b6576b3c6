"""The plan as a value: what is shown, stored, and what runs.

Here: the value, its JSON and its text. Not here: how it is found (`engine.planning`). Imports `model`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from flowbutton.model.canonical import Json
from flowbutton.model.units import show_bytes


@dataclass(frozen=True, slots=True)
class StagePlan:
    """What is planned for one stage, source or transposition.

    ``tasks`` of None: not known before ``known_after`` is done. ``reused`` are done already; ``ready`` could start now.
    ``bytes_in`` and ``memory_bytes`` (of the largest) are of the tasks known so far. ``largest_share`` is the share of
    the known input that goes to one task: what of the stage is serial at least.
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

    @property
    def to_run(self) -> int | None:
        """How many tasks will run; None when that is not known."""
        return None if self.tasks is None else self.tasks - self.reused


@dataclass(frozen=True, slots=True)
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
        stages: list[Json] = [asdict(stage) for stage in self.stages]
        return {"pipeline": self.pipeline, "store": self.store, "stages": stages, "dropped": list(self.dropped)}

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("stage", "tasks", "done", "to run", "bytes in", "memory/task", "")]
        rows += [_row(stage) for stage in self.stages]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        if self.dropped:
            lines.append(f"dropped by 'when': {', '.join(self.dropped)}")
        return "\n".join(lines)


def _row(stage: StagePlan) -> tuple[str, ...]:
    known = stage.tasks is not None
    return (
        stage.name,
        str(stage.tasks) if known else "?",
        str(stage.reused),
        str(stage.to_run) if known else "?",
        show_bytes(stage.bytes_in) if stage.bytes_in else "",
        show_bytes(stage.memory_bytes) if stage.memory_bytes else "",
        _remark(stage),
    )


def _remark(stage: StagePlan) -> str:
    if stage.tasks is None:
        return f"known after {stage.known_after}"
    return serial_remark(stage.tasks, stage.largest_share)


def serial_remark(tasks: int, largest_share: float) -> str:
    """Say that a stage is mostly one task, where it is: more workers will not help it. Empty where it isn't."""
    if largest_share >= 0.5 and largest_share * tasks >= 1.5:
        return f"one task holds {largest_share:.0%} of the input"
    return ""
