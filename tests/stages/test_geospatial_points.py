"""Point clouds become products: as the reference has them, whatever the pieces and tiles, and odd clouds are told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from geospatial_driver import Driver

from flowbutton.model.errors import BadInput, OptionError
from flowbutton.model.stage import StageDefinition
from flowbutton.stages import geospatial
from flowbutton.stages.bundles import MemoryParts
from flowbutton.stages.geospatial.frame import HeaderRow, HeaderTable, frame
from flowbutton.stages.geospatial.tiles import plan_tiles
from flowbutton.testing.stages import StageContract

_CRS = "EPSG:26917"


def _write(path: Path, xyz: npt.NDArray[Any], *, scale: float = 0.01, offset: float = 0.0, **columns: Any) -> Path:
    import laspy

    header = laspy.LasHeader(point_format=6, version="1.4")
    header.scales, header.offsets = np.full(3, scale), np.full(3, offset)
    las = laspy.LasData(header)
    las.x, las.y, las.z = xyz.T
    for name, values in columns.items():
        setattr(las, name, values)
    las.write(path)
    return path


def _scene(seed: int = 0, count: int = 3000, size: float = 90.0) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8]]:
    """Return points around the origin, and their classes: ground, a house, noise."""
    random = np.random.default_rng(seed)
    x, y = random.uniform(-size / 2, size / 2, (2, count)).round(2)
    z = (0.1 * x + 3 * np.sin(y / 20)).round(2)
    house = (abs(x - 10) < 8) & (abs(y - 5) < 9)
    classes = np.where(house, 6, 2).astype(np.uint8)
    z[house] += 12
    classes[::50] = 7
    z[::50] -= 300
    return np.column_stack((x, y, z)), classes


def _driver(folder: Path, *files: Path, **options: Mapping[str, Any]) -> Driver:
    return Driver(folder / "work", files, {"frame": {"crs": "none"}, **options})


@pytest.mark.parametrize(
    ("dataset", "files", "radius"),
    [
        ("topography", "topography.laz", "20"),
        ("topography", "topography.copc.laz", "5"),
        ("topography-snapped", "*.la[sz]", "none"),
        ("bcts-strip", "*.laz", "auto"),
    ],
)
def test_products_are_the_references(shared: Path, tmp_path: Path, dataset: str, files: str, radius: str) -> None:
    import rasterio

    folder = shared / "data" / "geospatial" / dataset
    found = [*sorted(folder.glob(files))]
    driver = Driver(tmp_path / "work", found, {"survey": {"max_radius": radius}}, piece_points=40_000)
    products, cloud = driver.products(tile_cells=100), driver.surveyed.cloud
    given = []
    for name, option in (("dtm", "dtm"), ("dsm", "dsm"), ("chm", "chm"), ("zmin", "zmin"), ("counts", "count")):
        bands = products[name]
        shape = {"height": cloud.grid.rows, "width": cloud.grid.columns, "count": len(bands)}
        place = {"crs": cloud.grid.crs, "transform": rasterio.Affine(*cloud.grid.transform), "driver": "GTiff"}
        with rasterio.open(tmp_path / f"{name}.tif", "w", dtype=bands.dtype, **shape, **place) as file:
            file.write(bands)
        given += [f"--{option}", str(tmp_path / f"{name}.tif")]
    limit = str(cloud.max_radius or "inf")
    check = [sys.executable, str(shared / "check" / "geospatial.py"), "--expect", str(folder / "oracle")]
    ended = subprocess.run([*check, *given, "--max-radius", limit], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("options", [{}, {"scatter": {"ground": "filter"}, "filter": {"filter_radius": 9.0}}])
@pytest.mark.parametrize("method", ["tin", "idw"])
def test_no_piece_and_no_tile_shows(tmp_path: Path, options: dict[str, Any], method: str) -> None:
    points, classes = _scene()
    north, whole = points[:, 1] >= 0, _write(tmp_path / "whole.las", points, classification=classes)
    one = _write(tmp_path / "a.las", points[north], classification=classes[north], offset=12.34)
    two = _write(tmp_path / "b.las", points[~north], classification=classes[~north], scale=0.001)
    chosen = {**options, "terrain": {"method": method}, "survey": {"max_radius": "5"}}
    wanted = _driver(tmp_path / "1", whole, **chosen).products(tile_cells=1000)
    for number, (files, sizes) in enumerate([((whole,), {"tile_cells": 32}), ((one, two), {"tile_points": 500})]):
        driver = _driver(tmp_path / f"2{number}", *files, **chosen)
        driver.seed, driver.piece_points = number, 700
        found = driver.products(**sizes)
        assert {name for name, values in wanted.items() if values.tobytes() != found[name].tobytes()} == set()
    assert (~np.isnan(wanted["dtm"])).mean() > 0.8


def test_the_filter_finds_the_ground_below_a_house(tmp_path: Path) -> None:
    points, classes = _scene(count=20_000)
    file = _write(tmp_path / "x.las", points, classification=np.where(classes == 7, 7, 1).astype(np.uint8))
    options = {"scatter": {"ground": "filter"}, "filter": {"filter_radius": 12.0, "slope": 0.3}}
    driver = _driver(tmp_path, file, survey={"max_radius": "40"}, **options)
    cloud, products = driver.surveyed.cloud, driver.products()
    dtm = products["dtm"][0]
    x = cloud.grid.transform[2] + np.arange(cloud.grid.columns) + 0.5
    y = cloud.grid.transform[5] - np.arange(cloud.grid.rows) - 0.5
    assert np.nanmax(np.abs(dtm - (0.1 * x[None] + 3 * np.sin(y[:, None] / 20)))) < 0.7
    house = (abs(x[None] - 10) < 7) & (abs(y[:, None] - 5) < 8)
    assert products["counts"][1][house].sum() == 0, "ground points are those that the filter chose"
    assert products["counts"][1].sum() > 4000


def test_noise_and_withheld_points_are_counted_and_left_out(tmp_path: Path) -> None:
    points, classes = _scene()
    withheld = np.arange(len(points)) % 10 == 1
    driver = _driver(tmp_path, _write(tmp_path / "x.las", points, classification=classes, withheld=withheld))
    products = driver.products()
    assert driver.tally.filtered_by == {"class 7": 60, "withheld": 300}
    assert products["counts"][0].sum() == driver.tally.made == 2640
    assert np.nanmin(products["zmin"]) > -10
    kinds = products["kind"][0]
    assert {*np.unique(kinds).tolist()} == {2, 6, 255}
    assert np.array_equal(kinds == 255, products["counts"][0] == 0)
    assert np.array_equal(kinds == 6, products["classes"][1] > products["classes"][0])


def test_a_cloud_without_points_or_ground_is_told(tmp_path: Path) -> None:
    points, classes = _scene()
    bare = _write(tmp_path / "bare.las", points, classification=np.where(classes == 2, 1, classes).astype(np.uint8))
    with pytest.raises(BadInput, match=r"no ground points.*class 2.*ground=filter"):
        _ = _driver(tmp_path / "1", bare).surveyed
    noise = _write(tmp_path / "noise.las", points, classification=np.full(len(points), 7, np.uint8))
    with pytest.raises(BadInput, match="has no point"):
        _ = _driver(tmp_path / "2", noise).surveyed


def _row(**changed: Any) -> HeaderRow:
    plain: dict[str, Any] = {"file": "a.laz", "scale": ("0.01",) * 3, "offset": ("0.0",) * 3, "crs": _wkt(32633)}
    return HeaderRow(**{**plain, **changed})


def _wkt(epsg: int) -> str:
    from rasterio.crs import CRS

    return str(CRS.from_epsg(epsg).to_wkt())


def test_a_file_without_points_and_a_tile_without_points_change_nothing(tmp_path: Path) -> None:
    points, classes = _scene(count=1000, size=40.0)
    far = np.column_stack((points[:, 0] + 600, points[:, 1:]))  # between the two lie whole tiles without points
    both, kinds = np.concatenate((points, far)), np.concatenate((classes, classes))
    file = _write(tmp_path / "two.las", both, classification=kinds)
    empty = _write(tmp_path / "empty.las", both[:0])
    chosen = {"survey": {"max_radius": "5"}}
    wanted = _driver(tmp_path / "1", file, **chosen).products(tile_cells=1000)
    found = _driver(tmp_path / "2", empty, file, **chosen).products(tile_cells=50)
    assert {name for name, values in wanted.items() if values.tobytes() != found[name].tobytes()} == set()
    assert np.isnan(wanted["dtm"][0, :, 100:500]).all()


def test_a_unit_fits_all_files_exactly() -> None:
    rows = (_row(), _row(scale=("0.00025", "0.001", "0.01"), offset=("270000.0", "-1.5", "0.005")))
    found = frame(HeaderTable(rows), resolution=0.5)
    assert (found.unit, found.z_unit, found.cell) == ((1, 4000), (1, 200), 2000)
    assert found.axes(rows[1].scale, rows[1].offset) == ((1, 1080000000), (4, -6000), (2, 1))
    noisy = frame(HeaderTable((_row(offset=("885070.0199999999", "0.0", "0.0")),)))
    assert noisy.unit == (1, 100), "noise of a writer is no unit"


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (
            [_row(), _row(file="b.laz", crs=_wkt(32634))],
            {},
            "different coordinate systems.*b.laz: WGS 84 / UTM zone 34N; a.laz: WGS 84 / UTM zone 33N.*run them apart$",
        ),
        (
            [_row(), _row(file="b.laz", crs="")],
            {},
            "different coordinate systems.*that name none say it: crs=EPSG:code",
        ),
        ([_row(), _row(file="b.laz", height_unit="0.3048")], {}, "units of height.*b.laz: feet; a.laz: none.*crs=EPSG"),
        ([_row(crs="")], {}, "names no coordinate system.*crs=EPSG:code"),
        ([_row(crs=_wkt(4326))], {}, "on the globe.*degrees of longitude and latitude .WGS 84.*out_srs=EPSG:n"),
        ([_row(crs=_wkt(4979))], {"crs": "EPSG:4979"}, "on the globe.*degrees"),
        ([_row(crs="")], {"crs": "EPSG:4978"}, "on the globe.*metres from the middle of the earth"),
        ([_row(scale=("0.0003048006096012192", "0.01", "0.01"))], {}, "can't be owned exactly"),
        ([_row(scale=("1e-07",) * 3)], {}, "a cell has 10000000 of it, 4194304 are the most"),
        ([], {}, "there is no point cloud"),
    ],
)
def test_files_that_do_not_fit_are_told(rows: list[HeaderRow], options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        frame(HeaderTable(tuple(rows)), **options)


def test_units_of_height_that_are_not_told_may_be_those_of_the_others_where_the_user_speaks() -> None:
    rows = (_row(height_unit="0.3048"), _row(file="b.laz", crs=""))
    with pytest.raises(BadInput, match="different coordinate systems"):
        frame(HeaderTable(rows))
    assert frame(HeaderTable(rows), crs="none").height_unit == "0.3048"


def test_a_compound_system_tells_the_unit_of_heights_and_is_that_of_its_files() -> None:
    row = _row(crs=_wkt(2271), height_unit="1")
    assert frame(HeaderTable((row,)), crs="EPSG:2271+5703") == frame(HeaderTable((row,)))
    for named, unit, length in (("5703", "1", 3937 / 1200), ("6360", "0.3048006096012192", 1.0)):
        found = frame(HeaderTable((_row(crs=""),)), crs=f"EPSG:2271+{named}")
        assert (found.crs, found.height_unit) == (_wkt(2271), unit)
        assert found.height_length == pytest.approx(length, rel=1e-15)
    assert frame(HeaderTable((_row(crs=_wkt(2271)),))).height_length == 1.0, "nobody says: as the lengths"
    assert frame(HeaderTable((_row(height_unit="0.3048"),))).height_length == 0.3048


@pytest.mark.parametrize("ground", ["class 2", "filter"])
def test_heights_of_another_unit_slope_as_those_of_one_unit(tmp_path: Path, ground: str) -> None:
    points, classes = _scene()
    points[:, 2] *= 32  # of a slope that the filter removes if it is misread
    made = []
    for unit in (1.0, 2.0):
        file = _write(tmp_path / f"{unit}.las", points / (1, 1, unit), classification=classes)
        height = {"tolerance": 0.5 / unit}
        of_filter = {"scatter": {"ground": "filter", **height}, "filter": {"filter_radius": 30.0, "slope": 3, **height}}
        driver = _driver(
            tmp_path / f"in {unit}", file, survey={"max_radius": "5"}, **of_filter if ground == "filter" else {}
        )
        driver.frame = driver.frame.model_copy(update={"height_length": unit})
        made.append(driver.products(tile_cells=1000))
    for name in ("slope", "hillshade", "counts"):
        assert np.allclose(made[0][name], made[1][name], rtol=1e-4, atol=1e-4, equal_nan=True), name
    assert np.nanmax(made[0]["slope"]) > 70
    assert made[0]["counts"][1].sum() > 1000


def test_a_point_far_from_the_others_is_told_at_once(tmp_path: Path) -> None:
    points, classes = _scene(count=300)
    points[-1, :2] += 900_000
    with pytest.raises(BadInput, match=r"cells for 294 points.*a point far from the others.*leave such points out"):
        _ = _driver(tmp_path, _write(tmp_path / "x.las", points, classification=classes)).surveyed


def test_options_out_of_range_are_told(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="crs=EPSG:x is not known"):
        frame(HeaderTable((_row(crs=""),)), crs="EPSG:x")
    points, classes = _scene(count=300)
    file = _write(tmp_path / "x.las", points, classification=classes)
    for radius in ("-1", "wide", "nan"):
        with pytest.raises(OptionError, match="max_radius"):
            _ = _driver(tmp_path / radius, file, survey={"max_radius": radius}).surveyed
    driver = _driver(tmp_path / "d", file, survey={"max_radius": "none"}, terrain={"method": "idw"})
    with pytest.raises(OptionError, match="idw can't"):
        driver.terrain_parts()
    surveyed = driver.surveyed
    wide = surveyed.cloud.model_copy(
        update={"grid": surveyed.cloud.grid.model_copy(update={"rows": 400, "columns": 300})}
    )
    with pytest.raises(OptionError, match="tiles of 1 x 1 cells make 120000 tasks") as raised:
        plan_tiles(wide, surveyed.bins, tile_cells=1)
    assert raised.value.hint == "choose tile_cells=8 or more: products are the same"
    assert len(plan_tiles(wide, surveyed.bins, tile_cells=8).rows) == 1900


class _PointStage(StageContract):
    """Gives a stage what a small cloud has for it."""

    def driver(self, folder: Path) -> Driver:
        points, classes = _scene(count=400, size=30)
        file = _write(folder / "x.las", points, classification=classes)
        return Driver(folder, [file], {"frame": {"crs": "none"}})

    def of(self, folder: Path, *names: str) -> dict[str, Any]:
        driver = self.driver(folder)
        surveyed, one = driver.surveyed, driver.scattered[0]
        known = {
            "cloud": surveyed.cloud,
            "tile": driver.tiles("surface")[0],
            "cells": MemoryParts([one.cells.path]),
            "ground": MemoryParts([one.ground.path]),
        }
        return {name: known[name] for name in names}


class TestTerrain(_PointStage):
    def stage(self) -> StageDefinition:
        return geospatial.terrain

    def inputs(self, folder: Path) -> Mapping[str, Any]:
        return self.of(folder, "tile", "cloud", "ground")

    def options(self) -> Mapping[str, Any]:
        return {"method": "idw", "power": 3}


class TestSurface(_PointStage):
    def stage(self) -> StageDefinition:
        return geospatial.surface

    def inputs(self, folder: Path) -> Mapping[str, Any]:
        return self.of(folder, "tile", "cloud", "cells")
