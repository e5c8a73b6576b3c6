"""Triangles are Delaunay, the same ones whatever lies around; heights on them do not depend on tiles."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from flowbutton.stages.geospatial.delaunay import area, circumradius, sorted_points, triangulate, within
from flowbutton.stages.geospatial.opening import halo_of, objects, radii
from flowbutton.stages.geospatial.triangles import Window, heights
from flowbutton.stages.geospatial.weights import weighted_heights

Ints = npt.NDArray[np.int64]
CELL = 10


@st.composite
def _clouds(draw: st.DrawFn, most: int = 60) -> tuple[Ints, Ints, Ints]:
    """Points on a lattice that is coarse (many on one circle, many doubled) or fine; coordinates of both signs."""
    step = draw(st.sampled_from([1, 5, 10, 20]))
    reach = draw(st.sampled_from([40, 160])) // step
    places = draw(st.lists(st.tuples(*[st.integers(-reach, reach)] * 2, st.integers(-50, 50)), max_size=most))
    x, y, z = np.array([(step * x, step * y, z) for x, y, z in places], np.int64).reshape(-1, 3).T
    return sorted_points(x, y, z)


def _in_circle(x: Ints, y: Ints, triangle: Any, point: int) -> int:
    """Return whether a point is in (1), on (0) or outside (-1) the circle of a triangle, in Python's integers."""
    rows = [[int(x[n]) - int(x[point]), int(y[n]) - int(y[point])] for n in triangle]
    (a, b), (c, d), (e, f) = rows
    turn = (c - a) * (f - b) - (e - a) * (d - b)
    found = (
        (a * a + b * b) * (c * f - d * e) - (c * c + d * d) * (a * f - b * e) + (e * e + f * f) * (a * d - b * c)
    ) * (1 if turn > 0 else -1)
    return (found > 0) - (found < 0)


@settings(deadline=None, max_examples=60)
@given(cloud=_clouds(25))
def test_circles_are_empty_and_polygons_are_fans_from_their_first_corner(cloud: tuple[Ints, Ints, Ints]) -> None:
    x, y, _ = cloud
    triangles = np.sort(triangulate(x, y), axis=1)
    for triangle in triangles.tolist():
        sides = [_in_circle(x, y, triangle, point) for point in range(len(x))]
        assert max(sides) == 0
        assert triangle[0] == sides.index(0), "the first of all points of the circle is a corner of each triangle"
    if len(triangles):
        hull = ConvexHull(np.column_stack((x, y)).astype(float)).volume
        assert np.abs(area(x, y, triangles)).sum() == pytest.approx(2 * hull)


def test_all_triangles_of_a_circle_of_just_the_largest_radius_are_taken() -> None:
    quarter = [(0, 25), (7, 24), (15, 20), (20, 15), (24, 7), (25, 0)]
    circle = np.array([(s * 4 * x, t * 4 * y) for x, y in quarter for s in (-1, 1) for t in (-1, 1)], np.int64)
    x, y, _ = sorted_points(circle[:, 0], circle[:, 1], circle[:, 0])
    triangles = triangulate(x, y, 100.0)
    assert len(triangles) == len(x) - 2
    assert within(x, y, triangles, 100.0).all()
    assert not (circumradius(x, y, triangles) <= 100.0).all(), "rounding moves some"
    assert not within(x, y, triangles, np.nextafter(100.0, 0)).any()


@pytest.mark.parametrize("turned", [False, True])
def test_circles_far_larger_than_the_cloud_are_empty(turned: bool) -> None:
    """On a parabola three points in turn have a circle far beyond the cloud; all its points are on the hull."""
    across = np.arange(24, dtype=np.int64) * 900
    x, y, _ = sorted_points(*((across**2, across) if turned else (across, across**2)), across)
    triangles = triangulate(x, y)
    assert len(triangles) == len(x) - 2
    assert all(max(_in_circle(x, y, triangle, point) for point in range(len(x))) == 0 for triangle in triangles)


def test_points_without_an_area_have_no_triangle() -> None:
    for count in range(4):
        line = np.arange(count, dtype=np.int64)
        assert triangulate(line, 2 * line).shape == (0, 3)


def _rows(triangles: npt.NDArray[Any]) -> list[list[int]]:
    return sorted(np.sort(triangles, axis=1).tolist())


def test_far_points_are_told_apart_exactly() -> None:
    far, none = 1 << 28, np.zeros(0, np.int64)
    square = [(0, 0), (0, far), (far, 0), (far, far)]
    x, y, _ = sorted_points(*np.array([(*place, 0) for place in square], np.int64).T)
    assert np.unique(np.sort(triangulate(x, y), axis=1), axis=0).tolist() == [[0, 1, 3], [0, 2, 3]], (
        "on one circle: a fan from the first"
    )
    y = y + np.array([0, 0, 0, 1])
    assert np.unique(np.sort(triangulate(x, y), axis=1), axis=0).tolist() == [[0, 1, 2], [1, 2, 3]], (
        "one unit off in 2**28"
    )
    assert len(triangulate(none, none)) == 0


def _tiled(cloud: tuple[Ints, Ints, Ints], window: Window, tile: int, radius: float, method: str) -> npt.NDArray[Any]:
    x, y, z = cloud
    found = np.full((window.rows, window.columns), -1.0)
    halo = int(np.ceil(2 * radius / CELL))
    for row, column in product(range(0, window.rows, tile), range(0, window.columns, tile)):
        part = Window(
            window.row + row,
            window.column + column,
            min(tile, window.rows - row),
            min(tile, window.columns - column),
        )
        seen = part.widened(halo)
        high, across = y // CELL - seen.row, x // CELL - seen.column
        chosen = (high >= 0) & (high < seen.rows) & (across >= 0) & (across < seen.columns)
        px, py, pz = x[chosen], y[chosen], z[chosen] / 8
        if method == "tin":
            made = heights(px, py, pz, triangulate(px, py, radius), part, cell=CELL, radius=radius)
        else:
            made = weighted_heights(px, py, pz, part, cell=CELL, radius=radius, power=3)
        found[row : row + part.rows, column : column + part.columns] = made
    return found


