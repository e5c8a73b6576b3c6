"""The place that the geospatial sample shows: its ground, trees, buildings and land cover, all known exactly.

Here: where it lies and what stands there. Not here: what a scanner (`geospatial_points`) or a camera
(`geospatial_images`) sees of it. The ground is made by sums and products alone, objects are drawn as integers, so the
place is the same everywhere. Imports numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowbutton.samples.draws import Draws

EPSG = 32633
WEST, SOUTH, WIDTH, HEIGHT = 500_000, 5_400_000, 400, 300
"""Corner and extent in metres."""
WKT = (
    'PROJCS["WGS 84 / UTM zone 33N",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,'
    'AUTHORITY["EPSG","7030"]],AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],'
    'UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],AUTHORITY["EPSG","4326"]],'
    'PROJECTION["Transverse_Mercator"],PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",15],'
    'PARAMETER["scale_factor",0.9996],PARAMETER["false_easting",500000],PARAMETER["false_northing",0],'
    'UNIT["metre",1,AUTHORITY["EPSG","9001"]],AXIS["Easting",EAST],AXIS["Northing",NORTH],AUTHORITY["EPSG","32633"]]'
)
CM = 100
MEADOW, FIELD, TRACK, CROWN, ROOF = range(5)
"""Land cover."""

_SEED = 20_261_128
_TREES, _BUILDINGS = 700, 9
_HILLS = ((90, 210, 140, 22), (300, 80, 110, 15), (220, 160, 60, -8), (360, 260, 90, 9), (40, 40, 70, 5))
"""x, y of the middle and radius in metres from the corner, height in metres."""
_FIELDS = ((40, 20, 170, 95), (230, 190, 330, 270))
"""Left, lower, right and upper edge in metres from the corner."""

Numbers = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tree:
    """A crown: a paraboloid around its top, in centimetres from the corner; ``height`` above the ground below it."""

    x: int
    y: int
    radius: int
    height: int


@dataclass(frozen=True, slots=True)
class Building:
    """A flat roof 7 m above the ground at its lower left corner; centimetres from the corner, half-open."""

    left: int
    lower: int
    wide: int
    deep: int


def ground_height(x: Numbers, y: Numbers) -> Numbers:
    """Return the height of the sample's ground in metres, at places in metres from the corner."""
    height: Numbers = 240 + 0.05 * x + 0.02 * y
    for middle_x, middle_y, radius, top in _HILLS:
        near = ((x - middle_x) * (x - middle_x) + (y - middle_y) * (y - middle_y)) / (radius * radius)
        inside = np.maximum(1 - near, 0)
        height = height + top * inside * inside
    return height


def objects() -> tuple[Sequence[Tree], Sequence[Building]]:
    """Return all trees and buildings of the place."""
    draws = Draws(_SEED)
    sides = (WIDTH, HEIGHT)
    trees = []
    for _ in range(_TREES):
        x, y = (int(draws.below(side * CM, 1)[0]) for side in sides)
        trees.append(Tree(x, y, 150 + int(draws.below(300, 1)[0]), 600 + int(draws.below(1600, 1)[0])))
    buildings = []
    for _ in range(_BUILDINGS):
        left, lower = (2_000 + int(draws.below((side - 60) * CM, 1)[0]) for side in sides)
        wide, deep = (900 + int(draws.below(1_400, 1)[0]) for _ in range(2))
        buildings.append(Building(left, lower, wide, deep))
    return trees, buildings


def cover(x: Ints, y: Ints) -> npt.NDArray[np.uint8]:
    """Return the land cover seen from above, at all places of the axes ``x`` and ``y``, a row for each ``y``.

    Args:
        x: Centimetres from the corner, ascending.
        y: Likewise.
    """
    found = np.full((len(y), len(x)), MEADOW, np.uint8)
    for left, lower, right, upper in _FIELDS:
        found[_between(y, lower * CM, upper * CM), _between(x, left * CM, right * CM)] = FIELD
    found[np.abs(10 * y[:, None] - 3 * x - 90_000) < 3_000] = TRACK  # six metres wide, rising to the east
    trees, buildings = objects()
    for tree in trees:
        rows, columns = (_between(axis, at - tree.radius, at + tree.radius) for axis, at in ((y, tree.y), (x, tree.x)))
        far = (y[rows, None] - tree.y) ** 2 + (x[columns] - tree.x) ** 2
        found[rows, columns][far < tree.radius**2] = CROWN
    for one in buildings:
        found[_between(y, one.lower, one.lower + one.deep), _between(x, one.left, one.left + one.wide)] = ROOF
    return found


def _between(axis: Ints, start: int, stop: int) -> slice:
    low, high = np.searchsorted(axis, [start, stop]).tolist()
    return slice(low, high)
