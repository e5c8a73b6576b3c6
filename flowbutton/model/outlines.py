"""What the engine needs of a task record, without the record: its row and its outline, packed into few bytes.

The worker packs them once. As they are they travel to the driver, stand in segments and manifests, and are what the
driver keeps of a done task: so going on from a record takes no look into its pack, and 200 bytes of memory.
Layout, little-endian: the row (fingerprint, digest, name and attempt of the pack, offset, length), the measures (two
doubles, three integers), a byte for the form of the rest, the rest: nothing where the outline is not known; content
and size of the one output where there is no more to tell, in the record itself or in an object; else JSON.
Imports `model.canonical`, `model.records`.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Self

from flowbutton.model.canonical import Json, canonical
from flowbutton.model.records import ASIDE, NOTHING_COUNTED, LedgerCounts, Measures, Row, TaskRecord

_ROW = struct.Struct("<32s32s32sHQI")
_HEAD = struct.Struct("<32s32s32sHQIddQQQB")
_ONE = struct.Struct("<32sQ")
_MEASURES = struct.Struct("<ddQQQ")
_FORM = _HEAD.size - 1
_CONTENT = slice(_HEAD.size, _HEAD.size + 32)
_SIZE = slice(_HEAD.size + 32, _HEAD.size + 40)
_PACK = slice(64, 98)

_INLINE, _OBJECT, _MORE, _UNKNOWN = range(4)


class Outline(NamedTuple):
    """What a record's consumers, the ledger and the trace need, without inline data and log.

    ``artifacts``: of each output what names its content, which is its digest and, since a consumer sees that too, a
    file's extension; and its size in bytes. ``objects``: the digests of what lies in objects of its own.
    """

    artifacts: Mapping[str, tuple[str, int]]
    objects: tuple[str, ...]
    ledger: LedgerCounts
    measures: Measures

    @classmethod
    def of(cls, record: TaskRecord) -> Outline:
        """Return the outline of a record."""
        artifacts = {
            name: (item.digest + item.suffix, item.size) for name, item in record.artifacts.items() if name != ASIDE
        }
        objects = tuple(item.digest for item in record.artifacts.values() if item.inline is None)
        return cls(artifacts, objects, record.ledger, record.measures)


class PackedRow(bytes):
    """The row of one record in 110 bytes; equal ones are equal bytes.

    Its hexadecimal digits begin with those of the fingerprint and the digest, which can so be looked for in text.
    """

    __slots__ = ()

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Pack a row. Raises as `Outlined.of`."""
        return cls(_ROW.pack(*_row_fields(row)))

    @property
    def row(self) -> Row:
        """Where the record lies."""
        mark, digest, name, attempt, offset, length = _ROW.unpack_from(self)
        return Row(mark.hex(), digest.hex(), f"{name.hex()}-{attempt}" if attempt else name.hex(), offset, length)

    @property
    def fingerprint(self) -> str:
        """The task's fingerprint."""
        return self[:32].hex()

    @property
    def digest(self) -> str:
        """The digest of the record's line."""
        return self[32:64].hex()

    @property
    def pack(self) -> str:
        """The name of the pack."""
        name, attempt = self[64:96].hex(), int.from_bytes(self[96:98], "little")
        return f"{name}-{attempt}" if attempt else name

    @property
    def place(self) -> bytes:
        """What names the pack, in fewer bytes."""
        return self[_PACK]