@settings(deadline=None, max_examples=25)
@given(
    cloud=_clouds(),
    radius=st.sampled_from([7.1, 10.0, 20.0, 55.0]),
    tile=st.integers(5, 20),
    method=st.sampled_from(["tin", "idw"]),
)
def test_no_tile_shows(cloud: tuple[Ints, Ints, Ints], radius: float, tile: int, method: str) -> None:
    window = Window(-13, -12, 25, 26)
    whole = _tiled(cloud, window, 99, radius, method)
    assert whole.tobytes() == _tiled(cloud, window, tile, radius, method).tobytes()


@settings(deadline=None, max_examples=60)
@given(cloud=_clouds(30), radius=st.sampled_from([12.0, 30.0, np.inf]))
@example(cloud=tuple(np.array([[0, 0, 10, 10], [0, 10, 0, 10], [0, 8, 8, 0]], np.int64)), radius=np.inf)
def test_heights_are_those_of_the_triangle_over_the_centre(cloud: tuple[Ints, Ints, Ints], radius: float) -> None:
    x, y, z = cloud
    triangles = np.sort(triangulate(x, y), axis=1)
    window = Window(-5, -6, 11, 12)
    found = heights(x, y, z.astype(float), triangles, window, cell=CELL, radius=radius)
    radii_of = circumradius(x, y, triangles)
    for row, column in product(range(window.rows), range(window.columns)):
        centre = ((2 * (column + window.column) + 1) * CELL, (2 * (row + window.row) + 1) * CELL)
        over = [n for n, t in enumerate(triangles) if radii_of[n] <= radius and _covers(x, y, t, centre)]
        if not over:
            assert np.isnan(found[row, column])
            continue
        chosen = triangles[min(over, key=lambda n: (radii_of[n], *triangles[n]))]
        system = np.column_stack((x[chosen], y[chosen], np.ones(3)))
        a, b, c = np.linalg.solve(system, z[chosen])
        assert found[row, column] == pytest.approx(a * centre[0] / 2 + b * centre[1] / 2 + c, abs=1e-6)


def _covers(x: Ints, y: Ints, triangle: Any, doubled: tuple[int, int]) -> bool:
    sides = []
    for one, two in ((0, 1), (1, 2), (2, 0)):
        p, q = triangle[one], triangle[two]
        ax, ay, bx, by = (2 * int(v) for v in (x[p], y[p], x[q], y[q]))
        sides.append((bx - ax) * (doubled[1] - ay) - (by - ay) * (doubled[0] - ax))
    return min(sides) >= 0 or max(sides) <= 0


@settings(deadline=None, max_examples=40)
@given(cloud=_clouds(30), power=st.integers(1, 4))
def test_weighted_means_are_those_of_all_points_within_the_radius(cloud: tuple[Ints, Ints, Ints], power: int) -> None:
    x, y, z = cloud
    window, radius = Window(-3, -3, 6, 7), 35.0
    found = weighted_heights(x, y, z.astype(float), window, cell=CELL, radius=radius, power=power)
    for row, column in product(range(window.rows), range(window.columns)):
        far = np.hypot(x - (column - 2.5) * CELL, y - (row - 2.5) * CELL)
        near = far <= radius
        if not near.any():
            assert np.isnan(found[row, column])
        elif (far == 0).any():
            assert found[row, column] == z[far == 0][0]
        else:
            wanted = np.average(z[near], weights=far[near] ** -power)
            assert found[row, column] == pytest.approx(wanted, abs=1e-9)


def test_openings_find_buildings_and_keep_hills() -> None:
    row, column = np.mgrid[:80, :90]
    hill = 20.0 * np.exp(-((row - 30) ** 2 + (column - 40) ** 2) / 800)
    surface = hill.copy()
    surface[64:78, 70:84] += 8  # a house
    surface[10, 10] += 15  # a tree
    surface[::7, ::5] = np.nan
    found = objects(surface, radius=9, resolution=1.0, slope=0.8)
    wanted = (surface != hill) & ~np.isnan(surface)
    assert np.array_equal(found, wanted)


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 999), tile=st.integers(15, 40), radius=st.sampled_from([1.0, 3.0, 5.0]))
def test_openings_agree_over_tiles(seed: int, tile: int, radius: float) -> None:
    random = np.random.default_rng(seed)
    surface = random.uniform(0, 5, (60, 50))
    surface[random.random(surface.shape) < 0.4] = np.nan
    halo = halo_of(radius, 1.0)
    wide = np.pad(surface, halo, constant_values=np.nan)  # discs may lie around empty cells beyond the rim
    whole = objects(wide, radius=radius, resolution=1.0, slope=0.3)[halo:-halo, halo:-halo]
    for top, left in product(range(0, 60, tile), range(0, 50, tile)):
        seen = wide[top : top + tile + 2 * halo, left : left + tile + 2 * halo]
        part = objects(seen, radius=radius, resolution=1.0, slope=0.3)[halo:-halo, halo:-halo]
        assert np.array_equal(part, whole[top : top + tile, left : left + tile])


def test_discs_grow_to_the_radius() -> None:
    assert radii(18.0, 1.0) == [1, 2, 4, 8, 16, 18]
    assert radii(0.1, 1.0) == [1]
    assert halo_of(4.0, 1.0) == 14
