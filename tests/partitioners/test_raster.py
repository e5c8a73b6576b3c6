"""Rasters cut into windows; rasterio, on the whole file, is the oracle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import Affine

from flowbutton.model.errors import BadInput, FlowbuttonError, MalformedRecord, OptionError, TruncatedInput
from flowbutton.model.partitioner import Reader
from flowbutton.model.pieces import Source
from flowbutton.partitioners.raster import Raster, RasterWindow
from flowbutton.partitioners.raster_windows import window_shape
from flowbutton.testing.partitioners import CutSource, MemoryAccess, PartitionerContract

NORTH_UP = Affine(2, 0, 500000, 0, -2, 5400300)
ROTATED = Affine(1.5, 0.5, 500000, 0.5, -1.5, 5400300)
PART = 60_000
SOUTH_UP = Affine(2, 0, 500000, 0, 3, 5400300)


def write(path: Path, values: np.ndarray[Any, Any], **profile: Any) -> Path:
    """Write bands as a GeoTIFF; ``mask`` and ``alpha`` are no options of GDAL, but ours."""
    mask, alpha = profile.pop("mask", None), profile.pop("alpha", False)
    count, height, width = values.shape
    profile = {"crs": "EPSG:32633", "transform": NORTH_UP, **profile}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", "GTiff", width, height, count, dtype=values.dtype, **profile) as file,
    ):
        if alpha:
            kinds = [rasterio.enums.ColorInterp.gray] * (count - 1)
            file.colorinterp = [*kinds, rasterio.enums.ColorInterp.alpha]
        file.write(values)
        if mask is not None:
            file.write_mask(mask)
    return path


def noise(shape: Sequence[int], dtype: str = "uint8", seed: int = 1) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 120, shape).astype(dtype)


def cut(uri: object, folder: Path, **options: Any) -> CutSource:
    return CutSource(Raster(part_bytes=PART), Source("bands", str(uri), options), MemoryAccess(folder))


def readers(source: CutSource, **options: Any) -> list[RasterWindow]:
    return [cast(RasterWindow, source.open(piece)) for piece in source.pieces(options)]


class TestRasterContract(PartitionerContract):
    """Windows are as wide as these rasters, so that pixels come in the raster's order."""

    def partitioner(self) -> Raster:
        return Raster(part_bytes=200)

    def source(self, folder: Path, last: int = 7) -> Source:
        first, second = noise((2, 37, 13)), noise((1, 37, 13), "float32")
        first[-1, -1, -1], second[-1, -1, -1] = last, last
        write(folder / "a.tif", first, compress="deflate", predictor=2, blockysize=3, nodata=5)
        write(folder / "b.tif", second, tiled=True, blockxsize=16, blockysize=16, BIGTIFF="YES")
        return Source("bands", f"{folder}/a.tif#1+2,{folder}/b.tif", {})

    def change(self, folder: Path) -> None:
        self.source(folder, last=8)

    def oracle(self, folder: Path) -> list[bytes]:
        with rasterio.open(folder / "a.tif") as one, rasterio.open(folder / "b.tif") as other:
            bands = [*one.read(), other.read(1)]
            masks = [*one.read_masks(), other.read_masks(1)]
        return pixels(bands, [mask > 0 for mask in masks])

    def read(self, reader: Reader) -> list[bytes]:
        bands = cast(RasterWindow, reader).read()
        return pixels([band.values for band in bands], [band.valid for band in bands])

    def options(self, size: int) -> Mapping[str, Any]:
        return {"window": size}


def pixels(bands: Sequence[Any], valid: Sequence[Any]) -> list[bytes]:
    """Return a record per pixel."""
    columns = [np.ascontiguousarray(array).reshape(-1) for array in (*bands, *valid)]
    return [b"".join(value.tobytes() for value in row) for row in zip(*columns, strict=True)]


