"""Runs of the past, read back from their folders. Imports `flowbutton.engine` (folders), `stores.leases`, `ui.view`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path

from flowbutton.engine.folders import Standing, read_json, run_folders, standing
from flowbutton.engine.journal import read_events
from flowbutton.model.errors import MissingInput
from flowbutton.stores.leases import LeaseOwner
from flowbutton.ui.view import RunView
from flowbutton.ui.words import shown_time


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run as its folder tells it. Times are seconds since 1970; both 0 where nothing was written.

    ``status`` is how it ended, or what has become of its driver.
    """

    folder: Path
    pipeline: str
    view: RunView
    began_s: float
    last_s: float
    status: str

    def __str__(self) -> str:
        began = f"{datetime.fromtimestamp(self.began_s).astimezone():%Y-%m-%d %H:%M:%S}" if self.began_s else "?"
        done = sum(stage.done for stage in self.view.stages.values())
        reused = sum(stage.reused for stage in self.view.stages.values())
        took = shown_time(self.last_s - self.began_s)
        return (
            f"{self.folder.name}  {self.pipeline}: {self.status}, {done:,} ran, {reused:,} reused, "
            f"from {began} for {took}"
        )


def find_run(folder: Path, name: str | None) -> Path:
    """Return the folder of a run, the latest without a name.

    Raises:
        MissingInput: there is no such run, or none at all.
    """
    runs = {place.name: place for place in run_folders(folder)}
    if not runs:
        hint = "name the store with --store, or the results folder with --results"
        raise MissingInput("there are no runs", why="", hint=hint, file=str(folder))
    chosen = name or max(runs)
    if chosen not in runs:
        close = get_close_matches(chosen, runs, n=1)
        hint = f"did you mean '{close[0]}'?" if close else "flowbutton status --all lists them"
        raise MissingInput(f"there is no run '{chosen}'", why="", hint=hint, file=str(folder))
    return runs[chosen]


def read_run(folder: Path) -> PastRun:
    """Read a run's folder; one that was killed early may lack its plan."""
    view = RunView(run=folder.name, folder=str(folder))
    pipeline = "?"
    told = read_json(folder / "plan.json")
    if told is not None:
        pipeline = told["pipeline"]
        view.planned(told)
    times = [0.0]
    for event in read_events(folder):
        times.append(datetime.fromisoformat(event["at"]).timestamp())
        view.apply(event["event"], event, times[-1])
    status = standing(folder, LeaseOwner.current())
    began_s = times[1] if len(times) > 1 else 0.0
    return PastRun(folder, pipeline, view, began_s, time.time() if status == Standing.RUNNING else times[-1], status)