class Outlined(PackedRow):
    """The row and the outline of one record, packed; equal ones are equal bytes."""

    __slots__ = ()

    @classmethod
    def of(cls, row: Row, outline: Outline | None) -> Self:
        """Pack a row, and the outline where it is known.

        Raises:
            ValueError: a digest is none, or the pack's name is not that of a pack.
            struct.error: a number is beyond its field.
        """
        form, rest = (_UNKNOWN, b"") if outline is None else _packed(outline)
        measures = Measures() if outline is None else outline.measures
        return cls(_HEAD.pack(*_row_fields(row), *measures, form) + rest)

    @property
    def bare(self) -> PackedRow:
        """The row alone."""
        return PackedRow(self[: _ROW.size])

    @property
    def is_known(self) -> bool:
        """Whether there is an outline."""
        return self[_FORM] != _UNKNOWN

    @property
    def outline(self) -> Outline:
        """The outline, where it is known."""
        if self[_FORM] < _MORE:
            return Outline({"": self._one}, self.objects, NOTHING_COUNTED, self.measures)
        artifacts, objects, ledger = json.loads(self[_HEAD.size :])
        outputs = {name: (content, size) for name, (content, size) in artifacts.items()}
        return Outline(outputs, tuple(objects), LedgerCounts.from_json(ledger), self.measures)

    @property
    def measures(self) -> Measures:
        """What the task cost."""
        return Measures(*_MEASURES.unpack_from(self, _ROW.size))

    @property
    def objects(self) -> tuple[str, ...]:
        """The digests of what lies in objects of its own."""
        form = self[_FORM]
        if form == _OBJECT:
            return (self[_CONTENT].hex(),)
        return self.outline.objects if form >= _MORE else ()

    @property
    def ledger(self) -> LedgerCounts:
        """The task's counts."""
        return self.outline.ledger if self[_FORM] >= _MORE else NOTHING_COUNTED

    @property
    def artifacts(self) -> Mapping[str, tuple[str, int]]:
        """Of each output what names its content, and its size in bytes."""
        return self.outline.artifacts if self[_FORM] >= _MORE else {"": self._one}

    def content(self, output: str | None) -> Json:
        """Return what names an output's content in fingerprints: its digest, or those of all named outputs."""
        if self[_FORM] < _MORE:
            return self[_CONTENT].hex()
        artifacts = self.artifacts
        if output is None and "" not in artifacts:
            return {name: digest for name, (digest, _) in artifacts.items()}
        return artifacts[output or ""][0]

    def bytes_of(self, output: str | None) -> int:
        """Return the size of an output in bytes, or of all."""
        if self[_FORM] < _MORE:
            return int.from_bytes(self[_SIZE], "little")
        artifacts = self.artifacts
        if output is None and "" not in artifacts:
            return sum(size for _, size in artifacts.values())
        return artifacts[output or ""][1]

    @property
    def _one(self) -> tuple[str, int]:
        return self[_CONTENT].hex(), int.from_bytes(self[_SIZE], "little")


def _row_fields(row: Row) -> tuple[bytes, bytes, bytes, int, int, int]:
    name, _, attempt = row.pack.partition("-")
    marks = bytes.fromhex(row.fingerprint), bytes.fromhex(row.digest), bytes.fromhex(name)
    return *marks, int(attempt or 0), row.offset, row.length


def _packed(outline: Outline) -> tuple[int, bytes]:
    """Return the form of an outline's rest, and the rest."""
    artifacts, objects, ledger, _ = outline
    if ledger is NOTHING_COUNTED and artifacts.keys() == {""}:
        content, size = artifacts[""]
        if len(content) == 64 and objects in ((), (content,)):
            return _OBJECT if objects else _INLINE, _ONE.pack(bytes.fromhex(content), size)
    return _MORE, canonical([dict(artifacts), objects, ledger.to_json()])


def joined(rows: Iterable[Outlined]) -> bytes:
    """Return rows one after the other, each preceded by its length in four bytes."""
    return b"".join([len(row).to_bytes(4, "little") + row for row in rows])


def split(data: bytes) -> Iterator[Outlined]:
    """Yield what `joined` joined."""
    start = 0
    while start < len(data):
        stop = start + 4 + int.from_bytes(data[start : start + 4], "little")
        yield Outlined(data[start + 4 : stop])
        start = stop


def split_rows(data: bytes) -> list[PackedRow]:
    """Return packed rows that stand one after the other."""
    return [PackedRow(data[start : start + _ROW.size]) for start in range(0, len(data), _ROW.size)]
