"""The Delaunay triangulation of points with integer coordinates, the same one whatever points lie around.

Four or more points on one empty circle have several valid triangulations. Here they are joined to a polygon, and that
is cut as a fan from its first corner in the order (X, Y): so the answer is a function of the set of points, and a tile
that sees all points of a circle makes the triangles that the whole would.

Circles are told apart exactly: in floating point where the error bound allows (Shewchuk 1997, doi:10.1007/PL00009321),
in integers where it does not. Here: triangles, circumradii. Not here: heights (`triangles`). Imports numpy; startinpy
inside functions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

REACH = 1 << 29
"""Coordinates less their minimum are below it: then doubled coordinates have products in 64 bits."""

_PER_CELL = 8
_ERROR = 1.2e-15  # of the in-circle determinant, against the sum of the magnitudes of its terms: (10 + 96 eps) eps
_EXACT = 1 << 15  # differences below it have determinants in 64 bits


def sorted_points(x: Ints, y: Ints, z: Ints) -> tuple[Ints, Ints, Ints]:
    """Return points by (X, Y); of several at one place the lowest."""
    if not len(x):
        return x, y, z
    low = int(y.min())
    key = (x - x.min()) * (int(y.max()) - low + 1) + (y - low)
    order = np.lexsort((z, key))
    first = np.append(True, np.diff(key[order]) != 0)
    chosen = order[first]
    return x[chosen], y[chosen], z[chosen]


def triangulate(x: Ints, y: Ints, radius: float = np.inf) -> Ints:
    """Return the triangles of points, as rows of three ascending numbers; none is flat.

    Args:
        x: Sorted by (X, Y), distinct, as `sorted_points` has them; less their minimum below `REACH`.
        y: Likewise.
        radius: Triangles of a circumradius clearly above it may be missing. Which ones are within is told by
            `circumradius`.
    """
    if len(x) < 3:
        return np.zeros((0, 3), np.int64)
    x, y = x - x.min(), y - y.min()
    found = np.sort(_library(x, y), axis=1)
    found = found[area(x, y, found) != 0]
    if np.isfinite(radius):
        found = found[circumradius(x, y, found) <= radius * (1 + 1e-6)]
    return _fans(x, y, found)


def area(x: Ints, y: Ints, triangles: Ints) -> Ints:
    """Return twice the signed area of triangles, exactly."""
    a, b, c = triangles.T
    found: Ints = (x[b] - x[a]) * (y[c] - y[a]) - (x[c] - x[a]) * (y[b] - y[a])
    return found


def circumradius(x: Ints, y: Ints, triangles: Ints) -> Floats:
    """Return the radii of the circles through the corners: of differences alone, in one order of operations."""
    a, b, c = triangles.T
    sides = [_squared(x, y, p, q) for p, q in ((a, b), (a, c), (b, c))]
    found: Floats = np.sqrt(sides[0]) * np.sqrt(sides[1]) * np.sqrt(sides[2])
    return found / (2.0 * np.abs(area(x, y, triangles)).astype(np.float64))


def _squared(x: Ints, y: Ints, p: Ints, q: Ints) -> Floats:
    dx, dy = x[q] - x[p], y[q] - y[p]
    return (dx * dx + dy * dy).astype(np.float64)


def _library(x: Ints, y: Ints) -> Ints:
    """Return some valid Delaunay triangulation.

    Points are handed over strip by strip, up and down in turn: each is near the one before it, so finding its place
    takes a few steps.
    """
    import startinpy

    span = int(max(x.max(), y.max())) + 1
    strips = max(1, round((len(x) / _PER_CELL) ** 0.5))
    across, along = x * strips // span, y * strips // span
    order = np.lexsort((np.where(across % 2 == 0, along, -along), across))
    mesh = startinpy.DT()
    places = np.column_stack((x[order], y[order], np.zeros(len(x), np.int64))).astype(np.float64)
    mesh.insert(places, insertionstrategy="AsIs")
    corners = np.asarray(mesh.triangles, np.int64).reshape(-1, 3)
    return order[corners - 1]  # its vertex 0 is the infinite one


def _fans(x: Ints, y: Ints, triangles: Ints) -> Ints:
    """Cut each polygon of triangles with one circle as a fan from its first corner."""
    edges = np.concatenate((triangles[:, [0, 1]], triangles[:, [0, 2]], triangles[:, [1, 2]]))
    opposite = np.concatenate((triangles[:, 2], triangles[:, 1], triangles[:, 0]))
    owner = np.tile(np.arange(len(triangles)), 3)
    key = edges[:, 0] * len(x) + edges[:, 1]
    order = np.argsort(key, kind="stable")
    left = np.flatnonzero(key[order][1:] == key[order][:-1])
    one, two = order[left], order[left + 1]
    ties = _on_one_circle(x, y, np.column_stack((edges[one], opposite[one])), opposite[two])
    if not ties.any():
        return triangles
    one, two = one[ties], two[ties]
    label = _components(len(triangles), owner[one], owner[two])
    joined = np.zeros(len(triangles), np.bool_)
    joined[owner[one]] = joined[owner[two]] = True
    first = np.full(len(triangles), len(x))
    np.minimum.at(first, label[joined], triangles[joined, 0])
    rim = joined[owner]
    rim[one] = rim[two] = False
    corner = first[label[owner]]
    rim &= corner != edges[:, 0]  # an edge that ends at the first corner would begin behind it
    fans = np.column_stack((corner[rim], edges[rim]))
    return np.concatenate((triangles[~joined], fans))


def _components(count: int, one: Ints, two: Ints) -> Ints:
    """Return for each of ``count`` triangles the lowest number of those that it is joined to, by pairs."""
    label = np.arange(count)
    while True:
        low = np.minimum(label[one], label[two])
        before = label.copy()
        np.minimum.at(label, one, low)
        np.minimum.at(label, two, low)
        label = label[label]
        if np.array_equal(label, before):
            return label


def _on_one_circle(x: Ints, y: Ints, triangles: Ints, points: Ints) -> Mask:
    """Return whether a point lies exactly on the circle through three others."""
    dx, dy = x[triangles] - x[points, None], y[triangles] - y[points, None]
    determinant, size = _in_circle(dx.astype(np.float64), dy.astype(np.float64))
    unsure = np.flatnonzero(np.abs(determinant) <= _ERROR * size)
    found = np.zeros(len(points), np.bool_)
    small = np.maximum(np.abs(dx[unsure]), np.abs(dy[unsure])).max(axis=1, initial=0) < _EXACT
    for chosen, kind in ((unsure[small], np.int64), (unsure[~small], object)):
        exact, _ = _in_circle(dx[chosen].astype(kind), dy[chosen].astype(kind))
        found[chosen] = exact == 0
    return found


def _in_circle(dx: npt.NDArray[Any], dy: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the in-circle determinant of three differences to a point, and the sum of the magnitudes of its terms."""
    lift = dx * dx + dy * dy
    terms = [(dx[:, p] * dy[:, q], dx[:, q] * dy[:, p], lift[:, r]) for p, q, r in ((1, 2, 0), (2, 0, 1), (0, 1, 2))]
    determinant = sum((plus - minus) * lifted for plus, minus, lifted in terms)
    size = sum((abs(plus) + abs(minus)) * lifted for plus, minus, lifted in terms)
    return np.asarray(determinant), np.asarray(size)
