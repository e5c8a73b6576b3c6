"""Heights of a triangulated surface at the centres of cells.

Which centres a triangle covers is decided in doubled integers, edges included. On an edge the triangle of the smaller
circumradius decides, then the first one by its corners. A height is computed from differences to the triangle's first
corner in one order of operations, so it does not depend on what else is computed. Imports numpy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowbutton.stages.geospatial.delaunay import area, circumradius

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Window:
    """Cells of the lattice: ``[row, row + rows)`` upward from the south, ``[column, column + columns)`` to the east."""

    row: int
    column: int
    rows: int
    columns: int

    def widened(self, cells: int) -> Window:
        """Return the window with some more cells on each side."""
        return Window(self.row - cells, self.column - cells, self.rows + 2 * cells, self.columns + 2 * cells)


def heights(
    x: Ints, y: Ints, z: Floats, triangles: Ints, window: Window, *, cell: int, radius: float = np.inf
) -> Floats:
    """Return the heights at the centres of a window's cells, the southmost row first; NaN where no triangle is.

    Args:
        x: Corners by (X, Y), in units.
        y: Likewise.
        z: Their heights.
        triangles: By `triangulate`.
        window: The cells wanted.
        cell: Units per cell.
        radius: Triangles with a larger circumradius are left out.
    """
    found = np.full(window.rows * window.columns, np.nan)
    radii = circumradius(x, y, triangles)
    within = radii <= radius
    triangles, radii = triangles[within], radii[within]
    left, bottom = window.column * cell, window.row * cell
    number, row, column = _covered(x - left, y - bottom, triangles, window, cell)
    place = row * window.columns + column
    place, number = _one_each(place, number, triangles, radii)
    row, column = np.divmod(place, window.columns)
    a, b, c = triangles[number].T
    east, north = (2 * column + 1) * cell + 2 * (left - x[a]), (2 * row + 1) * cell + 2 * (bottom - y[a])
    twice = 2 * area(x, y, triangles[number])
    second = (east * (y[c] - y[a]) - (x[c] - x[a]) * north) / twice
    third = ((x[b] - x[a]) * north - east * (y[b] - y[a])) / twice
    found[place] = z[a] + (second * (z[b] - z[a]) + third * (z[c] - z[a]))
    return found.reshape(window.rows, window.columns)


def _covered(x: Ints, y: Ints, triangles: Ints, window: Window, cell: int) -> tuple[Ints, Ints, Ints]:
    """Return (triangle, row, column) of each centre in each triangle. Coordinates are relative to the window."""
    xs, ys = 2 * x[triangles], 2 * y[triangles]
    low, high = _centres(ys, cell, window.rows)
    left, right = _centres(xs, cell, window.columns)
    some = np.flatnonzero((low < high) & (left < right))
    number, row = _expand(some, low[some], high[some])
    first, last = _crossed(xs[number], ys[number], (2 * row + 1) * cell, cell)
    first, last = np.maximum(first, 0), np.minimum(last + 1, window.columns)
    index, column = _expand(np.arange(len(number)), first, np.maximum(first, last))
    return number[index], row[index], column


def _centres(doubled: Ints, cell: int, cells: int) -> tuple[Ints, Ints]:
    """Return which centres lie between the least and the greatest coordinate, half-open, within the window."""
    first = -((cell - doubled.min(axis=1)) // (2 * cell))
    last = (doubled.max(axis=1) - cell) // (2 * cell)
    return np.maximum(first, 0), np.minimum(last + 1, cells)


def _crossed(xs: Ints, ys: Ints, line: Ints, cell: int) -> tuple[Ints, Ints]:
    """Return the first and the last centre of a row that lie in triangles: both inclusive, exact."""
    first, last = np.full(len(line), np.iinfo(np.int64).max), np.full(len(line), -1)
    for one, two in ((0, 1), (0, 2), (1, 2)):
        up = ys[:, one] <= ys[:, two]
        x0, x1 = np.where(up, xs[:, one], xs[:, two]), np.where(up, xs[:, two], xs[:, one])
        y0, y1 = np.where(up, ys[:, one], ys[:, two]), np.where(up, ys[:, two], ys[:, one])
        meets = (y0 <= line) & (line <= y1) & (y0 < y1)
        rise = np.where(meets, y1 - y0, 1)
        # Centre n lies at (2n + 1) * cell; the edge is crossed at x0 + (line - y0) * (x1 - x0) / rise.
        across = (x0 - cell) * rise + (line - y0) * (x1 - x0)
        below = 2 * cell * rise
        first = np.where(meets, np.minimum(first, -(-across // below)), first)
        last = np.where(meets, np.maximum(last, across // below), last)
    return first, last


def _expand(what: Ints, start: Ints, stop: Ints) -> tuple[Ints, Ints]:
    """Return each of ``what`` as often as its half-open range has numbers, and these numbers."""
    counts = stop - start
    before = np.cumsum(counts) - counts
    numbers = np.arange(int(counts.sum())) - np.repeat(before - start, counts)
    return np.repeat(what, counts), numbers


def _one_each(place: Ints, number: Ints, triangles: Ints, radii: Floats) -> tuple[Ints, Ints]:
    """Keep one triangle per cell."""
    order = np.argsort(place, kind="stable")
    place, number = place[order], number[order]
    if (place[1:] != place[:-1]).all():
        return place, number
    a, b, c = triangles[number].T
    order = np.lexsort((c, b, a, radii[number], place))
    place, number = place[order], number[order]
    first = np.append(True, place[1:] != place[:-1])
    return place[first], number[first]
