"""The point half of the geospatial sample: a surveyed hillside with trees and buildings, whose ground is known.

Here: the ground's formula, what stands on it, what a scanner sees of it, the tiles, the raster of the truth.
Not here: LAZ and COPC (`samples.laz_files`), images and zones of the same place. Numbers are drawn as integers and the
ground is made by sums and products alone, so the points are the same everywhere. Imports numpy; rasterio where used.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from flowbutton.samples.draws import Draws
from flowbutton.samples.laz_files import POINT, CloudLayout, CloudPoints, write_copc, write_laz

EPSG = 32633
WEST, SOUTH, WIDTH, HEIGHT = 500_000, 5_400_000, 400, 300
"""Corner and extent in metres; the images of the sample show the same ground."""
WKT = (
    'PROJCS["WGS 84 / UTM zone 33N",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,'
    'AUTHORITY["EPSG","7030"]],AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],'
    'UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],AUTHORITY["EPSG","4326"]],'
    'PROJECTION["Transverse_Mercator"],PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",15],'
    'PARAMETER["scale_factor",0.9996],PARAMETER["false_easting",500000],PARAMETER["false_northing",0],'
    'UNIT["metre",1,AUTHORITY["EPSG","9001"]],AXIS["Easting",EAST],AXIS["Northing",NORTH],AUTHORITY["EPSG","32633"]]'
)
POINT_FILES = ("points_1.laz", "points_2.laz", "points_3.copc.laz", "points_4.copc.laz")
"""Tiles: south-west, south-east, north-west, north-east."""
TRUTH_FILE = "truth_dtm.tif"

_SEED = 20_261_129
_CM = 100
_PULSES = 420_000
_TREES, _BUILDINGS = 700, 9
_GROUND, _HIGH, _ROOF, _LOW_NOISE, _HIGH_NOISE = 2, 5, 6, 7, 18
_HILLS = ((90, 210, 140, 22), (300, 80, 110, 15), (220, 160, 60, -8), (360, 260, 90, 9), (40, 40, 70, 5))
"""x, y of the middle and radius in metres from the corner, height in metres."""

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Pulses:
    """Where pulses end, in centimetres from the corner and above zero; one row per pulse, sorted by ``y``."""

    x: npt.NDArray[np.int64]
    y: npt.NDArray[np.int64]
    z: npt.NDArray[np.int64]
    kind: npt.NDArray[np.uint8]


def ground_height(x: Numbers, y: Numbers) -> Numbers:
    """Return the height of the sample's ground in metres, at places in metres from the corner."""
    height: Numbers = 240 + 0.05 * x + 0.02 * y
    for middle_x, middle_y, radius, top in _HILLS:
        near = ((x - middle_x) * (x - middle_x) + (y - middle_y) * (y - middle_y)) / (radius * radius)
        inside = np.maximum(1 - near, 0)
        height = height + top * inside * inside
    return height


def write_geospatial_points(folder: Path, *, pulses: int = _PULSES) -> None:
    """Write the tiles (`POINT_FILES`) and the heights of the ground at the middles of cells of 1 m (`TRUTH_FILE`).

    Args:
        folder: Where the files are written.
        pulses: How many the scanner sends.
    """
    points = _scanned(Draws(_SEED), pulses)
    east, north = points["X"] >= WIDTH * _CM // 2, points["Y"] >= HEIGHT * _CM // 2
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
    y = np.sort(draws.below(HEIGHT * _CM, sent))
    x = draws.below(WIDTH * _CM, sent)
    z = _ground_cm(x, y) + draws.normal(0, 3, sent)
    kind = np.full(sent, _GROUND, np.uint8)
    for _ in range(_TREES):
        middle_x, middle_y = (int(draws.below(side * _CM, 1)[0]) for side in (WIDTH, HEIGHT))
        radius, height = 150 + int(draws.below(300, 1)[0]), 600 + int(draws.below(1600, 1)[0])
        near = slice(*np.searchsorted(y, [middle_y - radius, middle_y + radius]).tolist())
        far = (x[near] - middle_x) ** 2 + (y[near] - middle_y) ** 2
        hit = np.flatnonzero(far < radius * radius) + near.start
        base = int(_ground_cm(np.array([middle_x]), np.array([middle_y]))[0])
        top = base + height - far[hit - near.start] * height // (2 * radius * radius)
        higher = top > z[hit]
        z[hit[higher]], kind[hit[higher]] = top[higher], _HIGH
    for _ in range(_BUILDINGS):
        left, lower = (2_000 + int(draws.below((side - 60) * _CM, 1)[0]) for side in (WIDTH, HEIGHT))
        wide, deep = (900 + int(draws.below(1_400, 1)[0]) for _ in range(2))
        near = slice(*np.searchsorted(y, [lower, lower + deep]).tolist())
        hit = np.flatnonzero((x[near] >= left) & (x[near] < left + wide)) + near.start
        roof = int(_ground_cm(np.array([left]), np.array([lower]))[0]) + 700
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
    return np.rint(ground_height(x / _CM, y / _CM) * _CM).astype(np.int64)


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
