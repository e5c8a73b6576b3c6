"""What the tasks of a run printed, read back: whole from the run's folder, else the end that its record keeps.

Imports `flowbutton.model`, `stores`, `worker.logs`, `engine`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from flowbutton.engine.folders import MARK_DIGITS, Traced, read_asked, read_json, read_trace
from flowbutton.engine.repeat import find_task
from flowbutton.model.errors import CorruptObject, NotInStore
from flowbutton.model.records import Row
from flowbutton.model.store import Store
from flowbutton.stores.layout import run_key
from flowbutton.stores.opening import open_store
from flowbutton.stores.records import RecordLog
from flowbutton.worker.logs import TAIL_BYTES

_CHUNK = 1024
"""Tasks whose records are read together."""


@dataclass(frozen=True, slots=True)
class TaskLog:
    """What a task printed; ``is_cut`` says that only its end was kept. A failed one has its traceback too."""

    traced: Traced
    text: str
    is_cut: bool = False


def read_logs(
    folder: Path, store: str, *, stage: str | None = None, task: str | None = None, failed_only: bool = False
) -> Iterator[TaskLog]:
    """Yield the logs of a run's tasks that printed something, in the order of their ends.

    Raises:
        MissingInput, OptionError: ``task`` names none, or several (`engine.repeat.find_task`).
    """
    traced = [
        one
        for one in read_trace(folder)
        if (stage is None or one.stage == stage) and (not failed_only or one.status == "failed")
    ]
    if task is not None:
        traced = [find_task(traced, task, folder)]
    source = _Logs(folder, open_store(store))
    for start in range(0, len(traced), _CHUNK):
        yield from source.of(traced[start : start + _CHUNK])


class _Logs:
    """Where logs lie: files of the run's folder, ``error.json``, task records."""

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder, self._store = folder, store
        asked = read_asked(folder)
        self._stages: Mapping[str, str] = asked.stages if asked else {}
        self._rows: dict[str, Mapping[str, Row]] = {}
        self._errors = _errors(folder)

    def of(self, tasks: list[Traced]) -> Iterator[TaskLog]:
        tails = self._tails([one for one in tasks if one.status != "failed"])
        for one in tasks:
            whole = self._whole(one)
            error = self._errors.get(one.task, {})
            end = error.get("log", "") or tails.get(one.task, "")
            text = (whole if whole is not None else end) + error.get("traceback", "")
            if text:
                yield TaskLog(one, text, is_cut=whole is None and len(end.encode()) >= TAIL_BYTES)

    def _whole(self, task: Traced) -> str | None:
        try:
            data = self._store.get(run_key(self._folder.name, f"logs/{task.mark}.log"))
        except NotInStore:
            return None
        return data.decode("utf-8", "replace")

    def _tails(self, tasks: list[Traced]) -> dict[int, str]:
        """Return the ends that task records keep; nothing for records that were cleaned away or damaged."""
        by_stage: dict[str, list[Traced]] = defaultdict(list)
        for one in tasks:
            if one.stage in self._stages:
                by_stage[self._stages[one.stage]].append(one)
        found: dict[int, str] = {}
        for digest, of_stage in by_stage.items():
            rows = self._rows_of(digest)
            known = [one for one in of_stage if one.mark in rows]
            logs = self._read(digest, [rows[one.mark] for one in known])
            found |= {one.task: log for one, log in zip(known, logs, strict=True)}
        return found

    def _read(self, stage_digest: str, rows: list[Row]) -> list[str]:
        """Return the logs of records, all together if all are sound, else one by one."""
        log = RecordLog(self._store, stage_digest)
        try:
            return [record.log for record in log.read_many(rows)]
        except CorruptObject:
            return [""] if len(rows) == 1 else [text for row in rows for text in self._read(stage_digest, [row])]

    def _rows_of(self, stage_digest: str) -> Mapping[str, Row]:
        if stage_digest not in self._rows:
            rows = RecordLog(self._store, stage_digest).refresh()
            self._rows[stage_digest] = {mark[:MARK_DIGITS]: row.row for mark, row in rows.items()}
        return self._rows[stage_digest]


def _errors(folder: Path) -> Mapping[int, Mapping[str, str]]:
    return {error["task"]: error for error in read_json(folder / "error.json") or () if "task" in error}
