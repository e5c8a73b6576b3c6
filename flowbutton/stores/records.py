"""Which task records exist: segments (the commit), manifests (a finished stage), selections (for a gather's payload).

The row is the commit (law 4; engine-notes.md, recommended 1-5 and 7): a driver puts segment n if absent; who loses
reads n, drops what is named there and puts the rest as n + 1. So the lowest number wins, each fingerprint has exactly
one row, and drivers learn each other's work. A row whose record turns out damaged is taken back by a later segment
(``void``), which all readers replay in the same order.
With each row stands the outline of its record (`model.outlines`): who goes on from a done task reads no pack. So a
driver looks whether the packs are there, and reads those records whose content somebody is about to use.
Here also, handed on from `stores.packs`: `write_pack`. Not here: what runs because of it (`engine`).
Imports `model`, `stores.layout`, `stores.packs`.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowbutton.model.canonical import canonical, digest_bytes, digest_json
from flowbutton.model.errors import CorruptObject, NotInStore
from flowbutton.model.outlines import Outline, Outlined, PackedRow, joined, split, split_rows
from flowbutton.model.records import Row, TaskRecord
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
from flowbutton.stores.packs import read_sound, sealed, unseal, write_pack

__all__ = ["RecordLog", "put_selection", "read_selection", "write_pack"]

_AT_ONCE = 1024
"""Records that are read together where they are only looked at."""

_GAP = 16 * 1024
"""Bytes between two wanted records of a pack up to which one get is cheaper than two."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One commit: rows taken back, then rows named, with outlines. A manifest is a segment that takes none back."""

    rows: Sequence[Outlined]
    void: Sequence[Row] = ()

    def encode(self) -> bytes:
        """Return the sealed line; equal rows give equal bytes."""
        # In parts, not by one value as JSON: of many rows there would be six copies at once.
        void = canonical([list(row) for row in self.void])
        return sealed(b'{"outlined":"', b64encode(joined(self.rows)), b'","void":', void, b"}")

    @classmethod
    def decode(cls, line: bytes, key: str) -> Segment:
        """Read what `encode` wrote, now or before there were outlines. Raises `CorruptObject`."""
        value = unseal(line, key)
        if "rows" in value:
            return cls([Outlined.of(row, None) for row in _rows(value["rows"])], [*_rows(value["void"])])
        return cls([*split(b64decode(value["outlined"]))], [Row(*row) for row in value["void"]])


def put_selection(store: Store, stage_digest: str, rows: Iterable[PackedRow]) -> str:
    """Put rows in their order as one object by content; return its key, which a payload names instead of the rows."""
    data = sealed(b'{"packed":"', b64encode(b"".join(rows)), b'"}')
    key = selection_key(stage_digest, digest_bytes(data))
    if not store.put_if_absent(key, data) and store.get(key) != data:
        store.put(key, data)  # a power cut tore it; all who put under this key put these bytes
    return key


def read_selection(store: Store, key: str) -> list[Row]:
    """Return the rows that `put_selection` put, in their order.

    Raises:
        NotInStore, CorruptObject: it is gone or damaged.
    """
    value = unseal(store.get(key), key)
    if "rows" in value:  # put before rows were packed: a kept call may name it
        return [*_rows(value["rows"])]
    return [packed.row for packed in split_rows(b64decode(value["packed"]))]


