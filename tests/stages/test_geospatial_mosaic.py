"""Products as tiles and a VRT: what GDAL reads of it is the product; each tile is a valid COG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowbutton.model.bundle import Interval
from flowbutton.model.errors import OptionError
from flowbutton.model.stage import Scratch
from flowbutton.stages.bundles import Bundle, MemoryParts
from flowbutton.stages.geospatial.compress import plan_patches
from flowbutton.stages.geospatial.grid import Grid
from flowbutton.stages.geospatial.mosaic import mosaic, tile
from flowbutton.stages.geospatial.parts import PART_SCHEMA, add_part
from flowbutton.stages.geospatial.product import Product
from flowbutton.stages.geospatial.pyramid import halved

rasterio = pytest.importorskip("rasterio", reason="needs the extra 'geospatial'")
PLACES = {
    "EPSG:32617": (1.0, 0.0, 500_000.0, 0.0, -1.0, 4e6),
    "EPSG:4326": (1e-4, 0.0, 13.0, 0.0, 2e-4, 50.0),
    "EPSG:2193": (2.0, 0.0, 1_500_000.0, 0.0, -2.0, 5_400_000.0),
    "": (1.0, 0.0, -70.0, 0.0, -1.0, 30.0),
}


def made(folder: Path, values: np.ndarray[Any, Any], product: Product, crs: str) -> Path:
    """Publish a product as the pipeline does: a VRT, and a folder of tiles beside it."""
    _, rows, columns = values.shape
    wkt = rasterio.crs.CRS.from_string(crs).to_wkt() if crs else ""
    grid, bundle = Grid(crs=wkt, transform=PLACES[crs], rows=rows, columns=columns), Bundle(folder / "b", PART_SCHEMA)
    add_part(bundle, 0, 0, values)
    stored, told = bundle.close(), []
    (folder / "dtm").mkdir()
    for number, (_, patch) in enumerate(plan_patches(grid).rows):
        scratch = folder / f"scratch{number}"
        scratch.mkdir()
        wanted = [Interval({"row": box.row}, box.start, box.stop) for box in patch.window]
        parts = MemoryParts([stored], wanted)
        done = tile(patch, grid, parts, Scratch(str(scratch)), {"max_radius": "5"}, product=product)
        done.file.rename(folder / "dtm" / f"{number}.tif")
        told.append(done.facts)
    vrt = mosaic(told[::-1], grid, Scratch(str(folder)), {"max_radius": "5"}, product=product, folder="dtm")
    return Path(vrt)


def surface(dtype: str, rows: int, columns: int, bands: int = 1) -> np.ndarray[Any, Any]:
    y, x = np.mgrid[:rows, :columns]
    values = np.stack([100 + 40 * np.sin(x / 70) * np.cos(y / 50) + band for band in range(bands)]).astype(dtype)
    if values.dtype.kind == "f":
        values[:, rows // 3 : rows // 2, : columns // 2] = np.nan
    return values


@pytest.mark.parametrize(
    ("crs", "dtype", "size"),
    [("EPSG:32617", "float32", (2100, 2300)), ("EPSG:4326", "int16", (300, 2050)), ("", "float64", (30, 20))],
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
    tiles = sorted((tmp_path / "dtm").iterdir())
    assert len(tiles) == int(np.prod([-(-side // 2048) for side in size]))
    for one in tiles:
        assert cog_validate(one, strict=True) == (True, [], [])


def test_a_vrt_has_the_colours_of_its_tiles_and_axes_do_not_turn(tmp_path: Path) -> None:
    product = Product(dtype="uint8", bands=("class",), nodata=255, overview="first", colours={2: "#a6764a"})
    with rasterio.open(made(tmp_path, surface("uint8", 20, 30), product, "EPSG:2193")) as file:
        assert file.colormap(1)[2] == (0xA6, 0x76, 0x4A, 255)
        assert file.bounds.left == PLACES["EPSG:2193"][2]
        assert file.crs.to_epsg() == 2193


def test_a_folder_that_is_not_beside_the_vrt_is_refused(tmp_path: Path) -> None:
    grid = Grid(crs="", transform=PLACES[""], rows=1, columns=1)
    for folder in ("", "/tmp", "../dtm"):
        with pytest.raises(OptionError, match="the folder of tiles"):
            mosaic([], grid, Scratch(str(tmp_path)), product=Product(dtype="uint8", bands=("a",)), folder=folder)
