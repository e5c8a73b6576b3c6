"""What is known of the points of a cell, by class: how points become grids without a shuffle.

Each piece of a cloud makes rows (cell, class, count, lowest, highest, sum of intensities) of the points that it has.
Rows of one cell and class from several pieces are joined by adding, least and greatest: in integers, so in any order.
They are kept in blocks of 256 x 256 cells of the global lattice. Here: the rows, as bytes and as grids.
Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flowbutton.model.bundle import BundleKey, KeySchema, Parts
from flowbutton.stages.columns import pack, unpack
from flowbutton.stages.geospatial.triangles import Window

SIDE = 256
"""Cells per side of a block of the lattice."""
CELL_SCHEMA = KeySchema(("row", "column"), width=SIDE)
"""The block's row number, counted to the north, and the column, in cells, where the block starts."""
GROUND = 2

Ints = npt.NDArray[np.int64]
_BITS = 8  # of a row or column within a block, and of a class
_NARROW = (np.uint8, np.uint16, np.uint32, np.int32)


@dataclass(frozen=True, slots=True)
class CellRows:
    """Columns of equal length, one row per cell and class; row and column on the lattice, heights in units."""

    row: Ints
    column: Ints
    kind: Ints
    count: Ints
    lowest: Ints
    highest: Ints
    intensity: Ints

    def __len__(self) -> int:
        return len(self.row)

    def blocks(self) -> Iterator[tuple[BundleKey, bytes]]:
        """Yield each block with its rows as bytes. Rows are in the order of `tabulate`."""
        block = self.row // SIDE, self.column // SIDE
        edges = np.flatnonzero((np.diff(block[0]) != 0) | (np.diff(block[1]) != 0)) + 1
        for start, stop in zip([0, *edges.tolist()], [*edges.tolist(), len(self)], strict=True):
            if start < stop:
                key = (int(block[0][start]), int(block[1][start]) * SIDE)
                yield key, self._encode(slice(start, stop), key[0] * SIDE, key[1])

    def _encode(self, rows: slice, bottom: int, left: int) -> bytes:
        low = int(self.lowest[rows].min())
        columns: dict[str, npt.NDArray[Any]] = {
            "cell": ((self.row[rows] - bottom) * SIDE + self.column[rows] - left).astype(np.uint16),
            "kind": self.kind[rows].astype(np.uint8),
            "count": narrow(self.count[rows]),
            "lowest": narrow(self.lowest[rows] - low),
            "spread": narrow(self.highest[rows] - self.lowest[rows]),
            "intensity": narrow(self.intensity[rows]),
        }
        return pack(columns, {"bottom": bottom, "left": left, "low": low})

    @classmethod
    def decode(cls, data: bytes) -> CellRows:
        """Read the rows of a block."""
        columns, head = unpack(data)
        wide = {name: column.astype(np.int64) for name, column in columns.items()}
        row, column = np.divmod(wide["cell"], SIDE)
        lowest = wide["lowest"] + head["low"]
        return cls(
            row + head["bottom"],
            column + head["left"],
            wide["kind"],
            wide["count"],
            lowest,
            lowest + wide["spread"],
            wide["intensity"],
        )


def narrow(values: Ints) -> npt.NDArray[Any]:
    """Return integers in the narrowest type that holds them."""
    if not len(values):
        return values.astype(np.uint8)
    low, high = int(values.min()), int(values.max())
    for kind in _NARROW:
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return values.astype(kind)
    return values


def tabulate(
    row: Ints,
    column: Ints,
    kind: npt.NDArray[np.uint8],
    z: Ints,
    intensity: npt.NDArray[np.uint16],
) -> CellRows:
    """Make rows of points: one or more. Rows come by block, cell and class."""
    low_row, low_column = int(row.min()) // SIDE * SIDE, int(column.min()) // SIDE * SIDE
    across = (int(column.max()) - low_column) // SIDE + 1
    north, east = row - low_row, column - low_column
    key = (north >> _BITS) * across + (east >> _BITS)
    for part in (north & (SIDE - 1), east & (SIDE - 1), kind):
        key <<= _BITS
        key |= part
    order = np.argsort(key)
    key = key[order]
    starts = np.flatnonzero(np.append(True, key[1:] != key[:-1]))
    block, cell = np.divmod(key[starts] >> _BITS, SIDE * SIDE)
    z = z[order]
    return CellRows(
        row=block // across * SIDE + cell // SIDE + low_row,
        column=block % across * SIDE + cell % SIDE + low_column,
        kind=key[starts] & (SIDE - 1),
        count=np.diff(np.append(starts, len(key))),
        lowest=np.minimum.reduceat(z, starts),
        highest=np.maximum.reduceat(z, starts),
        intensity=np.add.reduceat(intensity[order].astype(np.int64), starts),
    )


EMPTY_LOW, EMPTY_HIGH = np.iinfo(np.int64).max, np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class CellGrids:
    """Rows of a window as grids, the southmost row first; cells without points: 0, `EMPTY_LOW`, `EMPTY_HIGH`."""

    count: Ints
    lowest: Ints
    highest: Ints
    intensity: Ints
    by_class: dict[int, Ints]


def grids(parts: Parts, window: Window, *, classes: tuple[int, ...] = ()) -> CellGrids:
    """Join the rows of a window.

    Args:
        parts: The rows of all pieces, or those of the blocks that meet the window.
        window: The cells wanted.
        classes: Which classes are counted apart.
    """
    size = window.rows * window.columns
    found = CellGrids(
        np.zeros(size, np.int64),
        np.full(size, EMPTY_LOW),
        np.full(size, EMPTY_HIGH),
        np.zeros(size, np.int64),
        {kind: np.zeros(size, np.int64) for kind in classes},
    )
    for _, group in parts:
        for data in group:
            _join(found, CellRows.decode(data), window)
    shape = (window.rows, window.columns)
    counted = {kind: counts.reshape(shape) for kind, counts in found.by_class.items()}
    return CellGrids(
        found.count.reshape(shape),
        found.lowest.reshape(shape),
        found.highest.reshape(shape),
        found.intensity.reshape(shape),
        counted,
    )


def _join(found: CellGrids, rows: CellRows, window: Window) -> None:
    row, column = rows.row - window.row, rows.column - window.column
    inside = (row >= 0) & (row < window.rows) & (column >= 0) & (column < window.columns)
    place = row[inside] * window.columns + column[inside]
    kind, count = rows.kind[inside], rows.count[inside]
    np.add.at(found.count, place, count)
    np.minimum.at(found.lowest, place, rows.lowest[inside])
    np.maximum.at(found.highest, place, rows.highest[inside])
    np.add.at(found.intensity, place, rows.intensity[inside])
    for wanted, counts in found.by_class.items():
        np.add.at(counts, place[kind == wanted], count[kind == wanted])
