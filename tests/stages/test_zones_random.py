"""Random odd zones on random rasters, in windows of random size, against GDAL and exactextract on the whole raster."""

from __future__ import annotations

import csv
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from flowbutton.model.bundle import Interval
from flowbutton.model.pieces import Source
from flowbutton.model.stage import Scratch, Tally
from flowbutton.partitioners.vector import Vector
from flowbutton.stages.bundles import Bundle, MemoryParts
from flowbutton.stages.geospatial.grid import Grid
from flowbutton.stages.geospatial.parts import PART_SCHEMA, add_part
from flowbutton.stages.geospatial.zonal import Rule, zonal, zone_table
from flowbutton.stages.geospatial.zones import read_zones, zone_windows
from flowbutton.testing.partitioners import CutSource, MemoryAccess

rasterio = pytest.importorskip("rasterio", reason="needs the extra 'geospatial'")
pytestmark = pytest.mark.slow
CRS = "EPSG:32633"


def polygon(rng: random.Random, grid: Grid) -> shapely.Geometry:
    """Return a star, a box on edges or centres of pixels, a sliver, a speck, or what covers nearly all."""
    across, _, left, _, up, top = grid.transform
    kind = rng.choice(("star", "star", "box", "sliver", "speck", "most"))
    column, row = rng.uniform(-5, grid.columns + 5), rng.uniform(-5, grid.rows + 5)
    if kind == "star":
        corners = rng.randrange(3, 12)
        reach = rng.choice((2, 8, 40))
        angles = [2 * math.pi * n / corners for n in range(corners)]
        ring = [(column + reach * rng.uniform(0.3, 1) * math.cos(a), row + reach * math.sin(a)) for a in angles]
    elif kind == "box":
        snap = rng.choice((0.0, 0.5))
        x, y = math.floor(column) + snap, math.floor(row) + snap
        wide, high = rng.randrange(1, 30), rng.randrange(1, 30)
        ring = [(x, y), (x + wide, y), (x + wide, y + high), (x, y + high)]
    elif kind == "most":
        out = rng.choice((0.0, 1.5, 30.0))
        ends = (
            (-out, -out - 20),
            (grid.columns + out, -out),
            (grid.columns + out, grid.rows + out),
            (-out, grid.rows + 9),
        )
        ring = [*ends, (rng.uniform(-5, 40), grid.rows / 2)]
    elif kind == "sliver":
        ring = [(column, row), (column + 60, row + 0.3), (column + 60, row + 0.5), (column, row + 0.2)]
    else:
        ring = [(column, row), (column + 0.2, row), (column, row + 0.2)]
    found = shapely.make_valid(shapely.Polygon([(left + across * x, top + up * y) for x, y in ring]))
    if kind == "star" and rng.random() < 0.4:
        found = shapely.difference(found, shapely.centroid(found).buffer(3 * across))
    return found


def zones_of(rng: random.Random, grid: Grid, place: Path) -> list[shapely.Geometry]:
    """Write zones as GeoJSON in the raster's own coordinate system; return their shapes."""
    import json

    shapes = [polygon(rng, grid) for _ in range(rng.randrange(1, 12))]
    if len(shapes) > 3:
        shapes[1] = shapely.union_all([shapes[1], shapes[2]])
    shapes = [shape for shape in shapes if shape.geom_type in ("Polygon", "MultiPolygon") and not shape.is_empty]
    features = [
        {"type": "Feature", "properties": {"zone": f"z{n}"}, "geometry": json.loads(shapely.to_geojson(shape))}
        for n, shape in enumerate(shapes)
    ]
    crs = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{CRS[5:]}"}}
    place.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": features}))
    return shapes


def weights_of(shape: shapely.Geometry, grid: Grid, rule: Rule) -> Any:
    """Return how much of each pixel of the whole raster a shape covers."""
    transform, size = rasterio.Affine(*grid.transform), (grid.rows, grid.columns)
    if rule != "fraction":
        from rasterio.features import rasterize

        return rasterize([(shape, 1)], size, transform=transform, all_touched=rule == "all_touched").astype(float)
    from exactextract import exact_extract
    from exactextract.raster import NumPyRasterSource

    left, top = transform.c, transform.f
    right, low = left + grid.columns * transform.a, top + grid.rows * transform.e
    raster = NumPyRasterSource(np.zeros(size), left, min(low, top), right, max(low, top))
    feature = {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(shape)}
    found = exact_extract(raster, [feature], ["coverage", "cell_id"])[0]["properties"]
    weights = np.zeros(size)
    weights.flat[np.asarray(found["cell_id"], int)] = found["coverage"]
    return weights if transform.e < 0 else weights[::-1]


@pytest.mark.parametrize("seed", range(16))
def test_statistics_are_those_of_the_whole_raster(seed: int, tmp_path: Path) -> None:
    rng, draws = random.Random(seed), np.random.default_rng(seed)
    rows, columns = rng.choice(((5, 700), (300, 300), (520, 260), (1, 1)))
    across, up = rng.choice(((2.0, -2.0), (1.0, -3.0), (28.5, -28.5), (0.5, 0.5), (0.3, -0.3)))
    crs = rasterio.crs.CRS.from_string(CRS).to_wkt()
    grid = Grid(crs=crs, transform=(across, 0.0, 500_000.0, 0.0, up, 5_400_300.0), rows=rows, columns=columns)
    values = (draws.normal(size=(rows, columns)) * rng.choice((1, 1e6))).astype(np.float32)
    values[draws.random(values.shape) < rng.choice((0, 0.3))] = np.nan
    shapes = zones_of(rng, grid, tmp_path / "zones.geojson")
    bundle = Bundle(tmp_path / "product", PART_SCHEMA)
    add_part(bundle, 0, 0, values[None])
    product = bundle.close()
    vector = CutSource(Vector(), Source("zones", str(tmp_path / "zones.geojson"), {}), MemoryAccess(tmp_path))
    known = read_zones(vector.open(vector.pieces({})[0]), grid, Scratch(str(tmp_path)), Tally())
    rules: tuple[Rule, ...] = ("centre", "all_touched", "fraction")
    for rule in rules:
        sums = []
        for number, (_, item) in enumerate(zone_windows(known, grid, window=rng.choice((1, 256, 600))).rows):
            folder = tmp_path / f"{rule}{number}"
            folder.mkdir()
            parts = MemoryParts([product], [Interval({"row": box.row}, box.start, box.stop) for box in item.window])
            sums.append(zonal(parts, item, known, grid, Scratch(str(folder)), rule=rule))
        table = zone_table(sums, known, Scratch(str(tmp_path))).csv.read_text().splitlines()
        for shape, row in zip(shapes, csv.DictReader(table), strict=True):
            check(row, weights_of(shape, grid, rule), values, 1e-7 if rule == "fraction" and across == 0.3 else 1e-9)


def check(row: dict[str, str], weights: Any, values: Any, tolerance: float) -> None:
    """Compare; a fraction is a float32, and where edges of pixels are rounded its last bit depends on the extent."""
    covered = (weights > 0) & ~np.isnan(values)
    share, value = weights[covered], values[covered].astype(np.float64)
    assert float(row["count"]) == pytest.approx(math.fsum(share), rel=tolerance, abs=tolerance), row
    if not len(share):
        assert row["mean"] == "", row
        return
    total = math.fsum(share * value)
    assert float(row["sum"]) == pytest.approx(total, rel=tolerance, abs=tolerance * math.fsum(share * abs(value))), row
    assert (float(row["min"]), float(row["max"])) == (value.min(), value.max()), row