STORED = [
    {},
    {"compress": "deflate", "predictor": 2},
    {"compress": "lzw"},
    {"compress": "zstd", "predictor": 2},
    {"compress": "packbits"},
    {"compress": "lzma"},
    {"compress": "jpeg"},
    {"compress": "jpeg", "photometric": "ycbcr"},
    {"compress": "webp"},
    {"compress": "lerc_deflate"},
    {"compress": "deflate", "predictor": 3},
    {"nbits": 7},
]


@st.composite
def rasters(draw: st.DrawFn) -> tuple[dict[str, Any], str, int]:
    stored = dict(draw(st.sampled_from(STORED)))
    lossy = stored.get("compress") in ("jpeg", "webp")
    if lossy or "nbits" in stored:
        dtype = "uint8"
    elif stored.get("predictor") == 3:
        dtype = draw(st.sampled_from(["float32", "float64"]))
    else:
        dtype = draw(st.sampled_from(["uint8", "int16", "uint32", "float32", "float64"]))
    count = 3 if lossy else draw(st.integers(1, 4))
    blocks = draw(
        st.sampled_from(
            [{"tiled": True, "blockxsize": 32, "blockysize": 16}, {"blockysize": 16 if lossy else 5}, {}, "one"]
        )
    )
    stored |= {"blockysize": 80 if lossy else 70} if blocks == "one" else blocks
    if not lossy:
        stored["interleave"] = draw(st.sampled_from(["pixel", "band"]))
    stored["BIGTIFF"] = draw(st.sampled_from(["YES", "NO"]))
    stored["ENDIANNESS"] = draw(st.sampled_from(["LITTLE", "BIG"]))
    stored["transform"] = draw(st.sampled_from([NORTH_UP, SOUTH_UP, ROTATED]))
    kind = draw(st.sampled_from(["", "nodata", "mask", "alpha"]))
    if kind == "nodata":
        stored["nodata"] = draw(st.sampled_from([0, 7, 300.5])) if not lossy else 7
        if dtype == "uint8" and stored["nodata"] == 300.5:
            stored["nodata"] = 0
        if dtype.startswith(("int", "uint")) and stored["nodata"] == 300.5:
            stored["nodata"] = 7
    if kind == "mask":
        stored["mask"] = noise((70, 83), seed=5) > 40
    if kind == "alpha" and count in (2, 4) and dtype == "uint8" and "nbits" not in stored:  # GDAL heeds these
        stored["alpha"] = True
    return stored, dtype, count


@pytest.mark.filterwarnings("ignore::rasterio.errors.NodataShadowWarning")  # of four bands GDAL takes one for alpha
@settings(deadline=None, max_examples=60)
@given(raster=rasters(), window=st.integers(1, 90), halo=st.integers(0, 40))
def test_windows_are_what_gdal_reads_of_the_whole_in_every_way_of_storing(
    raster: tuple[dict[str, Any], str, int], window: int, halo: int
) -> None:
    stored, dtype, count = raster
    with TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "a.tif", noise((count, 70, 83), dtype), **stored)
        owned = np.zeros((70, 83), np.int64)
        with rasterio.open(folder / "a.tif") as whole:
            values, masks = whole.read(), whole.read_masks()
            source = cut(f"{folder}/a.tif#*", folder)
            for reader in readers(source, window=window, halo=halo):
                owned[reader.rows.start : reader.rows.stop, reader.columns.start : reader.columns.stop] += 1
                rows, columns = reader.seen
                place = np.s_[rows.start : rows.stop, columns.start : columns.stop]
                for number, band in enumerate(reader.read()):
                    assert band.values.dtype == values.dtype
                    assert np.array_equal(band.values, values[number][place])
                    assert np.array_equal(band.valid, masks[number][place] > 0)
                assert reader.grid.transform == tuple(whole.transform)[:6]
                assert rasterio.crs.CRS.from_wkt(reader.grid.crs) == whole.crs
        assert (owned == 1).all()


