"""What a run left, read again: its published files, its task records, and the objects that they name.

Here: holding bytes against the digests that the run noted. Reads only; `drop` removes what is damaged.
Not here: whether other pieces give the same results (`engine.exactness`). Imports `flowbutton.model`, `stores`.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from flowbutton.engine.folders import MARK_DIGITS, read_asked, read_json, read_trace
from flowbutton.model.blocks import BLOCK
from flowbutton.model.canonical import digest_bytes
from flowbutton.model.composite import COMPOSITE, Composition, Span, length_of
from flowbutton.model.errors import CorruptObject, MissingInput, NotInStore
from flowbutton.model.records import Row, TaskRecord
from flowbutton.model.store import Store
from flowbutton.stores.artifacts import needed_objects
from flowbutton.stores.layout import Kind, digest_in, object_key, pack_key, segments_prefix, written
from flowbutton.stores.objects import GONE, Objects, blocks_in, damages
from flowbutton.stores.publishing import Publisher, publisher_for
from flowbutton.stores.records import RecordLog, Segment


@dataclass(frozen=True, slots=True)
class Mismatch:
    """What is not as the run left it. ``place``: a published file, or a key of the store, whose ``byte`` it is."""

    what: str
    place: str
    expected: str
    found: str
    byte: int | None = None


@dataclass(slots=True)
class Verified:
    """What was read again, and what of it is not as it was."""

    run: str
    outputs: int = 0
    records: int = 0
    objects: int = 0
    bytes: int = 0
    mismatches: list[Mismatch] = field(default_factory=list)


def verify(folder: Path, store: Store) -> Verified:
    """Read again all that the run in ``folder`` published, and all task records and objects that it made or reused.

    Raises:
        MissingInput: the run was killed before it said what it is.
    """
    asked = read_asked(folder)
    if asked is None:
        raise MissingInput("the run left nothing to verify", why="it was killed at once", hint="", file=str(folder))
    found = Verified(folder.name)
    _outputs(folder, publisher_for(asked.results, asked.pipeline), store, found)
    marks: dict[str, dict[str, str]] = defaultdict(dict)
    for task in read_trace(folder):
        if task.status in ("done", "reused"):
            marks[asked.stages[task.stage]][task.mark] = str(task)
    objects = set[str]()
    for stage, tasks in marks.items():
        objects |= _records(store, stage, tasks, found)
    for digest in sorted(objects):
        found.objects += 1
        found.bytes += store.head(object_key(digest)) or 0
        found.mismatches += [Mismatch("object", d.key, d.expected, d.found, d.byte) for d in damages(store, digest)]
    return found


def drop(found: Verified, store: Store) -> tuple[int, int]:
    """Remove damaged objects and take back damaged records, so that the next run makes them again.

    Returns:
        How many objects, how many records.
    """
    digests = {digest for miss in found.mismatches if miss.what == "object" and (digest := digest_in(miss.place))}
    for digest in digests:
        Objects(store).delete(digest)
    places: dict[str, set[tuple[str, int | None]]] = defaultdict(set)
    for miss in found.mismatches:
        key = written(miss.place) if miss.what != "output" else None
        if key is not None and key.kind is Kind.PACK:
            places[key.digest].add((key.name, miss.byte))
    records = 0
    for stage, damaged in places.items():
        log = RecordLog(store, stage)
        rows = [row for one in log.look().values() if ((row := one.row).pack, row.offset) in damaged]
        log.take_back(rows)
        records += len(rows)
    return len(digests), records


def _outputs(folder: Path, publisher: Publisher, store: Store, found: Verified) -> None:
    outputs: Mapping[str, Mapping[str, str]] = read_json(folder / "outputs.json") or {}
    for name, output in outputs.items():
        found.outputs += 1
        place, expected, blocks = output["path"], output["digest"], publisher.read(name)
        if blocks is not None and output.get("kind") == COMPOSITE:
            found.mismatches += [
                Mismatch("output", place, *told) for told in _composite(expected, blocks, store, found)
            ]
            continue
        read = None if blocks is None else blocks_in(blocks)
        found.bytes += 0 if read is None else read.size
        digest = GONE if read is None else read.digest
        if digest != expected:
            found.mismatches.append(Mismatch("output", place, expected, digest))


def _composite(
    digest: str, blocks: Iterator[bytes], store: Store, found: Verified
) -> Iterator[tuple[str, str, int | None]]:
    """Hold published bytes against the parts of a composite; yield what is expected and found, and at which byte."""
    objects = Objects(store)
    try:
        composition = Composition.decode(objects.get(digest))
    except (CorruptObject, NotInStore):  # told as an object of its own
        yield digest, "no list of its parts to hold it against", None
        return
    stream = _Stream(blocks)
    for begin, part in composition.placed():
        read = blocks_in(stream.take(length_of(part)))
        found.bytes += read.size
        if isinstance(part, Span) and read.digest == part.digest:
            continue  # a whole object, as most parts are: its name says that these are its bytes
        expected = digest_bytes(part) if isinstance(part, bytes) else _digest_of(part, objects)
        if read.digest != expected:
            yield expected, read.digest if read.size else GONE, begin
    rest = blocks_in(stream.take(None)).size
    if rest:
        yield f"{composition.size} bytes", f"{composition.size + rest} bytes", composition.size


def _digest_of(span: Span, objects: Objects) -> str:
    """Return the digest of the bytes of a range; where they are not in the store any more, that of their object."""
    starts = range(span.start, span.stop, BLOCK)
    try:
        return blocks_in(objects.get(span.digest, start, min(start + BLOCK, span.stop)) for start in starts).digest
    except (CorruptObject, NotInStore):
        return span.digest


class _Stream:
    """Bytes that come in blocks, taken by numbers of bytes. Memory: two blocks."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._held = blocks, b""

    def take(self, size: int | None) -> Iterator[bytes]:
        """Yield the next ``size`` bytes, or all, in blocks of `BLOCK` bytes; fewer where they end."""
        left = sys.maxsize if size is None else size
        while left:
            wanted = min(left, BLOCK)
            while len(self._held) < wanted and (more := next(self._blocks, b"")):
                self._held += more
            block, self._held = self._held[:wanted], self._held[wanted:]
            if not block:
                return
            left -= len(block)
            yield block


