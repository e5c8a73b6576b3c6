"""The run folder: what happened, as files that people and programs read.

``run.json``, ``spec.yaml`` and ``plan.json`` (what was asked), ``events.jsonl`` (what happened, in order),
``trace.tsv`` (a line per task), ``logs/`` (long or failed ones), ``calls/`` (failed tasks, to be repeated),
``set-aside/`` (bad records), ``ledger.json``, and ``outputs.json`` or ``error.json`` at the end. For a store that is no
folder the files are kept locally and shipped when the run ends. Imports `flowbutton.model`, `stores`, `worker.payload`.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from flowbutton.engine.hiding import Hidden
from flowbutton.engine.tasks import Task
from flowbutton.model.errors import NoSpace
from flowbutton.model.records import Measures
from flowbutton.model.store import Store
from flowbutton.stores.layout import run_key
from flowbutton.worker.payload import CallOrder

KEPT_CALLS = 100
"""Failed tasks of a run that can be repeated: with ``on_error: continue`` there may be any number."""

CALLS = "calls"

Listener = Callable[[str, dict[str, Any]], None]
"""Is told of every event: its kind and its fields."""

TRACE_COLUMNS = (
    "task", "stage", "key", "fingerprint", "status", "attempt", "wall_s", "cpu_s", "peak_rss_bytes", "read_bytes",
    "written_bytes", "owned_bytes",
)  # fmt: skip


def new_run_id(now: datetime) -> str:
    """Return an id that sorts by time, also within a second, of which it has 65,536 parts: ``20261122-211500-3f9a``."""
    return f"{now:%Y%m%d-%H%M%S}-{now.microsecond * 0x10000 // 1_000_000:04x}"


def begin_run(runs: Path) -> Path:
    """Make the folder of a new run; one that begins in the same part of a second as another gets the next."""
    runs.mkdir(parents=True, exist_ok=True)
    while True:
        folder = runs / new_run_id(datetime.now(UTC))
        with suppress(FileExistsError):
            folder.mkdir()
            return folder


class Journal:
    """Writes one run's folder, which `begin_run` made, and tells listeners."""

    def __init__(self, folder: Path, listeners: Sequence[Listener], hidden: Hidden | None = None) -> None:
        self.run_id, self.folder, self.hidden = folder.name, folder, hidden or Hidden()
        self._listeners, self._is_full, self._calls = listeners, False, 0
        self._events: TextIO = (self.folder / "events.jsonl").open("w", encoding="utf-8", buffering=1)
        self._trace: TextIO = (self.folder / "trace.tsv").open("w", encoding="utf-8", buffering=1)
        self._trace.write("\t".join(TRACE_COLUMNS) + "\n")
        point_latest(folder.parent, folder.name)

    def event(self, kind: str, **fields: Any) -> None:
        """Append an event and tell the listeners."""
        # An error's text, a traceback or a log may say them.
        fields = {name: self.hidden.redacted(told) if isinstance(told, str) else told for name, told in fields.items()}
        line = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": kind, **fields}
        self._put(lambda: self._events.write(json.dumps(line, default=str) + "\n"))
        for listener in self._listeners:
            listener(kind, fields)

    def trace(self, status: str, ended: Iterable[tuple[Task, int, Measures | None]]) -> None:
        """Append a line per task, given with the number of its attempt and what it cost."""
        text = "".join(_traced(task, status, attempt, measures) for task, attempt, measures in ended)
        self._put(lambda: self._trace.write(text))

    def write(self, name: str, value: Any) -> None:
        """Write a file of the folder: text as it is, anything else as JSON."""
        text = value if isinstance(value, str) else json.dumps(value, indent=2, default=str) + "\n"
        self._put(lambda: (self.folder / name).write_text(text, encoding="utf-8"))

    def append(self, place: Path, data: bytes) -> None:
        """Append bytes to a file of the folder."""

        def write() -> int:
            place.parent.mkdir(exist_ok=True)
            with place.open("ab") as file:
                return file.write(data)

        self._put(write)

    def keep_call(self, task: int, order: CallOrder) -> None:
        """Keep the order of a failed task, so that it can be repeated alone (`engine.repeat`); of the first only."""
        self._calls += 1
        if self._calls <= KEPT_CALLS:
            (self.folder / CALLS).mkdir(exist_ok=True)
            self.write(f"{CALLS}/{task}.json", self.hidden.hide(json.loads(order.encode())))

    def _put(self, write: Callable[[], int]) -> None:
        """Write; the first time that the disk is full is an error, later ones would only hide it."""
        try:
            write()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            if not self._is_full:
                self._is_full = True
                raise NoSpace(
                    "no space left for the run folder",
                    why=error.strerror or "",
                    hint="make room, then run again; finished tasks are kept",
                    file=str(self.folder),
                ) from error

    def close(self, store: Store) -> None:
        """Close the files; ship them where the store is no folder."""
        for file in (self._events, self._trace):
            with suppress(OSError):  # what was buffered on a full disk; its error is told already
                file.close()
        if store.local_path(run_key(self.run_id, "events.jsonl")) is None:
            for place in sorted(self.folder.rglob("*")):
                if place.is_file():
                    store.put(run_key(self.run_id, place.relative_to(self.folder).as_posix()), place)


def _traced(task: Task, status: str, attempt: int, m: Measures | None) -> str:
    key = ",".join([f"{name}={value}" for name, value in task.key])
    costs = f"{m.wall_s}\t{m.cpu_s}\t{m.peak_rss_bytes}\t{m.read_bytes}\t{m.written_bytes}" if m else "\t" * 4
    mark = task.fingerprint[:16]
    return f"{task.id}\t{task.node}\t{key}\t{mark}\t{status}\t{attempt}\t{costs}\t{task.owned_bytes}\n"


def point_latest(folder: Path, run_id: str) -> None:
    """Let ``latest`` point to the run: as a link, and as a small file for systems without links."""
    fresh = folder / f".latest-{run_id}"
    try:
        fresh.symlink_to(run_id)
        fresh.replace(folder / "latest")
    except OSError:
        fresh.unlink(missing_ok=True)
    fresh.write_text(json.dumps({"run": run_id}) + "\n")
    fresh.replace(folder / "latest.json")


def read_events(folder: Path) -> list[dict[str, Any]]:
    """Read a run's events; a torn last line is left out."""
    found = []
    for line in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return found
