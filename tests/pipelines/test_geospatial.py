"""The geospatial pipeline end to end: against the untiled reference, and with input that it must refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from geospatial_runs import PRODUCTS, RASTERS, GeospatialRun
from pipeline_runs import ROOT
from rio_cogeo.cogeo import cog_validate

from flowbutton.dag.pipeline import prepare, read_pipeline
from flowbutton.model.errors import SpecError
from flowbutton.model.registry import partitioner_named
from flowbutton.stages.define import find_stage


@pytest.mark.slow
def test_tiles_and_pieces_do_not_show(tmp_path: Path, shared: Path) -> None:
    run = GeospatialRun(tmp_path, shared / "data" / "geospatial" / "topography")
    run.run("topography.laz", max_radius=5, tile_cells=256)
    run.check(shared, "5")
    whole = run.digests()
    for name in PRODUCTS:
        assert cog_validate(run.results / f"{name}.tif", strict=True) == (True, [], [])
        with rasterio.open(run.results / f"{name}.tif") as file:
            assert file.tags()["max_radius"] == "5"
    run.run("topography.copc.laz", max_radius=5, tile_cells=100, piece_size=20000)
    assert run.digests() == whole


@pytest.mark.parametrize(
    ("place", "file", "red", "nir", "zones"),
    [RASTERS[0], *(pytest.param(*each, marks=pytest.mark.slow) for each in RASTERS[1:])],
)
def test_rasters_alone_are_the_reference(
    tmp_path: Path, shared: Path, place: str, file: str, red: int, nir: int, zones: str
) -> None:
    run = GeospatialRun(tmp_path, shared / "data" / "geospatial" / place)
    run.run_rasters(file, red, nir, zones)
    run.check_rasters(shared, "ndvi_centre")
    assert cog_validate(run.results / "ndvi.tif", strict=True) == (True, [], [])
    assert not (run.results / "dtm.tif").exists()


def _write_las(path: Path, *, kind: int = 2, crs: str | None = "EPSG:32617", points: int = 200) -> str:
    import laspy
    import pyproj  # what laspy writes a CRS with

    draws = np.random.default_rng(3)
    header = laspy.LasHeader(point_format=6, version="1.4")
    header.scales, header.offsets = np.full(3, 0.01), np.array([500000.0, 4e6, 0.0])
    if crs is not None:
        header.add_crs(pyproj.CRS.from_string(crs))
    las = laspy.LasData(header)
    las.x, las.y, las.z = (
        500000 + draws.uniform(0, 40, points),
        4e6 + draws.uniform(0, 40, points),
        np.arange(points) / 9,
    )
    las.classification = np.full(points, kind, np.uint8)
    las.write(path)
    return path.name


def _refused(folder: Path, points: str, *told: str, **params: object) -> None:
    done = GeospatialRun(folder, folder).run(points, expect=1, **params)
    for text in told:
        assert text in done.stdout + done.stderr


def test_a_cloud_without_ground_is_refused(tmp_path: Path) -> None:
    _refused(tmp_path, _write_las(tmp_path / "a.las", kind=5), "has no ground points", "5 (200 points)")


def test_a_cloud_without_a_coordinate_system_is_refused_unless_it_is_meant(tmp_path: Path) -> None:
    name = _write_las(tmp_path / "a.las", crs=None)
    _refused(tmp_path, name, "names no coordinate system")
    GeospatialRun(tmp_path, tmp_path).run(name, crs="none")


def test_files_of_two_zones_are_refused(tmp_path: Path) -> None:
    files = [_write_las(tmp_path / f"{zone}.las", crs=f"EPSG:326{zone}") for zone in (17, 18)]
    _refused(tmp_path, ",".join(files), "coordinate systems")


def test_a_truncated_laz_is_refused(tmp_path: Path, shared: Path) -> None:
    whole = (shared / "data" / "geospatial" / "topography" / "topography.laz").read_bytes()
    (tmp_path / "cut.laz").write_bytes(whole[: len(whole) // 2])
    _refused(tmp_path, "cut.laz", "cut.laz")


REFUSED = {
    "resolution": ("0", "0 is not above 0"),
    "max_radius": ("far", "max_radius is 'far'; it is a length above 0, auto, or none"),
    "crs": ("EPSG:x", "crs=EPSG:x is not known: "),
    "drop_classes": ("7,300", "300 is above 255"),
    "area": ("1,2,3", "a list has 3 values, 4 are wanted"),
    "tile_points": ("0", "0 is below 1"),
    "filter_slope": ("-1", "-1 is not above 0"),
    "fill_pits": ("-1", "-1 is below 0"),
    "altitude": ("91", "91 is above 90"),
    "z_factor": ("0", "0 is not above 0"),
    "acquired": ("summer", "acquired is 'summer': this is no date in ISO 8601"),
    "mosaic": ("3000", "3000 does not fit: input should be a multiple of 2048"),
}
"""Values of params, and what is said of them."""


@pytest.mark.parametrize("param", REFUSED)
def test_what_a_param_can_not_be_is_told_before_any_point_is_read(param: str) -> None:
    path = ROOT / "pipelines" / "geospatial.yaml"
    given = {"points": "nowhere.laz", "ground": "filter", param: REFUSED[param][0]}
    with pytest.raises(SpecError) as caught:
        prepare(
            read_pipeline(path, path.read_text(encoding="utf-8")),
            find_stage=find_stage,
            find_partitioner=partitioner_named,
            env={},
            cwd=ROOT,
            command_line=given,
        )
    told = {"; ".join(filter(None, (one.what, one.hint))) for one in caught.value.problems}
    assert [text for text in told if not text.startswith(REFUSED[param][1])] == []
