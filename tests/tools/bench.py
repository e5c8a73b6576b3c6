"""A bench for the engine's tests: a pipeline over small text files, and what runs it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowbutton.dag.graph import Graph
from flowbutton.dag.pipeline import prepare, read_pipeline
from flowbutton.dag.plan import Plan
from flowbutton.engine.run import Report, plan, run
from flowbutton.engine.settings import Settings
from flowbutton.model.registry import partitioner_named
from flowbutton.stages.define import find_stage

if TYPE_CHECKING:
    import pytest

HERE = Path(__file__).parent

WHOLE = """
flowbutton: 1
name: letters
params:
  files: {type: uri, default: "in/*.txt"}
  ignore: {type: string, default: ""}
sources:
  files: {partitioner: whole, from: "${params.files}"}
stages:
  count: {uses: "letters:count", for_each: {file: files}, with: {ignore: "${params.ignore}"}}
  total: {uses: "letters:add", gather: {parts: count}, fan_in: 2}
  order: {uses: "letters:join", gather: {parts: count}}
  bundle: {uses: "letters:bundle", for_each: {file: files}}
  ranges: {uses: "letters:ranges", share: {total: total}}
  select:
    uses: "letters:select"
    for_each: {range_: ranges}
    gather: {letters: {from: bundle, overlap: range_.window}}
  all: {uses: "letters:concat", gather: {parts: select}}
outputs:
  total.json: total
  order.json: order
  all.txt: all
"""


@dataclass
class Bench:
    """A folder with input files, a store and results."""

    folder: Path
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def file(self, name: str, text: str) -> Path:
        place = self.folder / "in" / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)
        return place

    def graph(self, text: str = WHOLE, **params: str) -> Graph:
        path = self.folder / "pipeline.yaml"
        path.write_text(text)
        pipeline = read_pipeline(path, text)
        return prepare(
            pipeline,
            find_stage=find_stage,
            find_partitioner=partitioner_named,
            env=os.environ,
            cwd=self.folder,
            command_line=params,
        )

    def settings(self, **changes: Any) -> Settings:
        chosen: dict[str, Any] = {
            "store": str(self.folder / ".flowbutton"),
            "results": str(self.folder / "results"),
            "executor": "serial",
            "listeners": [lambda kind, fields: self.events.append((kind, fields))],
        }
        return Settings(**{**chosen, **changes})

    def run(self, text: str = WHOLE, *, settings: dict[str, Any] | None = None, **params: str) -> Report:
        self.events.clear()
        return run(self.graph(text, **params), self.settings(**(settings or {})), spec_text=text)

    def plan(self, text: str = WHOLE, **params: str) -> Plan:
        return plan(self.graph(text, **params), self.settings(), spec_text=text)

    def stages_run(self) -> dict[str, int]:
        """How many tasks of each stage ran in the last run."""
        ran: dict[str, int] = {}
        for kind, fields in self.events:
            if kind == "done":
                ran[fields["stage"]] = ran.get(fields["stage"], 0) + len(fields["tasks"])
        return ran

    def told_of(self, task: int) -> list[str]:
        """The kinds of events that named a task, in the last run."""
        return [kind for kind, fields in self.events if task == fields.get("task") or task in _listed(fields)]

    def result(self, name: str) -> str:
        return (self.folder / "results" / name).read_text()


def _listed(fields: dict[str, Any]) -> list[int]:
    tasks = fields.get("tasks")
    return tasks if isinstance(tasks, list) else []


def bench_with_files(folder: Path, monkeypatch: pytest.MonkeyPatch, *, files: int = 5, lines: int = 1) -> Bench:
    """Return a bench with files ``f1.txt`` and so on, whose stages workers can import."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    made = Bench(folder)
    for number in range(1, files + 1):
        made.file(f"f{number}.txt", f"abc{number} hello world\n" * lines)
    return made
