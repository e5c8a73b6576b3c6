"""The Delaunay triangulation of points with integer coordinates, the same one whatever points lie around.

Four or more points on one empty circle have several valid triangulations. Here they are joined to a polygon, and that
is cut as a fan from its first corner in the order (X, Y): so the answer is a function of the set of points, and a tile
that sees all points of a circle makes the triangles that the whole would.

Triangles on both sides of an edge have one circle if the angles opposite to it add up to two right ones, that is, if
their cotangents cancel out. This is decided exactly: in floating point where the error bound allows, in integers where
it does not. Here: triangles, circumradii. Not here: heights (`triangles`). Imports numpy; startinpy inside functions.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

REACH = 1 << 29
"""Coordinates less their minimum are below it: then doubled coordinates have products in 64 bits."""

_CURVE_BITS = 8
_FIRST = 16
_ERROR = 1e-15  # of a sum of two products of rounded integers, against their magnitudes: 4.5 roundings of 2**-53
_EXACT = 1 << 31  # factors below it have such sums in 64 bits
_WORD = 63


def sorted_points(x: Ints, y: Ints, z: Ints) -> tuple[Ints, Ints, Ints]:
    """Return points by (X, Y); of several at one place the lowest."""
    if not len(x):
        return x, y, z
    low = int(y.min())
    key = (x - x.min()) * (int(y.max()) - low + 1) + (y - low)
    order = np.argsort(key)
    starts = np.flatnonzero(np.append(True, np.diff(key[order]) != 0))
    chosen = order[starts]
    return x[chosen], y[chosen], np.minimum.reduceat(z[order], starts)


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
    corners, doubled = _cornered(x, y, found)
    kept = doubled != 0
    if np.isfinite(radius):
        sides = [(corners[p] + corners[q]).astype(np.float64) for p, q in ((0, 1), (0, 2), (1, 2))]
        limit = 2.0 * radius * (1 + 1e-6) * doubled
        kept &= sides[0] * sides[1] * sides[2] <= limit * limit
    return _fans(len(x), found[kept], corners[:, kept], doubled[kept])


def _cornered(x: Ints, y: Ints, triangles: Ints) -> tuple[Ints, Ints]:
    """Return the products of both sides at each corner, three rows, and twice the area, which is above zero.

    The square of a side is the sum of the products at its ends; the cotangent of an angle is the product at its corner
    by twice the area.
    """
    a, b, c = triangles.T
    ax, ay, cx, cy = x[b] - x[a], y[b] - y[a], x[c] - x[a], y[c] - y[a]
    bx, by = cx - ax, cy - ay
    corners = np.stack((ax * cx + ay * cy, -(ax * bx + ay * by), bx * cx + by * cy))
    return corners, np.abs(ax * cy - cx * ay)


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

    Points are handed over along a Hilbert curve (Hilbert 1891), so each is near the one before it and found in a few
    steps; every 16th goes first, so that the others change few triangles. It takes half of the time that going up and
    down strip by strip takes.
    """
    import startinpy

    span = int(max(x.max(), y.max())) + 1
    side = 1 << _CURVE_BITS
    along = _curve(_CURVE_BITS)[x * side // span, y * side // span].argsort(kind="stable")
    order = np.concatenate((along[::_FIRST], np.delete(along, np.s_[::_FIRST])))
    mesh = startinpy.DT()
    places = np.zeros((len(x), 3))
    places[:, 0], places[:, 1] = x[order], y[order]
    mesh.insert(places, insertionstrategy="AsIs")
    corners = np.asarray(mesh.triangles).reshape(-1, 3)
    found: Ints = order[corners - 1]  # its vertex 0 is the infinite one
    return found


@cache
def _curve(bits: int) -> npt.NDArray[np.uint16]:
    """Return how far along the Hilbert curve each cell of a square of ``2**bits`` per side lies; at most 8 bits."""
    found = np.zeros((1, 1), np.uint16)
    for _ in range(bits):
        cells = found.size
        turned = found[::-1, ::-1].T
        found = np.block([[found.T, found + cells], [turned + 3 * cells, found + 2 * cells]]).astype(np.uint16)
    return found


def _fans(points: int, triangles: Ints, corners: Ints, doubled: Ints) -> Ints:
    """Cut each polygon of triangles with one circle as a fan from its first corner."""
    count = len(triangles)
    one, two = _neighbours(points, triangles)
    opposite, areas = corners[::-1].ravel(), np.tile(doubled, 3)
    ties = _cancel_out(opposite[one], areas[two], opposite[two], areas[one])
    if not len(ties):
        return triangles
    one, two = one[ties], two[ties]
    owner, other = one % count, two % count
    label = _components(count, owner, other)
    joined = np.zeros(count, np.bool_)
    joined[owner] = joined[other] = True
    first = np.full(count, points)
    np.minimum.at(first, label[joined], triangles[joined, 0])
    rim = np.tile(joined, 3)
    rim[one] = rim[two] = False
    edges = np.flatnonzero(rim)
    corner, ends = first[label[edges % count]], _ends_of(triangles, edges)
    kept = corner != ends[0]  # an edge that ends at the first corner would begin behind it
    fans = np.column_stack((corner[kept], *ends[:, kept]))
    return np.concatenate((triangles[~joined], fans))


def _ends(triangles: Ints) -> Ints:
    """Return the ends of all edges, in two rows: first those opposite to the last corners, last those to the first."""
    a, b, c = triangles.T
    return np.stack((np.concatenate((a, a, b)), np.concatenate((b, c, c))))


def _ends_of(triangles: Ints, edges: Ints) -> Ints:
    """Return what `_ends` has of some edges."""
    which, owner = np.divmod(edges, len(triangles))
    return np.stack([triangles[owner, np.array(corner)[which]] for corner in ((0, 0, 1), (1, 2, 2))])


def _neighbours(points: int, triangles: Ints) -> tuple[Ints, Ints]:
    """Return the numbers, in the order of `_ends`, of edges that two triangles have in common."""
    low, high = _ends(triangles)
    key = low * points + high
    bits = len(key).bit_length()
    if points * points < 1 << (_WORD - bits):
        key = np.sort(key << bits | np.arange(len(key)))  # far faster than sorting numbers by their key
        key, order = key >> bits, key & ((1 << bits) - 1)
    else:
        order = np.argsort(key)
        key = key[order]
    both = np.flatnonzero(key[1:] == key[:-1])
    return order[both], order[both + 1]


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


def _cancel_out(a: Ints, b: Ints, c: Ints, d: Ints) -> Ints:
    """Return the numbers of those whose ``a * b + c * d`` is exactly zero."""
    one, two = a.astype(np.float64) * b, c.astype(np.float64) * d
    unsure = np.flatnonzero(np.abs(one + two) <= _ERROR * (np.abs(one) + np.abs(two)))
    factors = np.stack([values[unsure] for values in (a, b, c, d)])
    small = np.abs(factors).max(axis=0, initial=0) < _EXACT
    found = np.zeros(len(unsure), np.bool_)
    for chosen, kind in ((small, np.int64), (~small, object)):
        exact = factors[:, chosen].astype(kind)
        found[chosen] = exact[0] * exact[1] + exact[2] * exact[3] == 0
    return unsure[found]
