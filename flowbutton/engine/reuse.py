"""What is done already: task records found by fingerprint, and the expansion walked as far as they reach.

`plan` and `run` both begin with `settle_soundly`: what the plan shows as reused is what the run reuses.
Imports `flowbutton.model`, `stores`, `engine`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from flowbutton.engine.collector import uncollected
from flowbutton.engine.expansion import Expansion, transposition_of
from flowbutton.engine.nodes import Node
from flowbutton.engine.tasks import RangeReader, Result, Task, by_node
from flowbutton.model.outlines import Outlined
from flowbutton.model.records import Artifact, Row
from flowbutton.model.store import Store
from flowbutton.stores.artifacts import Artifacts
from flowbutton.stores.layout import digest_in
from flowbutton.stores.objects import Objects
from flowbutton.stores.records import RecordLog
from flowbutton.worker.payload import ArtifactInput, PartsInput, StoredRow


class Records:
    """The task records of a store, by stage digest, as this driver knows them."""

    def __init__(self, store: Store) -> None:
        self.store, self.objects = store, Objects(store)
        self._artifacts = Artifacts(self.objects)
        self._logs: dict[str, RecordLog] = {}

    def log(self, stage_digest: str) -> RecordLog:
        """Return the log of a stage digest, as far as it was read."""
        if stage_digest not in self._logs:
            self._logs[stage_digest] = RecordLog(self.store, stage_digest)
        return self._logs[stage_digest]

    def reload(self, stage_digest: str) -> None:
        """Read again what is there: after a worker was lost its packs may hold finished tasks."""
        self.log(stage_digest).load()

    def find(self, stage_digest: str, fingerprints: Sequence[str]) -> dict[str, Outlined]:
        """Return rows and outlines of those fingerprints that are done and whose artifacts are still there."""
        found = self.log(stage_digest).find(fingerprints)
        objects = {mark: digests for mark, outlined in found.items() if (digests := outlined.objects)}
        if not objects:
            return found
        there = self.objects.present({digest for digests in objects.values() for digest in digests})
        for mark in [mark for mark, digests in objects.items() if not there.issuperset(digests)]:
            del found[mark]
        return found

    def was_done(self, stage_digest: str, fingerprint: str) -> bool:
        """Return whether a task was done once, whatever became of its record and artifacts since."""
        return self.log(stage_digest).was_named(fingerprint)

    def sound(self, stage_digest: str, found: dict[str, Outlined]) -> dict[str, Outlined]:
        """Return those whose records are sound. The others count as absent from now on."""
        log = self.log(stage_digest)
        if log.are_sound([outlined.row for outlined in found.values()]):
            return found
        return {mark: outlined for mark, outlined in found.items() if log.row(mark) is not None}

    def are_sound(self, rows: Iterable[StoredRow]) -> bool:
        """Read records; return whether all are sound. Those that are not count as absent from now on."""
        by_stage: dict[str, list[Row]] = defaultdict(list)
        for stored in dict.fromkeys(rows):
            by_stage[stored.stage].append(stored.row)
        answers = [self.log(stage_digest).are_sound(found) for stage_digest, found in by_stage.items()]
        return all(answers)

    def commit(self, stage_digest: str, rows: Sequence[Outlined]) -> dict[str, Outlined]:
        """Name rows; return the winning row and outline of each fingerprint."""
        return self.log(stage_digest).commit(rows)

    def artifact(self, stored: StoredRow) -> Artifact:
        """Return the one artifact of a task whose content decides about others."""
        return self.log(stored.stage).read(stored.row).artifacts[""]

    def reader(self, artifact: Artifact) -> RangeReader:
        """Return ``read(start, stop)`` for an artifact."""
        return lambda start, stop: self._artifacts.read(artifact, start, stop)

    def drop_damaged(self, key: str) -> None:
        """Delete an object that is damaged for good, so that the next run makes it again; other keys are left alone."""
        digest = digest_in(key)
        if digest is not None and not self.objects.is_sound(digest):
            self.objects.delete(digest)

    def sound_contents(self, stage_digest: str, found: Iterable[Outlined]) -> dict[str, RangeReader]:
        """Return, by fingerprint, readers of the one artifact of each record, where both are sound to the last byte.

        Damaged objects are deleted, so that the task that runs again makes them again.
        """
        log, rows = self.log(stage_digest), []
        for outlined in found:
            damaged = [digest for digest in outlined.objects if not self.objects.is_sound(digest)]
            for digest in damaged:
                self.objects.delete(digest)
            if not damaged:
                rows.append(outlined.row)
        if not log.are_sound(rows):
            rows = [row for row in rows if log.row(row.fingerprint) is not None]
        return {record.fingerprint: self.reader(record.artifacts[""]) for record in log.read_many(rows)}


class Settled(NamedTuple):
    """An expansion as far as what is done reaches: the tasks that must run, and those that are reused."""

    expansion: Expansion
    fresh: Sequence[Task]
    reused: Sequence[tuple[Task, Result]]


def settle_soundly(expand: Callable[[], Expansion], records: Records) -> Settled:
    """Expand and settle from the start.

    What is reused is known by outlines. Before anything runs the records are read that tasks may take, or that are
    published: where one is damaged it counts as absent, and all is expanded anew, so that its task runs again.
    """
    while True:
        found = _settled(expand(), records)
        if records.are_sound(chain(_taken(found.expansion, found.fresh), _published(found.expansion))):
            return found


def _settled(expansion: Expansion, records: Records) -> Settled:
    with uncollected():
        return Settled(expansion, *_walked(expansion, expansion.start(), records, is_read=False))


def _taken(expansion: Expansion, fresh: Sequence[Task]) -> Iterator[StoredRow]:
    """Yield the done records that are read by tasks that must run, or by those that are not known yet."""
    nodes = expansion.nodes
    running = {task.node: nodes[task.node] for task in fresh}.values()
    for inputs, gathers in chain(
        ((task.inputs, task.gathers) for task in fresh), ((node.shared, node.shared_gathers) for node in running)
    ):
        for rows in gathers.values():
            yield from rows.rows
        for reference in inputs.values():
            if isinstance(reference, ArtifactInput):
                yield reference.record
            elif isinstance(reference, PartsInput) and reference.index is not None:
                yield reference.index
    for name, stage in expansion.graph.stages.items():
        if not nodes[name].expanded:
            yield from _records_of(nodes[name])  # of a tree: its own tasks read them
            for producer in [binding.producer for binding in stage.bindings]:
                yield from _records_of(nodes[producer.name])
                if (transposed := nodes.get(transposition_of(producer))) is not None:
                    yield from _records_of(transposed)


def _published(expansion: Expansion) -> Iterator[StoredRow]:
    """Yield the done records that the engine itself reads at the end: of outputs, and of what was set aside."""
    outputs = {producer.name for output in expansion.graph.outputs for producer in output.producers}
    for name, node in expansion.nodes.items():
        if name in outputs or node.counts.set_aside:
            yield from _records_of(node)


def _records_of(node: Node) -> Iterator[StoredRow]:
    return map(node.results.stored, node.results)


def settle(
    expansion: Expansion, ready: Sequence[Task], records: Records
) -> tuple[list[Task], list[tuple[Task, Result]]]:
    """Reuse what is done and whose records are sound, wave by wave; return the tasks that must run, and the others."""
    with uncollected():
        return _walked(expansion, ready, records, is_read=True)


def _walked(
    expansion: Expansion, ready: Sequence[Task], records: Records, *, is_read: bool
) -> tuple[list[Task], list[tuple[Task, Result]]]:
    fresh: list[Task] = []
    reused: list[tuple[Task, Result]] = []
    while ready:
        following: list[Task] = []
        for name, tasks in by_node(ready).items():
            node = expansion.nodes[name]
            stage_digest = node.spec.stage_digest
            found = records.find(stage_digest, [task.fingerprint for task in tasks])
            if is_read and found:
                found = records.sound(stage_digest, found)
            if not found:
                fresh += tasks
                continue
            contents = records.sound_contents(stage_digest, found.values()) if node.wants_content else {}
            done: list[tuple[int, Result, RangeReader | None]] = []
            for task in tasks:
                known, read = found.get(task.fingerprint), contents.get(task.fingerprint)
                if known is None or (read is None and node.wants_content):
                    fresh.append(task)
                    continue
                result = Result(stage_digest, known, reused=True)
                reused.append((task, result))
                done.append((task.id, result, read))
            following += expansion.done(done)
        ready = following
    return fresh, reused


def content_reader(node: Node, result: Result, records: Records) -> RangeReader | None:
    """Return the reader of a task's one artifact where its node decides by it."""
    return records.reader(records.artifact(result.stored)) if node.wants_content else None
