"""Who watches a run: listeners of its events that print lines, JSON, or nothing.

Here: what all watchers share, the plain and the JSON one. Not here: bars (`ui.bars`, which needs rich).
Imports `flowbutton.ui.view`.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from flowbutton.dag.plan import serial_remark
from flowbutton.model.units import counted
from flowbutton.ui.view import RunView, StageView
from flowbutton.ui.words import out_of, shown_path, shown_time

SILENCE_S = 30.0
"""Plain lines never pause for longer while a run is active."""

Print = Callable[[str], None]


class Watcher:
    """Keeps the view of a run, from its events; quiet by itself."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.view = RunView()
        self.clock = clock
        self.lock = threading.RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        return

    def __call__(self, kind: str, fields: dict[str, Any]) -> None:
        """Be told of an event."""
        with self.lock:
            if kind == "planned":
                self.view.planned(json.loads((Path(fields["folder"]) / "plan.json").read_text(encoding="utf-8")))
            self.view.apply(kind, fields, self.clock())
            self.tell(kind, fields)

    def tell(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Show an event that the view has taken in."""


class JsonLines(Watcher):
    """Prints every event as a line of JSON."""

    def __init__(self, out: Print) -> None:
        super().__init__()
        self._out = out

    def tell(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Print the event."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._out(json.dumps({"at": at, "event": kind, **fields}, default=str))


class Lines(Watcher):
    """Prints a line when a stage starts, finishes or fails, and one now and then while nothing of that happens."""

    def __init__(self, out: Print, header: str, *, silence_s: float = SILENCE_S) -> None:
        super().__init__()
        self._out, self._header, self._silence_s = out, header, silence_s
        self._headed = False
        self._begun: set[str] = set()
        self._last = self.clock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="flowbutton-lines", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def tell(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Print what of the event people need."""
        if self.view.nothing:
            return
        if kind == "planned":
            self._headed = True
            self._out(f"{self._header}, run {self.view.run}")
        stage = self.view.stages.get(fields.get("stage", ""))
        if stage is None:
            return
        if kind == "started" and stage.name not in self._begun:
            self._begun.add(stage.name)
            self._line(f"{stage.name}: started, {_count(stage)}")
        elif kind == "finished":
            self._line(_finished(stage, fields.get("largest_share", 0.0)))
        elif kind == "retried":
            self._line(f"{stage.name}: a task is tried again in {fields['delay_s']:.1f} s: {fields['error']}")
        elif kind == "failed":
            self._line(f"{stage.name}: failed: {fields['error']}")

    def _line(self, text: str) -> None:
        self._last = self.clock()
        self._out(f"{datetime.now():%H:%M:%S} {text}")

    def _beat(self) -> None:
        while not self._stop.wait(max(0.01, self._last + self._silence_s - self.clock())):
            with self.lock:
                running = [_running(stage) for stage in self.view.stages.values() if stage.running]
                if self.clock() - self._last >= self._silence_s:
                    if not self._headed:  # still looking at the inputs, or waiting for another run
                        self._headed = True
                        self._out(self._header)
                    self._line(f"running: {', '.join(running)}" if running else "waiting")


def header(pipeline: str, store: str, results: str) -> str:
    """Return how the first line of a run begins; the run's id follows."""
    return f"{pipeline}: results in {shown_path(results)}, store {shown_path(store)}"


def _count(stage: StageView) -> str:
    return "tasks not counted yet" if stage.expected is None else counted(stage.expected, "task")


def _finished(stage: StageView, largest_share: float) -> str:
    remark = serial_remark(stage.completed, largest_share)
    reused = f", {stage.reused:,} reused" if stage.reused else ""
    took = f" in {shown_time(stage.elapsed_s)}" if stage.done else ""
    return f"{stage.name}: done, {_count(stage)}{reused}{took}" + (f"; {remark}" if remark else "")


def _running(stage: StageView) -> str:
    return f"{stage.name} {out_of(stage.completed, stage.expected)} ({len(stage.running)} at work)"
