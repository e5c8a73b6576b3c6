"""The point half of the geospatial sample: a surveyed hillside with trees and buildings, whose ground is known.

Here: what a scanner sees of it, the tiles, the raster of the truth. Not here: the place (`geospatial_scene`), LAZ and
COPC (`samples.laz_files`), images and zones (`geospatial_images`). Imports numpy; rasterio where used.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from flowbutton.samples.draws import Draws
from flowbutton.samples.geospatial_scene import CM, EPSG, HEIGHT, SOUTH, WEST, WIDTH, WKT, ground_height, objects
from flowbutton.samples.laz_files import POINT, CloudLayout, CloudPoints, write_copc, write_laz

POINT_FILES = ("points_1.laz", "points_2.laz", "points_3.copc.laz", "points_4.copc.laz")
"""Tiles: south-west, south-east, north-west, north-east."""
TRUTH_FILE = "truth_dtm.tif"

_SEED = 20_261_129
_PULSES = 420_000
_GROUND, _HIGH, _ROOF, _LOW_NOISE, _HIGH_NOISE = 2, 5, 6, 7, 18


@dataclass(frozen=True, slots=True)
class _Pulses:
    """Where pulses end, in centimetres from the corner and above zero; one row per pulse, sorted by ``y``."""

    x: npt.NDArray[np.int64]
    y: npt.NDArray[np.int64]
    z: npt.NDArray[np.int64]
    kind: npt.NDArray[np.uint8]


def write_geospatial_points(folder: Path, *, pulses: int = _PULSES) -> None:
    """Write the tiles (`POINT_FILES`) and the heights of the ground at the middles of cells of 1 m (`TRUTH_FILE`).

    Args:
        folder: Where the files are written.
        pulses: How many the scanner sends.
    """
    points = _scanned(Draws(_SEED), pulses)
    east, north = points["X"] >= WIDTH * CM // 2, points["Y"] >= HEIGHT * CM // 2
    layout = CloudLayout(wkt=WKT, offset=(float(WEST), float(SOUTH), 0.0))
    nodes = CloudLayout(wkt=WKT, offset=layout.offset, chunk=6_000, page_level=2)
    for name, tile in zip(POINT_FILES, (~east & ~north, east & ~north, ~east & north, east & north), strict=True):
        if name.endswith(".copc.laz"):
            write_copc(folder / name, points[tile], nodes)
        else:
            write_laz(folder / name, points[tile], layout)
    _write_truth(folder / TRUTH_FILE)


def _scanned(draws: Draws, sent: int) -> CloudPoints:
    pulses = _pulses(draws, sent)
    trees = np.flatnonzero(pulses.kind == _HIGH)
    through = trees[draws.chance(550, len(trees))]  # these pulses reach the ground as well
    count = sent + len(through)
    order = np.sort(np.concatenate([2 * np.arange(sent), 2 * through + 1]))
    of, second = order // 2, order % 2 == 1
    points = np.zeros(count, POINT)
    points["X"], points["Y"] = pulses.x[of], pulses.y[of]
    ground = _ground_cm(pulses.x, pulses.y) + draws.normal(0, 3, sent)
    points["Z"] = np.where(second, ground[of], pulses.z[of])
    points["classification"] = np.where(second, _GROUND, pulses.kind[of])
    twice = np.zeros(sent, bool)
    twice[through] = True
    points["bit_fields"] = np.where(second, 2, 1) | np.where(twice[of], 2, 1) << 4
    points["intensity"] = 200 + draws.below(1800, count)
    points["source_id"] = 1 + points["Y"] // 5_000
    points["gps_time"] = 3e8 + of / 131_072  # a binary fraction is exact
    points["scan_angle"] = (points["Y"] % 5_000 - 2_500) * 2
    _spoil(points, draws)
    return points


def _pulses(draws: Draws, sent: int) -> _Pulses:
    """Draw pulses and what they meet first: the ground, a crown, a roof."""
    y = np.sort(draws.below(HEIGHT * CM, sent))
    x = draws.below(WIDTH * CM, sent)
    z = _ground_cm(x, y) + draws.normal(0, 3, sent)
    kind = np.full(sent, _GROUND, np.uint8)
    trees, buildings = objects()
    for tree in trees:
        near = slice(*np.searchsorted(y, [tree.y - tree.radius, tree.y + tree.radius]).tolist())
        far = (x[near] - tree.x) ** 2 + (y[near] - tree.y) ** 2
        hit = np.flatnonzero(far < tree.radius**2) + near.start
        base = int(_ground_cm(np.array([tree.x]), np.array([tree.y]))[0])
        top = base + tree.height - far[hit - near.start] * tree.height // (2 * tree.radius**2)
        higher = top > z[hit]
        z[hit[higher]], kind[hit[higher]] = top[higher], _HIGH
    for one in buildings:
        near = slice(*np.searchsorted(y, [one.lower, one.lower + one.deep]).tolist())
        hit = np.flatnonzero((x[near] >= one.left) & (x[near] < one.left + one.wide)) + near.start
        roof = int(_ground_cm(np.array([one.left]), np.array([one.lower]))[0]) + 700
        z[hit], kind[hit] = roof + draws.normal(0, 2, len(hit)), _ROOF
    return _Pulses(x, y, z, kind)


def _spoil(points: CloudPoints, draws: Draws) -> None:
    """Put noise among the points, some of it marked by its class and some withheld."""
    for per_mille, kind, shift in ((1, _LOW_NOISE, -2_500), (1, _HIGH_NOISE, 12_000)):
        hit = draws.chance(per_mille, len(points))
        points["Z"][hit] += shift
        points["classification"][hit] = kind
    hit = draws.chance(2, len(points))
    points["Z"][hit] += draws.below(9_000, int(hit.sum())).astype(np.int32) - 4_500
    points["flags"][hit] |= 4


def _ground_cm(x: npt.NDArray[np.int64], y: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.rint(ground_height(x / CM, y / CM) * CM).astype(np.int64)


def _write_truth(path: Path) -> None:
    import rasterio
    from rasterio.transform import Affine

    x, y = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT)[::-1] + 0.5)
    profile = {
        "driver": "GTiff",
        "width": WIDTH,
        "height": HEIGHT,
        "count": 1,
        "dtype": "float32",
        "crs": f"EPSG:{EPSG}",
    }
    place = Affine(1, 0, WEST, 0, -1, SOUTH + HEIGHT)
    with rasterio.open(path, "w", transform=place, compress="deflate", predictor=3, **profile) as raster:
        raster.write(ground_height(x, y).astype(np.float32), 1)
