"""The pipeline of the examples that writes tiles and a VRT, as a user starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pipeline_runs import ROOT

rasterio = pytest.importorskip("rasterio", reason="needs the extra 'geospatial'")
pytestmark = pytest.mark.slow


def test_an_ndvi_in_tiles_is_that_of_the_whole_image(tmp_path: Path) -> None:
    bands = np.random.default_rng(1).integers(0, 200, (2, 2100, 300)).astype(np.uint8)
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(2, 0, 500_000, 0, -2, 5_400_000), "nodata": 0}
    with rasterio.open(tmp_path / "a.tif", "w", "GTiff", 300, 2100, 2, dtype="uint8", **place) as file:
        file.write(bands)
    command = [sys.executable, "-m", "flowbutton", "run", str(ROOT / "examples" / "mosaic" / "ndvi_tiles.yaml")]
    done = subprocess.run(
        [*command, "-p", "red=a.tif#1", "-p", "nir=a.tif#2"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    red, nir = bands.astype(np.float32)
    with np.errstate(all="ignore"):
        wanted = np.where((red == 0) | (nir == 0), np.float32(-9999), (nir - red) / (nir + red))
    (results,) = [path.parent for path in tmp_path.rglob("ndvi.vrt")]
    with rasterio.open(results / "ndvi.vrt") as file:
        assert file.read(1).tobytes() == wanted.tobytes()
        assert [Path(name).name for name in file.files] == ["ndvi.vrt", "0.tif", "1.tif"]
    item = json.loads((results / "stac_item.json").read_text())
    assert item["assets"]["ndvi"]["href"] == "./ndvi.vrt"
