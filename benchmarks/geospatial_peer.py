"""What the geospatial pipeline is held against: the same products without tiles, in one process, by kept libraries.

Points: laspy with lazrs, numpy, CDT for the triangles, numba where a loop over triangles fills cells, GDAL's COG
driver. Rasters: rasterio and numpy, exactextract for the zones. All is held in memory.

    python benchmarks/geospatial_peer.py points OUT RADIUS FILE...
    python benchmarks/geospatial_peer.py raster OUT RED NIR ZONES
"""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.io import MemoryFile
from rasterio.shutil import copy
from rasterio.transform import Affine

Array = npt.NDArray[Any]

CM = 100
NOISE = (7, 18)
GROUND = 2
STRIP = 2048
STATISTICS = ("count", "sum", "mean", "min", "max", "variance")


def read_points(files: Sequence[Path]) -> tuple[Array, Array, Array, Array, str]:
    """Return X, Y and Z in centimetres, the classes, and the coordinate system, of all points that count."""
    import laspy

    columns: list[tuple[Array, ...]] = []
    for path in files:
        las = laspy.read(path, laz_backend=laspy.LazBackend.Lazrs)
        assert set(las.header.scales) == {1 / CM}
        offsets = np.rint(las.header.offsets * CM).astype(np.int64)
        kind = np.asarray(las.classification)
        kept = ~(np.asarray(las.withheld, np.bool_) | np.isin(kind, NOISE))
        places = [np.asarray(axis)[kept] + offset for axis, offset in zip((las.X, las.Y, las.Z), offsets, strict=True)]
        columns.append((*places, kind[kept]))
        crs = las.header.parse_crs().to_wkt()
    x, y, z, kind = (np.concatenate(column) for column in zip(*columns, strict=True))
    return x, y, z, kind, crs


