"""Points of spectra: m/z, pixel, intensity; in bundles keyed by m/z.

The order of all points of a dataset is (m/z, number of the spectrum, place in the spectrum). Within a part of a bundle
they stand in it, and a part tells the number of its piece's first spectrum: parts in the order of that number, then of
their keys, are put into it by one stable sort by m/z. All cuts are by value, so equal m/z of a piece are in one part.

Here: points as a value and as bytes, the keys. Not here: making them (`scatter`), what they are used for (`annotate`).
Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from flowbutton.model.bundle import KeySchema

UNITS = 1024
"""Keys count m/z in 1/1024: a power of two, so that no rounding moves a point over an edge."""
BIN = 512
"""Units per bin, the widest part: half of m/z 1. Fixed: no consumer's size is in it."""
FINE = 16
"""Units of the bins that are counted, and at whose edges a dense bin is cut into sub-bins."""
SCHEMA = KeySchema(("mz",), width=BIN)

_HEAD = struct.Struct("<QQII")  # number of the piece's first spectrum, points, bytes of an m/z and of a coordinate

POINT_BYTES = 20
"""What a point takes in memory: m/z in 64 bits, x and y, intensity in 32 bits each."""


@dataclass(frozen=True, slots=True)
class Points:
    """Columns of equal length: m/z, x and y as the file has them, float32 intensity above zero.

    m/z is float64, x and y are int32; narrower where they were narrowed to be kept.
    """

    mz: npt.NDArray[Any]
    x: npt.NDArray[Any]
    y: npt.NDArray[Any]
    intensity: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.mz)

    def take(self, chosen: Any) -> Points:
        """Return some points: numbers, a mask or a slice."""
        return Points(self.mz[chosen], self.x[chosen], self.y[chosen], self.intensity[chosen])

    def in_order(self) -> Points:
        """Return the points by m/z; equal ones stay in the order that they have."""
        if len(self) < 2:
            return self
        # Numbers that hold a rounded m/z and the place are sorted several times faster than places by m/z.
        bits = len(self).bit_length()
        low, high = self.mz.min(), self.mz.max()
        rounded = ((self.mz - low) * ((1 << (63 - bits)) / (high - low or 1))).astype(np.uint64)
        packed = np.sort(rounded << np.uint64(bits) | np.arange(len(self), dtype=np.uint64))
        order = (packed & np.uint64((1 << bits) - 1)).astype(np.int64)
        mz = self.mz[order]
        if (mz[1:] < mz[:-1]).any():  # some that were rounded to the same number
            order = order[np.argsort(mz, kind="stable")]
        return self.take(order)

    def narrowed(self) -> Points:
        """Return the points, each column in the narrowest type that holds it exactly: fewer bytes to keep."""
        mz, x, y = self.mz.astype(np.float32), self.x.astype(np.uint16), self.y.astype(np.uint16)
        fits = np.array_equal(x, self.x) and np.array_equal(y, self.y)
        mz = mz if np.array_equal(mz, self.mz) else self.mz
        return Points(mz, x if fits else self.x, y if fits else self.y, self.intensity)

    def bins(self, *, dense: int = 8192) -> Iterator[tuple[int, Points]]:
        """Yield the key of each bin that has points, ascending, with them.

        A bin of more than ``dense`` points comes in sub-bins, which begin at the edges of fine bins. The points are in
        order. A key is at or below its points, and these are below the key and `BIN`.
        """
        fine = _fine(self.mz)
        for start, stop in pairwise(_edges(fine // (BIN // FINE))):
            cuts = [start]
            if stop - start > dense:
                inner = (start + np.array(_edges(fine[start:stop]))).tolist()
                cuts += [at for at, after in pairwise(inner) if after - cuts[-1] > dense and at > cuts[-1]]
            for first, last in pairwise([*cuts, stop]):
                key = int(fine[first]) * FINE
                yield key // BIN * BIN if first == start else key, self.take(slice(first, last))

    def counts(self) -> npt.NDArray[np.int64]:
        """Return the key of each fine bin that has points, ascending, and how many. The points are in order."""
        fine = _fine(self.mz)
        edges = _edges(fine)
        return np.column_stack((fine[edges[:-1]] * FINE, np.diff(edges))).astype(np.int64)

    def encode(self, first: int) -> bytes:
        """Return the points as a part of a bundle, of a piece whose first spectrum has this number."""
        head = _HEAD.pack(first, len(self), self.mz.itemsize, self.x.itemsize)
        return b"".join([head, *(column.tobytes() for column in (self.mz, self.x, self.y, self.intensity))])

    @classmethod
    def decode(cls, part: bytes) -> tuple[int, Points]:
        """Return what `encode` was given; the types of the columns are those that they had."""
        first, count, mz, pixel = _HEAD.unpack_from(part)
        kinds = (f"<f{mz}", *(("<u2" if pixel == np.dtype(np.uint16).itemsize else "<i4",) * 2), "<f4")
        columns, at = [], _HEAD.size
        for kind in kinds:
            columns.append(np.frombuffer(part, kind, count, at))
            at += columns[-1].nbytes
        return first, cls(*columns)

    @classmethod
    def joined(cls, several: Sequence[Points]) -> Points:
        """Return some points after each other."""
        mz, x, y, intensity = zip(*((one.mz, one.x, one.y, one.intensity) for one in several), strict=True)
        return cls(
            np.concatenate(mz, dtype=np.float64),
            np.concatenate(x, dtype=np.int32),
            np.concatenate(y, dtype=np.int32),
            np.concatenate(intensity),
        )

    @classmethod
    def none(cls) -> Points:
        """Return no points."""
        return cls(np.zeros(0), np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32))


def fine_bin_of(mz: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the keys of the fine bins that hold some m/z."""
    return _fine(mz) * FINE


def _fine(mz: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    # In float64 always: m/z of 32 bits times a power of two would be exact too, but not beyond what they can count.
    found: npt.NDArray[np.int64] = (mz.astype(np.float64, copy=False) * UNITS).astype(np.int64) // FINE
    return found


def _edges(numbers: npt.NDArray[np.int64]) -> list[int]:
    """Return where runs of equal numbers start, and the end of the last; nothing where there are no numbers."""
    return [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)] if len(numbers) else [0]
