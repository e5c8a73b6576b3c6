"""Which task records exist: segments (the commit), manifests (a finished stage), selections (for a gather's payload).

The row is the commit (law 4; engine-notes.md, recommended 1-5 and 7): a driver puts segment n if absent; who loses
reads n, drops what is named there and puts the rest as n + 1. So the lowest number wins, each fingerprint has exactly
one row, and drivers learn each other's work. A row whose record turns out damaged is taken back by a later segment
(``void``), which all readers replay in the same order.
Here also, handed on from `stores.packs`: `write_pack`. Not here: what runs because of it (`engine`).
Imports `model`, `stores.layout`, `stores.packs`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from flowbutton.model.canonical import canonical, digest_bytes, digest_json
from flowbutton.model.errors import CorruptObject, NotInStore
from flowbutton.model.records import Outline, Row, TaskRecord
from flowbutton.model.store import Store
from flowbutton.stores.layout import (
    manifest_key,
    manifests_prefix,
    pack_key,
    packs_prefix,
    segment_key,
    segments_prefix,
    selection_key,
)
from flowbutton.stores.packs import read_head, sealed, unseal, write_pack

__all__ = ["RecordLog", "put_selection", "read_selection", "write_pack"]

_GAP = 16 * 1024
"""Bytes between two wanted records of a pack up to which one get is cheaper than two."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One commit: rows taken back, then rows named. A manifest or selection is a segment that takes none back."""

    rows: Sequence[Row]
    void: Sequence[Row] = ()

    def encode(self) -> bytes:
        """Return the sealed line; equal rows give equal bytes."""
        return _encode(self.rows, self.void)

    @classmethod
    def decode(cls, line: bytes, key: str) -> Segment:
        """Read what `encode` wrote. Raises `CorruptObject`."""
        value = unseal(line, key)
        return cls([*_rows(value["rows"])], [*_rows(value["void"])])


def put_selection(store: Store, stage_digest: str, rows: Iterable[Row]) -> str:
    """Put rows in their order as one object by content; return its key, which a payload names instead of the rows."""
    data = _encode(rows)
    key = selection_key(stage_digest, digest_bytes(data))
    if not store.put_if_absent(key, data) and store.get(key) != data:
        store.put(key, data)  # a power cut tore it; all who put under this key put these bytes
    return key


def read_selection(store: Store, key: str) -> list[Row]:
    """Return the rows that `put_selection` put, in their order.

    Raises:
        NotInStore, CorruptObject: it is gone or damaged.
    """
    return [*Segment.decode(store.get(key), key).rows]


