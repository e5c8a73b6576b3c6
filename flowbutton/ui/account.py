"""One run in full, as data: what was asked, what each stage did and cost, what came out, what failed.

`show` prints it, in JSON or for people. Imports `flowbutton.engine` (values), `ui`.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowbutton.engine.folders import AskedRun, Traced, read_asked, read_json, read_trace
from flowbutton.engine.journal import read_events
from flowbutton.ui.history import PastRun, read_run
from flowbutton.ui.view import StageView

_SLOWEST = 5


@dataclass(slots=True)
class StageCost:
    """What the tasks of a stage cost in this run, reused ones not counted."""

    tasks: int = 0
    slowest: Traced | None = None
    peak_bytes: int = 0
    declared_bytes: int = 0
    owned_bytes: int = 0
    read_bytes: int = 0

    def add(self, task: Traced) -> None:
        """Add one task."""
        self.tasks += 1
        self.peak_bytes = max(self.peak_bytes, task.peak_rss_bytes)
        self.owned_bytes += task.owned_bytes
        self.read_bytes += task.read_bytes
        if self.slowest is None or task.wall_s > self.slowest.wall_s:
            self.slowest = task

    @property
    def amplification(self) -> float | None:
        """Bytes read of sources per byte owned; None where nothing is owned or read."""
        return self.read_bytes / self.owned_bytes if self.owned_bytes and self.read_bytes else None


@dataclass(frozen=True, slots=True)
class Account:
    """A run in full. ``errors`` and ``outputs`` are what ``error.json`` and ``outputs.json`` hold."""

    past: PastRun
    asked: AskedRun | None
    costs: Mapping[str, StageCost]
    slowest: Sequence[Traced]
    outputs: Sequence[Mapping[str, Any]]
    errors: Sequence[Mapping[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        past, asked = self.past, self.asked
        return {
            "run": past.folder.name,
            "folder": str(past.folder),
            "pipeline": past.pipeline,
            "status": past.status,
            "began_s": past.began_s,
            "elapsed_s": round(past.last_s - past.began_s, 3),
            "asked": None
            if asked is None
            else {
                name: getattr(asked, name)
                for name in ("file", "params", "store", "results", "executor", "workers", "flowbutton", "python")
            },
            "stages": [self._stage(stage) for stage in past.view.stages.values() if stage.begun],
            "slowest": [{"task": task.task, "name": str(task), "wall_s": task.wall_s} for task in self.slowest],
            "outputs": [*self.outputs],
            "errors": [*self.errors],
        }

    def _stage(self, stage: StageView) -> dict[str, Any]:
        cost = self.costs.get(stage.name, StageCost())
        return {
            "stage": stage.name,
            "tasks": stage.expected,
            "ran": stage.done,
            "reused": stage.reused,
            "failed": stage.failed,
            "retried": stage.retried,
            "elapsed_s": round(stage.elapsed_s, 3),
            "task_s": round(stage.work_s, 3),
            "slowest_s": cost.slowest.wall_s if cost.slowest else None,
            "peak_bytes": cost.peak_bytes,
            "declared_bytes": cost.declared_bytes,
            "owned_bytes": cost.owned_bytes,
            "read_bytes": cost.read_bytes,
            "ledger": stage.ledger,
            "warnings": list(stage.warnings),
        }


def account_of(folder: Path) -> Account:
    """Read all that a run's folder tells."""
    costs: dict[str, StageCost] = {}
    slowest: list[tuple[float, int, Traced]] = []
    for task in read_trace(folder):
        if task.status == "done":
            costs.setdefault(task.stage, StageCost()).add(task)
            heapq.heappush(slowest, (task.wall_s, -task.task, task))
            if len(slowest) > _SLOWEST:
                heapq.heappop(slowest)
    for event in read_events(folder):
        if event["event"] == "submitted" and event["stage"] in costs:
            cost = costs[event["stage"]]
            cost.declared_bytes = max(cost.declared_bytes, event["memory_bytes"])
    return Account(
        past=read_run(folder),
        asked=read_asked(folder),
        costs=costs,
        slowest=[task for _, _, task in sorted(slowest, reverse=True)],
        outputs=[*(read_json(folder / "outputs.json") or {}).values()],
        errors=read_json(folder / "error.json") or [],
    )
