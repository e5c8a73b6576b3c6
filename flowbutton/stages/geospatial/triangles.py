"""Heights of a triangulated surface at the centres of cells.

Which centres a triangle covers is decided in doubled integers, edges included. On an edge the triangle of the smaller
circumradius decides, then the first one by its corners. A height is computed from differences to the triangle's first
corner in one order of operations, so it does not depend on what else is computed. Imports numpy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowbutton.stages.geospatial.delaunay import AT_ONCE, circumradius, within
from flowbutton.stages.geospatial.mesh import Numbers

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
    x: Ints, y: Ints, z: Floats, triangles: Numbers, window: Window, *, cell: int, radius: float = np.inf
) -> Floats:
    """Return the heights at the centres of a window's cells, the southmost row first; NaN where no triangle is.

    Args:
        x: Points, in units.
        y: Likewise.
        z: Their heights.
        triangles: By `triangulate`.
        window: The cells wanted.
        cell: Units per cell.
        radius: Triangles with a larger circumradius are left out.
    """
    found = np.full(window.rows * window.columns, np.nan)
    left, bottom = window.column * cell, window.row * cell
    x, y = x - left, y - bottom
    steps = _steps(x, cell), _steps(y, cell)
    places, numbers, values = [], [], []
    for start in range(0, len(triangles), AT_ONCE):
        part = triangles[start : start + AT_ONCE].T
        some, spans = _over_centres(*steps, part, window)
        place, number, value = _values(x, y, z, part[:, some], spans, window.columns, cell, radius)
        places.append(place)
        numbers.append(start + some[number])
        values.append(value)
    if places:
        place = np.concatenate(places)
        chosen = _one_each(place, np.concatenate(numbers), x, y, triangles)
        found[place[chosen]] = np.concatenate(values)[chosen]
    return found.reshape(window.rows, window.columns)


def _steps(axis: Ints, cell: int) -> Ints:
    """Return where coordinates lie among the centres of cells: ``2 n`` on that of cell n, ``2 n + 1`` beyond it."""
    before, apart = np.divmod(2 * axis - cell, 2 * cell)
    found: Ints = 2 * before + (apart != 0)
    return found


def _over_centres(across: Ints, upward: Ints, corners: Numbers, window: Window) -> tuple[Ints, Ints]:
    """Return the numbers of triangles that may cover a centre, and which: first row, end, first column, end."""
    spans = np.empty((4, corners.shape[1]), np.int64)
    for place, steps, cells in ((0, upward, window.rows), (2, across, window.columns)):
        a, b, c = steps[corners]
        np.maximum((np.minimum(np.minimum(a, b), c) + 1) >> 1, 0, out=spans[place])
        np.minimum((np.maximum(np.maximum(a, b), c) >> 1) + 1, cells, out=spans[place + 1])
    some = np.flatnonzero((spans[0] < spans[1]) & (spans[2] < spans[3]))
    return some, spans[:, some]


def _values(
    x: Ints, y: Ints, z: Floats, corners: Numbers, spans: Ints, columns: int, cell: int, radius: float
) -> tuple[Ints, Ints, Floats]:
    """Return (cell, triangle, height) of each centre in each triangle whose circumradius is small enough."""
    corners = _ordered(x, y, corners)
    small = np.flatnonzero(within(x, y, corners.T, radius))
    corners, spans = corners[:, small], spans[:, small]
    xs, ys = x[corners], y[corners]
    number, row, column = _covered(xs, ys, spans, cell)
    (ax, bx, cx), (ay, by, cy) = xs[:, number], ys[:, number]
    a, b, c = z[corners[:, number]]
    east, north = (2 * column + 1) * cell - 2 * ax, (2 * row + 1) * cell - 2 * ay
    twice = 2 * ((bx - ax) * (cy - ay) - (cx - ax) * (by - ay))
    second = (east * (cy - ay) - (cx - ax) * north) / twice
    third = ((bx - ax) * north - east * (by - ay)) / twice
    return row * columns + column, small[number], a + (second * (b - a) + third * (c - a))


def _ordered(x: Ints, y: Ints, corners: Numbers) -> Numbers:
    """Return the corners of each triangle by (X, Y)."""
    xs, ys = x[corners], y[corners]
    place = np.zeros_like(corners)
    for one, two in ((0, 1), (0, 2), (1, 2)):
        behind = (xs[one] > xs[two]) | ((xs[one] == xs[two]) & (ys[one] > ys[two]))
        place[one] += behind
        place[two] += ~behind
    found = np.empty_like(corners)
    found[place, np.arange(corners.shape[1])] = corners
    return found


def _covered(xs: Ints, ys: Ints, spans: Ints, cell: int) -> tuple[Ints, Ints, Ints]:
    """Return (triangle, row, column) of each centre in each triangle. Corners are relative to the window."""
    number, row = _expand(np.arange(xs.shape[1]), spans[0], spans[1])
    first, last = _crossed(2 * xs[:, number], 2 * ys[:, number], (2 * row + 1) * cell, cell)
    first, last = np.maximum(first, spans[2, number]), np.minimum(last + 1, spans[3, number])
    index, column = _expand(np.arange(len(number)), first, np.maximum(first, last))
    return number[index], row[index], column


def _crossed(xs: Ints, ys: Ints, line: Ints, cell: int) -> tuple[Ints, Ints]:
    """Return the first and the last centre of a row that lie in triangles: both inclusive, exact."""
    first, last = np.full(len(line), np.iinfo(np.int64).max), np.full(len(line), -1)
    for one, two in ((0, 1), (0, 2), (1, 2)):
        up = ys[one] <= ys[two]
        x0, x1 = np.where(up, xs[one], xs[two]), np.where(up, xs[two], xs[one])
        y0, y1 = np.where(up, ys[one], ys[two]), np.where(up, ys[two], ys[one])
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


def _one_each(place: Ints, number: Ints, x: Ints, y: Ints, triangles: Numbers) -> Ints:
    """Return which pairs of a cell and a triangle are taken: one per cell."""
    several = np.bincount(place)[place] > 1
    rivals = np.flatnonzero(several)
    shared, corners = place[rivals], _ordered(x, y, triangles[number[rivals]].T)
    (ax, bx, cx), (ay, by, cy) = x[corners], y[corners]
    order = np.lexsort((cy, cx, by, bx, ay, ax, circumradius(x, y, corners.T), shared))
    won = rivals[order[np.append(True, np.diff(shared[order]) != 0)[: len(order)]]]
    return np.concatenate((np.flatnonzero(~several), won))
