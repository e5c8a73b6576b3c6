"""Points that travel: ground points, and those that may turn out to be. In bins of 64 x 64 cells of the lattice.

Here: points as a value and as bytes. Not here: which points these are (`scatter`, `ground_filter`).
Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowbutton.model.bundle import BundleKey, KeySchema, Parts
from flowbutton.stages.columns import pack, unpack
from flowbutton.stages.geospatial.cells import narrow
from flowbutton.stages.geospatial.triangles import Window

BIN = 64
"""Cells per side of a bin. Fixed: no tile's size is in it."""
BIN_SCHEMA = KeySchema(("row", "column"), width=BIN)
"""The bin's row number, counted to the north, and the column, in cells, where the bin starts."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Places:
    """Columns of equal length: X, Y and height in the frame's units."""

    x: Ints
    y: Ints
    z: Ints

    def __len__(self) -> int:
        return len(self.x)

    def take(self, chosen: npt.NDArray[np.bool_] | Ints | slice) -> Places:
        """Return some of the points: a mask, numbers or a slice."""
        return Places(self.x[chosen], self.y[chosen], self.z[chosen])

    def bins(self, cell: int) -> Iterator[tuple[BundleKey, Places]]:
        """Yield each bin with its points, in the order that they have; ``cell`` is units per cell."""
        if not len(self):
            return
        row, column = self.y // (cell * BIN), self.x // (cell * BIN)
        order = np.lexsort((column, row))
        row, column = row[order], column[order]
        edges = np.flatnonzero((np.diff(row) != 0) | (np.diff(column) != 0)) + 1
        for start, stop in zip([0, *edges.tolist()], [*edges.tolist(), len(row)], strict=True):
            yield (int(row[start]), int(column[start]) * BIN), self.take(order[start:stop])

    def encode(self) -> bytes:
        """Return one or more points as bytes, each column in the narrowest type."""
        low = [int(column.min()) for column in (self.x, self.y, self.z)]
        columns = {
            "x": narrow(self.x - low[0]),
            "y": narrow(self.y - low[1]),
            "z": narrow(self.z - low[2]),
        }
        return pack(columns, {"low": [*low]})

    @classmethod
    def decode(cls, data: bytes) -> Places:
        """Read what `encode` wrote."""
        columns, head = unpack(data)
        x, y, z = (columns[name].astype(np.int64) + low for name, low in zip("xyz", head["low"], strict=True))
        return cls(x, y, z)


def places(parts: Parts, window: Window | None, cell: int) -> Places:
    """Return the points of a window's cells, or all; in the order of the bins, then of the pieces."""
    found = [_inside(Places.decode(data), window, cell) for _, group in parts for data in group]
    if not found:
        return Places(*(np.zeros(0, np.int64) for _ in range(3)))
    return Places(*(np.concatenate([getattr(one, axis) for one in found]) for axis in "xyz"))


def _inside(points: Places, window: Window | None, cell: int) -> Places:
    if window is None:
        return points
    column, row = points.x - window.column * cell, points.y - window.row * cell
    east, north = window.columns * cell, window.rows * cell
    return points.take((column >= 0) & (column < east) & (row >= 0) & (row < north))