def _records(store: Store, stage: str, tasks: Mapping[str, str], found: Verified) -> set[str]:
    """Read the records of tasks, by the beginnings of their fingerprints; return the objects that they name."""
    for key in store.list(segments_prefix(stage)):
        try:
            Segment.decode(store.get(key), key)
        except CorruptObject as error:
            found.mismatches.append(Mismatch("list of records", key, "a sealed line", error.why))
    rows = {mark[:MARK_DIGITS]: one.row for mark, one in RecordLog(store, stage).look().items()}
    for mark in tasks.keys() - rows.keys():
        found.mismatches.append(Mismatch(f"task record of {tasks[mark]}", f"records/{stage}", f"{mark}…", GONE))
    objects = set[str]()
    for row, line in _lines(store, stage, [rows[mark] for mark in tasks if mark in rows]):
        found.records += 1
        found.bytes += len(line)
        digest = digest_bytes(line) if line else GONE
        if digest == row.digest:
            objects |= _named(store, TaskRecord.read(line), pack_key(stage, row.pack), found)
        else:
            what = f"task record of {tasks[row.fingerprint[:MARK_DIGITS]]}"
            found.mismatches.append(Mismatch(what, pack_key(stage, row.pack), row.digest, digest, row.offset))
    return objects


def _lines(store: Store, stage: str, rows: Iterable[Row]) -> Iterator[tuple[Row, bytes]]:
    """Yield rows with the bytes that they name; each pack is read once."""
    packs: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        packs[row.pack].append(row)
    for pack, named in packs.items():
        try:
            data = store.get(pack_key(stage, pack))
        except NotInStore:
            data = b""
        yield from ((row, data[row.offset : row.offset + row.length]) for row in named)


def _named(store: Store, record: TaskRecord, key: str, found: Verified) -> set[str]:
    """Return the objects that a record names; hold what lies in the record itself against its digests."""
    objects = set[str]()
    for item in record.artifacts.values():
        if item.inline is not None and digest_bytes(item.inline) != item.digest:
            found.mismatches.append(Mismatch("result", key, item.digest, digest_bytes(item.inline)))
    with suppress(CorruptObject, NotInStore):  # told as an object of its own
        objects.update(needed_objects(record, Objects(store)))
    return objects
