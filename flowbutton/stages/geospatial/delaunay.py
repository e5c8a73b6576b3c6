"""The Delaunay triangulation of points with integer coordinates, the same one whatever points lie around.

Four or more points on one empty circle have several valid triangulations. Here they are joined to a polygon, and that
is cut as a fan from its first corner in the order (X, Y): so the answer is a function of the set of points, and a tile
that sees all points of a circle makes the triangles that the whole would.

Triangles on both sides of an edge have one circle if the angles opposite to it add up to two right ones, that is, if
their cotangents cancel out. Where the circles' centres are clearly apart they have not; elsewhere this is decided
exactly, in integers. Here: triangles, circumradii. Not here: the library's mesh (`mesh`), heights (`triangles`).
Imports numpy.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from flowbutton.stages.geospatial.mesh import Mesh, Numbers, mesh_of

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

REACH = 1 << 29
"""Coordinates less their minimum are below it: then doubled coordinates have products in 64 bits."""
AT_ONCE = 1 << 14
"""Triangles whose columns are computed at once: so many stay in a core's cache."""

_APART = 1e-2  # units: centres as far from each other are not the same, with what rounding may add
_ROUNDED = 1e-15  # of a difference of two rounded products of rounded factors, against their magnitudes
_ERROR = 1e-15  # of a sum of two products of rounded integers, against their magnitudes: 4.5 roundings of 2**-53
_NEAR = 1e-14  # of a radius: rounding moves it by less
_EXACT = 1 << 31  # factors below it have such sums in 64 bits


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


def triangulate(x: Ints, y: Ints, radius: float = np.inf) -> Numbers:
    """Return the triangles of points, as rows of three numbers in any order; none is flat.

    Args:
        x: Distinct points, less their minimum below `REACH`. Fastest in the order of `curve_order`.
        y: Likewise.
        radius: Triangles of a circumradius clearly above it may be missing. `within` tells which ones are not.
    """
    if len(x) < 3:
        return np.zeros((0, 3), np.int32)
    x, y = x - x.min(), y - y.min()
    mesh = mesh_of(x, y)
    kept, centres = _circles(x, y, mesh.corners, radius)
    side, one = _ties(x, y, mesh, kept, centres)
    whole, fans = _fans(x, y, mesh, kept, side, one)
    found: Numbers = np.concatenate((mesh.corners[:, whole], fans), axis=1)
    return found.T


def area(x: Ints, y: Ints, triangles: Numbers) -> Ints:
    """Return twice the signed area of triangles, exactly."""
    a, b, c = triangles.T
    found: Ints = (x[b] - x[a]) * (y[c] - y[a]) - (x[c] - x[a]) * (y[b] - y[a])
    return found


def circumradius(x: Ints, y: Ints, triangles: Numbers) -> Floats:
    """Return the radii of the circles through the corners: of differences alone, in one order of operations."""
    a, b, c = triangles.T
    sides = [_squared(x, y, p, q) for p, q in ((a, b), (a, c), (b, c))]
    found: Floats = np.sqrt(sides[0]) * np.sqrt(sides[1]) * np.sqrt(sides[2])
    return found / (2.0 * np.abs(area(x, y, triangles)).astype(np.float64))


def within(x: Ints, y: Ints, triangles: Numbers, radius: float) -> Mask:
    """Return which triangles have a circumradius of at most ``radius``, exactly: all of one circle, or none."""
    found = circumradius(x, y, triangles)
    inside: Mask = found <= radius
    if np.isfinite(radius):
        over, under = (part**2 for part in radius.as_integer_ratio())
        for number in np.flatnonzero(np.abs(found - radius) <= _NEAR * radius).tolist():
            corners = triangles[number]
            product = math.prod(_exact_square(x, y, *corners[pair]) for pair in ([0, 1], [0, 2], [1, 2]))
            doubled = int(area(x, y, corners[None])[0])
            inside[number] = product * under <= 4 * doubled**2 * over
    return inside


def _exact_square(x: Ints, y: Ints, p: int, q: int) -> int:
    return (int(x[q]) - int(x[p])) ** 2 + (int(y[q]) - int(y[p])) ** 2


def _squared(x: Ints, y: Ints, p: Numbers, q: Numbers) -> Floats:
    dx, dy = x[q] - x[p], y[q] - y[p]
    return (dx * dx + dy * dy).astype(np.float64)


