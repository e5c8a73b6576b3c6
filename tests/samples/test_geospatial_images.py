"""The images of the geospatial sample: the same bytes each time, of what the survey shows, and a truth that holds."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import rasterio.features
import shapely
from rio_cogeo.cogeo import cog_validate

from flowbutton.samples.catalog import SAMPLES, resolve_sample_uri
from flowbutton.samples.geospatial_images import (
    BANDS,
    IMAGE_FILES,
    TRUTH_NDVI_FILE,
    TRUTH_ZONES_FILE,
    ZONES_FILE,
    write_geospatial_images,
)
from flowbutton.samples.geospatial_scene import EPSG, HEIGHT, SOUTH, WEST, WIDTH, objects


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    write_geospatial_images(folder)
    return folder


def test_the_same_bytes_each_time(made: Path, tmp_path: Path) -> None:
    write_geospatial_images(tmp_path)
    files = {path.name: path.read_bytes() for path in made.iterdir()}
    assert files == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {f"geospatial/{name}" for name in files} <= {*SAMPLES}


def test_images_are_cogs_of_four_bands_over_the_survey(made: Path) -> None:
    for name in (*IMAGE_FILES, TRUTH_NDVI_FILE):
        assert cog_validate(made / name, strict=True) == (True, [], [])
        with rasterio.open(made / name) as raster:
            assert raster.crs.to_epsg() == EPSG
            assert raster.bounds == (WEST, SOUTH, WEST + WIDTH, SOUTH + HEIGHT)
            assert raster.descriptions == (BANDS if name != TRUTH_NDVI_FILE else ("ndvi",))


def test_crowns_are_green_where_the_survey_has_trees(made: Path) -> None:
    trees, buildings = objects()
    tops = [(WEST + tree.x / 100, SOUTH + tree.y / 100) for tree in trees]
    roofs = [(WEST + (one.left + 300) / 100, SOUTH + (one.lower + 300) / 100) for one in buildings]
    with rasterio.open(made / TRUTH_NDVI_FILE) as raster:
        over_trees, over_roofs = (np.array([*raster.sample(places)]).ravel() for places in (tops, roofs))
    assert np.mean(over_trees[over_trees != -9999] > 0.8) > 0.95, "a roof may stand over a tree"
    assert np.all(over_roofs < 0.1)


def test_noise_hides_no_truth(made: Path) -> None:
    with rasterio.open(made / IMAGE_FILES[1]) as image, rasterio.open(made / TRUTH_NDVI_FILE) as raster:
        red, nir = (image.read(BANDS.index(name) + 1, masked=True).astype(float) for name in ("red", "nir"))
        truth = raster.read(1, masked=True)
    off = ((nir - red) / (nir + red) - truth).compressed()
    assert np.array_equal(red.mask, truth.mask)
    assert truth.mask.mean() == pytest.approx(0.0104, abs=0.001)
    assert abs(off.mean()) < 0.001
    assert off.std() < 0.03


def test_the_truth_of_zones_is_what_gdal_and_numpy_find(made: Path) -> None:
    meta, _, shapes, columns = pyogrio.raw.read(made / ZONES_FILE)
    assert meta["crs"] == f"EPSG:{EPSG}"
    assert json.loads((made / ZONES_FILE).read_text())["type"] == "FeatureCollection"
    rows = [*csv.DictReader((made / TRUTH_ZONES_FILE).read_text().splitlines())]
    assert [int(row["zone"]) for row in rows] == columns[0].tolist()
    with rasterio.open(made / TRUTH_NDVI_FILE) as raster:
        truth = raster.read(1, masked=True)
        for row, shape in zip(rows, shapely.from_wkb(shapes), strict=True):
            inside = rasterio.features.geometry_mask([shape], truth.shape, raster.transform, invert=True)
            found = truth[inside].compressed().astype(float)
            assert int(row["count"]) == len(found)
            assert float(row["mean"]) == pytest.approx(found.mean(), abs=1e-6)


def test_a_uri_may_be_a_list_with_bands(tmp_path: Path) -> None:
    (tmp_path / "geospatial-v2").mkdir()
    folder = tmp_path / "geospatial-v2"
    given = "sample:geospatial/image_2.tif#1,sample:geospatial/points_*.laz,other.tif#2"
    assert resolve_sample_uri(given, tmp_path) == f"{folder / 'image_2.tif'}#1,{folder / 'points_*.laz'},other.tif#2"
