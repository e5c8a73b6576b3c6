"""Runs of the past, and those that still run, read back from their folders.

Here: what the files say, as values. Not here: writing them (`engine.journal`), what people are shown (`ui.history`).
Imports `flowbutton.model`, `stores.leases` (who is gone).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from flowbutton.model.canonical import Json
from flowbutton.stores.leases import LeaseOwner

ENDED_WELL = ("done", "finished with failures")
"""How a run ended whose trace names all that a resume of it needs."""

MARK_DIGITS = 16
"""How much of a fingerprint the trace holds."""

_ENDINGS = {"ended": "", "error": "failed", "interrupted": "interrupted"}
_RUN = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")
_FILES = (
    "run.json", "spec.yaml", "plan.json", "events.jsonl", "trace.tsv", "ledger.json", "outputs.json", "error.json",
)  # fmt: skip
_MANY = re.compile(r"logs/[0-9a-f]{16}\.log|calls/\d+\.json|set-aside/[^/]+|exactness-[^/]+\.json")
_TAIL_BYTES = 64 * 1024


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
    elsewhere: Mapping[str, str] = field(default_factory=dict)


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


def read_json(place: Path) -> Any:
    """Return what a file of a run's folder says; None if it is not there, or torn since the run was killed."""
    try:
        return json.loads(place.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def run_folders(folder: Path) -> list[Path]:
    """Return the folders of all runs, the oldest first: their names sort by time."""
    return sorted(place for place in folder.glob("*") if is_run(place.name) and (place / "events.jsonl").is_file())


def read_asked(folder: Path) -> AskedRun | None:
    """Read ``run.json``; None for a run that was killed before it was written."""
    value: dict[str, Any] | None = read_json(folder / "run.json")
    return None if value is None else AskedRun(**{**value, "driver": LeaseOwner(*value["driver"])})


def read_trace(folder: Path) -> Iterator[Traced]:
    """Yield the tasks of a run that ended, in the order of their ends; a torn last line is left out."""
    place = folder / "trace.tsv"
    if not place.exists():  # killed before anything
        return
    with place.open(encoding="utf-8", newline="\n") as file:
        next(file, None)
        for line in file:
            if line.endswith("\n"):
                task, stage, key, mark, status, attempt, *costs = line.removesuffix("\n").split("\t")
                yield Traced(int(task), stage, key, mark, status, int(attempt), *_costs(costs))


def _costs(cells: list[str]) -> list[Any]:
    """Return seconds as floats and bytes as ints; 0 for an empty cell."""
    return [float(cell or 0) for cell in cells[:2]] + [int(cell or 0) for cell in cells[2:]]


def last_event(folder: Path) -> Mapping[str, Any] | None:
    """Return the last event of a run, without reading all that came before; a torn line is left out."""
    with (folder / "events.jsonl").open("rb") as file:
        end, size = file.seek(0, os.SEEK_END), _TAIL_BYTES
        while True:
            begin = max(0, end - size)
            file.seek(begin)
            data = file.read(end - begin)
            lines = data[: data.rfind(b"\n") + 1].splitlines()
            if len(lines) > 1 or begin == 0:
                return json.loads(lines[-1]) if lines else None
            size *= 8


class Standing(StrEnum):
    """Where a run stands that came to no end of its own; one that did has the status of its last event."""

    RUNNING = "running"
    KILLED = "killed"
    UNKNOWN = "running, or killed on another machine"


def standing(folder: Path, observer: LeaseOwner) -> str:
    """Return how a run ended, or where it stands, as ``observer`` can see it."""
    last = last_event(folder)
    if last is not None and last["event"] in _ENDINGS:
        return str(last.get("status", _ENDINGS[last["event"]]))
    asked = read_asked(folder)
    if asked is None or asked.driver.is_gone(observer):
        return Standing.KILLED
    return Standing.RUNNING if asked.driver.host == observer.host else Standing.UNKNOWN


def began_s(folder: Path) -> float:
    """Return when a run began, in seconds since 1970, by its name; by its folder where that tells no time."""
    try:
        return datetime.strptime(f"{folder.name[:15]}+0000", "%Y%m%d-%H%M%S%z").timestamp()
    except ValueError:
        return folder.stat().st_mtime


def is_run(name: str) -> bool:
    """Return whether a folder of this name is one that a run made."""
    return _RUN.fullmatch(name) is not None


def files_of_run(folder: Path) -> list[Path]:
    """Return the files of a run's folder that the run wrote; what somebody put beside them is left out."""
    return [place for place in sorted(folder.rglob("*")) if place.is_file() and _is_ours(place.relative_to(folder))]


def _is_ours(name: Path) -> bool:
    return str(name) in _FILES or _MANY.fullmatch(name.as_posix()) is not None
