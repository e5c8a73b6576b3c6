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
    left, bottom = window.column * cell, window.row * cell
    triangles, spans = _over_centres(x - left, y - bottom, triangles, window, cell)
    radii = circumradius(x, y, triangles)
    within = radii <= radius
    triangles, radii, spans = triangles[within], radii[within], spans[:, within]
    number, row, column = _covered(x - left, y - bottom, triangles, spans, cell)
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


def _over_centres(x: Ints, y: Ints, triangles: Ints, window: Window, cell: int) -> tuple[Ints, Ints]:
    """Return the triangles that may cover a centre, and which: first row, end, first column, end.

    Coordinates are relative to the window.
    """
    a, b, c = triangles.T
    spans = np.empty((4, len(triangles)), np.int64)
    for place, axis, cells in ((0, y, window.rows), (2, x, window.columns)):
        before, apart = np.divmod(2 * axis - cell, 2 * cell)  # the last centre that is not beyond a point
        after = before + (apart != 0)
        spans[place] = np.maximum(np.minimum(np.minimum(after[a], after[b]), after[c]), 0)
        spans[place + 1] = np.minimum(np.maximum(np.maximum(before[a], before[b]), before[c]) + 1, cells)
    some = np.flatnonzero((spans[0] < spans[1]) & (spans[2] < spans[3]))
    return triangles[some], spans[:, some]


def _covered(x: Ints, y: Ints, triangles: Ints, spans: Ints, cell: int) -> tuple[Ints, Ints, Ints]:
    """Return (triangle, row, column) of each centre in each triangle. Coordinates are relative to the window."""
    number, row = _expand(np.arange(len(triangles)), spans[0], spans[1])
    corners = triangles[number]
    first, last = _crossed(2 * x[corners], 2 * y[corners], (2 * row + 1) * cell, cell)
    first, last = np.maximum(first, spans[2, number]), np.minimum(last + 1, spans[3, number])
    index, column = _expand(np.arange(len(number)), first, np.maximum(first, last))
    return number[index], row[index], column


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
    several = np.bincount(place)[place] > 1
    if not several.any():
        return place, number
    rivals, shared = number[several], place[several]
    a, b, c = triangles[rivals].T
    order = np.lexsort((c, b, a, radii[rivals], shared))
    won = order[np.append(True, np.diff(shared[order]) != 0)]
    return np.concatenate((place[~several], shared[won])), np.concatenate((number[~several], rivals[won]))
