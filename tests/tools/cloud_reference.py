"""Terrain and surface of a small point cloud by their definitions, in exact fractions: no cut, no tiles, no float.

Written after the rules alone (see the geospatial page): points dropped, half-open cells from the south-west, Delaunay
triangles by testing every circle against every point, fans from the first corner, the smaller circle at an edge. Takes
time with the third power of the number of ground points. Shares no code with flowbutton.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, pairwise
from math import floor
from typing import NamedTuple

Point = tuple[Fraction, Fraction]
Triangle = tuple[Point, Point, Point]
DROPPED = (7, 18)


class Return(NamedTuple):
    """A point as a file has it, in the unit of its coordinate system."""

    x: Fraction
    y: Fraction
    z: Fraction
    kind: int
    withheld: bool


@dataclass(frozen=True)
class CloudReference:
    """The answer for a cloud: ``returns`` are all points of all files, ``cell`` is the resolution."""

    returns: Sequence[Return]
    cell: Fraction

    def kept(self) -> list[Return]:
        """Return the points that are neither withheld nor noise."""
        return [one for one in self.returns if not one.withheld and one.kind not in DROPPED]

    def cells(self) -> dict[tuple[int, int], list[Return]]:
        """Return the points of each cell that has any, by its column and row from the origin, rows to the north."""
        found = defaultdict(list)
        for one in self.kept():
            found[floor(one.x / self.cell), floor(one.y / self.cell)].append(one)
        return found

    def ground(self) -> dict[Point, Fraction]:
        """Return the lowest height of class 2 at each place that has one."""
        found: dict[Point, Fraction] = {}
        for one in self.kept():
            if one.kind == 2:
                found[one.x, one.y] = min(one.z, found.get((one.x, one.y), one.z))
        return found

    def triangles(self) -> list[tuple[Fraction, Triangle]]:
        """Return the Delaunay triangles of the ground with the squares of their circumradii."""
        places = sorted(self.ground())
        circles: dict[tuple[Point, Fraction], set[Point]] = {}
        for corners in combinations(places, 3):
            circle = _circle(corners)
            if circle is None or circle in circles:
                continue
            centre, square = circle
            distances = [(_square(centre, place), place) for place in places]
            if min(distances)[0] == square:
                circles[circle] = {place for distance, place in distances if distance == square}
        return [(square, fan) for (_, square), corners in circles.items() for fan in _fans(sorted(corners))]

    def terrain(self, max_radius: Fraction | None) -> Terrain:
        """Return the heights of triangles whose circumradius is at most ``max_radius``."""
        allowed = [found for found in self.triangles() if max_radius is None or found[0] <= max_radius**2]
        return Terrain(sorted(allowed), self.ground(), self.cell)


@dataclass(frozen=True)
class Terrain:
    """Triangles, the smallest circle first, then by their corners."""

    triangles: Sequence[tuple[Fraction, Triangle]]
    ground: dict[Point, Fraction]
    cell: Fraction

    def height(self, column: int, row: int) -> Fraction | None:
        """Return the height at the centre of a cell; None where no triangle is."""
        centre = ((column + Fraction(1, 2)) * self.cell, (row + Fraction(1, 2)) * self.cell)
        for _, corners in self.triangles:
            shares = _shares(corners, centre)
            if min(shares) >= 0:
                return sum((share * self.ground[at] for share, at in zip(shares, corners, strict=True)), Fraction(0))
        return None


def _square(one: Point, two: Point) -> Fraction:
    return (one[0] - two[0]) ** 2 + (one[1] - two[1]) ** 2


def _circle(corners: Sequence[Point]) -> tuple[Point, Fraction] | None:
    """Return the centre and the square of the radius of the circle through three points; None if they are in line."""
    (ax, ay), (bx, by), (cx, cy) = corners
    twice = 2 * ((bx - ax) * (cy - ay) - (cx - ax) * (by - ay))
    if twice == 0:
        return None
    b, c = (bx - ax) ** 2 + (by - ay) ** 2, (cx - ax) ** 2 + (cy - ay) ** 2
    centre = (ax + ((cy - ay) * b - (by - ay) * c) / twice, ay + ((bx - ax) * c - (cx - ax) * b) / twice)
    return centre, _square(centre, (ax, ay))


def _fans(corners: Sequence[Point]) -> Iterator[Triangle]:
    """Yield the triangles of a polygon on a circle: a fan from its first corner (by X, then Y)."""
    first, *others = corners

    def turn(place: Point) -> tuple[bool, Fraction]:
        """Return what orders points of the circle as one goes round from the first: by the chord's slope."""
        across, up = place[0] - first[0], place[1] - first[1]
        return (across == 0, Fraction(0) if across == 0 else up / across)

    around = sorted(others, key=turn)  # all lie to the right of the first, or straight above it
    for one, two in pairwise(around):
        low, high = sorted((one, two))
        yield first, low, high


def _shares(corners: Triangle, place: Point) -> tuple[Fraction, Fraction, Fraction]:
    """Return the barycentric coordinates of a place."""
    (ax, ay), (bx, by), (cx, cy) = corners
    whole = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
    b = ((place[0] - ax) * (cy - ay) - (cx - ax) * (place[1] - ay)) / whole
    c = ((bx - ax) * (place[1] - ay) - (place[0] - ax) * (by - ay)) / whole
    return 1 - b - c, b, c