def test_blocks_that_are_not_stored_hold_nodata(tmp_path: Path) -> None:
    values = noise((1, 64, 64))
    values[0, :16] = 9
    profile = {"tiled": True, "blockxsize": 16, "blockysize": 16, "nodata": 9, "SPARSE_OK": "TRUE"}
    write(tmp_path / "a.tif", values, **profile, compress="deflate")
    (reader,) = readers(cut(tmp_path / "a.tif", tmp_path), window=64)
    (band,) = reader.read()
    assert np.array_equal(band.values, values[0])
    assert not band.valid[:16].any()


def test_alpha_counts_whatever_the_number_of_bands(tmp_path: Path) -> None:
    values = noise((5, 20, 20))
    values[4, :7] = 0
    write(tmp_path / "a.tif", values, alpha=True)
    (reader,) = readers(cut(f"{tmp_path}/a.tif#1+5", tmp_path))
    color, alpha = reader.read()
    assert np.array_equal(color.valid, values[4] > 0)
    assert alpha.valid.all()


def test_each_tile_is_fetched_once_and_a_tenth_of_a_cog_costs_a_tenth(tmp_path: Path) -> None:
    values = noise((4, 512, 512))
    profile = {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate"}
    path = write(tmp_path / "a.tif", values, **profile, mask=noise((512, 512), seed=3) > 5)
    source = cut(f"{path}#1+4,{path}#2", tmp_path)
    pieces = source.pieces({"window": 50})
    before = len(source.data.reads)
    for piece in pieces:
        cast(RasterWindow, source.open(piece)).read()
    fetched = [span[1:] for span in source.data.reads[before:] if span[0] == str(path)]
    taken = np.zeros(path.stat().st_size + 1, np.int64)
    for start, stop in fetched:
        taken[start:stop] += 1
    assert taken.max() == 1
    assert len(pieces) == 64
    assert len(fetched) <= 5 * len(pieces)  # two rows of tiles, and the mask's

    tenth = pieces[:6]
    before = len(source.data.reads)
    for piece in tenth:
        cast(RasterWindow, source.open(piece)).read()
    read = sum((stop or 0) - start for uri, start, stop in source.data.reads[before:] if uri == str(path))
    assert read <= 0.2 * path.stat().st_size


def test_the_index_reads_every_byte_at_most_once_but_the_head(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", noise((4, 512, 512)), tiled=True, blockxsize=64, blockysize=64)
    source = cut(path, tmp_path)
    parts = [len(some) for some in source.parts]
    assert parts == [-(-path.stat().st_size // PART)]
    big = [(start, stop) for uri, start, stop in source.data.reads if uri == str(path) and start > 0]
    assert sum((stop or 0) - start for start, stop in big) <= path.stat().st_size


def test_bands_of_files_with_different_blocks_have_common_windows() -> None:
    assert window_shape([(16, 16), (24, 32)], 500, 500, 50) == (96, 64)
    assert window_shape([(16, 16), (5, 500)], 500, 500, 200) == (80, 500)
    assert window_shape([(256, 256), (7, 500)], 600, 500, 1) == (256, 500)
    assert window_shape([(10980, 10980)], 10980, 10980, 64) == (10980, 10980)


def refused(source: str, folder: Path, **options: Any) -> FlowbuttonError:
    with pytest.raises(BadInput) as caught:
        cut(source, folder, **options)
    return caught.value


def test_a_raster_without_georeference_is_refused(tmp_path: Path) -> None:
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        write(tmp_path / "a.tif", noise((1, 20, 20)), transform=None, crs=None)
    assert "does not say where on the ground" in refused(f"{tmp_path}/a.tif", tmp_path).what
    write(tmp_path / "b.tif", noise((1, 20, 20)), crs=None)
    error = refused(f"{tmp_path}/a.tif,{tmp_path}/b.tif", tmp_path)
    assert "1 more" in error.why
    assert "coordinate reference system" in refused(f"{tmp_path}/b.tif", tmp_path).why


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"shape": (1, 20, 21)}, "21 x 20 pixels, not 20 x 20"),
        ({"crs": "EPSG:32634"}, "reference system is another"),
        ({"transform": Affine(2, 0, 500001, 0, -2, 5400300)}, "0.5 pixels apart"),
        ({"transform": Affine(2.001, 0, 500000, 0, -2, 5400300)}, "pixels apart"),
    ],
)
def test_bands_of_different_grids_are_refused(tmp_path: Path, other: dict[str, Any], why: str) -> None:
    write(tmp_path / "a.tif", noise((1, 20, 20)))
    write(tmp_path / "b.tif", noise(other.pop("shape", (1, 20, 20))), **other)
    error = refused(f"{tmp_path}/a.tif,{tmp_path}/b.tif", tmp_path)
    assert "different grids" in error.what
    assert why in error.why
    assert "gdalwarp" in error.hint
    assert str(error.where["file"]).endswith("b.tif")


