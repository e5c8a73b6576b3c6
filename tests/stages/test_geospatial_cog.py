"""Products become valid COGs with the values that they had, the same bytes whatever the tiles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowbutton.model.bundle import Interval
from flowbutton.model.composite import Composite, Composition, Span, Stored
from flowbutton.model.stage import Scratch
from flowbutton.stages.bundles import Bundle, MemoryParts
from flowbutton.stages.columns import pack
from flowbutton.stages.geospatial.cog import StoredPatch, cog
from flowbutton.stages.geospatial.compress import PatchFacts, compress
from flowbutton.stages.geospatial.grid import Grid
from flowbutton.stages.geospatial.parts import PART_SCHEMA, Array, add_part
from flowbutton.stages.geospatial.patches import plan_patches
from flowbutton.stages.geospatial.product import Product
from flowbutton.stages.geospatial.pyramid import halved, level_sizes
from flowbutton.stores.s3_assembly import Sent, assembly

UTM = "EPSG:32617"


def _grid(rows: int, columns: int) -> Grid:
    from rasterio.crs import CRS

    return Grid(crs=CRS.from_string(UTM).to_wkt(), transform=(1, 0, 500000, 0, -1, 4e6), rows=rows, columns=columns)


def _write(
    folder: Path, values: Array, product: Product, *, tile: int, big: bool | None = None, across: int = 8
) -> Path:
    """Run the stages on a product that is made in tiles of any size."""
    folder.mkdir(parents=True, exist_ok=True)
    _, rows, columns = values.shape
    grid, bundle = _grid(rows, columns), Bundle(folder / "parts", PART_SCHEMA)
    for row in range(0, rows, tile):
        for column in range(0, columns, tile):
            add_part(bundle, row, column, values[:, row : row + tile, column : column + tile])
    path = bundle.close()
    made: list[StoredPatch] = []
    for number, (_, patch) in enumerate(plan_patches(grid, across=across).rows):
        wanted = [Interval({"row": box.row}, box.start, box.stop) for box in patch.window]
        scratch = folder / f"patch{number}"
        scratch.mkdir()
        done = compress(patch, grid, MemoryParts([path], wanted), Scratch(str(scratch)), product=product)
        made.append(StoredPatch(Stored.of(done.blocks.read_bytes()), Stored.of(done.top), done.facts))
    joined: Composite = cog(made, grid, {"max_radius": "5"}, product=product, big=big)
    return joined.write(folder / f"product{joined.suffix}")


def _surface(bands: int, rows: int, columns: int, dtype: str, seed: int = 1) -> Array:
    draws = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :columns]
    values = 100 + 40 * np.sin(x / 70) * np.cos(y / 50) + draws.normal(size=(bands, rows, columns))
    found = values.astype(dtype)
    if found.dtype.kind == "f":
        found[:, rows // 3 : rows // 2, : columns // 2] = np.nan
    return found


def _levels(values: Array, product: Product) -> Sequence[Array]:
    found = [values]
    while len(found) < len(level_sizes(*values.shape[1:])):
        found.append(halved(found[-1], product))
    return found


@pytest.mark.parametrize(
    ("dtype", "bands", "nodata"),
    [
        ("float32", ("dtm",), None),
        ("float64", ("a", "b"), None),
        ("uint32", ("all", "ground"), None),
        ("uint8", ("shade",), 0),
        ("float32", ("ndvi",), -9999.0),
        ("int16", ("x", "y", "z"), -9),
    ],
)
@pytest.mark.parametrize("big", [False, True])
def test_a_file_is_a_valid_cog_with_the_products_values(
    tmp_path: Path, dtype: str, bands: tuple[str, ...], nodata: float | None, big: bool
) -> None:
    import rasterio
    from rio_cogeo.cogeo import cog_validate

    product = Product(dtype=dtype, bands=bands, nodata=nodata)
    values = _surface(len(bands), 700, 1100, dtype)
    path = _write(tmp_path, values, product, tile=300, big=big)
    assert cog_validate(path, strict=True) == (True, [], [])
    with rasterio.open(path) as file:
        assert np.array_equal(file.read(), values, equal_nan=values.dtype.kind == "f")
        assert file.descriptions == bands
        assert file.tags()["max_radius"] == "5"
        assert file.crs.to_epsg() == 32617
        assert file.transform[:6] == (1, 0, 500000, 0, -1, 4e6)
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert float(file.tags(1)["STATISTICS_MAXIMUM"]) == float(np.nanmax(values[0][values[0] != nodata]))
        overviews = len(file.overviews(1))
    for number, level in enumerate(_levels(values, product)[1:]):
        with rasterio.open(path, overview_level=number) as file:
            assert np.array_equal(file.read(), level, equal_nan=values.dtype.kind == "f")
    assert overviews == len(level_sizes(700, 1100)) - 1


def test_levels_above_those_of_patches_are_made_of_them_and_their_width_does_not_show(tmp_path: Path) -> None:
    import rasterio
    from rio_cogeo.cogeo import cog_validate

    product = Product(dtype="uint8", bands=("one",))
    values = _surface(1, 4400, 2200, "uint8")
    path = _write(tmp_path / "narrow", values, product, tile=1000)
    assert cog_validate(path, strict=True) == (True, [], [])
    assert _write(tmp_path / "wide", values, product, tile=1000, across=16).read_bytes() == path.read_bytes()
    for number, level in enumerate(_levels(values, product)[1:]):
        with rasterio.open(path, overview_level=number) as file:
            assert np.array_equal(file.read(), level)


def test_tiles_do_not_show_in_the_bytes(tmp_path: Path) -> None:
    product = Product(dtype="float32", made="float64", bands=("dtm",))
    values = _surface(1, 500, 300, "float64")
    files = [_write(tmp_path / str(tile), values, product, tile=tile) for tile in (32, 64, 100, 256, 999)]
    assert len({file.read_bytes() for file in files}) == 1


@given(rows=st.integers(1, 9000), columns=st.integers(1, 90_000), across=st.integers(1, 9).map(lambda n: 8 * n))
def test_patches_own_each_cell_once_and_are_equally_wide(rows: int, columns: int, across: int) -> None:
    grid = Grid(crs="", transform=(1, 0, 0, 0, -1, 0), rows=rows, columns=columns)
    patches = [patch for _, patch in plan_patches(grid, across=across).rows]
    tops = sorted({patch.rows for patch in patches})
    assert [(top, min(top + 2048, rows)) for top in range(0, rows, 2048)] == tops
    spans = [patch.columns for patch in patches if patch.rows == tops[0]]
    assert [patch.columns for patch in patches] == spans * len(tops)
    assert [0, *(stop for _, stop in spans)] == [*(start for start, _ in spans), columns]
    assert all(start % 2048 == 0 for start, _ in spans)
    squares = [-(-(stop - start) // 2048) for start, stop in spans]
    assert max(squares) <= across // 8
    assert max(squares) - min(squares) <= 1


def test_no_block_is_read_to_join_them(tmp_path: Path) -> None:
    def refuse(start: int, stop: int) -> bytes:
        raise AssertionError(f"bytes {start} to {stop} are read")

    product, grid = Product(dtype="uint8", bands=("a",)), _grid(2300, 700)
    patches: list[StoredPatch] = []
    for number, (_, patch) in enumerate(plan_patches(grid).rows):
        scratch = tmp_path / str(number)
        scratch.mkdir()
        done = compress(patch, grid, MemoryParts([]), Scratch(str(scratch)), product=product)
        blocks = Stored(Stored.of(done.blocks.read_bytes()).composition, refuse)
        patches.append(StoredPatch(blocks, Stored.of(done.top), done.facts))
    made = cog(patches, grid, product=product)
    head, *parts = made.composition.parts
    assert isinstance(head, bytes)
    assert all(not isinstance(part, bytes) for part in parts[1:])
    assert len(parts) <= 8  # a level of a patch is one piece


@pytest.mark.parametrize(("side", "most_sent"), [(12_288, 0.15), (40_000, 0.3)])
def test_in_a_bucket_most_of_a_large_file_is_copied_where_it_lies(side: int, most_sent: float) -> None:
    block, patches = 180_000, []  # a block of float32 that packs to two thirds
    for number, (_, patch) in enumerate(plan_patches(_grid(side, side), across=64).rows):
        rows, columns = patch.rows[1] - patch.rows[0], patch.columns[1] - patch.columns[0]
        counts = [-(-rows // (256 << level)) * -(-columns // (256 << level)) for level in range(4)]
        sizes = tuple((block,) * count for count in counts)
        facts = PatchFacts(rows=patch.rows, columns=patch.columns, squares=((),), sizes=sizes)
        lying = Composition((Span(str(number), 0, sum(counts) * (block + 8)),))
        top = Stored.of(pack({"values": np.zeros((1, -(-rows // 8), -(-columns // 8)), np.float32)}))
        patches.append(StoredPatch(Stored(lying, lambda *_: b""), top, facts))
    made = cog(patches, _grid(side, side), product=Product(dtype="float32", bands=("a",))).composition
    sent = sum(step.stop - step.start for step in assembly(made, 256 << 20) if isinstance(step, Sent))
    assert sent < most_sent * made.size


def test_a_product_without_a_value_is_a_file_all_the_same(tmp_path: Path) -> None:
    import rasterio
    from rio_cogeo.cogeo import cog_validate

    path = _write(tmp_path, np.full((1, 5, 7), np.nan, "float32"), Product(dtype="float32", bands=("x",)), tile=4)
    assert cog_validate(path, strict=True)[0]
    with rasterio.open(path) as file:
        assert np.isnan(file.read()).all()
        assert file.tags(1) == {"STATISTICS_VALID_PERCENT": "0"}


@settings(deadline=None, max_examples=40)
@given(rows=st.integers(1, 40), columns=st.integers(1, 40), split=st.integers(0, 5), seed=st.integers(0, 9))
def test_overviews_of_parts_are_parts_of_the_overviews(rows: int, columns: int, split: int, seed: int) -> None:
    product = Product(dtype="float32", bands=("x",))
    values = np.random.default_rng(seed).normal(size=(1, rows, columns)).astype("float32")
    values[values > 1] = np.nan
    at = min(8 * split, rows)
    top, below, whole = values[:, :at], values[:, at:], values
    for _ in range(3):
        top, below, whole = (halved(part, product) for part in (top, below, whole))
    assert np.array_equal(np.concatenate((top, below), axis=1), whole, equal_nan=True)


def test_the_nodata_of_a_product_is_one_of_its_values() -> None:
    with pytest.raises(ValueError, match="nodata"):
        Product(dtype="uint8", bands=("x",), nodata=300)


def test_a_colour_table_is_what_gdal_reads(tmp_path: Path) -> None:
    import rasterio
    from rio_cogeo.cogeo import cog_validate

    values = np.random.default_rng(2).choice([1, 2, 6, 255], (1, 300, 700)).astype(np.uint8)
    colours = {2: "#a6764a", 6: "#d9483b"}
    product = Product(dtype="uint8", bands=("class",), nodata=255, overview="first", colours=colours)
    path = _write(tmp_path / "c", values, product, tile=256)
    assert cog_validate(path, strict=True) == (True, [], [])
    with rasterio.open(path) as file:
        table = file.colormap(1)
        assert file.colorinterp[0].name == "palette"
        assert np.array_equal(file.read(), values)
        assert {*np.unique(file.read(out_shape=(1, 150, 350))).tolist()} <= {1, 2, 6, 255}
    assert [table[value][:3] for value in (2, 6, 1)] == [(0xA6, 0x76, 0x4A), (0xD9, 0x48, 0x3B), (128, 128, 128)]


@pytest.mark.parametrize("wrong", [{"dtype": "uint16"}, {"bands": ("a", "b")}, {"colours": {256: "#000000"}}])
def test_a_colour_table_of_another_product_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="colour"):
        Product.model_validate({"dtype": "uint8", "bands": ("a",), "colours": {1: "#000000"}, **wrong})
