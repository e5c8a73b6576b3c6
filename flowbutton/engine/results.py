"""What a node keeps of its done tasks, in little memory: about 200 bytes each, since there may be 10⁵ of them.

A result that is like most (one output, no counts) is kept as packed bytes and made again when asked for; any other is
kept as it is. Imports `flowbutton.model`, `engine.tasks`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence, ValuesView
from typing import TypeVar, overload

from flowbutton.engine.tasks import Result
from flowbutton.model.canonical import Json
from flowbutton.model.records import NOTHING_COUNTED, Measures, Outline, Row
from flowbutton.worker.payload import StoredRow

_PACKED = struct.Struct("<32s32sQII32sQIIQQQ??")
"""The row: fingerprint, digest, offset, length, place of its pack; then content, size, measures, and what it is."""
_ROW = struct.Struct("<32s32sQII")
_TICKS = 10_000
"""Measured times are kept as they are rounded: in tenths of a millisecond."""

ItemT = TypeVar("ItemT")


class Lazy(Sequence[ItemT]):
    """A sequence of values that are made when asked for: ``make(place)`` for each of ``count()`` places."""

    def __init__(self, count: Callable[[], int], make: Callable[[int], ItemT]) -> None:
        self._count, self._make = count, make

    def __len__(self) -> int:
        return self._count()

    @overload
    def __getitem__(self, place: int) -> ItemT: ...
    @overload
    def __getitem__(self, place: slice) -> list[ItemT]: ...
    def __getitem__(self, place: int | slice) -> ItemT | list[ItemT]:
        if isinstance(place, slice):
            return [self._make(one) for one in range(*place.indices(len(self)))]
        return self._make(range(len(self))[place])

    def __iter__(self) -> Iterator[ItemT]:
        return map(self._make, range(len(self)))


class Column(Mapping[int, ItemT]):
    """One value per task: a list, and the place of each task in it, which several columns share."""

    def __init__(self, places: Mapping[int, int], values: Sequence[ItemT]) -> None:
        self._places, self._values = places, values

    def __getitem__(self, task: int) -> ItemT:
        return self._values[self._places[task]]

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def values(self) -> ValuesView[ItemT]:
        """The values, in the order in which the tasks came."""
        return _Values(self._values)


class _Values(ValuesView[ItemT]):
    """The values of a column, without a look at each task's place."""

    def __init__(self, values: Sequence[ItemT]) -> None:
        self._values = values

    def __iter__(self) -> Iterator[ItemT]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, value: object) -> bool:
        return value in self._values


class Results(Mapping[int, Result]):
    """Results by task, in the order in which they came."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._kept: dict[int, bytes | Result] = {}
        self.reused = 0
        """How many of them were there before the run."""
        self._packs: list[str] = []
        self._pack_places: dict[str, int] = {}

    def __setitem__(self, task: int, result: Result) -> None:
        self._kept[task] = self._packed(result) or result
        self.reused += result.reused

    def __getitem__(self, task: int) -> Result:
        kept = self._kept[task]
        return self._unpacked(kept) if isinstance(kept, bytes) else kept

    def __contains__(self, task: object) -> bool:
        return task in self._kept

    def __iter__(self) -> Iterator[int]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def _packed(self, result: Result) -> bytes | None:
        """Return a result as bytes, None where it has more to it than fits."""
        (stage, row), outline, reused = result
        if outline.ledger is not NOTHING_COUNTED or outline.artifacts.keys() != {""} or stage != self._stage:
            return None
        content, size = outline.artifacts[""]
        wall_s, cpu_s, rss, read, written = outline.measures
        is_object = bool(outline.objects)
        if outline.objects not in ((), (content,)):
            return None
        try:
            where = bytes.fromhex(row.digest), row.offset, row.length, self._place_of(row.pack)
            times = round(wall_s * _TICKS), round(cpu_s * _TICKS)
            rest = bytes.fromhex(content), size, *times, rss, read, written, is_object, reused
            return _PACKED.pack(bytes.fromhex(row.fingerprint), *where, *rest)
        except (ValueError, struct.error):  # an extension, a number beyond its field
            return None

    def _place_of(self, pack: str) -> int:
        place = self._pack_places.setdefault(pack, len(self._packs))
        if place == len(self._packs):
            self._packs.append(pack)
        return place

    def _unpacked(self, kept: bytes) -> Result:
        *row, named, size, wall, cpu, rss, read, written, is_object, reused = _PACKED.unpack(kept)
        content = named.hex()
        measures = Measures(wall / _TICKS, cpu / _TICKS, rss, read, written)
        outline = Outline({"": (content, size)}, (content,) if is_object else (), NOTHING_COUNTED, measures)
        return Result(self._stored(*row), outline, reused)

    def _stored(self, mark: bytes, digest: bytes, offset: int, length: int, pack: int) -> StoredRow:
        return StoredRow(self._stage, Row(mark.hex(), digest.hex(), self._packs[pack], offset, length))

    def fingerprint(self, task: int) -> str:
        """Return a task's fingerprint."""
        kept = self._kept[task]
        return kept[:32].hex() if isinstance(kept, bytes) else kept.stored.row.fingerprint

    def stored(self, task: int) -> StoredRow:
        """Return where a task's record lies."""
        kept = self._kept[task]
        return self._stored(*_ROW.unpack_from(kept)) if isinstance(kept, bytes) else kept.stored

    def content(self, task: int, output: str | None) -> Json:
        """Return what names an output's content, as `Result.content`."""
        kept = self._kept[task]
        return kept[_ROW.size : _ROW.size + 32].hex() if isinstance(kept, bytes) else kept.content(output)

    def bytes_of(self, task: int, output: str | None) -> int:
        """Return the size of an output, as `Result.bytes_of`."""
        kept = self._kept[task]
        if isinstance(kept, bytes):
            return int.from_bytes(kept[_ROW.size + 32 : _ROW.size + 40], "little")
        return kept.bytes_of(output)
