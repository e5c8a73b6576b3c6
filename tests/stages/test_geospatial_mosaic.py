"""Products as a VRT over files: what GDAL reads of it is the product, and each file is a valid COG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowbutton.model.bundle import Interval
from flowbutton.model.composite import Stored
from flowbutton.model.errors import OptionError
from flowbutton.model.stage import Scratch
from flowbutton.stages.bundles import Bundle, MemoryParts
from flowbutton.stages.geospatial.cog import StoredPatch, cog
from flowbutton.stages.geospatial.compress import compress
from flowbutton.stages.geospatial.grid import Grid
from flowbutton.stages.geospatial.mosaic import mosaic
from flowbutton.stages.geospatial.parts import PART_SCHEMA, add_part
from flowbutton.stages.geospatial.patches import plan_mosaic, plan_patches
from flowbutton.stages.geospatial.product import Product
from flowbutton.stages.geospatial.pyramid import halved

rasterio = pytest.importorskip("rasterio", reason="needs the extra 'geospatial'")
PLACES = {
    "EPSG:32617": (1.0, 0.0, 500_000.0, 0.0, -1.0, 4e6),
    "EPSG:4326": (1e-4, 0.0, 13.0, 0.0, 2e-4, 50.0),
    "EPSG:2193": (2.0, 0.0, 1_500_000.0, 0.0, -2.0, 5_400_000.0),
    "": (1.0, 0.0, -70.0, 0.0, -1.0, 30.0),
}


TAGS = {"max_radius": "5"}


def made(
    folder: Path, values: np.ndarray[Any, Any], product: Product, crs: str, *, cells: int = 2048, across: int = 8
) -> Path:
    """Publish a product as the pipeline does: a VRT, and a folder of files beside it; and the product as one file."""
    _, rows, columns = values.shape
    wkt = rasterio.crs.CRS.from_string(crs).to_wkt() if crs else ""
    grid, bundle = Grid(crs=wkt, transform=PLACES[crs], rows=rows, columns=columns), Bundle(folder / "b", PART_SCHEMA)
    add_part(bundle, 0, 0, values)
    stored, patches = bundle.close(), list[tuple[object, StoredPatch]]()
    for number, (key, patch) in enumerate(plan_patches(grid, across=across, mosaic=cells).rows):
        scratch = folder / f"scratch{number}"
        scratch.mkdir()
        wanted = [Interval({"row": box.row}, box.start, box.stop) for box in patch.window]
        done = compress(patch, grid, MemoryParts([stored], wanted), Scratch(str(scratch)), product=product)
        found = StoredPatch(Stored.of(done.blocks.read_bytes()), Stored.of(done.top), done.facts)
        patches.append((key["tile"], found))
    (folder / "dtm").mkdir()
    for key, tile in plan_mosaic(grid, cells=cells).rows:
        inside = [patch for name, patch in patches if name == key["tile"]]
        cog(inside, grid, TAGS, tile, product=product).write(folder / "dtm" / f"{key['tile']}.tif")
    cog([patch for _, patch in patches], grid, TAGS, product=product).write(folder / "whole.tif")
    facts = [patch.facts for _, patch in patches]
    return Path(mosaic(facts, grid, Scratch(str(folder)), TAGS, product=product, cells=cells, folder="dtm"))


def surface(dtype: str, rows: int, columns: int, bands: int = 1) -> np.ndarray[Any, Any]:
    y, x = np.mgrid[:rows, :columns]
    values = np.stack([100 + 40 * np.sin(x / 70) * np.cos(y / 50) + band for band in range(bands)]).astype(dtype)
    if values.dtype.kind == "f":
        values[:, rows // 3 : rows // 2, : columns // 2] = np.nan
    return values


@pytest.mark.parametrize(
    ("crs", "dtype", "size"),
    [("EPSG:32617", "float32", (2060, 2300)), ("EPSG:4326", "int16", (300, 2050)), ("", "float64", (30, 20))],
)
def test_the_vrt_is_the_product_and_its_tiles_are_cogs(
    tmp_path: Path, crs: str, dtype: str, size: tuple[int, int]
) -> None:
    from rio_cogeo.cogeo import cog_validate

    product = Product(dtype=dtype, bands=("dtm", "other"), nodata=None if dtype != "int16" else -9)
    values = surface(dtype, *size, bands=2)
    with rasterio.open(made(tmp_path, values, product, crs)) as file:
        assert file.driver == "VRT"
        assert file.read().tobytes() == values.tobytes()
        assert (file.crs, [*file.transform][:6]) == (rasterio.crs.CRS.from_string(crs) if crs else None, [*PLACES[crs]])
        assert file.descriptions == ("dtm", "other")
        assert (file.nodata is None, file.tags()["max_radius"]) == (False, "5")
        assert float(file.tags(2)["STATISTICS_MAXIMUM"]) == np.nanmax(values[1])
        if min(size) > 256:
            assert file.overviews(1) == [2, 4, 8]
            less = file.read(1, out_shape=tuple(-(-side // 2) for side in size))
            wanted = halved(values[:1], product)[0]  # the tile at the corner is a block: it has no overview
            assert np.array_equal(less[:1024], wanted[:1024], equal_nan=values.dtype.kind == "f")
    with rasterio.open(tmp_path / "mosaic.vrt") as joined, rasterio.open(tmp_path / "whole.tif") as whole:
        assert [joined.tags(band) for band in (1, 2)] == [whole.tags(band) for band in (1, 2)]
    tiles = sorted((tmp_path / "dtm").iterdir())
    assert len(tiles) == int(np.prod([-(-side // 2048) for side in size]))
    for one in tiles:
        assert cog_validate(one, strict=True) == (True, [], [])


def test_files_wider_than_a_patch_have_more_overviews(tmp_path: Path) -> None:
    product, values = Product(dtype="uint8", bands=("count",)), surface("uint8", 300, 4400)
    with rasterio.open(made(tmp_path, values, product, "EPSG:32617", cells=4096)) as file:
        assert np.array_equal(file.read(), values)
        assert file.overviews(1) == [2, 4, 8, 16]
        less = file.read(1, out_shape=(19, 275))
    with rasterio.open(tmp_path / "whole.tif") as whole:
        assert np.array_equal(less[:, :256], whole.read(1, out_shape=(19, 275))[:, :256])
    assert sorted(path.name for path in (tmp_path / "dtm").iterdir()) == ["0_0.tif", "0_1.tif"]


def test_a_mosaic_of_one_file_has_the_file_that_there_is_without(tmp_path: Path) -> None:
    product = Product(dtype="float32", bands=("dtm",))
    made(tmp_path, surface("float32", 300, 2500), product, "EPSG:32617", cells=4096, across=16)
    assert (tmp_path / "dtm" / "0_0.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()


def test_a_vrt_has_the_colours_of_its_tiles_and_axes_do_not_turn(tmp_path: Path) -> None:
    product = Product(dtype="uint8", bands=("class",), nodata=255, overview="first", colours={2: "#a6764a"})
    with rasterio.open(made(tmp_path, surface("uint8", 20, 30), product, "EPSG:2193")) as file:
        assert file.colormap(1)[2] == (0xA6, 0x76, 0x4A, 255)
        assert file.bounds.left == PLACES["EPSG:2193"][2]
        assert file.crs.to_epsg() == 2193


def test_a_folder_that_is_not_beside_the_vrt_is_refused(tmp_path: Path) -> None:
    grid = Grid(crs="", transform=PLACES[""], rows=1, columns=1)
    product = Product(dtype="uint8", bands=("a",))
    for folder in ("", "/tmp", "../dtm"):
        with pytest.raises(OptionError, match="the folder of tiles"):
            mosaic([], grid, Scratch(str(tmp_path)), product=product, cells=2048, folder=folder)
