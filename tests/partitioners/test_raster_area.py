"""Rasters confined to an area: its pixels are a raster of their own, and of the file only their blocks are read."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import Affine, xy

from flowbutton.model.errors import BadInput, OptionError
from flowbutton.model.partitioner import Reader
from flowbutton.model.pieces import Source
from flowbutton.partitioners.raster import Raster, RasterWindow
from flowbutton.testing.partitioners import CutSource, MemoryAccess, PartitionerContract

GRIDS = {
    "north up": Affine(2, 0, 500_000, 0, -2, 5_400_300),
    "south up": Affine(2, 0, 500_000, 0, 3, 5_400_300),
    "mirrored, oblong": Affine(-1.5, 0, 500_000, 0, -0.5, 5_400_300),
}
TILED = {"tiled": True, "blockxsize": 32, "blockysize": 16, "compress": "deflate"}
PIXELS = (70, 83)
AREA = (500_010.0, 5_400_180.0, 500_120.0, 5_400_290.0)


def write(path: Path, values: np.ndarray[Any, Any], **profile: Any) -> Path:
    mask = profile.pop("mask", None)
    count, height, width = values.shape
    profile = {"crs": "EPSG:32633", "transform": GRIDS["north up"], **profile}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", "GTiff", width, height, count, dtype=values.dtype, **profile) as file,
    ):
        file.write(values)
        if mask is not None:
            file.write_mask(mask)
    return path


def noise(*shape: int, seed: int = 1) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(1, 250, shape).astype(np.uint8)


def point(transform: Affine, column: float, row: float) -> tuple[float, float]:
    a, b, c, d, e, f = tuple(transform)[:6]
    return a * column + b * row + c, d * column + e * row + f


def centres(transform: Affine, rows: int, columns: int) -> tuple[Any, Any]:
    """Return x and y of all pixels, as rasterio has them."""
    row, column = np.mgrid[:rows, :columns]
    x, y = xy(transform, row.ravel(), column.ravel())
    return np.reshape(x, (rows, columns)), np.reshape(y, (rows, columns))


def window(transform: Affine, rows: int, columns: int, area: Sequence[float]) -> tuple[slice, slice] | None:
    """Return where the pixels lie whose centres lie in an area."""
    x, y = centres(transform, rows, columns)
    inside = (area[0] <= x) & (x < area[2]) & (area[1] <= y) & (y < area[3])
    if not inside.any():
        return None
    high, wide = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return slice(high[0], high[-1] + 1), slice(wide[0], wide[-1] + 1)


def cut(uri: object, area: Sequence[float], folder: Path, part_bytes: int = 3_000) -> CutSource:
    return CutSource(Raster(part_bytes=part_bytes), Source("bands", str(uri), {"area": [*area]}), MemoryAccess(folder))


class TestRasterAreaContract(PartitionerContract):
    """Windows are as wide as the raster, so that pixels come in its order."""

    def partitioner(self) -> Raster:
        return Raster(part_bytes=400)

    def source(self, folder: Path, last: int = 7) -> Source:
        first, second = noise(2, *PIXELS), noise(1, *PIXELS, seed=2).astype(np.float32)
        first[:, 40, 30], second[:, 40, 30] = last, last
        write(folder / "a.tif", first, compress="deflate", predictor=2, blockysize=3, nodata=5)
        write(folder / "b.tif", second, blockysize=7, mask=noise(*PIXELS, seed=3) > 30)
        return Source("bands", f"{folder}/a.tif#1+2,{folder}/b.tif", {"area": [*AREA]})

    def change(self, folder: Path) -> None:
        self.source(folder, last=8)

    def oracle(self, folder: Path) -> list[bytes]:
        with rasterio.open(folder / "a.tif") as one, rasterio.open(folder / "b.tif") as other:
            place = window(one.transform, *one.shape, AREA)
            bands, masks = [*one.read(), other.read(1)], [*one.read_masks(), other.read_masks(1)]
        return pixels([band[place] for band in bands], [mask[place] > 0 for mask in masks])

    def read(self, reader: Reader) -> list[bytes]:
        bands = cast(RasterWindow, reader).read()
        return pixels([band.values for band in bands], [band.valid for band in bands])

    def options(self, size: int) -> Mapping[str, Any]:
        return {"window": size, "area": AREA}


def pixels(bands: Sequence[Any], valid: Sequence[Any]) -> list[bytes]:
    """Return a record per pixel."""
    columns = [np.ascontiguousarray(array).reshape(-1) for array in (*bands, *valid)]
    return [b"".join(value.tobytes() for value in row) for row in zip(*columns, strict=True)]


_SPANS = st.tuples(st.integers(-4, 90), st.integers(-4, 90)).map(lambda pair: (min(pair), max(pair) + 1))


@settings(deadline=None, max_examples=60)
@given(
    grid=st.sampled_from([*GRIDS]),
    spans=st.tuples(_SPANS, _SPANS),
    shift=st.sampled_from([0.0, 0.5, 0.25]),
    size=st.integers(1, 90),
    halo=st.integers(0, 20),
    planes=st.sampled_from(["pixel", "band"]),
)
def test_an_area_is_the_raster_that_its_pixels_are(
    grid: str, spans: tuple[tuple[int, int], ...], shift: float, size: int, halo: int, planes: str
) -> None:
    transform = GRIDS[grid]
    corners = [point(transform, column + shift, row + shift) for column, row in zip(*spans, strict=True)]
    (x, y) = (sorted(corner[axis] for corner in corners) for axis in (0, 1))
    area, values = (x[0], y[0], x[1], y[1]), noise(3, *PIXELS)
    with TemporaryDirectory() as name:
        folder = Path(name)
        path = write(folder / "a.tif", values, **TILED, transform=transform, interleave=planes, nodata=9)
        place = window(transform, *PIXELS, area)
        if place is None:
            with pytest.raises(BadInput, match="has no pixel of the raster"):
                cut(f"{path}#1+3", area, folder)
            return
        wanted = values[[0, 2]][:, place[0], place[1]]
        source = cut(f"{path}#1+3", area, folder)
        owned = np.zeros(wanted.shape[1:], np.int64)
        for piece in source.pieces({"window": size, "halo": halo}):
            reader = cast(RasterWindow, source.open(piece))
            owned[reader.rows.start : reader.rows.stop, reader.columns.start : reader.columns.stop] += 1
            rows, columns = reader.seen
            for number, band in enumerate(reader.read()):
                here = wanted[number, rows.start : rows.stop, columns.start : columns.stop]
                assert np.array_equal(band.values, here)
                assert np.array_equal(band.valid, here != 9)
            assert (reader.grid.rows, reader.grid.columns) == owned.shape
            corner = point(transform, place[1].start, place[0].start)
            assert (reader.grid.transform[2], reader.grid.transform[5]) == pytest.approx(corner, abs=1e-9)
        assert (owned == 1).all()
        (row,) = cast(list[Mapping[str, Any]], source.partitioner.table(source.groups))
        assert (row["rows"], row["columns"]) == owned.shape
        assert "clip" not in row


@settings(deadline=None, max_examples=60)
@given(
    grid=st.sampled_from([*GRIDS]),
    bounds=st.lists(st.integers(-8, 180).map(lambda n: n / 4), min_size=1, max_size=5, unique=True),
)
def test_areas_side_by_side_have_each_pixel_once(grid: str, bounds: list[float]) -> None:
    from flowbutton.partitioners.area import Area
    from flowbutton.partitioners.raster_area import clip_of
    from flowbutton.partitioners.raster_layers import RasterGrid

    transform = GRIDS[grid]
    whole = RasterGrid("", cast(Any, tuple(transform)[:6]), 50, 60)
    left, right = sorted(transform.c + transform.a * column for column in (-5, 65))
    edges = sorted(transform.f + transform.e * row for row in (-5, *bounds, 55))
    owned = np.zeros((50, 60), np.int64)
    for low, high in itertools.pairwise(edges):
        try:
            clip = clip_of(whole, Area(left, low, right, high), file="a.tif")
        except BadInput:
            continue
        owned[clip.top : clip.top + clip.rows, clip.left : clip.left + clip.columns] += 1
    assert (owned == 1).all()


def test_a_turned_raster_gives_the_window_around_an_area(tmp_path: Path) -> None:
    transform = Affine(1.5, 0.5, 500_000, 0.5, -1.5, 5_400_300)
    path = write(tmp_path / "a.tif", noise(1, *PIXELS), **TILED, transform=transform)
    area = (500_040.0, 5_400_260.0, 500_060.0, 5_400_280.0)
    (row,) = cast(Any, cut(path, area, tmp_path).partitioner.table(cut(path, area, tmp_path).groups))
    place = window(transform, *PIXELS, area)
    assert place is not None
    a, b, c, d, e, f = row["transform"]
    start = point(~transform, c, f)
    assert start[1] <= place[0].start < place[0].stop <= start[1] + row["rows"]
    assert start[0] <= place[1].start < place[1].stop <= start[0] + row["columns"]
    assert row["rows"] * row["columns"] <= 3 * (place[0].stop - place[0].start) * (place[1].stop - place[1].start)
    assert (a, b, d, e) == (1.5, 0.5, 0.5, -1.5)


def test_a_tenth_of_a_cog_costs_a_fifth_of_its_bytes_at_most_and_each_tile_one_read(tmp_path: Path) -> None:
    profile = {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate"}
    path = write(tmp_path / "a.tif", noise(1, 2048, 2048), **profile)
    side = 2 * 2048 * 0.1**0.5
    for east, south in ((0.0, 0.0), (900.0, 1301.0), (4096 - side, 4096 - side)):
        left, top = 500_000 + east, 5_400_300 - south
        source = cut(path, (left, top - side, left + side, top), tmp_path, part_bytes=1 << 28)
        for piece in source.pieces({"window": 200}):
            cast(RasterWindow, source.open(piece)).read()
        reads = [(start, stop or 0) for uri, start, stop in source.data.reads if uri == str(path)]
        tiles = sorted(read for read in reads if read[0] > 0)
        assert all(one[1] <= two[0] for one, two in itertools.pairwise(tiles)), "no tile is read twice"
        assert len(tiles) <= 12, "a row of tiles is one read"
        assert sum(stop - start for start, stop in reads) <= 0.2 * path.stat().st_size


def test_an_area_beside_the_raster_or_without_extent_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", noise(1, *PIXELS))
    with pytest.raises(BadInput, match=r"has no pixel of the raster.*83 x 70 pixels"):
        cut(path, (0, 0, 10, 10), tmp_path)
    with pytest.raises(OptionError, match="has no extent"):
        cut(path, (10, 0, 10, 10), tmp_path)
