"""Hillshade and slope are those of gdaldem."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from gdal_dem import gdal_dem
from geospatial_driver import Driver

from flowbutton.stages.geospatial.relief import gradient, shade


def terrain(seed: int) -> npt.NDArray[Any]:
    """Return hills, a plain and holes."""
    random = np.random.default_rng(seed)
    found = np.cumsum(np.cumsum(random.normal(0, 0.05, (60, 70)), axis=0), axis=1)
    found[40:, 50:] = 12.0
    found[random.random(found.shape) < 0.01] = np.nan
    found[20:26, 30:33] = np.nan
    return found


@pytest.mark.parametrize("cell", [0.5, 1.0, 10.0])
@pytest.mark.parametrize(
    ("azimuth", "altitude", "z_factor"),
    [(315.0, 45.0, 1.0), (0.0, 10.0, 3.0), (200.0, 80.0, 0.3048), (90.0, 90.0, 1.0)],
)
def test_shades_are_those_of_gdaldem(
    tmp_path: Path, cell: float, azimuth: float, altitude: float, z_factor: float
) -> None:
    heights = terrain(1)
    options = ["-az", str(azimuth), "-alt", str(altitude), "-z", str(z_factor)]
    wanted = gdal_dem(tmp_path, heights, cell, "hillshade", *options)
    seen = np.pad(heights, 1, constant_values=np.nan)
    found = shade(*gradient(seen, cell / z_factor), math.radians(azimuth), math.radians(altitude))
    assert np.array_equal(found == 0, wanted == 0)
    apart = np.abs(found.astype(int) - wanted)
    assert apart.max() <= 1
    assert (apart > 0).mean() < 0.01, "both round, gdaldem in float32"


@pytest.mark.parametrize("z_factor", [1.0, 3.28])
def test_the_products_of_a_cloud_are_those_of_gdaldem(tmp_path: Path, z_factor: float) -> None:
    import laspy

    las = laspy.LasData(laspy.LasHeader(point_format=6, version="1.4"))
    random = np.random.default_rng(2)
    las.header.scales = np.full(3, 0.01)
    las.x, las.y = random.uniform(0, 50, (2, 4000))
    las.z = 5 * np.sin(np.asarray(las.x) / 9) + 0.1 * np.asarray(las.y)
    las.classification = np.full(4000, 2, np.uint8)
    las.write(tmp_path / "x.las")
    options = {"frame": {"crs": "none", "resolution": 0.5}, "survey": {"max_radius": "2"}}
    relief = {"hillshade": {"z_factor": z_factor}, "slope": {"z_factor": z_factor}}
    made = Driver(tmp_path / "work", [tmp_path / "x.las"], {**options, **relief}).products(tile_cells=40)
    wanted = gdal_dem(tmp_path, made["dtm"][0], 0.5, "slope", "-s", str(1 / z_factor))
    empty = wanted == -9999
    assert 0.02 < empty.mean() < 0.2
    assert np.array_equal(np.isnan(made["slope"][0]), empty)
    assert np.abs(made["slope"][0] - wanted)[~empty].max() < 1e-3
    shades = gdal_dem(tmp_path, made["dtm"][0], 0.5, "hillshade", "-z", str(z_factor))
    assert np.abs(made["hillshade"][0].astype(int) - shades).max() <= 1
