"""The transposed index: from the footers of many bundles to one table by key, so that a reducer reads only its rows.

Layout::

    head    JSON: schema; bundles [[digest, size], ...] in upstream order; keys, sorted; per key the number of its rows,
            their bytes, and a digest over its parts' digests (so that the engine can tell per key what changed)
    rows    20 bytes a row, little-endian, by key, then bundle, then order of adding: bundle u32, offset u64, length u64
    tail    u64 length of the head, 8 bytes b"FBTRANS1"

Here: making and reading it, and `StoredParts`, what a stage's `Parts` argument gets.
Imports `flowbutton.model`, `stages.bundles`.
"""

from __future__ import annotations

import hashlib
import json
import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

from flowbutton.model.bundle import BundleKey, Interval, KeySchema
from flowbutton.model.errors import Bug
from flowbutton.stages.bundles import Footer

_ROW = struct.Struct("<IQQ")
_TAIL = struct.Struct("<Q8s")
_MAGIC = b"FBTRANS1"
READ_AHEAD_BYTES = 8 * 1024**2
"""Keys are fetched together until their parts exceed this, so that neighbouring parts are one request."""


@dataclass(frozen=True, slots=True)
class TransposedHead:
    """All of the index but its rows; small enough for the driver."""

    schema: KeySchema | None
    bundles: tuple[tuple[str, int], ...]
    keys: tuple[BundleKey, ...]
    counts: tuple[int, ...]
    sizes: tuple[int, ...]
    digests: tuple[str, ...]

    def select(self, wanted: Sequence[Interval] | None) -> list[int]:
        """Return the ordinals of the keys that meet any of the intervals, sorted; all keys if ``wanted`` is None."""
        if self.schema is None:
            return []
        if wanted is None:
            return list(range(len(self.keys)))
        schema = self.schema
        return [n for n, key in enumerate(self.keys) if any(interval.meets(schema, key) for interval in wanted)]

    def bytes_of(self, wanted: Sequence[Interval] | None) -> int:
        """Return how many bytes the selected parts have."""
        return sum(self.sizes[n] for n in self.select(wanted))

    def content(self, wanted: Sequence[Interval] | None) -> str:
        """Return the digest that names the selected parts: keys and contents, in order."""
        total = hashlib.sha256()
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
        packed.extend(_ROW.pack(number, row.offset, row.length) for _, number, row in members)
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
    assert magic == _MAGIC, magic
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


def _rows_start(size: int, row_count: int) -> int:
    return size - _TAIL.size - row_count * _ROW.size


class StoredParts:
    """The parts that a reducer wants, read by range when it comes to them. Implements `model.bundle.Parts`."""

    def __init__(
        self,
        size: int,
        read_index: Callable[[int, int], bytes],
        read_object: Callable[[str, int, int], bytes],
        wanted: Sequence[Interval] | None,
    ) -> None:
        self._head = read_head(size, read_index)
        self._selected = self._head.select(wanted)
        self._row_starts = [0, *accumulate(self._head.counts)]
        self._rows_at = _rows_start(size, self._row_starts[-1])
        self._read_index, self._read_object = read_index, read_object

    @property
    def schema(self) -> KeySchema | None:
        """The key schema; None when there is no bundle."""
        return self._head.schema

    def keys(self) -> Sequence[BundleKey]:
        """Return the wanted keys, sorted."""
        return [self._head.keys[n] for n in self._selected]

    def __iter__(self) -> Iterator[tuple[BundleKey, list[bytes]]]:
        """Yield each key with its parts in upstream order, a few MiB of them at a time."""
        batch: list[tuple[int, list[tuple[int, int, int]]]] = []
        held = 0
        for ordinal in self._selected:
            rows = self._rows(ordinal)
            batch.append((ordinal, rows))
            held += sum(length for _, _, length in rows)
            if held >= READ_AHEAD_BYTES:
                yield from self._fetch(batch)
                batch, held = [], 0
        yield from self._fetch(batch)

    def _rows(self, ordinal: int) -> list[tuple[int, int, int]]:
        start = self._rows_at + self._row_starts[ordinal] * _ROW.size
        stop = self._rows_at + self._row_starts[ordinal + 1] * _ROW.size
        return list(_ROW.iter_unpack(self._read_index(start, stop)))

    def _fetch(
        self, batch: Sequence[tuple[int, list[tuple[int, int, int]]]]
    ) -> Iterator[tuple[BundleKey, list[bytes]]]:
        spans = join_ranges(row for _, rows in batch for row in rows)
        held = {
            (bundle, start): self._read_object(self._head.bundles[bundle][0], start, stop)
            for bundle, start, stop in spans
        }
        starts: dict[int, list[int]] = {}
        for bundle, start, _ in spans:
            starts.setdefault(bundle, []).append(start)
        for ordinal, rows in batch:
            parts = []
            for bundle, offset, length in rows:
                start = starts[bundle][bisect_right(starts[bundle], offset) - 1]
                data = held[bundle, start]
                parts.append(data[offset - start : offset - start + length])
            yield self._head.keys[ordinal], parts


def join_ranges(rows: Iterator[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
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
