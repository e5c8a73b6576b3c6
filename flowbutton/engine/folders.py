"""Runs of the past, and those that still run, read back from their folders.

Here: what the files say, as values. Not here: writing them (`engine.journal`), what people are shown (`ui.history`).
Imports `flowbutton.model`, `stores.leases` (who is gone), `engine.journal`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from flowbutton.engine.journal import read_events
from flowbutton.model.canonical import Json
from flowbutton.stores.leases import LeaseOwner

ENDED = ("ended", "error", "interrupted")
"""The kinds of events that are a run's last."""


@dataclass(frozen=True, slots=True)
class AskedRun:
    """What was asked of a run, and who drives it: ``run.json``."""

    pipeline: str
    file: str | None
    params: Mapping[str, Json]
    store: str
    results: str
    executor: str
    workers: int | None
    stages: Mapping[str, str]
    driver: LeaseOwner
    flowbutton: str
    python: str


@dataclass(frozen=True, slots=True)
class Traced:
    """A line of ``trace.tsv``: a task that ended, and what it cost; None where it cost nothing to tell.

    ``mark`` is the beginning of its fingerprint. ``owned_bytes`` are those of its pieces, ``read_bytes`` those that it
    read of sources.
    """

    task: int
    stage: str
    key: str
    mark: str
    status: str
    attempt: int
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_rss_bytes: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    owned_bytes: int = 0

    def __str__(self) -> str:
        return f"{self.stage}[{self.key}]" if self.key else self.stage


def run_folders(folder: Path) -> list[Path]:
    """Return the folders of all runs, the oldest first: their names sort by time."""
    return sorted(place for place in folder.glob("*") if (place / "events.jsonl").is_file() and not place.is_symlink())


def read_asked(folder: Path) -> AskedRun | None:
    """Read ``run.json``; None for a run that was killed before it was written."""
    try:
        value: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return AskedRun(**{**value, "driver": LeaseOwner(*value["driver"])})


def read_trace(folder: Path) -> Iterator[Traced]:
    """Yield the tasks of a run that ended, in the order of their ends; a torn last line is left out."""
    with (folder / "trace.tsv").open(encoding="utf-8", newline="\n") as file:
        next(file, None)
        for line in file:
            task, stage, key, mark, status, attempt, *costs = line.removesuffix("\n").split("\t")
            if line.endswith("\n"):
                yield Traced(int(task), stage, key, mark, status, int(attempt), *_costs(costs))


def _costs(cells: list[str]) -> list[Any]:
    """Return seconds as floats and bytes as ints; 0 for an empty cell."""
    return [float(cell or 0) for cell in cells[:2]] + [int(cell or 0) for cell in cells[2:]]


def is_killed(folder: Path, observer: LeaseOwner) -> bool:
    """Return whether a run that did not end can be seen to have lost its driver; False in doubt (another host)."""
    asked = read_asked(folder)
    return asked is not None and not has_ended(folder) and asked.driver.is_gone(observer)


def has_ended(folder: Path) -> bool:
    """Return whether a run has come to an end of its own, well or not."""
    return any(event["event"] in ENDED for event in read_events(folder))


def began_s(folder: Path) -> float:
    """Return when a run began, in seconds since 1970, by its name; by its folder where that tells no time."""
    try:
        return datetime.strptime(f"{folder.name[:15]}+0000", "%Y%m%d-%H%M%S%z").timestamp()
    except ValueError:
        return folder.stat().st_mtime
