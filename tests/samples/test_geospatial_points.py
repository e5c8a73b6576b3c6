"""The points of the geospatial sample: the same bytes each time, whole, and on the ground that they say."""

from __future__ import annotations

from pathlib import Path

import copclib
import laspy
import numpy as np
import pytest
import rasterio

from flowbutton.samples.catalog import SAMPLES
from flowbutton.samples.geospatial_points import POINT_FILES, TRUTH_FILE, write_geospatial_points
from flowbutton.samples.geospatial_scene import HEIGHT, SOUTH, WEST, WIDTH, ground_height


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    write_geospatial_points(folder, pulses=60_000)
    return folder


def test_the_same_bytes_each_time(made: Path, tmp_path: Path) -> None:
    write_geospatial_points(tmp_path, pulses=60_000)
    files = {path.name: path.read_bytes() for path in made.iterdir()}
    assert files == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {*files} == {*POINT_FILES, TRUTH_FILE}
    assert {f"geospatial/{name}" for name in files} <= {*SAMPLES}


def test_tiles_share_no_place_and_cover_all(made: Path) -> None:
    for name, (east, north) in zip(POINT_FILES, [(0, 0), (1, 0), (0, 1), (1, 1)], strict=True):
        las = laspy.read(made / name)
        assert set(np.asarray(las.X) // (WIDTH * 50)) == {east}
        assert set(np.asarray(las.Y) // (HEIGHT * 50)) == {north}
        assert {*np.asarray(las.classification).tolist()} == {2, 5, 6, 7, 18}
        assert 0 < np.asarray(las.withheld).sum() < len(las) / 100
        assert np.asarray(las.number_of_returns).max() == 2


def test_ground_points_lie_on_the_ground_of_the_truth(made: Path) -> None:
    las = laspy.read(made / POINT_FILES[0])
    ground = (np.asarray(las.classification) == 2) & (np.asarray(las.withheld) == 0)
    x, y = np.asarray(las.x)[ground] - WEST, np.asarray(las.y)[ground] - SOUTH
    off = np.asarray(las.z)[ground] - ground_height(x, y)
    assert abs(off.mean()) < 0.01
    assert np.abs(off).max() < 0.2
    with rasterio.open(made / TRUTH_FILE) as raster:
        assert raster.crs.to_epsg() == 32633
        assert raster.bounds == (WEST, SOUTH, WEST + WIDTH, SOUTH + HEIGHT)
        (one,) = raster.sample([(WEST + 17.5, SOUTH + 200.5)])
    assert one[0] == np.float32(ground_height(np.array([17.5]), np.array([200.5]))[0])


@pytest.mark.parametrize("name", POINT_FILES[2:])
def test_other_readers_take_its_copc(made: Path, name: str) -> None:
    las = laspy.read(made / name)
    reader = copclib.FileReader(str(made / name))
    nodes = reader.GetAllNodes()
    assert sum(node.point_count for node in nodes) == len(las)
    assert max(node.key.d for node in nodes) >= 2, "there are pages below the root's"
    with laspy.CopcReader.open(made / name) as file:
        found = file.query().array
    assert np.array_equal(np.sort(found, order=found.dtype.names), np.sort(las.points.array, order=found.dtype.names))
