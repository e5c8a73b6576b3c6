"""Clouds and rasters that are stored in unusual ways: tiles by density, overlaps, feet, turned and oblong pixels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import laspy
import numpy as np
import numpy.typing as npt
import pytest
import rasterio
import shapely
from geospatial_driver import Driver
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import Affine

from flowbutton.model.pieces import Source
from flowbutton.model.stage import Scratch, Tally
from flowbutton.partitioners.raster import Raster
from flowbutton.partitioners.vector import Vector
from flowbutton.stages import geospatial
from flowbutton.stages.bundles import MemoryParts
from flowbutton.stages.columns import write
from flowbutton.stages.geospatial.band_math import RasterTable
from flowbutton.stages.geospatial.frame import Frame
from flowbutton.stages.geospatial.grid import Grid
from flowbutton.stages.geospatial.ground_points import BIN
from flowbutton.stages.geospatial.survey import Cloud
from flowbutton.stages.geospatial.zones import load_zones
from flowbutton.testing.partitioners import CutSource, MemoryAccess


@settings(deadline=None, max_examples=30)
@given(
    corner=st.tuples(*[st.integers(-300, 300)] * 2),
    size=st.tuples(*[st.integers(1, 500)] * 2),
    points=st.lists(st.integers(0, 50), min_size=100, max_size=100),
    most=st.integers(1, 2000),
)
def test_tiles_by_density_have_each_cell_once_and_few_points(
    tmp_path_factory: pytest.TempPathFactory,
    corner: tuple[int, int],
    size: tuple[int, int],
    points: list[int],
    most: int,
) -> None:
    (south, west), (rows, columns) = corner, size
    high, across = (range(low // BIN, -(-(low + count) // BIN)) for low, count in zip(corner, size, strict=True))
    places = [(row, column) for row in high for column in across]
    bins = np.array([(*place, points[n % 100], 1) for n, place in enumerate(places)], np.int64)
    table = write(tmp_path_factory.mktemp("bins") / "bins.table", {"bins": bins})
    planned = geospatial.plan_tiles(_cloud(south, west, rows, columns), table, tile_points=most)
    owned = np.zeros((rows, columns), np.int64)
    for _, tile in planned.rows:
        down, wide = tile.ranges()
        owned[down.start : down.stop, wide.start : wide.stop] += 1
        north = south + rows
        inside = [
            count
            for row, column, count, _ in bins.tolist()
            if north - down.stop < (row + 1) * BIN
            and row * BIN < north - down.start
            and wide.start + west < (column + 1) * BIN
            and column * BIN < wide.stop + west
        ]
        assert sum(inside) <= most or len(inside) == 1
    assert (owned == 1).all()


def _cloud(south: int, west: int, rows: int, columns: int) -> Cloud:
    frame = Frame(crs="", height_unit="", unit=(1, 100), z_unit=(1, 100), cell=100)
    grid = Grid(crs="", transform=(1, 0, west, 0, -1, south + rows), rows=rows, columns=columns)
    facts: dict[str, Any] = {"points": 1, "ground_points": 1, "classes": (2,), "lowest": 0, "highest": 1}
    return Cloud(frame=frame, grid=grid, north=south + rows, west=west, spacing=1, max_radius=5, **facts)


def _write(path: Path, xyz: npt.NDArray[Any], *, crs: str | None = None, scale: float = 0.01) -> Path:
    las = laspy.LasData(laspy.LasHeader(point_format=6, version="1.4"))
    las.header.scales = np.full(3, scale)
    if crs is not None:
        from pyproj import CRS

        las.header.add_crs(CRS.from_user_input(crs))
    las.x, las.y, las.z = xyz.T
    las.classification = np.full(len(xyz), 2, np.uint8)
    las.write(path)
    return path


def _hills(seed: int, count: int = 1500) -> npt.NDArray[Any]:
    random = np.random.default_rng(seed)
    x, y = random.uniform(0, 60, (2, count)).round(2)
    return np.column_stack((x, y, (0.1 * x + 2 * np.sin(y / 7)).round(2)))


def _products(folder: Path, *files: Path, **options: Mapping[str, Any]) -> Mapping[str, npt.NDArray[Any]]:
    chosen = {"frame": {"crs": "none"}, "survey": {"max_radius": "5"}, **options}
    return Driver(folder, files, chosen, piece_points=400).products(tile_cells=32)


def test_files_that_overlap_count_each_of_their_points(tmp_path: Path) -> None:
    points = _hills(1)
    whole = _write(tmp_path / "whole.las", points)
    west, east = (_write(tmp_path / f"{n}.las", points[chosen]) for n, chosen in enumerate(_halves(points)))
    alone, both = _products(tmp_path / "1", whole), _products(tmp_path / "2", west, east)
    doubled = sum(chosen.astype(int) for chosen in _halves(points)) == 2
    assert both["counts"][0].sum() == len(points) + doubled.sum() > len(points)
    for name in ("dtm", "dsm", "zmin", "hillshade"):
        assert both[name].tobytes() == alone[name].tobytes(), name


def _halves(points: npt.NDArray[Any]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    return points[:, 0] < 35, points[:, 0] >= 25


def test_feet_are_the_unit_of_the_products(tmp_path: Path) -> None:
    points = _hills(2) * [10, 10, 3] + [1_900_000, 500_000, 900]
    feet = _write(tmp_path / "feet.las", points, crs="EPSG:2271", scale=0.01)
    options = {"frame": {"resolution": 10.0}, "survey": {"max_radius": "50"}}
    driver = Driver(tmp_path / "work", [feet], options)
    found, cloud = driver.products(tile_cells=32), driver.surveyed.cloud
    assert "US survey foot" in cloud.grid.crs
    assert cloud.grid.transform[0] == 10.0
    plain = _write(tmp_path / "plain.las", points)
    wanted = _products(tmp_path / "plain", plain, **(options | {"frame": {"resolution": 10.0, "crs": "none"}}))
    assert {name for name, values in wanted.items() if values.tobytes() != found[name].tobytes()} == set()
    assert np.nanmin(found["zmin"]) == pytest.approx(points[:, 2].min(), abs=1e-4)


GRIDS = {
    "north up": Affine(2, 0, 500_000, 0, -2, 5_400_000),
    "south up": Affine(2, 0, 500_000, 0, 2, 5_399_880),
    "east left": Affine(-2, 0, 500_100, 0, -2, 5_400_000),
    "oblong": Affine(1, 0, 500_000, 0, -2, 5_400_000),
}


class _Scene:
    """Two bands on a grid, and zones."""

    def __init__(self, folder: Path, transform: Affine, values: npt.NDArray[Any], crs: str = "EPSG:32633") -> None:
        folder.mkdir()
        count, rows, columns = values.shape
        place = {"crs": "EPSG:32633", "transform": transform, "nodata": 0}
        with rasterio.open(folder / "a.tif", "w", "GTiff", columns, rows, count, dtype="uint8", **place) as file:
            file.write(values)
        self._folder, self._access = folder, MemoryAccess(folder)
        options = {"names": ["red", "nir"]}
        self._raster = CutSource(Raster(), Source("bands", f"{folder}/a.tif#1+2", options), self._access)
        self.grid = geospatial.raster_grid(
            RasterTable.model_validate(self._raster.partitioner.table(self._raster.groups))
        )
        self.zones_file = folder / "zones.gpkg"
        _write_zones(self.zones_file, crs)

    def _scratch(self, name: str) -> Scratch:
        (self._folder / name).mkdir()
        return Scratch(str(self._folder / name))

    def zones(self) -> Path:
        cut = CutSource(Vector(), Source("zones", str(self.zones_file), {}), self._access)
        found = geospatial.read_zones(cut.open(cut.pieces({})[0]), self.grid, self._scratch("zones"), Tally())
        assert isinstance(found, Path)
        return found

    def table(self, rule: str) -> list[str]:
        """Return the rows of the zones."""
        index = [
            geospatial.band_math(self._raster.open(piece), self._scratch(f"w{n}"), Tally()).close()
            for n, piece in enumerate(self._raster.pieces({"window": 16}))
        ]
        zones = self.zones()
        windows = [item for _, item in geospatial.zone_windows(zones, self.grid).rows]
        parts = [
            geospatial.zonal(MemoryParts(index), window, zones, self.grid, self._scratch(f"z{n}"), rule=rule)
            for n, window in enumerate(windows)
        ]
        made = geospatial.zone_table(parts, zones, self._scratch("table"))
        return made.csv.read_text().splitlines()


def _write_zones(path: Path, crs: str) -> None:
    import pyogrio
    from rasterio.warp import transform_geom

    shapes = [
        shapely.Polygon([(500_010.3, 5_399_990.7), (500_080.9, 5_399_985.5), (500_041.1, 5_399_900.2)]),
        shapely.box(500_050.6, 5_399_890.3, 500_090.7, 5_399_930.9),
    ]
    if crs != "EPSG:32633":
        shapes = [
            shapely.geometry.shape(transform_geom("EPSG:32633", crs, shapely.geometry.mapping(one))) for one in shapes
        ]
    pyogrio.raw.write(
        path,
        np.array([shapely.to_wkb(one) for one in shapes], object),
        [np.array(["a", "b"], object)],
        ["zone"],
        crs=crs,
        geometry_type="Polygon",
        layer="zones",
    )


def _bands() -> npt.NDArray[Any]:
    return np.random.default_rng(5).integers(0, 200, (2, 60, 50)).astype(np.uint8)


@pytest.mark.parametrize("rule", ["centre", "all_touched", "fraction"])
def test_a_raster_that_is_stored_otherwise_has_the_same_zones(tmp_path: Path, rule: str) -> None:
    values = _bands()
    stored = {"south up": values[:, ::-1], "east left": values[:, :, ::-1]}
    wanted = _Scene(tmp_path / "plain", GRIDS["north up"], values).table(rule)
    for name, turned in stored.items():
        assert _Scene(tmp_path / name, GRIDS[name], np.ascontiguousarray(turned)).table(rule) == wanted, name


def test_an_oblong_pixel_is_half_of_a_square_one(tmp_path: Path) -> None:
    values = _bands()
    square = _Scene(tmp_path / "square", GRIDS["north up"], values).table("fraction")
    oblong = _Scene(tmp_path / "oblong", GRIDS["oblong"], np.repeat(values, 2, axis=2)).table("fraction")
    for one, two in zip(square[1:], oblong[1:], strict=True):
        (name, count, total, mean, *_), (other, twice, double, same, *_) = one.split(","), two.split(",")
        assert name == other
        assert float(twice) == pytest.approx(2 * float(count), rel=1e-6)
        assert float(double) == pytest.approx(2 * float(total), rel=1e-6)
        assert float(same) == pytest.approx(float(mean), rel=1e-6)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3035"])
def test_zones_of_another_coordinate_system_lie_where_gdal_puts_them(tmp_path: Path, crs: str) -> None:
    plain = _Scene(tmp_path / "plain", GRIDS["north up"], _bands())
    other = _Scene(tmp_path / "other", GRIDS["north up"], _bands(), crs)
    for one, two in zip(load_zones(plain.zones()), load_zones(other.zones()), strict=True):
        assert one.id == two.id
        assert one.shape is not None
        assert two.shape is not None
        assert shapely.hausdorff_distance(one.shape, two.shape) < 1e-4
