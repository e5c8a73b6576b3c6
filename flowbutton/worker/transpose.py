"""The transposed index: from the footers of many bundles to one table by key, so that a reducer reads only its rows.

Layout::

    head    JSON: schema; bundles [[digest, size], ...] in upstream order; keys, sorted; per key the number of its rows,
            their bytes, and a digest over its parts' digests (so that the engine can tell per key what changed)
    rows    52 bytes a row, little-endian, by key, then bundle, then order of adding: bundle u32, offset u64,
            length u64, sha256 of the part, which its reader checks: a small part needs no larger read for that
    tail    u64 length of the head, 8 bytes b"FBTRANS1"

Here: making and reading it, and `StoredParts`, what a stage's `Parts` argument gets.
Imports `flowbutton.model`, `stages.bundles`.
"""

from __future__ import annotations

import hashlib
import json
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, groupby
from operator import itemgetter
from typing import cast

from flowbutton.model.bundle import BundleKey, Interval, KeySchema
from flowbutton.model.errors import Bug, CorruptObject
from flowbutton.stages.bundles import Footer

_ROW = struct.Struct("<IQQ32s")
_Row = tuple[int, int, int, bytes]
_TAIL = struct.Struct("<Q8s")
_MAGIC = b"FBTRANS1"
READ_AHEAD_BYTES = 8 * 1024**2
"""Parts are fetched together until they exceed this, so that neighbouring ones are one request."""


@dataclass(frozen=True)
class TransposedHead:
    """All of the index but its rows; small enough for the driver."""

    schema: KeySchema | None
    bundles: tuple[tuple[str, int], ...]
    keys: tuple[BundleKey, ...]
    counts: tuple[int, ...]
    sizes: tuple[int, ...]
    digests: tuple[str, ...]

    @cached_property
    def row_starts(self) -> tuple[int, ...]:
        """Where each key's rows begin, in rows; one more at the end."""
        return (0, *accumulate(self.counts))

    @cached_property
    def _groups(self) -> Mapping[BundleKey, tuple[int, list[int]]]:
        """Per distinct key without its last column: the first ordinal, and the last column's values, sorted."""
        found: dict[BundleKey, tuple[int, list[int]]] = {}
        for ordinal, key in enumerate(self.keys):
            found.setdefault(key[:-1], (ordinal, []))[1].append(cast(int, key[-1]))
        return found

    @cached_property
    def _by_places(self) -> dict[tuple[int, ...], Mapping[tuple[object, ...], list[BundleKey]]]:
        return {}

    def select(self, wanted: Sequence[Interval] | None) -> list[int]:
        """Return the ordinals of the keys that meet any of the intervals, sorted; all keys if ``wanted`` is None.

        Raises:
            Bug: an interval names a column that the keys do not have.
        """
        if self.schema is None:
            return []
        if wanted is None:
            return list(range(len(self.keys)))
        chosen: set[int] = set()
        for interval in wanted:
            chosen.update(self._meeting(self.schema, interval))
        return sorted(chosen)

    def _meeting(self, schema: KeySchema, interval: Interval) -> Iterator[int]:
        """Yield the ordinals that meet one interval, by bisection in each group of keys that it names."""
        unknown = sorted(interval.equal.keys() - set(schema.columns))
        if unknown:
            raise Bug(
                f"an interval names the column '{unknown[0]}', which the bundles do not have",
                why=f"their keys are: {', '.join(schema.columns)}",
                hint="name start, stop and columns of the key in the item's overlap",
            )
        *outer, last = schema.columns
        if last in interval.equal:
            yield from (n for n, key in enumerate(self.keys) if interval.meets(schema, key))
            return
        places = tuple(place for place, column in enumerate(outer) if column in interval.equal)
        for prefix in self._prefixes(places).get(tuple(interval.equal[outer[place]] for place in places), ()):
            first, starts = self._groups[prefix]
            width = max(schema.width, 1)
            low = 0 if interval.start is None else bisect_right(starts, interval.start - width)
            high = len(starts) if interval.stop is None else bisect_left(starts, interval.stop)
            yield from range(first + low, first + high)

    def _prefixes(self, places: tuple[int, ...]) -> Mapping[tuple[object, ...], list[BundleKey]]:
        """Return the keys without their last column by what stands in some columns; many intervals ask for the same."""
        if places not in self._by_places:
            found: dict[tuple[object, ...], list[BundleKey]] = {}
            for prefix in self._groups:
                found.setdefault(tuple(prefix[place] for place in places), []).append(prefix)
            self._by_places[places] = found
        return self._by_places[places]

    def bytes_of(self, wanted: Sequence[Interval] | None) -> int:
        """Return how many bytes the selected parts have."""
        return sum(self.sizes[n] for n in self.select(wanted))

    def content(self, wanted: Sequence[Interval] | None) -> str:
        """Return the digest that names what a reducer sees: the schema, and the selected keys and contents in order."""
        schema = self.schema and [self.schema.columns, self.schema.width]
        total = hashlib.sha256(json.dumps(schema).encode())
        for n in self.select(wanted):
            total.update(json.dumps(self.keys[n]).encode() + self.digests[n].encode())
        return total.hexdigest()


