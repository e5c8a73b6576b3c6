"""Rasters brought onto the grid of another; GDAL's warper on the whole raster is the oracle, and windows don't show."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT

from flowbutton.model.errors import BadInput, OptionError
from flowbutton.model.pieces import Source
from flowbutton.partitioners.raster import Raster, RasterWindow
from flowbutton.testing.partitioners import CutSource, MemoryAccess

NORTH_UP = Affine(2, 0, 500_000, 0, -2, 5_400_300)
METHODS = ("nearest", "bilinear", "average")
ROWS, COLUMNS = 300, 410
HERE = "EPSG:32633"
SOURCES: dict[str, tuple[str, Affine, tuple[int, int]]] = {
    "coarser": (HERE, Affine(5, 0, 499_900, 0, -5, 5_400_400), (160, 210)),
    "finer, shifted": (HERE, Affine(0.7, 0, 500_100.3, 0, -0.7, 5_400_250.1), (700, 640)),
    "much finer": (HERE, Affine(0.25, 0, 500_000, 0, -0.25, 5_400_300), (900, 800)),
    "south up": (HERE, Affine(3, 0, 500_000, 0, 3, 5_399_700), (200, 270)),
    "turned": (HERE, Affine(1.5, 0.9, 499_800, 0.8, -1.6, 5_400_200), (400, 500)),
    "degrees": ("EPSG:4326", Affine(4e-5, 0, 15.0, 0, -3e-5, 48.76), (500, 400)),
    "the next zone": ("EPSG:32632", Affine(3, 0, 940_850, 0, -3, 5_417_750), (200, 280)),
}


def write(path: Path, values: np.ndarray[Any, Any], transform: Affine = NORTH_UP, crs: str = HERE, **how: Any) -> Path:
    count, height, width = values.shape
    place = {"crs": crs, "transform": transform}
    with rasterio.open(path, "w", "GTiff", width, height, count, dtype=values.dtype, **place, **how) as file:
        file.write(values)
    return path


def noise(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).integers(0, 120, shape).astype(np.uint8)


def cut(folder: Path, files: str = "a.tif,b.tif", **options: Any) -> CutSource:
    named = ",".join(str(folder / name) for name in files.split(","))
    return CutSource(Raster(), Source("bands", named, options), MemoryAccess(folder))


def joined(source: CutSource, window: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return values and validity of the second band, put together from windows."""
    parts = [cast(RasterWindow, source.open(piece)) for piece in source.pieces({"window": window})]
    size = (parts[0].grid.rows, parts[0].grid.columns)
    values, valid = np.zeros(size, parts[0].layers[1].dtype), np.zeros(size, np.bool_)
    for part in parts:
        band = part.read()[1]
        place = np.s_[part.rows.start : part.rows.stop, part.columns.start : part.columns.stop]
        values[place], valid[place] = band.values, band.valid
    return values, valid


def scene(folder: Path, kind: str, dtype: str, **profile: Any) -> tuple[Path, np.ndarray[Any, Any]]:
    crs, transform, shape = SOURCES[kind]
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    values = (90 + 60 * np.sin(rows / 17) * np.cos(columns / 23) + noise(shape) / 3)[None].astype(dtype)
    values[0, 40:60, 50:90] = 0
    write(folder / "a.tif", noise((1, ROWS, COLUMNS)), tiled=True, blockxsize=16, blockysize=32)
    write(folder / "b.tif", values, crs=crs, transform=transform, nodata=0, **profile)
    return folder, values[0]


