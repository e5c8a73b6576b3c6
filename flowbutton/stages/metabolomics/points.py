"""Points of spectra: m/z, pixel, intensity; in bundles keyed by m/z.

The order of all points of a dataset is (m/z, number of the spectrum, place in the spectrum). Within a part of a bundle
they stand in it; the parts of one key, in the order of the pieces, are put into it by one stable sort by m/z.

Here: points as a value and as bytes, the keys. Not here: making them (`scatter`), what they are used for (`annotate`).
Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from flowbutton.model.bundle import KeySchema
from flowbutton.stages.columns import pack, unpack

UNITS = 1024
"""Keys count m/z in 1/1024: a power of two, so that no rounding moves a point over an edge."""
BIN = 256
"""Units per bin: a quarter of m/z 1. Fixed: no consumer's size is in it."""
SCHEMA = KeySchema(("mz",), width=BIN)

POINT_BYTES = 20
"""What a point takes in memory: m/z in 64 bits, x and y, intensity in 32 bits each."""


@dataclass(frozen=True, slots=True)
class Points:
    """Columns of equal length: m/z, x and y as the file has them, float32 intensity above zero."""

    mz: npt.NDArray[np.float64]
    x: npt.NDArray[np.int32]
    y: npt.NDArray[np.int32]
    intensity: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.mz)

    def take(self, chosen: Any) -> Points:
        """Return some points: numbers, a mask or a slice."""
        return Points(self.mz[chosen], self.x[chosen], self.y[chosen], self.intensity[chosen])

    def in_order(self) -> Points:
        """Return the points by m/z; equal ones stay in the order that they have."""
        return self.take(np.argsort(self.mz, kind="stable"))

    def bins(self) -> Iterator[tuple[int, Points]]:
        """Yield the key of each bin that has points, ascending, with them. The points are in order."""
        keys = bin_of(self.mz)
        edges = [0, *(np.flatnonzero(np.diff(keys)) + 1).tolist(), len(self)]
        for start, stop in pairwise(edges if len(self) else []):
            yield int(keys[start]), self.take(slice(start, stop))

    def encode(self) -> bytes:
        """Return the points as a part of a bundle, each column in the narrowest type that holds it exactly."""
        narrow = self.mz.astype(np.float32)
        mz = narrow if np.array_equal(narrow, self.mz) else self.mz
        pixels = np.stack((self.x, self.y)) if len(self) else np.zeros((2, 0), np.int32)
        if len(self) and pixels.min() >= 0 and pixels.max() <= np.iinfo(np.uint16).max:
            pixels = pixels.astype(np.uint16)
        return pack({"mz": mz, "pixels": pixels, "intensity": self.intensity})

    @classmethod
    def decode(cls, part: bytes) -> Points:
        """Return the points of a part; the inverse of `encode`."""
        column, _ = unpack(part)
        x, y = column["pixels"].astype(np.int32)
        return cls(column["mz"].astype(np.float64), x, y, column["intensity"])

    @classmethod
    def joined(cls, several: Sequence[Points]) -> Points:
        """Return some points after each other."""
        none = cls(np.zeros(0), np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32))
        columns = zip(*((one.mz, one.x, one.y, one.intensity) for one in (none, *several)), strict=True)
        return cls(*(np.concatenate(column) for column in columns))


def bin_of(mz: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the keys of the bins that hold some m/z."""
    found: npt.NDArray[np.int64] = (mz * UNITS).astype(np.int64) // BIN * BIN
    return found