class RecordLog:
    """The task records of one stage digest, as one driver or worker sees them.

    Holds: for each fingerprint all drivers get the same row, whatever they commit and when they are killed; damaged
    or torn segments, manifests and packs count as absent, and so does a row once `read` found its record damaged.
    Does not hold: that a row's artifacts still exist. Not thread-safe: one thread drives it.
    """

    def __init__(self, store: Store, stage_digest: str) -> None:
        self._store, self._stage = store, stage_digest
        self._rows: dict[str, Row] = {}
        self._packs: set[str] = set()
        self._damaged: set[Row] = set()
        self._next: int | None = None
        self.is_whole = False
        """Whether all that was committed has been read once."""

    def look(self) -> dict[str, Row]:
        """Read all that is committed, and write nothing; return the rows."""
        self.refresh()
        # After the segments: a manifest repeats their rows, perhaps one that was taken back (and replaced) since.
        for key in self._store.list(manifests_prefix(self._stage)):
            self._apply(self._read_segment(key))
        return self._sound(self._rows)

    def load(self) -> dict[str, Row]:
        """Read all that is committed, commit what lies in packs that no segment names, return the rows."""
        self.look()
        self.commit([*self._unnamed()])
        self.is_whole = True
        return self._sound(self._rows)

    def refresh(self) -> dict[str, Row]:
        """Read the segments that appeared since the last look; return the rows."""
        known = self._next or 0
        for key in [*self._store.list(segments_prefix(self._stage))]:
            number = int(key.rpartition("/")[2])
            if number >= known:
                self._apply(self._read_segment(key))
                known = number + 1
        self._next = known
        return self._sound(self._rows)

    def commit(self, rows: Sequence[Row]) -> dict[str, Row]:
        """Name rows whose records are written; return the winning row of each fingerprint given (the first wins).

        After an error, a lost answer say, it may be called again with the same rows.
        """
        if self._next is None:
            self.refresh()
        offered: dict[str, Row] = {}
        for row in rows:
            offered.setdefault(row.fingerprint, row)
        self._damaged.difference_update(offered.values())  # written again just now
        while segment := self._news(offered.values()):
            number = self._next or 0
            key = segment_key(self._stage, number)
            # Put if absent, not put: another driver may have this number, and then its rows stand.
            won = self._store.put_if_absent(key, segment.encode())
            self._apply(segment if won else self._read_segment(key))
            self._next = number + 1
        return {fingerprint: self._rows[fingerprint] for fingerprint in offered}

    def lookup(self, fingerprints: Sequence[str]) -> dict[str, Row]:
        """Return the rows of those fingerprints that are done: from the manifest of exactly this set, else `load`."""
        key = manifest_key(self._stage, _set_digest(fingerprints))
        manifest = {row.fingerprint: row for row in self._read_segment(key).rows}
        if manifest.keys() >= set(fingerprints) and not self._damaged.intersection(manifest.values()):
            self._apply(Segment([*manifest.values()]))
        else:
            self.load()
        found = {fingerprint: self.row(fingerprint) for fingerprint in fingerprints}
        return {fingerprint: row for fingerprint, row in found.items() if row is not None}

    def finish(self, fingerprints: Sequence[str]) -> None:
        """Write the manifest of a finished stage: the rows of all its fingerprints, in their order.

        Raises:
            ValueError: one of them is not committed.
        """
        wanted = [*dict.fromkeys(fingerprints)]
        missing = [fingerprint for fingerprint in wanted if fingerprint not in self._rows]
        if missing:
            raise ValueError(f"{len(missing)} of {len(wanted)} tasks are not committed, {missing[0]} is the first")
        data = Segment([self._rows[fingerprint] for fingerprint in wanted]).encode()
        key = manifest_key(self._stage, _set_digest(wanted))
        # Put, not put if absent: an older manifest may name a row that was taken back.
        if self._get(key) != data:
            self._store.put(key, data)

    def read(self, row: Row) -> TaskRecord:
        """Return the record that a row names. Raises `CorruptObject` as `read_many` does."""
        return self.read_many([row])[0]

    def read_many(self, rows: Sequence[Row]) -> list[TaskRecord]:
        """Return the records that rows name, in order; neighbours in a pack are read together.

        Raises:
            CorruptObject: a record is damaged or gone. All damaged ones among ``rows`` count as absent from now on:
                `lookup` leaves them out, and a `commit` of another row for the fingerprint takes them back.
        """
        return TaskRecord.read_many(self._lines(rows))

    def outlines(self, rows: Sequence[Row]) -> list[Outline]:
        """Return of the records that rows name what the engine needs, in order. Raises as `read_many`."""
        return Outline.read_many(self._lines(rows))

    def row(self, fingerprint: str) -> Row | None:
        """Return the row of a fingerprint as far as it was looked for; None if there is none or it is damaged."""
        row = self._rows.get(fingerprint)
        return None if row in self._damaged else row

    def was_named(self, fingerprint: str) -> bool:
        """Return whether a row named the fingerprint, damaged or not."""
        return fingerprint in self._rows

    def _lines(self, rows: Sequence[Row]) -> list[bytes]:
        lines = [b""] * len(rows)
        damaged = []
        for start, stop, places in _neighbours(rows):
            data = self._get(pack_key(self._stage, rows[places[0]].pack), start, stop)
            for place in places:
                row = rows[place]
                lines[place] = data[row.offset - start : row.offset - start + row.length]
                if digest_bytes(lines[place]) != row.digest:
                    damaged.append(row)
        if damaged:
            self._damaged.update(damaged)
            raise CorruptObject(
                "task records are damaged or gone",
                why=f"{len(set(damaged))} of {len(set(rows))} rows name bytes of another digest or none",
                hint="they count as absent: their tasks run again",
                key=pack_key(self._stage, damaged[0].pack),
                byte=damaged[0].offset,
            )
        return lines

    def _news(self, offered: Iterable[Row]) -> Segment | None:
        """Return what a segment must say so that every offered fingerprint has a sound row; None if nothing."""
        rows, void = [], []
        for row in offered:
            winner = self._rows.get(row.fingerprint)
            if winner is None:
                rows.append(row)
            elif winner in self._damaged:
                rows.append(row)
                void.append(winner)
        return Segment(rows, void) if rows else None

    def _apply(self, segment: Segment) -> None:
        for row in segment.void:
            if self._rows.get(row.fingerprint) == row:
                del self._rows[row.fingerprint]
        for row in segment.rows:
            self._packs.add(row.pack)
            self._rows.setdefault(row.fingerprint, row)

    def _unnamed(self) -> Iterator[Row]:
        prefix = packs_prefix(self._stage)
        for pack in [key.removeprefix(prefix) for key in self._store.list(prefix)]:
            if pack not in self._packs:
                try:
                    yield from read_head(self._store, self._stage, pack)
                except (CorruptObject, NotInStore):
                    continue

    def _read_segment(self, key: str) -> Segment:
        """Return what stands under ``key``; nothing if it is gone or damaged."""
        try:
            return Segment.decode(self._get(key), key)
        except CorruptObject:
            return Segment([])

    def _get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        try:
            return self._store.get(key, start, stop)
        except NotInStore:
            return b""

    def _sound(self, rows: dict[str, Row]) -> dict[str, Row]:
        return {fingerprint: row for fingerprint, row in rows.items() if row not in self._damaged}


def _set_digest(fingerprints: Iterable[str]) -> str:
    return digest_json("set", sorted(set(fingerprints)))


def _encode(rows: Iterable[Row], void: Iterable[Row] = ()) -> bytes:
    """Return rows as `Segment.encode` does, without all of them in memory at once."""
    return sealed(b'{"rows":[%b],"void":[%b]}' % (b",".join(_by_pack(rows)), b",".join(_by_pack(void))))


def _by_pack(rows: Iterable[Row]) -> Iterator[bytes]:
    for pack, group in groupby(rows, key=lambda row: row.pack):
        yield canonical([pack, [[row.fingerprint, row.digest, row.offset, row.length] for row in group]])


def _rows(value: Any) -> Iterator[Row]:
    for pack, group in value:
        for fingerprint, digest, offset, length in group:
            yield Row(fingerprint, digest, pack, offset, length)


def _neighbours(rows: Sequence[Row]) -> Iterator[tuple[int, int, list[int]]]:
    """Group the places of rows of one pack that lie near each other: bytes ``[start, stop)``, and the places."""
    pack, start, stop, group = "", 0, 0, list[int]()
    for place in sorted(range(len(rows)), key=lambda place: (rows[place].pack, rows[place].offset)):
        row = rows[place]
        if group and (row.pack != pack or row.offset > stop + _GAP):
            yield start, stop, group
            group = []
        if not group:
            pack, start, stop = row.pack, row.offset, 0
        stop = max(stop, row.offset + row.length)
        group.append(place)
    if group:
        yield start, stop, group
