"""TIFF directories (IFDs), by a few small reads: which tags a file has, and the arrays that say where its blocks lie.

Here: classic and BigTIFF of both byte orders. Not here: what tags mean for an image (`tiff_image`), pixels.
Format: TIFF 6.0 (Adobe 1992), BigTIFF (libtiff.org). Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flowbutton.model.errors import BadInput, TruncatedInput

Read = Callable[[int, int], bytes]
"""Returns bytes ``[start, stop)`` of a file, fewer where it ends before."""

KINDS = {1: "u1", 2: "V1", 3: "u2", 4: "u4", 5: "V8", 6: "i1", 7: "u1", 8: "i2", 9: "i4", 10: "V8", 11: "f4"} | {
    12: "f8",
    13: "u4",
    16: "u8",
    17: "i8",
    18: "u8",
}
HEAD_BYTES = 1 << 16
"""What is read at once of a file's head: the directories of a COG of a gigapixel lie within it."""
_MORE_BYTES = 1 << 14
_MOST_DIRECTORIES = 256


@dataclass(frozen=True, slots=True)
class Entry:
    """A tag's place: type and number of its values, and their bytes ``[start, start + size)`` in the file."""

    kind: int
    count: int
    start: int

    @property
    def size(self) -> int:
        """Bytes of all values."""
        return np.dtype(KINDS[self.kind]).itemsize * self.count


class TiffFile:
    """The directories of a TIFF file.

    Args:
        read: Reads ranges of it.
        size: Its bytes.
        file: Its name, for errors.

    Raises:
        BadInput: it is no TIFF, or its directories can't be followed.
        TruncatedInput: it ends before they do.
    """

    def __init__(self, read: Read, size: int, *, file: str) -> None:
        self._read, self.size, self.file = read, size, file
        self._blocks = [(0, read(0, min(HEAD_BYTES, size)))]
        head = self._blocks[0][1][:16]
        self.order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        version = struct.unpack(f"{self.order}H", head[2:4])[0] if self.order and len(head) >= 4 else 0
        if version not in (42, 43):
            raise not_a_tiff(file, head)
        self._big = version == 43
        self.directories: tuple[Mapping[int, Entry], ...] = tuple(self._walk())

    def raw(self, entry: Entry) -> bytes:
        """Return the bytes of a tag's values, in the file's byte order."""
        return self._bytes(entry.start, entry.size)

    def values(self, entry: Entry) -> npt.NDArray[Any]:
        """Return a tag's numbers."""
        return np.frombuffer(self.raw(entry), np.dtype(f"{self.order}{KINDS[entry.kind]}"))

    def _walk(self) -> Iterator[Mapping[int, Entry]]:
        at = self._number("Q", 8) if self._big else self._number("I", 4)
        seen: set[int] = set()
        while at:
            if at in seen or len(seen) >= _MOST_DIRECTORIES:
                why = f"the one at byte {at} comes again" if at in seen else f"it has more than {_MOST_DIRECTORIES}"
                raise BadInput("the directories of a TIFF can't be followed", why=why, hint=_REMAKE, file=self.file)
            seen.add(at)
            directory, at = self._directory(at)
            yield directory

    def _directory(self, at: int) -> tuple[Mapping[int, Entry], int]:
        counted, form, inline = (8, "HHQ", 8) if self._big else (2, "HHI", 4)
        count = self._number("Q" if self._big else "H", at)
        if count > 4096:
            why = f"it says that it has {count} tags"
            raise BadInput("a directory of a TIFF is damaged", why=why, hint=_REMAKE, file=self.file, byte=at)
        width = struct.calcsize(f"={form}") + inline
        rows = self._bytes(at + counted, count * width)
        found: dict[int, Entry] = {}
        for number in range(count):
            tag, kind, values = struct.unpack_from(f"{self.order}{form}", rows, number * width)
            if kind in KINDS:  # the specification asks readers to skip types that they don't know
                start = at + counted + (number + 1) * width - inline
                entry = Entry(kind, values, start)
                if entry.size > inline:
                    entry = Entry(kind, values, self._number("Q" if self._big else "I", start))
                found[tag] = entry
        following = at + counted + count * width
        return found, self._number("Q" if self._big else "I", following)

    def _number(self, form: str, at: int) -> int:
        (value,) = struct.unpack(f"{self.order}{form}", self._bytes(at, struct.calcsize(f"={form}")))
        return int(value)

    def _bytes(self, start: int, size: int) -> bytes:
        """Return bytes of the file; what is read for them is kept, for what lies beside."""
        if start + size > self.size:
            raise TruncatedInput(
                "a TIFF ends before its directories do",
                why=f"bytes {start} to {start + size} are named, it has {self.size}",
                hint="compare its size with the sender's, and fetch it again",
                file=self.file,
                byte=self.size,
            )
        for first, block in self._blocks:
            if first <= start and start + size <= first + len(block):
                return block[start - first : start - first + size]
        stop = min(start + max(size, _MORE_BYTES), self.size)
        self._blocks.append((start, self._read(start, stop)))
        return self._blocks[-1][1][:size]


_REMAKE = "fetch the file again, or write it anew: gdal_translate -of COG in.tif out.tif"


def not_a_tiff(file: str, head: bytes) -> BadInput:
    """Return the error for a file that begins with other bytes than a TIFF does."""
    return BadInput(
        "this is not a TIFF file",
        why=f"it begins with {head[:8]!r}" if head else "it is empty",
        hint="give a GeoTIFF; others are made one by: gdal_translate -of COG in out.tif",
        file=file,
    )