def test_bands_that_are_not_there_are_told(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", noise((4, 20, 20)))
    for band in (0, 5):
        error = refused(f"{tmp_path}/a.tif#{band}", tmp_path)
        assert error.what == f"a raster has no band {band}"
        assert "it has 4" in error.why
    with pytest.raises(OptionError, match="3 bands can't have the names red, nir"):
        cut(f"{tmp_path}/a.tif#1+4+3", tmp_path, names=["red", "nir"])


def test_names_go_round_scene_after_scene(tmp_path: Path) -> None:
    for name in ("2023", "2024"):
        write(tmp_path / f"{name}.tif", noise((4, 20, 20)))
    (reader,) = readers(cut(f"{tmp_path}/*.tif#1+4", tmp_path, names=["red", "nir"]), window=100)
    found = [(layer.name, layer.scene, layer.file, layer.band) for layer in reader.layers]
    assert found == [("red", 0, 0, 1), ("nir", 0, 0, 4), ("red", 1, 1, 1), ("nir", 1, 1, 4)]


def test_what_is_no_tiff_is_told(tmp_path: Path) -> None:
    for name, data in (("text.tif", b"band1,band2\n1,2\n"), ("empty.tif", b""), ("short.tif", b"II")):
        (tmp_path / name).write_bytes(data)
        assert refused(f"{tmp_path}/{name}", tmp_path).what == "this is not a TIFF file"


@settings(deadline=None, max_examples=30)
@given(share=st.floats(0, 0.999), big=st.booleans(), tiled=st.booleans())
def test_a_truncated_tiff_is_told_and_never_read_as_a_whole_one(share: float, *, big: bool, tiled: bool) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        profile: dict[str, Any] = {"BIGTIFF": "YES" if big else "NO", "compress": "deflate"}
        profile |= {"tiled": True, "blockxsize": 16, "blockysize": 16} if tiled else {}
        whole = write(folder / "a.tif", noise((2, 60, 60)), **profile).read_bytes()
        (folder / "a.tif").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(BadInput) as caught:
            cut(folder / "a.tif", folder)
        assert isinstance(caught.value, TruncatedInput) or "TIFF" in caught.value.what


def test_damaged_pixels_are_told_with_their_window(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", noise((1, 64, 64)), tiled=True, blockxsize=16, blockysize=16, compress="deflate")
    whole = bytearray(path.read_bytes())
    whole[-300:-200] = bytes(100)
    path.write_bytes(whole)
    source = cut(path, tmp_path)
    with pytest.raises(MalformedRecord) as caught:
        [reader.read() for reader in readers(source, window=16)]
    assert caught.value.where["row"] == 48
    assert "vsimem" not in str(caught.value)


def test_a_halo_or_window_that_can_not_be_is_refused(tmp_path: Path) -> None:
    source = cut(write(tmp_path / "a.tif", noise((1, 20, 20))), tmp_path)
    with pytest.raises(OptionError):
        source.pieces({"halo": -1})
