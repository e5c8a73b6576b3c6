"""Bundles as bytes: parts, then a sorted fixed-width footer, read by range.

Layout (all integers little-endian)::

    parts          concatenated, in the order of adding
    keys           JSON array of the distinct keys, sorted: [["sim", 0, 16384], ...]
    rows           56 bytes per part, sorted by (key, order of adding): offset u64, length u64, key ordinal u64,
                   sha256 of the part
    schema         JSON {"columns": [...], "width": n}
    tail           u64 start of keys, u64 start of rows, u64 start of schema, 8 bytes b"FBUNDLE1"

Here: `BundleFile` (writing), `Footer` (reading), `MemoryParts` (parts in memory, for a function run alone).
Not here: the transposed index over many bundles (`worker.transpose`). Imports `flowbutton.model`.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from flowbutton.model.blocks import Blocks, BlocksWritten
from flowbutton.model.bundle import BundleKey, Interval, KeySchema
from flowbutton.model.errors import CorruptObject

MAGIC = b"FBUNDLE1"
_TAIL = struct.Struct("<QQQ8s")
_ROW = struct.Struct("<QQQ32s")


class FooterRow(NamedTuple):
    """One part: its key, where it lies in the bundle, and the sha256 of its bytes."""

    key: BundleKey
    offset: int
    length: int
    digest: bytes


class Bundle:
    """A bundle being written: the return value of a stage whose output is a bundle.

    The same adds in the same order give the same bytes.
    """

    def __init__(self, path: Path, schema: KeySchema) -> None:
        self.path, self.schema = path, schema
        self._file, self._written = path.open("wb"), BlocksWritten()
        self._rows: list[FooterRow] = []
        self._end = 0

    def add(self, key: BundleKey, data: bytes) -> None:
        """Add one part. ``key`` has a value for each column of the schema, of one type per column."""
        if len(key) != len(self.schema.columns):
            raise ValueError(f"key {key} does not fit the columns {self.schema.columns}")
        self._write(data)
        self._rows.append(FooterRow(key, self._end, len(data), hashlib.sha256(data).digest()))
        self._end += len(data)

    def close(self) -> Path:
        """Write the footer; return the file."""
        if self._file.closed:
            return self.path
        keys = sorted({row.key for row in self._rows})
        ordinal = {key: number for number, key in enumerate(keys)}
        rows = sorted(self._rows, key=lambda row: ordinal[row.key])  # stable: the order of adding stays
        key_text = json.dumps(keys, separators=(",", ":")).encode()
        row_bytes = b"".join(_ROW.pack(row.offset, row.length, ordinal[row.key], row.digest) for row in rows)
        schema = json.dumps({"columns": self.schema.columns, "width": self.schema.width}).encode()
        starts = (self._end, self._end + len(key_text), self._end + len(key_text) + len(row_bytes))
        self._write(key_text + row_bytes + schema + _TAIL.pack(*starts, MAGIC))
        self._file.close()
        return self.path

    @property
    def blocks(self) -> Blocks:
        """The digests of the file's bytes, as they were written."""
        return self._written.blocks()

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._written.add(data)


@dataclass(frozen=True, slots=True)
class Footer:
    """What a bundle holds: its rows, sorted by key, parts of one key in order of adding."""

    schema: KeySchema
    rows: tuple[FooterRow, ...]

    @classmethod
    def read(cls, size: int, read: Callable[[int, int], bytes]) -> Footer:
        """Read the footer of a bundle of ``size`` bytes; ``read(start, stop)`` returns bytes of it.

        Raises:
            CorruptObject: the bytes are not a bundle.
        """
        tail = read(size - _TAIL.size, size) if size >= _TAIL.size else b""
        if len(tail) != _TAIL.size or not tail.endswith(MAGIC):
            raise CorruptObject("this is not a bundle", why="its last bytes are not a bundle's", hint="", key="")
        keys_at, rows_at, schema_at, _ = _TAIL.unpack(tail)
        body = read(keys_at, size - _TAIL.size)
        keys = [tuple(key) for key in json.loads(body[: rows_at - keys_at])]
        rows = tuple(
            FooterRow(keys[ordinal], offset, length, digest)
            for offset, length, ordinal, digest in _ROW.iter_unpack(body[rows_at - keys_at : schema_at - keys_at])
        )
        schema = json.loads(body[schema_at - keys_at :])
        return cls(KeySchema(tuple(schema["columns"]), schema["width"]), rows)


class MemoryParts:
    """Parts of bundle files on disk, selected: what `Parts` promises, for running a function alone."""

    def __init__(self, bundles: Sequence[Path], wanted: Sequence[Interval] | None = None) -> None:
        self._data = [path.read_bytes() for path in bundles]
        self._footers = [Footer.read(len(data), lambda a, b, data=data: data[a:b]) for data in self._data]  # type: ignore[misc]
        self._wanted = wanted

    @property
    def schema(self) -> KeySchema | None:
        """The key schema of the bundles."""
        return self._footers[0].schema if self._footers else None

    def keys(self) -> Sequence[BundleKey]:
        """Return the distinct wanted keys, sorted."""
        distinct = {row.key: footer for footer in self._footers for row in footer.rows}
        return sorted(key for key, footer in distinct.items() if self._wants(footer, key))

    def __iter__(self) -> Iterator[tuple[BundleKey, list[bytes]]]:
        """Yield each key with its parts in the order of the bundles."""
        found: dict[BundleKey, list[bytes]] = {key: [] for key in self.keys()}
        for data, footer in zip(self._data, self._footers, strict=True):
            for row in footer.rows:
                if row.key in found:
                    found[row.key].append(data[row.offset : row.offset + row.length])
        yield from found.items()

    def each(self) -> Iterator[tuple[BundleKey, bytes]]:
        """Yield each part with its key."""
        return ((key, part) for key, parts in self for part in parts)

    def _wants(self, footer: Footer, key: BundleKey) -> bool:
        return self._wanted is None or any(interval.meets(footer.schema, key) for interval in self._wanted)
