"""A bar per stage, for terminals. Imports rich, `flowbutton.ui.watch`."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from flowbutton.ui.view import StageView
from flowbutton.ui.watch import Watcher
from flowbutton.ui.words import out_of, shown_time


class Bars(Watcher):
    """Draws a bar for each stage that has begun: what is done, reused, running, failed, how fast, how long still."""

    def __init__(self, header: str) -> None:
        super().__init__()
        self._header = header
        # The serial executor turns file descriptor 1 away while a task runs, and bars are drawn all the time.
        self._out = _own_stdout()
        self._console = Console(file=self._out)
        self._bars: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            _State(self),
            console=self._console,
            refresh_per_second=4,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()
        if self._out is not sys.stdout:
            self._out.close()

    def tell(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Move the bar of the event's stage."""
        if self.view.nothing:
            return
        if kind == "planned":
            self._progress.print(f"{self._header}, run {self.view.run}", highlight=False, markup=False)
            width = max(map(len, self.view.stages), default=0)
            for name in self.view.stages:
                bar = self._progress.add_task(name.ljust(width), total=None, visible=False, start=False, name=name)
                self._bars[name] = bar
        name = fields.get("stage", "")
        if name in self._bars:
            stage = self.view.stages[name]
            if stage.begun:
                self._progress.start_task(self._bars[name])  # a bar that has not started pulses, however full it is
            self._progress.update(
                self._bars[name], completed=stage.completed, total=stage.expected, visible=stage.begun
            )
        if kind in ("failed", "retried"):
            verb = "failed" if kind == "failed" else "tried again"
            self._progress.print(f"{name}: {verb}: {fields['error']}", style="red", highlight=False, markup=False)

    def state(self, name: str) -> str:
        """Return what stands right of a stage's bar."""
        with self.lock:
            return state_text(self.view.stages[name], self.clock())


class _State(ProgressColumn):
    """What stands right of the bar; asked anew at each drawing, so that times go on between events."""

    def __init__(self, bars: Bars) -> None:
        super().__init__()
        self._of = bars

    def render(self, task: Task) -> Text:
        """Return the text."""
        return Text(self._of.state(task.fields["name"]), no_wrap=True, overflow="ellipsis")


def state_text(stage: StageView, now_s: float) -> str:
    """Return what stands right of a stage's bar: tasks, those reused, running and failed, the rate, the time left."""
    parts = [out_of(stage.completed, stage.expected)]
    parts += [
        f"{count} {word}"
        for count, word in ((stage.reused, "reused"), (len(stage.running), "running"), (stage.failed, "failed"))
        if count
    ]
    if stage.finished:
        return ", ".join([*parts, shown_time(stage.elapsed_s)] if stage.done else parts)
    rate, left = stage.rate(now_s), stage.left_s(now_s)
    if rate is not None:
        parts.append(f"{rate:.1f}/s" if rate >= 1 else f"{rate * 60:.1f}/min")
    if left is not None:
        parts.append(f"{shown_time(left)} left")
    return ", ".join(parts)


def _own_stdout() -> TextIO:
    """Return a way to the terminal that stays when file descriptor 1 is turned elsewhere."""
    try:
        return os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    except io.UnsupportedOperation:
        return sys.stdout
