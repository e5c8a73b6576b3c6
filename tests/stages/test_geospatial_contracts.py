"""Every stage of the geospatial domain is a pure function of its inputs. Not here: what it computes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from geospatial_driver import Driver
from rasterio.transform import Affine

from flowbutton.model.composite import Stored
from flowbutton.model.pieces import Source
from flowbutton.model.stage import Scratch, StageDefinition, Tally
from flowbutton.partitioners.lidar import Lidar
from flowbutton.partitioners.raster import Raster
from flowbutton.partitioners.vector import Vector
from flowbutton.stages import geospatial
from flowbutton.stages.bundles import Bundle, MemoryParts
from flowbutton.stages.geospatial.band_math import RasterTable
from flowbutton.stages.geospatial.cog import StoredPatch
from flowbutton.stages.geospatial.frame import HeaderTable
from flowbutton.stages.geospatial.product import Product
from flowbutton.stages.geospatial.seams import Seams
from flowbutton.stages.geospatial.surface import TileFacts
from flowbutton.testing.partitioners import CutSource, MemoryAccess
from flowbutton.testing.stages import StageContract

Inputs = Mapping[str, Any]


def contract(stage: StageDefinition, inputs: Callable[[Path], Inputs], **options: Any) -> type[StageContract]:
    """Return the contract of a stage, for inputs that are made anew in a folder."""

    class Contract(StageContract):
        def stage(self) -> StageDefinition:
            return stage

        def inputs(self, folder: Path) -> Inputs:
            return inputs(folder)

        def options(self) -> Inputs:
            return options

    return Contract


class Cloud:
    """A small cloud, and what stages make of it."""

    def __init__(self, folder: Path, *, ground: str | None = None) -> None:
        import laspy

        random = np.random.default_rng(1)
        las = laspy.LasData(laspy.LasHeader(point_format=6, version="1.4"))
        las.header.scales = np.full(3, 0.01)
        las.x, las.y = random.uniform(0, 40, (2, 500)).round(2)
        las.z = (0.2 * np.asarray(las.x) + np.sin(np.asarray(las.y))).round(2)
        las.classification = np.where(np.arange(500) % 9, 2, np.where(np.arange(500) % 2, 7, 5)).astype(np.uint8)
        las.withheld = np.arange(500) % 50 == 1
        las.write(folder / "x.las")
        options = {"frame": {"crs": "none"}, "survey": {"max_radius": "5"}, "scatter": {"ground": ground}}
        self.file = folder / "x.las"
        self.driver = Driver(folder, [self.file], options)

    def reader(self, folder: Path) -> Any:
        """Return the points, opened."""
        cut = CutSource(Lidar(), Source("points", str(self.file), {}), MemoryAccess(folder))
        return cut.open(cut.pieces({})[0])

    def headers(self, folder: Path) -> HeaderTable:
        """Return the table of the source."""
        cut = CutSource(Lidar(), Source("points", str(self.file), {}), MemoryAccess(folder))
        return HeaderTable.model_validate(cut.partitioner.table(cut.groups))

    def given(self, *names: str) -> Inputs:
        """Return some of what stages are given, by the names of their arguments."""
        driver = self.driver
        one, (tile,) = driver.scattered[0], driver.tiles("surface")
        known: dict[str, Callable[[], Any]] = {
            "tile": lambda: tile,
            "cloud": lambda: driver.surveyed.cloud,
            "bins": lambda: driver.surveyed.bins,
            "frame": lambda: driver.frame,
            "facts": lambda: [one.facts],
            "cells": lambda: MemoryParts([one.cells.path]),
            "ground": lambda: MemoryParts([one.ground.path]),
            "points": lambda: MemoryParts([one.ground.path]),
            "terrain": lambda: MemoryParts(driver.terrain_parts()),
            "surface": lambda: MemoryParts([self._surface(tile)]),
            "strip": lambda: driver.tiles("seams", tile_cells=20)[0],
        }
        return {name: known[name]() for name in names}

    def _surface(self, tile: Any) -> Path:
        made = geospatial.surface(tile, **self.given("cloud", "cells"), scratch=self.driver.scratch())
        for bundle in made:
            if isinstance(bundle, Bundle):
                bundle.close()
        return Path(made.dsm.path)


def cloud(*names: str) -> Callable[[Path], Inputs]:
    return lambda folder: Cloud(folder).given(*names)


TestFrame = contract(geospatial.frame, lambda folder: {"headers": Cloud(folder).headers(folder)}, crs="none")
TestScatter = contract(
    geospatial.scatter,
    lambda folder: {"points": (one := Cloud(folder)).reader(folder), **one.given("frame")},
    drop_classes=[7],
    ground="filter",
)
TestSurvey = contract(geospatial.survey, cloud("facts", "frame"), max_radius="2.5")
TestPlanTiles = contract(geospatial.plan_tiles, cloud("cloud", "bins"), tile_points=100)
TestDescribeCloud = contract(geospatial.describe_cloud, cloud("cloud"))
TestCanopy = contract(geospatial.canopy, cloud("tile", "cloud", "cells", "terrain"))
TestFillPits = contract(geospatial.fill_pits, cloud("tile", "surface"), depth=0.2, kernel=5)
TestHillshade = contract(geospatial.hillshade, cloud("tile", "cloud", "terrain"), azimuth=100.0, z_factor=2.0)
TestSlope = contract(geospatial.slope, cloud("tile", "cloud", "terrain"), z_factor=0.5)
TestFilterGround = contract(
    geospatial.filter_ground,
    lambda folder: Cloud(folder, ground="filter").given("tile", "cloud", "cells", "points"),
    filter_radius=3.0,
)
TestCheckSeams = contract(
    geospatial.check_seams,
    lambda folder: {
        "tile": (one := Cloud(folder)).given("strip")["strip"],
        **one.given("cloud", "ground", "terrain"),
    },
)


class Scene:
    """A small raster, zones on it, and what stages make of them."""

    def __init__(self, folder: Path) -> None:
        values = np.random.default_rng(2).integers(1, 200, (2, 60, 50)).astype(np.uint8)
        profile = {"crs": "EPSG:32633", "transform": Affine(2, 0, 500_000, 0, -2, 5_400_000), "nodata": 7}
        with rasterio.open(folder / "a.tif", "w", "GTiff", 50, 60, 2, dtype="uint8", **profile) as file:
            file.write(values)
        corners = [[500_010, 5_399_990], [500_080, 5_399_985], [500_040, 5_399_900], [500_010, 5_399_990]]
        shape = {"type": "Polygon", "coordinates": [corners]}
        crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
        zone = {"type": "Feature", "properties": {"name": "a"}, "geometry": shape}
        text = json.dumps({"type": "FeatureCollection", "crs": crs, "features": [zone]})
        (folder / "zones.geojson").write_text(text)
        self.folder, self._scratches = folder, 0
        options = {"names": ["red", "nir"]}
        access = MemoryAccess(folder)
        self.raster = CutSource(Raster(), Source("bands", f"{folder}/a.tif#1+2", options), access)
        self.vector = CutSource(Vector(), Source("zones", str(folder / "zones.geojson"), {}), access)
        self.table = RasterTable.model_validate(self.raster.partitioner.table(self.raster.groups))
        self.grid = geospatial.raster_grid(self.table)

    def scratch(self) -> Scratch:
        self._scratches += 1
        path = self.folder / f"scratch{self._scratches}"
        path.mkdir()
        return Scratch(str(path))

    def zones(self) -> Path:
        found = geospatial.read_zones(self.features(), self.grid, self.scratch(), Tally(), zone_id="name")
        assert isinstance(found, Path)
        return found

    def features(self) -> Any:
        return self.vector.open(self.vector.pieces({})[0])

    def index(self) -> MemoryParts:
        window = self.raster.open(self.raster.pieces({})[0])
        return MemoryParts([geospatial.band_math(window, self.scratch(), Tally()).close()])

    def sums(self) -> Path:
        (window,) = (item for _, item in geospatial.zone_windows(self.zones(), self.grid).rows)
        found = geospatial.zonal(self.index(), window, self.zones(), self.grid, self.scratch())
        assert isinstance(found, Path)
        return found

    def compressed(self) -> StoredPatch:
        (patch,) = (item for _, item in geospatial.plan_patches(self.grid).rows)
        made = geospatial.compress(patch, self.grid, self.index(), self.scratch(), product=NDVI)
        return StoredPatch(Stored.of(made.blocks.read_bytes()), Stored.of(made.top), made.facts)

    def file(self) -> Stored:
        made = geospatial.cog([self.compressed()], self.grid, product=NDVI)
        return Stored.of(made.write(Path(self.scratch()) / "x.tif").read_bytes())

    def pair(self) -> Any:
        return geospatial.pair_grids(self.grid, self.grid).rows[0][1]


NDVI = Product(dtype="float32", bands=("ndvi",), nodata=-9999.0)


def _files(folder: Path) -> Inputs:
    beside = folder / "scene"
    beside.mkdir()
    return dict.fromkeys(("hillshade", "dtm", "chm"), Scene(beside).file())


def scene(made: Callable[[Scene], Inputs]) -> Callable[[Path], Inputs]:
    return lambda folder: made(Scene(folder))


TestRasterGrid = contract(geospatial.raster_grid, scene(lambda one: {"rasters": one.table}))
TestReadZones = contract(
    geospatial.read_zones, scene(lambda one: {"zones": one.features(), "grid": one.grid}), zone_id="name"
)
TestZoneWindows = contract(
    geospatial.zone_windows, scene(lambda one: {"zones": one.zones(), "grid": one.grid}), window=40
)
TestZonal = contract(
    geospatial.zonal,
    scene(
        lambda one: {
            "values": one.index(),
            "window": geospatial.zone_windows(one.zones(), one.grid).rows[0][1],
            "zones": one.zones(),
            "grid": one.grid,
        }
    ),
    rule="fraction",
)
TestZoneTable = contract(geospatial.zone_table, scene(lambda one: {"parts": [one.sums()], "zones": one.zones()}))
patch_and_parts = scene(
    lambda one: {"patch": geospatial.plan_patches(one.grid).rows[0][1], "grid": one.grid, "parts": one.index()}
)
TestPlanPatches = contract(geospatial.plan_patches, scene(lambda one: {"grid": one.grid}))
TestCompress = contract(
    geospatial.compress,
    patch_and_parts,
    product=NDVI,
)
TestCog = contract(
    geospatial.cog,
    scene(lambda one: {"patches": [one.compressed()], "grid": one.grid}),
    product=NDVI,
    big=True,
)
TestPlanMosaic = contract(geospatial.plan_mosaic, scene(lambda one: {"grid": one.grid}), cells=2048)
TestCogOfATile = contract(
    geospatial.cog,
    scene(
        lambda one: {
            "patches": [one.compressed()],
            "grid": one.grid,
            "tile": geospatial.plan_mosaic(one.grid, cells=2048).rows[0][1],
        }
    ),
    product=NDVI,
)
TestMosaic = contract(
    geospatial.mosaic,
    scene(lambda one: {"patches": [one.compressed().facts], "grid": one.grid}),
    product=NDVI,
    cells=2048,
    folder="ndvi",
)
TestPairGrids = contract(geospatial.pair_grids, scene(lambda one: {"grid": one.grid, "truth": one.grid}))
TestCompare = contract(
    geospatial.compare,
    scene(lambda one: {"pair": one.pair(), "values": one.index(), "truth": one.index()}),
    nodata=-9999.0,
)
TestEvaluate = contract(
    geospatial.evaluate,
    scene(
        lambda one: {
            "ndvi": [geospatial.compare(one.pair(), one.index(), one.index(), nodata=-9999.0)],
            "seams": [Seams(cells=4, differing=0)],
        }
    ),
)
TestReport = contract(
    geospatial.report,
    lambda folder: {
        **Cloud(folder).given("cloud"),
        **_files(folder),
        "tiles": [TileFacts(row=0, column=0, rows=40, columns=40, points=3, ground_points=2, occupied=3)],
    },
)
TestReportImages = contract(geospatial.report_images, scene(lambda one: {"raster": one.grid, "ndvi": one.file()}))
TestStacItem = contract(geospatial.stac_item, scene(lambda one: {"ndvi": one.file()}), acquired="2026-06-15")
