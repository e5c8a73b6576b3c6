"""STAC items: valid by pystac, with the grid and the bands as GDAL reads them, and dates that are dates."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import RasterExtension
from pystac.validation.stac_validator import JsonSchemaSTACValidator
from rasterio.warp import transform

from flowbutton.model.composite import Stored
from flowbutton.model.errors import OptionError
from flowbutton.model.stage import Scratch
from flowbutton.stages.geospatial.stac import stac_item

_NO_MAP = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def _raster(path: Path, crs: str | None = "EPSG:32633") -> Path:
    place = rasterio.Affine(0.5, 0, 400_000, 0, -0.5, 5_400_000)
    options = {"driver": "GTiff", "width": 30, "height": 20, "count": 1, "dtype": "float32", "nodata": np.nan}
    with rasterio.open(path, "w", crs=crs, transform=place, **options) as file:
        file.write(np.ones((20, 30), np.float32), 1)
        file.set_band_description(1, "dtm")
        file.update_tags(1, STATISTICS_MINIMUM="1", STATISTICS_MAXIMUM="1", STATISTICS_MEAN="1", STATISTICS_STDDEV="0")
    return path


def _stored(path: Path) -> Stored:
    return Stored.of(path.read_bytes())


def test_an_item_is_valid_and_says_where_its_rasters_lie(tmp_path: Path) -> None:
    raster = _stored(_raster(tmp_path / "x.tif"))
    path = stac_item(Scratch(str(tmp_path)), dtm=raster, ndvi=raster, acquired="2026-06-15/2026-06-16T10:00:00+02:00")
    told = json.loads(path.read_text())
    JsonSchemaSTACValidator().validate_core(told, pystac.STACObjectType.ITEM, told["stac_version"])
    item = pystac.Item.from_file(str(path))
    assert item.common_metadata.start_datetime.isoformat() == "2026-06-15T00:00:00+00:00"
    assert item.common_metadata.end_datetime.isoformat() == "2026-06-16T08:00:00+00:00"
    asset = item.assets["dtm"]
    assert asset.href.endswith("dtm.tif")
    assert ProjectionExtension.has_extension(item)
    assert RasterExtension.has_extension(item)
    grid = ProjectionExtension.ext(asset)
    assert (grid.epsg, grid.shape, grid.bbox) == (32633, [20, 30], [400_000, 5_399_990, 400_015, 5_400_000])
    (east,), (north,) = transform("EPSG:32633", "EPSG:4326", [400_015], [5_400_000])
    assert item.bbox[2:] == pytest.approx([east, north], abs=1e-5)
    assert asset.to_dict()["bands"][0]["statistics"]["mean"] == 1
    assert asset.to_dict()["bands"][0]["nodata"] == "nan"


@_NO_MAP
def test_without_a_coordinate_system_an_item_has_no_place(tmp_path: Path) -> None:
    path = stac_item(Scratch(str(tmp_path)), dsm=_stored(_raster(tmp_path / "x.tif", None)), acquired="2026-06-15")
    told = json.loads(path.read_text())
    JsonSchemaSTACValidator().validate_core(told, pystac.STACObjectType.ITEM, told["stac_version"])
    assert told["geometry"] is None
    assert told["properties"] == {"datetime": "2026-06-15T00:00:00Z"}


def test_the_surface_with_pits_filled_is_the_surface(tmp_path: Path) -> None:
    plain, filled = (_raster(tmp_path / name) for name in ("plain.tif", "filled.tif"))
    with rasterio.open(filled, "r+") as file:
        file.set_band_description(1, "filled")
    products = {"dsm": _stored(plain), "filled": _stored(filled)}
    told = json.loads(stac_item(Scratch(str(tmp_path)), **products, acquired="2026-06-15").read_text())
    assert told["assets"]["dsm"]["bands"][0]["name"] == "filled"


def test_the_assets_of_a_mosaic_are_vrts(tmp_path: Path) -> None:
    raster = _stored(_raster(tmp_path / "x.tif"))
    told = json.loads(stac_item(Scratch(str(tmp_path)), ndvi=raster, acquired="2026-06-15", mosaic=2048).read_text())
    asset = told["assets"]["ndvi"]
    assert (asset["href"], asset["type"]) == ("./ndvi.vrt", "application/vnd.gdal.vrt+xml")


@pytest.mark.parametrize("text", ["summer", "", "2026-06-15/later", "15.06.2026"])
def test_what_is_no_date_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(OptionError, match="acquired"):
        stac_item(Scratch(str(tmp_path)), acquired=text)
