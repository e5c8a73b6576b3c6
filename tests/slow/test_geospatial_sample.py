"""The geospatial pipeline on its sample: both halves by default, right by what is known, and what params change."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
from geospatial_runs import PRODUCTS, GeospatialRun
from rio_cogeo.cogeo import cog_validate

from flowbutton.samples.geospatial_images import write_geospatial_images

pytestmark = pytest.mark.slow
_RASTERS = (*PRODUCTS, "ndvi", "ndvi_change")
_TABLES = ("zones", "zones_chm")


def _read(path: Path, band: int = 1) -> np.ma.MaskedArray:
    with rasterio.open(path) as file:
        return file.read(band, masked=True)


def test_without_arguments_both_halves_are_made_and_are_right(tmp_path: Path) -> None:
    run = GeospatialRun(tmp_path, tmp_path)
    run.start({})
    for name in _RASTERS:
        assert cog_validate(run.results / f"{name}.tif", strict=True) == (True, [], [])
    found = json.loads((run.results / "evaluation.json").read_text())
    assert found["seams"]["differing"] == 0
    assert found["seams"]["cells"] > 5000
    assert found["dtm"]["cells"] > 0.97 * 120_000
    assert abs(found["dtm"]["bias"]) < 0.01  # the survey's noise is rounded down to whole centimetres
    assert found["dtm"]["rmse"] < 0.03
    assert abs(found["ndvi"]["bias"]) < 0.001
    assert found["ndvi"]["rmse"] < 0.03
    assert found["zones"]["same_count"] == found["zones"]["zones"] == 8
    assert found["zones"]["largest_error"] < 0.001
    assert pystac.Item.from_file(str(run.results / "stac_item.json")).assets.keys() == {*_RASTERS}
    names = [f"{name}.tif" for name in _RASTERS] + [f"{name}.csv" for name in _TABLES] + ["stac_item.json"]
    whole = run.digests(names)
    run.start({"tile_cells": 90, "window": 256, "piece_size": 50_000})
    assert run.digests(list(whole)) == whole
    again = json.loads((run.results / "evaluation.json").read_text())
    assert again["seams"]["differing"] == 0
    assert {**again, "seams": None} == {**found, "seams": None}


def test_ground_is_found_where_no_class_says_it_and_pits_are_filled(tmp_path: Path) -> None:
    run = GeospatialRun(tmp_path, tmp_path)
    points = "sample:geospatial/points_*.laz"
    run.start({"points": points, "red": "null", "evaluate": "true"})
    classified, plain = _read(run.results / "count.tif", 2), _read(run.results / "dsm.tif")
    chosen = {"ground": "filter", "filter_slope": 0.3, "fill_pits": 2.0}
    run.start({"points": points, "red": "null", "evaluate": "true", **chosen})
    found = json.loads((run.results / "evaluation.json").read_text())
    assert found["seams"]["differing"] == 0
    assert found["ndvi"] is None
    assert abs(found["dtm"]["bias"]) < 0.1
    assert found["dtm"]["absolute_95"] < 0.3
    with rasterio.open(run.results / "dtm.tif") as file:
        assert file.tags()["ground"] == "filter"
    assert 0.8 < _read(run.results / "count.tif", 2).sum() / classified.sum() < 1.1
    raised = _read(run.results / "dsm.tif") - plain
    assert raised.min() == 0
    assert 100 < np.count_nonzero(raised > 0) < 0.2 * raised.size
    canopy, terrain = (_read(run.results / f"{name}.tif").astype(float) for name in ("chm", "dtm"))
    assert np.abs(canopy - (_read(run.results / "dsm.tif") - terrain)).max() < 1e-4


def test_zones_without_images_are_zones_of_the_canopy(tmp_path: Path) -> None:
    run = GeospatialRun(tmp_path, tmp_path)
    run.start({"points": "sample:geospatial/points_1.laz", "zones": "sample:geospatial/zones.geojson"})
    assert not (run.results / "zones.csv").exists()
    rows = [*csv.DictReader((run.results / "zones_chm.csv").read_text().splitlines())]
    assert [row["zone"] for row in rows] == [str(number) for number in range(1, 9)]
    assert float(rows[0]["max"]) > 10
    assert rows[1]["note"] == "outside of the raster"


def test_an_expression_of_ones_own_is_an_index_of_one_date_or_many(tmp_path: Path) -> None:
    write_geospatial_images(tmp_path)
    run = GeospatialRun(tmp_path, tmp_path)
    run.start({"layers": tmp_path / "image_2.tif#*", "expression": "ndwi", "points": "null", "red": "null"})
    green, nir = (_read(tmp_path / "image_2.tif", band).astype(np.float32) for band in (2, 4))
    index = _read(run.results / "index.tif")
    assert index.count() == 474_950
    assert np.ma.allequal(index, (green - nir) / (green + nir))
    dates = ",".join(f"{tmp_path / name}#1+4" for name in ("image_1.tif", "image_2.tif"))
    chosen = {"names": "red,nir", "expression": "ndvi", "composite": "max", "clear": "red < 1000"}
    run.start({"layers": dates, "points": "null", "red": "null", **chosen})
    scenes = [[_read(tmp_path / f"image_{n}.tif", band).astype(np.float32) for band in (1, 4)] for n in (1, 2)]
    clear = [np.ma.masked_where(red >= 1000, (nir - red) / (nir + red)) for red, nir in scenes]
    assert np.ma.allequal(_read(run.results / "index.tif"), np.ma.max(np.ma.stack(clear), axis=0))


def test_images_without_any_value_have_products_that_say_so(tmp_path: Path) -> None:
    place = rasterio.Affine(1, 0, 500_000, 0, -1, 5_400_300)
    options = {"driver": "GTiff", "width": 400, "height": 300, "count": 2, "dtype": "uint8", "nodata": 0}
    with rasterio.open(tmp_path / "dark.tif", "w", crs="EPSG:32633", transform=place, **options) as file:
        file.write(np.zeros((2, 300, 400), np.uint8))
    bands = {"red": tmp_path / "dark.tif#1", "nir": tmp_path / "dark.tif#2"}
    run = GeospatialRun(tmp_path, tmp_path)
    run.start({**bands, "zones": "sample:geospatial/zones.geojson"})
    assert cog_validate(run.results / "ndvi.tif", strict=True) == (True, [], [])
    assert _read(run.results / "ndvi.tif").count() == 0
    rows = [*csv.DictReader((run.results / "zones.csv").read_text().splitlines())]
    assert {(row["count"], row["mean"]) for row in rows} == {("0", "")}
    assert "No cell has a value" in (run.results / "report.html").read_text()