def transpose(bundles: Sequence[tuple[str, int, Footer]]) -> bytes:
    """Join footers, given as (digest, size, footer) in upstream order, into the bytes of an index.

    Raises:
        Bug: the bundles have different key schemas.
    """
    schemas = {footer.schema for _, _, footer in bundles}
    if len(schemas) > 1:
        raise Bug("bundles of one stage have different key schemas", why=str(schemas), hint="return one schema")
    rows = [(row.key, number, row) for number, (_, _, footer) in enumerate(bundles) for row in footer.rows]
    rows.sort(key=lambda row: (row[0], row[1]))  # stable: the order of adding stays
    keys: list[BundleKey] = []
    counts: list[int] = []
    sizes: list[int] = []
    digests: list[str] = []
    packed: list[bytes] = []
    for key, group in groupby(rows, key=lambda row: row[0]):
        members = list(group)
        keys.append(key)
        counts.append(len(members))
        sizes.append(sum(row.length for _, _, row in members))
        digests.append(hashlib.sha256(b"".join(row.digest for _, _, row in members)).hexdigest()[:32])
        packed.extend(_ROW.pack(number, row.offset, row.length, row.digest) for _, number, row in members)
    schema = next(iter(schemas), None)
    head = {
        "schema": schema and {"columns": schema.columns, "width": schema.width},
        "bundles": [[digest, size] for digest, size, _ in bundles],
        "keys": keys,
        "counts": counts,
        "sizes": sizes,
        "digests": digests,
    }
    text = json.dumps(head, separators=(",", ":")).encode()
    return text + b"".join(packed) + _TAIL.pack(len(text), _MAGIC)


def read_head(size: int, read: Callable[[int, int], bytes]) -> TransposedHead:
    """Read the head of an index of ``size`` bytes; ``read(start, stop)`` returns bytes of it."""
    length, magic = _TAIL.unpack(read(size - _TAIL.size, size))
    if magic != _MAGIC:
        raise CorruptObject("this is not a transposed index", why="its last bytes are another's", hint="", key="")
    head = json.loads(read(0, length))
    schema = head["schema"]
    return TransposedHead(
        schema=schema and KeySchema(tuple(schema["columns"]), schema["width"]),
        bundles=tuple((digest, count) for digest, count in head["bundles"]),
        keys=tuple(tuple(key) for key in head["keys"]),
        counts=tuple(head["counts"]),
        sizes=tuple(head["sizes"]),
        digests=tuple(head["digests"]),
    )


