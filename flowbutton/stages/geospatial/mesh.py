"""A valid Delaunay triangulation by a library, with who lies beside whom.

The library is CDT (github.com/artem-ogre/CDT) through pythoncdt: its predicates are exact (Shewchuk 1997). It begins
with a triangle around all points, which takes the place of triangles at the rim whose circles reach its corners; two
points farther than any circle of coordinates below 2**29 reaches put these corners out of the way. Which of several
valid triangulations is the answer is not decided here (`delaunay`). Imports numpy; pythoncdt inside functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]
"""Of points or of triangles."""

_CURVE_BITS = 8
_FAR = float(1 << 90)  # a circumradius is a product of three sides, each below 2**30, by two at least
_OUTER = 3  # corners of the library's own triangle, which come first


@dataclass(frozen=True, slots=True)
class Mesh:
    """Triangles in columns; both arrays have the shape (3, triangles).

    ``corners`` are numbers of points, counterclockwise, some below 0 where a triangle is not between points alone.
    ``across`` has for each corner the number of the triangle beyond the opposite edge; any, in triangles of that kind.
    """

    corners: Numbers
    across: Numbers


def mesh_of(x: Ints, y: Ints) -> Mesh:
    """Triangulate three or more distinct points with coordinates from 0 to below 2**29."""
    import pythoncdt

    places = np.empty((len(x) + 2, 2))
    places[0], places[1] = -_FAR, _FAR
    places[2:, 0], places[2:, 1] = x, y
    edges = pythoncdt.IntersectingConstraintEdges.NOT_ALLOWED
    library = pythoncdt.Triangulation(pythoncdt.VertexInsertionOrder.AUTO, edges, 0.0)
    library.insert_vertices(places)  # type: ignore[call-overload, unused-ignore]  # an array is a buffer to mypy from 3.12 on
    found = library.triangles_array(copy=False)
    corners = found["vertices"].T.astype(np.int32, order="C") - np.int32(_OUTER + 2)
    across = np.minimum(found["neighbors"].T, np.uint32(len(found) - 1)).astype(np.int32, order="C")
    # The library counts a neighbour by the edge from a corner to the next: it lies opposite to the one after.
    return Mesh(corners, np.roll(across, -1, axis=0))


def curve_order(x: Ints, y: Ints) -> Ints:
    """Return the numbers of points along a Hilbert curve (Hilbert 1891): those that lie together come together."""
    if not len(x):
        return np.zeros(0, np.int64)
    x, y = x - x.min(), y - y.min()
    span, side = int(max(x.max(), y.max())) + 1, 1 << _CURVE_BITS
    return _curve(_CURVE_BITS)[x * side // span, y * side // span].argsort(kind="stable")


@cache
def _curve(bits: int) -> npt.NDArray[np.uint16]:
    """Return how far along the Hilbert curve each cell of a square of ``2**bits`` per side lies; at most 8 bits."""
    found = np.zeros((1, 1), np.uint16)
    for _ in range(bits):
        cells = found.size
        turned = found[::-1, ::-1].T
        found = np.block([[found.T, found + cells], [turned + 3 * cells, found + 2 * cells]]).astype(np.uint16)
    return found
