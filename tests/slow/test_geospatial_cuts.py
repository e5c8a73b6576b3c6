"""Clouds and rasters with reference answers: right, and the same bytes for all tiles, windows and workers."""

from __future__ import annotations

from pathlib import Path

import pytest
from geospatial_runs import RASTER_PRODUCTS, RASTERS, GeospatialRun

pytestmark = pytest.mark.slow
CLOUDS = (
    ("topography", "topography.laz", ("5", "20")),
    ("bcts-strip", "bcts_*.laz", ("5", "10")),
    ("topography-snapped", "snapped.laz", ("5", "20")),
)


@pytest.mark.parametrize(("cloud", "files", "radii"), CLOUDS)
def test_the_cut_does_not_show(tmp_path: Path, shared: Path, cloud: str, files: str, radii: tuple[str, ...]) -> None:
    run = GeospatialRun(tmp_path, shared / "data" / "geospatial" / cloud)
    for radius in (*radii, "none"):
        run.run(files, max_radius=radius, tile_cells=9999)
        run.check(shared, radius)
        whole = run.digests()
        for tile in (64, 100) if radius == radii[1] else ():
            run.run(files, "--workers", "1" if tile == 100 else "2", max_radius=radius, tile_cells=tile)
            assert run.digests() == whole
    run.run(files, max_radius="none", tile_points=20000, piece_size=30000)
    assert run.digests() == whole


def test_the_way_points_are_kept_does_not_show(tmp_path: Path, shared: Path) -> None:
    run = GeospatialRun(tmp_path, shared / "data" / "geospatial" / "topography")
    run.run("topography.laz", max_radius=20)
    whole = run.digests()
    run.run("topography.copc.laz", max_radius=20, piece_size=9000)
    assert run.digests() == whole


@pytest.mark.parametrize(("place", "file", "red", "nir", "zones"), RASTERS)
def test_windows_do_not_show(
    tmp_path: Path, shared: Path, place: str, file: str, red: int, nir: int, zones: str
) -> None:
    run = GeospatialRun(tmp_path, shared / "data" / "geospatial" / place)
    for rule, of in (("centre", "ndvi"), ("all_touched", "red"), ("fraction", "red")):
        run.run_rasters(file, red, nir, zones, zone_rule=rule, zones_of=of)
        run.check_rasters(shared, f"{of}_{rule}")
        whole = run.digests(RASTER_PRODUCTS)
        run.run_rasters(file, red, nir, zones, zone_rule=rule, zones_of=of, window=100)
        assert run.digests(RASTER_PRODUCTS) == whole


def test_an_area_is_a_window_of_the_whole(tmp_path: Path, shared: Path) -> None:
    import rasterio

    data = shared / "data" / "geospatial"
    images = GeospatialRun(tmp_path / "rasters", data / "naip-virginia")
    images.folder.mkdir()
    images.run_rasters("naip.tif", 1, 4, "zones.gpkg", area="681000,4207300,681300,4207600", window=100)
    with (
        rasterio.open(images.results / "ndvi.tif") as found,
        rasterio.open(data / "naip-virginia" / "oracle" / "ndvi.tif") as whole,
    ):
        assert found.shape == (300, 300)
        assert found.read().tobytes() == whole.read(window=whole.window(*found.bounds)).tobytes()
    clouds = GeospatialRun(tmp_path / "points", data / "topography")
    clouds.folder.mkdir()
    clouds.run("topography.laz", max_radius=5, area="273400,5274400,273500,5274470")
    plain = clouds.digests()
    clouds.run("topography.copc.laz", max_radius=5, area="273400,5274400,273500,5274470", piece_size=2000)
    assert clouds.digests() == plain
    with (
        rasterio.open(clouds.results / "dsm.tif") as found,
        rasterio.open(clouds.data / "oracle" / "zmax.tif") as whole,
    ):
        top = whole.read(1, window=whole.window(*found.bounds)) * whole.scales[0] + whole.offsets[0]
        there = whole.read_masks(1, window=whole.window(*found.bounds)) > 0
        assert found.read(1)[there].tolist() == top.astype("float32")[there].tolist()