class StoredParts:
    """The parts that a reducer wants, read by range when it comes to them. Implements `model.bundle.Parts`."""

    def __init__(
        self,
        head: TransposedHead,
        size: int,
        read_index: Callable[[int, int], bytes],
        read_object: Callable[[str, int, int], bytes],
        wanted: Sequence[Interval] | None,
    ) -> None:
        self._head, self._selected = head, head.select(wanted)
        self._rows_at = size - _TAIL.size - head.row_starts[-1] * _ROW.size
        self._read_index, self._read_object = read_index, read_object

    @property
    def schema(self) -> KeySchema | None:
        """The key schema; None when there is no bundle."""
        return self._head.schema

    def keys(self) -> Sequence[BundleKey]:
        """Return the wanted keys, sorted."""
        return [self._head.keys[n] for n in self._selected]

    def __iter__(self) -> Iterator[tuple[BundleKey, list[bytes]]]:
        """Yield each key with its parts in upstream order, read a few MiB at a time."""
        for key, parts in groupby(self.each(), key=itemgetter(0)):
            yield key, [part for _, part in parts]

    def each(self) -> Iterator[tuple[BundleKey, bytes]]:
        """Yield each part with its key; a few MiB of them are held at a time."""
        batch: list[tuple[int, _Row]] = []
        held = 0
        for ordinal in self._selected:
            for row in self._rows(ordinal):
                batch.append((ordinal, row))
                held += row[2]
                if held >= READ_AHEAD_BYTES:
                    yield from self._fetch(batch)
                    batch, held = [], 0
        yield from self._fetch(batch)

    def _rows(self, ordinal: int) -> list[_Row]:
        first, last = self._head.row_starts[ordinal : ordinal + 2]
        return list(
            _ROW.iter_unpack(self._read_index(self._rows_at + first * _ROW.size, self._rows_at + last * _ROW.size))
        )

    def _fetch(self, batch: Sequence[tuple[int, _Row]]) -> Iterator[tuple[BundleKey, bytes]]:
        spans = join_ranges((bundle, offset, length) for _, (bundle, offset, length, _) in batch)
        held: dict[int, tuple[list[int], list[bytes]]] = {}
        for bundle, start, stop in spans:
            starts, blocks = held.setdefault(bundle, ([], []))
            starts.append(start)
            blocks.append(self._read_object(self._head.bundles[bundle][0], start, stop))
        for ordinal, row in batch:
            yield self._head.keys[ordinal], self._part(held[row[0]], row)

    def _part(self, held: tuple[list[int], list[bytes]], row: _Row) -> bytes:
        bundle, offset, length, digest = row
        starts, blocks = held
        nearest = bisect_right(starts, offset) - 1
        at = offset - starts[nearest]
        data = blocks[nearest][at : at + length]
        if hashlib.sha256(data).digest() != digest:
            raise CorruptObject(
                "a part of a bundle is damaged",
                why=f"expected sha256 {digest.hex()}, found {hashlib.sha256(data).hexdigest()}",
                hint="remove the object: the task that made it runs again",
                key=self._head.bundles[bundle][0],
                byte=offset,
            )
        return data


def join_ranges(rows: Iterable[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Join (bundle, offset, length) that touch into (bundle, start, stop), sorted: one request each."""
    joined: list[tuple[int, int, int]] = []
    for bundle, offset, length in sorted(rows):
        if joined and joined[-1][0] == bundle and joined[-1][2] >= offset:
            joined[-1] = (bundle, joined[-1][1], max(joined[-1][2], offset + length))
        else:
            joined.append((bundle, offset, offset + length))
    return joined


class NoParts:
    """What a gather over no bundles gets."""

    schema: KeySchema | None = None

    def keys(self) -> Sequence[BundleKey]:
        """Return no key."""
        return []

    def __iter__(self) -> Iterator[tuple[BundleKey, list[bytes]]]:
        """Yield nothing."""
        return iter(())

    def each(self) -> Iterator[tuple[BundleKey, bytes]]:
        """Yield nothing."""
        return iter(())
