"""What is done already: task records found by fingerprint, and the expansion walked as far as they reach.

`plan` and `run` both begin with `settle`: what the plan shows as reused is what the run reuses.
Imports `flowbutton.model`, `stores`, `engine`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from flowbutton.engine.collector import uncollected
from flowbutton.engine.expansion import Expansion
from flowbutton.engine.tasks import RangeReader, Result, Task
from flowbutton.model.errors import CorruptObject
from flowbutton.model.records import Artifact, Outline, Row
from flowbutton.model.store import Store
from flowbutton.stores.layout import digest_in
from flowbutton.stores.objects import Objects
from flowbutton.stores.records import RecordLog
from flowbutton.worker.payload import StoredRow


class Records:
    """The task records of a store, by stage digest, as this driver knows them."""

    def __init__(self, store: Store) -> None:
        self.store, self.objects = store, Objects(store)
        self._logs: dict[str, RecordLog] = {}

    def log(self, stage_digest: str) -> RecordLog:
        """Return the log of a stage digest, as far as it was read."""
        if stage_digest not in self._logs:
            self._logs[stage_digest] = RecordLog(self.store, stage_digest)
        return self._logs[stage_digest]

    def reload(self, stage_digest: str) -> None:
        """Read again what is there: after a worker was lost its packs may hold finished tasks."""
        self.log(stage_digest).load()

    def find(self, stage_digest: str, fingerprints: Iterable[str]) -> dict[str, tuple[Row, Outline]]:
        """Return rows and outlines of those fingerprints that are done and whose artifacts are still there.

        The first look is for the manifest of exactly these, which a finished stage left; only if there is none, all
        that is known of the stage digest is read.
        """
        log, marks = self.log(stage_digest), list(dict.fromkeys(fingerprints))
        if not log.is_whole and any(log.row(mark) is None for mark in marks):
            log.lookup(marks)
        wanted = [row for row in map(log.row, marks) if row is not None]
        found = [(row, outline) for row, outline in zip(wanted, self._read(log, wanted), strict=True) if outline]
        there = self.objects.present({digest for _, outline in found for digest in outline.objects})
        return {row.fingerprint: (row, outline) for row, outline in found if there.issuperset(outline.objects)}

    def was_done(self, stage_digest: str, fingerprint: str) -> bool:
        """Return whether a task was done once, whatever became of its record and artifacts since."""
        return self.log(stage_digest).was_named(fingerprint)

    def commit(self, stage_digest: str, rows: Sequence[Row]) -> list[tuple[Row, Outline]]:
        """Name rows; return the winning row and outline of each fingerprint."""
        log = self.log(stage_digest)
        chosen = list(log.commit(rows).values())
        return list(zip(chosen, log.outlines(chosen), strict=True))

    def artifact(self, stored: StoredRow) -> Artifact:
        """Return the one artifact of a task whose content decides about others."""
        return self.log(stored.stage).read(stored.row).artifacts[""]

    def reader(self, artifact: Artifact) -> RangeReader:
        """Return ``read(start, stop)`` for an artifact."""
        inline = artifact.inline
        if inline is not None:
            return lambda start, stop: inline[start:stop]
        return lambda start, stop: self.objects.get(artifact.digest, start, stop)

    def drop_damaged(self, key: str) -> None:
        """Delete an object that is damaged for good, so that the next run makes it again; other keys are left alone."""
        digest = digest_in(key)
        if digest is not None and not self.objects.is_sound(digest):
            self.objects.delete(digest)

    def heal(self, outline: Outline) -> bool:
        """Return whether a record's artifacts are sound to the last byte; delete those that are not."""
        damaged = [digest for digest in outline.objects if not self.objects.is_sound(digest)]
        for digest in damaged:
            self.objects.delete(digest)
        return not damaged

    def _read(self, log: RecordLog, rows: Sequence[Row]) -> list[Outline | None]:
        try:
            return list(log.outlines(rows))
        except CorruptObject:
            return [self._read_one(log, row) for row in rows]

    def _read_one(self, log: RecordLog, row: Row) -> Outline | None:
        try:
            return log.outlines([row])[0]
        except CorruptObject:  # a damaged record is an absent one: its task runs again
            return None


def settle(
    expansion: Expansion,
    ready: Sequence[Task],
    records: Records,
    tell: Callable[[Task, Result], None] = lambda _task, _result: None,
) -> list[Task]:
    """Reuse what is done, wave by wave; return the tasks that must run. ``tell`` hears of each reused one."""
    with uncollected():
        return _settled(expansion, ready, records, tell)


def _settled(
    expansion: Expansion, ready: Sequence[Task], records: Records, tell: Callable[[Task, Result], None]
) -> list[Task]:
    fresh: list[Task] = []
    while ready:
        by_stage: dict[str, list[Task]] = defaultdict(list)
        for task in ready:
            by_stage[expansion.node_of(task.id).spec.stage_digest].append(task)
        following: list[Task] = []
        for stage_digest, tasks in by_stage.items():
            found = records.find(stage_digest, [task.fingerprint for task in tasks])
            done: list[tuple[int, Result, RangeReader | None]] = []
            for task in tasks:
                known = found.get(task.fingerprint)
                if known is None or (expansion.node_of(task.id).wants_content and not records.heal(known[1])):
                    fresh.append(task)
                    continue
                result = Result(StoredRow(stage_digest, known[0]), known[1], reused=True)
                tell(task, result)
                done.append((task.id, result, content_reader(expansion, task, result, records)))
            following += expansion.done(done) if done else []
        ready = following
    return fresh


def content_reader(expansion: Expansion, task: Task, result: Result, records: Records) -> RangeReader | None:
    """Return the reader of a task's one artifact where its node decides by it."""
    wants = expansion.node_of(task.id).wants_content
    return records.reader(records.artifact(result.stored)) if wants else None
