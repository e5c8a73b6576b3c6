"""What a run's events come to, stage by stage: what bars, lines, the summary and `status` show.

Pure: events and times are handed in, live or read from ``events.jsonl``. Kinds of events: `engine.drive`,
`engine.run`. Imports nothing of flowbutton.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class StageView:
    """One stage, source or transposition. Times are in seconds, of the clock that the caller reads."""

    name: str
    expected: int | None = None
    done: int = 0
    reused: int = 0
    failed: int = 0
    retried: int = 0
    running: set[int] = field(default_factory=set)  # calls at work
    work_s: float = 0.0
    first_s: float | None = None
    last_s: float | None = None
    finished: bool = False
    ledger: Mapping[str, Any] | None = None
    warnings: Sequence[str] = ()  # what its tasks want people to know of the result

    @property
    def begun(self) -> bool:
        """Whether anything is known to have happened."""
        return self.finished or self.first_s is not None or self.reused > 0

    @property
    def completed(self) -> int:
        """Tasks that need no more work."""
        return self.done + self.reused

    @property
    def elapsed_s(self) -> float:
        """From the first task's start to the last event."""
        return 0.0 if self.first_s is None or self.last_s is None else self.last_s - self.first_s

    def rate(self, now_s: float) -> float | None:
        """Return tasks done per second; None before the first."""
        if not self.done or self.first_s is None or now_s <= self.first_s:
            return None
        return self.done / (now_s - self.first_s)

    def left_s(self, now_s: float) -> float | None:
        """Return how long it may still take; None where that can't be told."""
        rate = self.rate(now_s)
        return None if rate is None or self.expected is None else (self.expected - self.completed) / rate


@dataclass(slots=True)
class RunView:
    """A run so far."""

    run: str = ""
    folder: str = ""
    nothing: bool = False
    stages: dict[str, StageView] = field(default_factory=dict)
    failures: list[Mapping[str, Any]] = field(default_factory=list)
    status: str = ""
    error: str = ""
    outputs: Sequence[Mapping[str, Any]] = ()

    def stage(self, name: str) -> StageView:
        """Return a stage's view, made when first named."""
        return self.stages.setdefault(name, StageView(name))

    def planned(self, plan: Mapping[str, Any]) -> None:
        """Take the order of stages, and how many tasks they have as far as that is known, from ``plan.json``."""
        for stage in plan["stages"]:
            self.stage(stage["name"]).expected = stage["tasks"]

    def apply(self, kind: str, fields: Mapping[str, Any], at_s: float) -> None:
        """Take in one event; kinds that say nothing of progress are passed over."""
        if kind in ("ended", "interrupted", "error"):
            for stage in self.stages.values():
                stage.running.clear()  # what still ran is stopped with the run
        match kind:
            case "planned":
                self.run, self.folder, self.nothing = fields["run"], fields["folder"], fields["nothing"]
            case "started" | "over" | "done" | "reused" | "retried" | "failed" | "finished":
                self._apply_to(self.stage(fields["stage"]), kind, fields, at_s)
            case "ended":
                self.status, self.outputs = fields["status"], fields["outputs"]
            case "interrupted":
                self.status = "interrupted"
            case "error":
                self.status, self.error = "failed", fields["error"]

    def _apply_to(self, stage: StageView, kind: str, fields: Mapping[str, Any], at_s: float) -> None:
        if kind != "reused":
            stage.last_s = at_s
        match kind:
            case "started":
                stage.first_s = at_s if stage.first_s is None else stage.first_s
                stage.running.add(fields["call"])
                stage.expected = fields.get("expected", stage.expected)
            case "over":
                stage.running.discard(fields["call"])
            case "done":
                stage.done += len(fields["tasks"])
                stage.work_s, stage.expected = stage.work_s + fields["wall_s"], fields["expected"]
            case "reused":
                stage.reused, stage.expected = stage.reused + len(fields["tasks"]), fields["expected"]
            case "retried":
                stage.retried += 1
            case "failed":
                stage.failed += 1
                self.failures.append(fields)
            case "finished":
                stage.finished, stage.expected, stage.ledger = True, fields["tasks"], fields["ledger"]
                stage.warnings = fields.get("warnings", ())