def whole(values: np.ndarray[Any, Any], kind: str, method: str) -> np.ndarray[Any, Any]:
    """Return GDAL's answer for the whole raster, NaN where there is none.

    GDAL guesses the ratio of the pixels from the windows that it makes; here it is told, as ``gdalwarp -wo XSCALE`` is.
    """
    crs, transform, _ = SOURCES[kind]
    given = np.where(values == 0, np.nan, values.astype(np.float64))
    options: dict[str, Any] = {"resampling": Resampling[method], "tolerance": 1e-9}
    if crs == HERE:
        back = ~transform
        options |= {"XSCALE": 0.5 / math.hypot(back.a, back.b), "YSCALE": 0.5 / math.hypot(back.d, back.e)}
    with MemoryFile() as memory:
        with memory.open("GTiff", *given.shape[::-1], 1, crs, transform, "float64", np.nan) as file:
            file.write(given, 1)
        place = {"crs": HERE, "transform": NORTH_UP, "height": ROWS, "width": COLUMNS}
        with memory.open() as file, WarpedVRT(file, **place, **options) as warped:
            found: np.ndarray[Any, Any] = warped.read(1)
            return found


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", SOURCES)
def test_windows_do_not_show_and_the_whole_is_gdals(tmp_path: Path, kind: str, method: str) -> None:
    path, values = scene(tmp_path, kind, "float64", blockysize=3)
    source = cut(path, warp=method)
    (found, valid), again = joined(source, 100), joined(source, 1000)
    assert len(source.pieces({"window": 100})) == 4
    assert (found.tobytes(), valid.tobytes()) == (again[0].tobytes(), again[1].tobytes())
    wanted = whole(values, kind, method)
    assert valid.sum() > 1000
    both = valid & ~np.isnan(wanted)
    assert np.count_nonzero(valid ^ both) + np.count_nonzero(np.isnan(wanted) ^ ~both) <= 1e-4 * ROWS * COLUMNS
    assert np.abs(found - wanted)[both].max() <= (0 if method == "nearest" else 1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_whole_numbers_are_rounded_as_by_gdal(tmp_path: Path, method: str) -> None:
    path, _ = scene(tmp_path, "finer, shifted", "uint8", tiled=True, blockxsize=64, blockysize=64)
    found, valid = joined(cut(path, warp=method), 1000)
    place = {"crs": HERE, "transform": NORTH_UP, "height": ROWS, "width": COLUMNS}
    options = {"resampling": Resampling[method], "tolerance": 1e-9, "XSCALE": 0.35, "YSCALE": 0.35}
    with rasterio.open(path / "b.tif") as file, WarpedVRT(file, **place, **options) as warped:
        wanted = warped.read(1)
    apart = np.abs(found.astype(int) - wanted)[valid]
    assert found.dtype == np.uint8
    assert (apart.max() <= 1, np.count_nonzero(apart) <= 1e-3 * apart.size) == (True, True)
    assert not wanted[~valid].any()


def test_an_area_is_that_window_of_the_whole(tmp_path: Path) -> None:
    path, _ = scene(tmp_path, "the next zone", "float32", tiled=True, blockxsize=16, blockysize=16)
    found, valid = joined(cut(path, warp="bilinear"), 1000)
    area = [500_101.0, 5_399_801.0, 500_301.0, 5_399_961.0]
    part = joined(cut(path, warp="bilinear", area=area), 50)
    place = np.s_[170:250, 50:150]
    assert part[0].shape == (80, 100)
    assert np.where(part[1], part[0], -1).tobytes() == np.where(valid, found, -1)[place].tobytes()


def test_masks_count_and_a_named_grid_is_that_of_no_layer(tmp_path: Path) -> None:
    path, values = scene(tmp_path, "coarser", "int16")
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path / "b.tif", "r+") as file:
        file.nodata = None
        file.write_mask(values != 0)
    on_a, valid = joined(cut(path, warp="nearest"), 1000)
    source = cut(path, "b.tif,a.tif", warp="nearest", grid=str(path / "a.tif"))
    parts = [cast(RasterWindow, source.open(piece)).read() for piece in source.pieces({"window": 1000})]
    assert np.array_equal(np.where(parts[0][0].valid, parts[0][0].values, 0), np.where(valid, on_a, 0))
    assert np.array_equal(parts[0][1].values, noise((1, ROWS, COLUMNS))[0])
    table = cast(Any, source.partitioner.table(source.groups))
    assert (table[0]["rows"], "warps" in table[0]) == (ROWS, False)
    other = cut(path, "b.tif,a.tif", warp="nearest", grid_of=2)
    assert cast(Any, other.partitioner.table(other.groups))[0]["transform"] == table[0]["transform"]
    assert 0 < np.count_nonzero(~valid) < valid.size


def test_windows_beside_a_raster_have_no_value(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", noise((1, 900, 300)), blockysize=8)
    write(tmp_path / "b.tif", noise((1, 40, 40)), transform=Affine(3, 0, 500_000, 0, -3, 5_400_300))
    found, valid = joined(cut(tmp_path, warp="nearest"), 256)
    assert valid.any()
    assert not valid[70:].any()
    assert not found[70:].any()


def test_what_can_not_be_warped_is_told(tmp_path: Path) -> None:
    scene(tmp_path, "coarser", "uint8")
    with pytest.raises(BadInput, match="warp=nearest, bilinear or average"):
        cut(tmp_path)
    with pytest.raises(OptionError, match="but not how"):
        cut(tmp_path, grid=str(tmp_path / "a.tif"))
    write(tmp_path / "far.tif", noise((1, 9, 9)), transform=Affine(2, 0, 900_000, 0, -2, 5_400_300))
    with pytest.raises(BadInput, match="has no pixel on the grid"):
        cut(tmp_path, "a.tif,far.tif", warp="nearest")
    write(tmp_path / "arctic.tif", noise((1, 9, 9)), transform=Affine(2, 0, 0, 0, -2, 89), crs="EPSG:4326")
    with pytest.raises(BadInput, match="has no pixel on the grid"):
        cut(tmp_path, "a.tif,arctic.tif", warp="nearest")