def _circles(x: Ints, y: Ints, corners: Numbers, radius: float) -> tuple[Mask, Floats]:
    """Return which triangles are kept, and the centres of their circles.

    A centre is wrong by less than half of `_APART`, or NaN where rounding may add more.
    """
    count = corners.shape[1]
    kept, centres = np.zeros(count, np.bool_), np.empty((2, count))
    limit = 2.0 * radius * (1 + 1e-6)
    with np.errstate(all="ignore"):
        for start in range(0, count, AT_ONCE):
            part = np.s_[start : start + AT_ONCE]
            points = corners[:, part].astype(np.intp)
            (ax, bx, cx), (ay, by, cy) = (axis[np.maximum(points, 0)] for axis in (x, y))
            bx, by, cx, cy = bx - ax, by - ay, cx - ax, cy - ay
            doubled = bx * cy - cx * by
            twice = 2.0 * doubled
            sides = [(dx * dx + dy * dy).astype(np.float64) for dx, dy in ((bx, by), (cx, cy), (cx - bx, cy - by))]
            kept[part] = (points.min(axis=0) >= 0) & (doubled != 0)
            kept[part] &= sides[0] * sides[1] * sides[2] <= (limit * doubled) ** 2
            for axis, at, one, two in ((0, ax, cy * sides[0], by * sides[1]), (1, ay, bx * sides[1], cx * sides[0])):
                unsure = _ROUNDED * (np.abs(one) + np.abs(two)) > _APART / 4 * np.abs(twice)
                centres[axis, part] = np.where(unsure, np.nan, at + (one - two) / twice)
    return kept, centres


def _ties(x: Ints, y: Ints, mesh: Mesh, kept: Mask, centres: Floats) -> tuple[Ints, Ints]:
    """Return (side, triangle) of each edge between kept triangles that have one circle, from one of its sides."""
    sides, ones = [], []
    for number, across in enumerate(mesh.across):
        for start in range(0, len(kept), AT_ONCE):
            part = np.s_[start : start + AT_ONCE]
            apart = np.abs(centres[0, part] - centres[0][across[part]]) > _APART
            near = start + np.flatnonzero(~apart)
            two = across[near]
            near = near[(near < two) & kept[near] & kept[two] & ~(np.abs(centres[1, near] - centres[1, two]) > _APART)]
            ones.append(near)
            sides.append(np.full(len(near), number))
    side, one = np.concatenate(sides), np.concatenate(ones)
    tied = _one_circle(x, y, mesh, side, one)
    return side[tied], one[tied]


def _one_circle(x: Ints, y: Ints, mesh: Mesh, side: Ints, one: Ints) -> Ints:
    """Return the numbers of the edges whose triangles have exactly one circle."""
    corners, two = mesh.corners, mesh.across[side, one]
    p, left, right = corners[side, one], corners[(side + 1) % 3, one], corners[(side + 2) % 3, one]
    q = corners[:, two].astype(np.int64).sum(axis=0) - left - right
    products = []
    for corner in (p, q):
        ax, ay, bx, by = x[left] - x[corner], y[left] - y[corner], x[right] - x[corner], y[right] - y[corner]
        products.append((ax * bx + ay * by, np.abs(ax * by - bx * ay)))
    (dot, doubled), (other_dot, other_doubled) = products
    return _cancel_out(dot, other_doubled, other_dot, doubled)


def _fans(x: Ints, y: Ints, mesh: Mesh, kept: Mask, side: Ints, one: Ints) -> tuple[Mask, Numbers]:
    """Cut each polygon of triangles with one circle as a fan from its first corner.

    Returns:
        Which triangles are in no polygon, and those of the fans, as three rows.
    """
    two = mesh.across[side, one]
    joined, place = np.unique(np.concatenate((one, two)), return_inverse=True)
    label = _components(len(joined), place[: len(one)], place[len(one) :])
    first = _first_corners(x, y, mesh.corners[:, joined], label)
    rim = np.ones((3, len(kept)), np.bool_)
    rim[side, one] = False
    for other, across in enumerate(mesh.across):
        rim[other, two[across[two] == one]] = False
    fans = [np.zeros((3, 0), mesh.corners.dtype)]
    for other in range(3):
        edges = rim[other, joined]
        corner = first[edges]
        left, right = (mesh.corners[(other + n) % 3, joined[edges]] for n in (1, 2))
        beyond = (corner != left) & (corner != right)
        fans.append(np.stack((corner, left, right))[:, beyond])
    whole = kept.copy()
    whole[joined] = False
    return whole, np.concatenate(fans, axis=1)


def _first_corners(x: Ints, y: Ints, corners: Numbers, label: Ints) -> Numbers:
    """Return for each triangle the corner that is the first by (X, Y) of all triangles with its label."""
    points, labels = corners.ravel(), np.tile(label, 3)
    order = np.lexsort((y[points], x[points], labels))
    starts = order[np.append(True, np.diff(labels[order]) != 0)[: len(order)]]
    first = np.zeros(len(label), corners.dtype)
    first[labels[starts]] = points[starts]
    return first[label]


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