class RecordLog:
    """The task records of one stage digest, as one driver or worker sees them.

    Holds: for each fingerprint all drivers get the same row, whatever they commit and when they are killed; damaged
    or torn segments, manifests and packs count as absent, and so does a row once `read` found its record damaged.
    Does not hold: that a row's artifacts still exist. Not thread-safe: one thread drives it.
    """

    def __init__(self, store: Store, stage_digest: str) -> None:
        self._store, self._stage = store, stage_digest
        self._rows: dict[str, Outlined] = {}
        self._void: set[str] = set()  # packs of rows that were taken back
        self._there: set[bytes] = set()  # packs that were there when they were looked for
        self._damaged: set[Row] = set()
        self._next: int | None = None
        self.is_whole = False
        """Whether all that was committed has been read once."""

    def look(self) -> Mapping[str, Outlined]:
        """Read all that is committed, and write nothing; return the rows."""
        self.refresh()
        # After the segments: a manifest repeats their rows, perhaps one that was taken back (and replaced) since.
        for key in self._store.list(manifests_prefix(self._stage)):
            self._apply(self._read_segment(key))
        return self._sound()

    def load(self) -> Mapping[str, Outlined]:
        """Read all that is committed, commit what lies in packs that no segment names, return the rows."""
        self.look()
        self.commit([*self._unnamed()])
        self.is_whole = True
        return self._sound()

    def refresh(self) -> Mapping[str, Outlined]:
        """Read the segments that appeared since the last look; return the rows."""
        known = self._next or 0
        for key in [*self._store.list(segments_prefix(self._stage))]:
            number = int(key.rpartition("/")[2])
            if number >= known:
                self._apply(self._read_segment(key))
                known = number + 1
        self._next = known
        return self._sound()

    def commit(self, rows: Sequence[Outlined]) -> dict[str, Outlined]:
        """Name rows whose records are written; return the winning row of each fingerprint given (the first wins).

        After an error, a lost answer say, it may be called again with the same rows.

        Raises:
            CorruptObject: an outline is not known, and the record that would tell it is damaged.
        """
        if self._next is None:
            self.refresh()
        offered: dict[str, Outlined] = {}
        for row in self._completed(rows):
            offered.setdefault(row.fingerprint, row)
        if self._damaged:
            self._damaged.difference_update(row.row for row in offered.values())  # written again just now
        self._there.update(row.place for row in offered.values())
        while segment := self._news(offered):
            self._append(segment)
        return dict(zip(offered, self._completed([self._rows[mark] for mark in offered]), strict=True))

    def find(self, fingerprints: Sequence[str]) -> dict[str, Outlined]:
        """Return rows and outlines of those fingerprints that are done and whose packs are there.

        The first look is for the manifest of exactly this set, which a finished stage left. Only if there is none, or
        a pack that it names is gone, all that is known of the stage is read.
        """
        found, count = self._known(fingerprints), len(set(fingerprints))
        if len(found) < count and not self.is_whole:
            self._apply(self._read_segment(manifest_key(self._stage, _set_digest(fingerprints))))
            found = self._known(fingerprints)
        missing = len(found) < count
        if not self._all_there(found) or (missing and not self.is_whole):
            self.load()
            self._all_there(self._known(fingerprints))
            found = self._known(fingerprints)
        bare = [row.row for row in found.values() if not row.is_known]  # named before there were outlines
        if bare:
            self.are_sound(bare)
            found = self._known(fingerprints)
            self._rows |= zip(found, self._completed([*found.values()]), strict=True)
        return self._known(fingerprints) if bare else found

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
                `find` leaves them out, and a `commit` of another row for the fingerprint takes them back.
        """
        return TaskRecord.read_many(self._lines(rows))

    def are_sound(self, rows: Sequence[Row]) -> bool:
        """Return whether the records that rows name are sound; those that are not count as absent from now on."""
        is_sound = True
        for start in range(0, len(rows), _AT_ONCE):
            try:
                self._lines(rows[start : start + _AT_ONCE])
            except CorruptObject:
                is_sound = False
        return is_sound

    def take_back(self, rows: Sequence[Row]) -> None:
        """Let rows whose records are damaged count as absent for all who look from now on."""
        self.refresh()
        gone = {row.fingerprint: row for row in rows}
        while void := [gone[mark] for mark in gone if mark in self._rows and self._rows[mark].row == gone[mark]]:
            self._append(Segment([], void))
        for key in [*self._store.list(manifests_prefix(self._stage))]:
            if any(gone.get(row.fingerprint) == row.row for row in self._read_segment(key).rows):
                self._store.delete(key)

    def row(self, fingerprint: str) -> Outlined | None:
        """Return the row of a fingerprint as far as it was looked for; None if there is none or it is damaged."""
        row = self._rows.get(fingerprint)
        return None if self._damaged and row is not None and row.row in self._damaged else row

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

    def _append(self, segment: Segment) -> None:
        """Put a segment under the next number; where another driver has this number its rows stand, and come in."""
        number = self._next or 0
        key = segment_key(self._stage, number)
        won = self._store.put_if_absent(key, segment.encode())
        self._apply(segment if won else self._read_segment(key))
        self._next = number + 1

    def _known(self, fingerprints: Iterable[str]) -> dict[str, Outlined]:
        rows, damaged = self._rows, self._damaged
        found = {fingerprint: rows[fingerprint] for fingerprint in fingerprints if fingerprint in rows}
        return {mark: row for mark, row in found.items() if row.row not in damaged} if damaged else found

    def _all_there(self, rows: Mapping[str, Outlined]) -> bool:
        """Return whether all packs of rows are there; what lies in those that are not counts as absent from now on."""
        unseen = {row.place: row for row in rows.values()}
        keys = {pack_key(self._stage, row.pack): place for place, row in unseen.items() if place not in self._there}
        there = {keys[key] for key in self._store.present(keys)} if keys else set()
        self._there |= there
        gone = set(keys.values()) - there
        if gone:
            self._damaged.update(row.row for row in rows.values() if row.place in gone)
        return not gone

    def _completed(self, rows: Sequence[Outlined]) -> Sequence[Outlined]:
        """Return rows with the outlines of all: of those that came without it the record is read."""
        bare = [row.row for row in rows if not row.is_known]
        if not bare:
            return rows
        read = iter(self.read_many(bare))
        return [row if row.is_known else Outlined.of(row.row, Outline.of(next(read))) for row in rows]

    def _news(self, offered: Mapping[str, Outlined]) -> Segment | None:
        """Return what a segment must say so that every offered fingerprint has a sound row; None if nothing."""
        rows, void = [], []
        for fingerprint, row in offered.items():
            winner = self._rows.get(fingerprint)
            if winner is None:
                rows.append(row)
            elif self._damaged and winner.row in self._damaged:
                rows.append(row)
                void.append(winner.row)
        return Segment(rows, void) if rows else None

    def _apply(self, segment: Segment) -> None:
        for gone in segment.void:
            self._void.add(gone.pack)
            winner = self._rows.get(gone.fingerprint)
            if winner is not None and winner.row == gone:
                del self._rows[gone.fingerprint]
        for row in segment.rows:
            self._rows.setdefault(row.fingerprint, row)

    def _unnamed(self) -> Iterator[Outlined]:
        """Yield what lies, undamaged, in packs that no row names."""
        named = {row.place: row.pack for row in self._rows.values()}
        known, prefix = self._void.union(named.values()), packs_prefix(self._stage)
        for pack in [key.removeprefix(prefix) for key in self._store.list(prefix)]:
            if pack not in known:
                try:
                    yield from read_sound(self._store, self._stage, pack)[0]
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

    def _sound(self) -> Mapping[str, Outlined]:
        if not self._damaged:
            return self._rows.copy()
        return {fingerprint: row for fingerprint, row in self._rows.items() if row.row not in self._damaged}


def _set_digest(fingerprints: Iterable[str]) -> str:
    return digest_json("set", sorted(set(fingerprints)))


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
