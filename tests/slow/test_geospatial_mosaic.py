"""The geospatial pipeline with products as VRTs over files, as a user starts it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from geospatial_runs import GeospatialRun

rasterio = pytest.importorskip("rasterio", reason="needs the extra 'geospatial'")
pytestmark = pytest.mark.slow


def test_a_mosaic_has_the_pixels_and_statistics_of_the_one_file(tmp_path: Path) -> None:
    bands = np.random.default_rng(1).integers(0, 200, (2, 2100, 300)).astype(np.uint8)
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(2, 0, 500_000, 0, -2, 5_400_000), "nodata": 0}
    with rasterio.open(tmp_path / "a.tif", "w", "GTiff", 300, 2100, 2, dtype="uint8", **place) as file:
        file.write(bands)
    run = GeospatialRun(tmp_path, tmp_path)
    params = {"red": "a.tif#1", "nir": "a.tif#2", "acquired": "2026-09-15"}
    run.start(params)
    with rasterio.open(run.results / "ndvi.tif") as file:
        whole, told = file.read(1), file.tags(1)
    red, nir = bands.astype(np.float32)
    with np.errstate(all="ignore"):
        wanted = np.where((red == 0) | (nir == 0), np.float32(-9999), (nir - red) / (nir + red))
    assert whole.tobytes() == wanted.tobytes()
    (run.results / "ndvi.tif").unlink()
    run.start({**params, "mosaic": 2048})
    with rasterio.open(run.results / "ndvi.vrt") as file:
        assert file.read(1).tobytes() == whole.tobytes()
        assert file.tags(1) == told
        assert [Path(name).name for name in file.files] == ["ndvi.vrt", "0_0.tif", "1_0.tif"]
    assert not (run.results / "ndvi.tif").exists()
    item = json.loads((run.results / "stac_item.json").read_text())
    assert item["assets"]["ndvi"]["href"] == "./ndvi.vrt"