def points(folder: Path, radius: float, files: Sequence[Path]) -> None:
    """Write the products of a cloud with a scale of 0.01 and cells of 1."""
    x, y, z, kind, crs = read_points(files)
    west, north = int(x.min()) // CM, int(y.max()) // CM + 1
    columns, rows = int(x.max()) // CM + 1 - west, north - int(y.min()) // CM
    cell = (north - 1 - y // CM) * columns + x // CM - west
    count, ground = (np.bincount(chosen, minlength=rows * columns) for chosen in (cell, cell[kind == GROUND]))
    top, low = np.full(rows * columns, np.iinfo(np.int64).min), np.full(rows * columns, np.iinfo(np.int64).max)
    np.maximum.at(top, cell, z)
    np.minimum.at(low, cell, z)
    shape = (rows, columns)
    dsm, zmin = (np.where(count > 0, axis / CM, np.nan).reshape(shape) for axis in (top, low))
    chosen = kind == GROUND
    dtm = terrain(x[chosen] - west * CM, north * CM - y[chosen], z[chosen], shape, radius)
    east, south = gradient(dtm)
    made = {
        "dtm": dtm[None].astype(np.float32),
        "dsm": dsm[None].astype(np.float32),
        "chm": (dsm - dtm)[None].astype(np.float32),
        "zmin": zmin[None].astype(np.float32),
        "count": np.stack((count, ground)).reshape(2, *shape).astype(np.uint32),
        "hillshade": hillshade(east, south)[None],
        "slope": np.degrees(np.arctan(np.hypot(east, south)))[None].astype(np.float32),
    }
    transform = Affine(1, 0, west, 0, -1, north)
    for name, values in made.items():
        nodata = math.nan if values.dtype.kind == "f" else 0 if name == "hillshade" else None
        write_cog(folder / f"{name}.tif", values, transform, crs, nodata)


def terrain(x: Array, y: Array, z: Array, shape: tuple[int, int], radius: float) -> Array:
    """Return heights at the centres of cells; ``x`` to the right and ``y`` downward from the grid's corner."""
    import pythoncdt

    order = np.lexsort((z, y, x))
    x, y, z = x[order], y[order], z[order]
    first = np.append(True, (np.diff(x) != 0) | (np.diff(y) != 0))
    x, y, z = x[first], y[first], z[first]
    order = np.argsort(hilbert(x, y, 12), kind="stable")
    x, y, z = x[order], y[order], z[order]
    edges = pythoncdt.IntersectingConstraintEdges.NOT_ALLOWED
    mesh = pythoncdt.Triangulation(pythoncdt.VertexInsertionOrder.AUTO, edges, 0.0)
    mesh.insert_vertices(np.column_stack((x, y)).astype(np.float64))
    vertices = mesh.triangles_array()["vertices"].astype(np.int64)
    corners = vertices[vertices.min(axis=1) >= 3] - 3  # the first three are far outside
    found = np.full(shape, np.nan)
    _fill(found, x[corners].astype(np.float64), y[corners].astype(np.float64), z[corners] / CM, radius * CM)
    return found


def hilbert(x: Array, y: Array, bits: int) -> Array:
    """Return how far along the Hilbert curve points lie, of a square that is divided into 2**bits x 2**bits."""
    side, span = 1 << bits, int(max(x.max(), y.max())) + 1
    column, row = x * side // span, y * side // span
    found = np.zeros(len(x), np.int64)
    for level in reversed(range(bits)):
        half = 1 << level
        right, lower = column & half > 0, row & half > 0
        found += half * half * ((3 * right) ^ lower)
        turned = ~lower
        flipped = turned & right
        column, row = np.where(flipped, side - 1 - column, column), np.where(flipped, side - 1 - row, row)
        column, row = np.where(turned, row, column), np.where(turned, column, row)
    return found


def _fill(found: Array, x: Array, y: Array, z: Array, radius: float) -> None:
    from numba import njit  # type: ignore[import-untyped, unused-ignore]

    njit(cache=True)(fill_cells)(found, x, y, z, radius)


def fill_cells(found: Array, x: Array, y: Array, z: Array, radius: float) -> None:
    """Put the heights of triangles into the cells whose centres they cover; compiled."""
    for n in range(len(x)):
        ax, ay = x[n, 1] - x[n, 0], y[n, 1] - y[n, 0]
        bx, by = x[n, 2] - x[n, 0], y[n, 2] - y[n, 0]
        area = ax * by - bx * ay
        if area == 0:
            continue
        sides = (ax * ax + ay * ay) * (bx * bx + by * by) * ((ax - bx) ** 2 + (ay - by) ** 2)
        if sides > (2 * radius * area) ** 2:
            continue
        left, right = min(x[n, 0], x[n, 1], x[n, 2]), max(x[n, 0], x[n, 1], x[n, 2])
        upper, lower = min(y[n, 0], y[n, 1], y[n, 2]), max(y[n, 0], y[n, 1], y[n, 2])
        for row in range(max(math.ceil(upper / 100 - 0.5), 0), min(math.floor(lower / 100 - 0.5) + 1, found.shape[0])):
            for column in range(
                max(math.ceil(left / 100 - 0.5), 0), min(math.floor(right / 100 - 0.5) + 1, found.shape[1])
            ):
                east, south = column * 100 + 50 - x[n, 0], row * 100 + 50 - y[n, 0]
                second, third = (east * by - bx * south) / area, (ax * south - east * ay) / area
                if second >= 0 and third >= 0 and second + third <= 1:
                    found[row, column] = z[n, 0] + second * (z[n, 1] - z[n, 0]) + third * (z[n, 2] - z[n, 0])


def gradient(height: Array) -> tuple[Array, Array]:
    """Return how heights rise to the east and to the south, by Horn's weights; NaN at the rim."""
    seen = np.pad(height, 1, constant_values=np.nan)
    (a, b, c), (d, middle, f), (g, h, i) = (
        [seen[row : row + height.shape[0], column : column + height.shape[1]] for column in range(3)]
        for row in range(3)
    )
    empty = np.isnan(middle)
    east, south = ((c + 2 * f + i) - (a + 2 * d + g)) / 8, ((g + 2 * h + i) - (a + 2 * b + c)) / 8
    return np.where(empty, np.nan, east), np.where(empty, np.nan, south)


def hillshade(east: Array, south: Array) -> Array:
    """Return shades of 1 to 255 for light from the north-west, 45 degrees high; 0 where there is none."""
    level, high = math.sqrt(0.25), math.sqrt(0.5)
    light = (high + level * east + level * south) / np.sqrt(1 + east * east + south * south)
    return np.where(np.isnan(light), 0, np.floor(1.5 + 254 * np.maximum(np.nan_to_num(light), 0))).astype(np.uint8)


def write_cog(path: Path, values: Array, transform: Affine, crs: Any, nodata: float | None) -> None:
    """Write (bands, rows, columns) by GDAL's COG driver; packed as ours: libdeflate at level 1, blocks of 256."""
    bands, rows, columns = values.shape
    profile = {"driver": "GTiff", "dtype": values.dtype, "count": bands, "height": rows, "width": columns}
    with MemoryFile() as memory:
        with memory.open(
            **profile, transform=transform, crs=crs, nodata=nodata, tiled=True, blockxsize=256, blockysize=256
        ) as file:
            file.write(values)
        copy(
            memory.name,
            path,
            driver="COG",
            compress="DEFLATE",
            predictor="YES",
            level=1,
            blocksize=256,
            overview_resampling="average",
        )


def raster(folder: Path, red: Path, nir: Path, zones: Path) -> None:
    """Write NDVI as a COG, and the table of zones by the fraction of each pixel."""
    import pyogrio  # type: ignore[import-untyped, unused-ignore]
    import shapely
    from exactextract import exact_extract  # type: ignore[import-untyped, unused-ignore]

    with rasterio.open(red) as one, rasterio.open(nir) as two:
        found = np.empty(one.shape, np.float32)
        for top in range(0, one.height, STRIP):
            window = ((top, min(top + STRIP, one.height)), (0, one.width))
            low, high = one.read(1, window=window), two.read(1, window=window)
            there = (low != one.nodata) & (high != two.nodata)
            low, high = low.astype(np.float32), high.astype(np.float32)
            with np.errstate(all="ignore"):
                found[top : window[0][1]] = np.where(there, (high - low) / (high + low), np.float32(-9999))
        write_cog(folder / "ndvi.tif", found[None], one.transform, one.crs, -9999)
    _, _, shapes, (names,) = pyogrio.raw.read(zones, columns=["zone"])
    features = [
        {"type": "Feature", "properties": {"zone": name}, "geometry": shapely.geometry.mapping(shapely.from_wkb(shape))}
        for name, shape in zip(names, shapes, strict=True)
    ]
    rows = exact_extract(str(folder / "ndvi.tif"), features, [*STATISTICS], include_cols=["zone"])
    with (folder / "zones.csv").open("w") as file:
        table = csv.writer(file)
        table.writerow(["zone", *STATISTICS])
        table.writerows([row["properties"][name] for name in ("zone", *STATISTICS)] for row in rows)


if __name__ == "__main__":
    what, out, *rest = sys.argv[1:]
    if what == "points":
        points(Path(out), float(rest[0]), [Path(one) for one in rest[1:]])
    else:
        raster(Path(out), *map(Path, rest))
