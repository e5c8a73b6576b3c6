"""Inverse distance weighting at the centres of cells, of the points within a radius (Shepard 1968).

Sums are made in one order that no tile is in: by the place of a point's cell as seen from the centre's, then by the
points' order. For ground points, and for whatever is measured at places: stations, say. Imports numpy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from flowbutton.stages.geospatial.triangles import Window

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def weighted_heights(
    x: Ints, y: Ints, z: Floats, window: Window, *, cell: int, radius: float, power: int = 2
) -> Floats:
    """Return the weighted means of a window's cells, the southmost row first; NaN where no point is within the radius.

    A centre on which a point lies has its value. The cost grows with the number of cells in a circle of the radius.

    Args:
        x: Points by (X, Y), distinct, in units.
        y: Likewise.
        z: Their values.
        window: The cells wanted.
        cell: Units per cell.
        radius: In units, finite.
        power: Of the distance, 1 to 4.
    """
    size = window.rows * window.columns
    sums, weights = np.zeros(size), np.zeros(size)
    hit = np.full(size, np.nan)
    row, column = y // cell - window.row, x // cell - window.column
    for north, east in _offsets(cell, radius):
        inside = _within(row - north, window.rows) & _within(column - east, window.columns)
        chosen = np.flatnonzero(inside)
        high, across = row[chosen] - north, column[chosen] - east
        dx = 2 * x[chosen] - (2 * (across + window.column) + 1) * cell
        dy = 2 * y[chosen] - (2 * (high + window.row) + 1) * cell
        square = (dx * dx + dy * dy).astype(np.float64) / (4.0 * cell * cell)  # in cells: no unit is in a weight
        near = square <= (radius / cell) ** 2
        place, square, values = (high * window.columns + across)[near], square[near], z[chosen][near]
        exact = square == 0
        hit[place[exact]] = values[exact]
        weight = _weight(np.where(exact, 1.0, square), power)
        np.add.at(weights, place, weight)
        np.add.at(sums, place, weight * values)
    found = np.divide(sums, weights, out=np.full(size, np.nan), where=weights > 0)
    return np.where(np.isnan(hit), found, hit).reshape(window.rows, window.columns)


def _offsets(cell: int, radius: float) -> Iterator[tuple[int, int]]:
    """Yield where cells with points within the radius may lie, as seen from a centre's cell, in a fixed order."""
    reach = math.ceil(radius / cell)
    for north in range(-reach, reach + 1):
        for east in range(-reach, reach + 1):
            nearest = [max(2 * abs(away) - 1, 0) * cell for away in (north, east)]
            if nearest[0] ** 2 + nearest[1] ** 2 <= 4.0 * radius * radius:
                yield north, east


def _within(values: Ints, stop: int) -> npt.NDArray[np.bool_]:
    return (values >= 0) & (values < stop)


def _weight(square: Floats, power: int) -> Floats:
    """Return ``distance ** -power`` of squared distances, by operations that are rounded correctly."""
    whole = square if power >= 2 else np.ones_like(square)
    if power == 4:
        whole = whole * square
    return 1.0 / (whole * np.sqrt(square) if power % 2 else whole)
