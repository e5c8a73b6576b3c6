"""The raster half of the geospatial sample: two images of the surveyed place, its parcels, and the truth of both.

Here: reflectances by land cover and date, noise, the files. Not here: the place (`geospatial_scene`), the survey
(`geospatial_points`). Numbers are drawn as integers, so the pixels are the same everywhere. Imports numpy; rasterio
where used.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flowbutton.samples.draws import Draws
from flowbutton.samples.geospatial_scene import (
    CM,
    CROWN,
    EPSG,
    FIELD,
    HEIGHT,
    MEADOW,
    ROOF,
    SOUTH,
    TRACK,
    WEST,
    WIDTH,
    Ints,
    cover,
)

IMAGE_FILES = ("image_1.tif", "image_2.tif")
"""Spring and autumn: between them the fields are harvested."""
ZONES_FILE = "zones.geojson"
TRUTH_NDVI_FILE = "truth_ndvi.tif"
"""Of the second image, before noise."""
TRUTH_ZONES_FILE = "truth_zones.csv"
BANDS = ("red", "green", "blue", "nir")

_SEED = 20_261_130
_PIXEL = 50  # centimetres
_NOISE = 40  # standard deviation, in units of 1e-4 of reflectance
_NODATA = -9999.0
_REFLECTANCE = {
    MEADOW: ((600, 900, 500, 3200), (750, 950, 560, 2900)),
    FIELD: ((450, 850, 400, 4100), (1900, 1600, 1300, 2500)),
    TRACK: ((2100, 1900, 1700, 2600), (2100, 1900, 1700, 2600)),
    CROWN: ((350, 600, 300, 4200), (380, 620, 320, 3900)),
    ROOF: ((2400, 1800, 1600, 2500), (2400, 1800, 1600, 2500)),
}
"""Of each date, by band, in units of 1e-4."""
_PARCELS = (
    ("field west", ((41, 20), (170, 20), (170, 95), (41, 95))),
    ("field east", ((230, 191), (330, 191), (330, 270), (230, 270))),
    ("meadow", ((180, 10), (290, 25), (280, 90), (185, 80))),
    ("hilltop", ((60, 170), (130, 165), (150, 220), (100, 260), (52, 240))),
    ("village", ((302, 18), (380, 30), (390, 130), (310, 110))),
    ("hollow", ((190, 131), (260, 139), (250, 184), (200, 191))),
    ("north", ((21, 262), (180, 262), (171, 296), (25, 291))),
    ("corner", ((340, 200), (400, 200), (400, 300), (345, 300))),
)
"""Names and corners in metres from the corner of the place. No side meets the centre of a pixel."""

Pixels = npt.NDArray[np.uint16]
Floats = npt.NDArray[np.float64]


def write_geospatial_images(folder: Path) -> None:
    """Write the images (`IMAGE_FILES`), the parcels, the NDVI of the second image without noise, and its means.

    Args:
        folder: Where the files are written.
    """
    x, y = (np.arange(_PIXEL // 2, side * CM, _PIXEL, dtype=np.int64) for side in (WIDTH, HEIGHT))
    seen = cover(x, y)[::-1]
    empty = x + y[::-1, None] >= (WIDTH + HEIGHT - 50) * CM  # the camera's swath ends in the upper right corner
    draws = Draws(_SEED)
    for date, name in enumerate(IMAGE_FILES):
        bands = [_measured(draws, _reflectance(seen, date, band), empty) for band in range(len(BANDS))]
        _write_raster(folder / name, np.stack(bands), nodata=0, names=BANDS)
    red, nir = (_reflectance(seen, 1, BANDS.index(name)).astype(np.float64) for name in ("red", "nir"))
    ndvi = np.where(empty, _NODATA, (nir - red) / (nir + red))
    _write_raster(folder / TRUTH_NDVI_FILE, ndvi.astype(np.float32)[None], nodata=_NODATA, names=("ndvi",))
    _write_zones(folder / ZONES_FILE)
    _write_truth(folder / TRUTH_ZONES_FILE, ndvi, x, y[::-1])


def _reflectance(seen: npt.NDArray[np.uint8], date: int, band: int) -> Ints:
    table = np.array([_REFLECTANCE[kind][date][band] for kind in range(len(_REFLECTANCE))], np.int64)
    found: Ints = table[seen]
    return found


def _measured(draws: Draws, reflectance: Ints, empty: npt.NDArray[np.bool_]) -> Pixels:
    noise = draws.normal(0, _NOISE, reflectance.size).reshape(reflectance.shape)
    return np.where(empty, 0, np.maximum(reflectance + noise, 1)).astype(np.uint16)


def _write_raster(path: Path, bands: npt.NDArray[Any], *, nodata: float, names: Sequence[str]) -> None:
    """Write bands as a COG."""
    import rasterio
    from rasterio.io import MemoryFile
    from rasterio.shutil import copy
    from rasterio.transform import Affine

    count, rows, columns = bands.shape
    profile = {"driver": "GTiff", "width": columns, "height": rows, "count": count, "dtype": bands.dtype.name}
    place = Affine(_PIXEL / CM, 0, WEST, 0, -_PIXEL / CM, SOUTH + HEIGHT)
    with rasterio.Env(), MemoryFile() as memory:
        with memory.open(**profile, crs=f"EPSG:{EPSG}", transform=place, nodata=nodata) as raster:
            raster.write(bands)
            for number, name in enumerate(names, 1):
                raster.set_band_description(number, name)
        copy(memory.name, path, driver="COG", blocksize=256, compress="deflate", predictor="yes")


def _write_zones(path: Path) -> None:
    features = [
        {
            "type": "Feature",
            "properties": {"zone": number, "name": name},
            "geometry": {"type": "Polygon", "coordinates": [_ring(corners)]},
        }
        for number, (name, corners) in enumerate(_PARCELS, 1)
    ]
    crs = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{EPSG}"}}
    collection = {"type": "FeatureCollection", "name": "zones", "crs": crs, "features": features}
    path.write_text(json.dumps(collection, indent=1) + "\n", newline="\n")


def _ring(corners: Sequence[tuple[int, int]]) -> list[list[int]]:
    return [[WEST + x, SOUTH + y] for x, y in (*corners, corners[0])]


def _write_truth(path: Path, ndvi: Floats, x: Ints, y: Ints) -> None:
    """Write how many pixels have their centre in each parcel, and the mean of their NDVI without noise."""
    lines = ["zone,count,mean"]
    for number, (_, corners) in enumerate(_PARCELS, 1):
        inside = _inside(corners, x, y[:, None]) & (ndvi != _NODATA)
        lines.append(f"{number},{int(inside.sum())},{float(ndvi[inside].mean()):.9f}")
    path.write_text("\n".join(lines) + "\n", newline="\n")


def _inside(corners: Sequence[tuple[int, int]], x: Ints, y: Ints) -> npt.NDArray[np.bool_]:
    """Return which places lie in a polygon: by counting the edges to their left, in integers."""
    found = np.zeros(np.broadcast(x, y).shape, np.bool_)
    ends = [(east * CM, north * CM) for east, north in corners]
    for (x1, y1), (x2, y2) in zip(ends, [*ends[1:], ends[0]], strict=True):
        if y1 == y2:
            continue
        side = (x - x1) * (y2 - y1) - (y - y1) * (x2 - x1)
        found ^= ((y1 <= y) != (y2 <= y)) & ((side > 0) == (y2 > y1))
    return found
