"""Band math and zones against the reference answers, and the same bytes for every window."""

from __future__ import annotations

import json
import math
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from flowbutton.model.bundle import Interval
from flowbutton.model.errors import BadInput, OptionError
from flowbutton.model.pieces import Piece, Source
from flowbutton.model.stage import Scratch, Tally
from flowbutton.partitioners.raster import Raster
from flowbutton.partitioners.vector import Feature, Vector
from flowbutton.stages.bundles import MemoryParts
from flowbutton.stages.geospatial.band_math import RasterTable, band_math, composite, raster_grid
from flowbutton.stages.geospatial.exact_sums import exact_total, product, rational
from flowbutton.stages.geospatial.expression import parse
from flowbutton.stages.geospatial.grid import Grid
from flowbutton.stages.geospatial.parts import assemble
from flowbutton.stages.geospatial.product import Product
from flowbutton.stages.geospatial.pyramid import halved
from flowbutton.stages.geospatial.zonal import Rule, _apart, _Block, zonal, zone_table
from flowbutton.stages.geospatial.zones import (
    Zone,
    _identifiers,
    _on_map,
    _polygon,
    meeting,
    place_zones,
    read_zones,
    zone_windows,
)
from flowbutton.testing.partitioners import CutSource, MemoryAccess
from flowbutton.testing.stages import StageContract

rasterio = pytest.importorskip("rasterio")


def write(path: Path, bands: Any, **profile: Any) -> Path:
    values = np.asarray(bands, np.float32 if np.asarray(bands).dtype.kind == "f" else np.uint8)
    count, height, width = values.shape
    profile = {"crs": "EPSG:32633", "transform": rasterio.Affine(2, 0, 500000, 0, -2, 5400300), **profile}
    with rasterio.open(path, "w", "GTiff", width, height, count, dtype=values.dtype, **profile) as file:
        file.write(values)
    return path


def source(uri: str, folder: Path, *names: str) -> CutSource:
    return CutSource(Raster(), Source("bands", uri, {"names": list(names)}), MemoryAccess(folder))


def scratch(folder: Path, name: str) -> Scratch:
    (folder / name).mkdir(parents=True, exist_ok=True)
    return Scratch(str(folder / name))


def grid_of(cut: CutSource) -> Grid:
    made = raster_grid(RasterTable.model_validate(cut.partitioner.table(cut.groups)))
    assert isinstance(made, Grid)
    return made


def whole(stage: Any, cut: CutSource, folder: Path, **options: Any) -> tuple[Any, Tally]:
    grid, tally = grid_of(cut), Tally()
    bundles = []
    for number, piece in enumerate(cut.pieces({"window": 16})):
        bundles.append(stage(cut.open(piece), scratch(folder, f"w{number}"), tally, **options).close())
    found = assemble(MemoryParts(bundles), range(grid.rows), range(grid.columns), bands=1, dtype="float32", fill=0)
    return found[0], tally


REFERENCE = [
    ("naip-virginia", "naip.tif", "#1+4", "zones.gpkg"),
    ("landsat-olinda", "landsat.tif", "#3+4", "zones.geojson"),
]


@pytest.mark.parametrize(("folder", "file", "bands", "zones"), REFERENCE)
def test_ndvi_and_zones_are_the_reference_for_every_window(
    shared: Path, tmp_path: Path, folder: str, file: str, bands: str, zones: str
) -> None:
    data = shared / "data" / "geospatial" / folder
    with rasterio.open(data / "oracle" / "ndvi.tif") as reference:
        wanted = reference.read(1)
    made: dict[str, set[bytes]] = {}
    for window in (1, 300, 5000):
        place = tmp_path / str(window)
        cut = source(f"{data / file}{bands}", tmp_path, "red", "nir")
        bundles = [
            band_math(cut.open(piece), scratch(place, f"m{number}"), Tally()).close()
            for number, piece in enumerate(cut.pieces({"window": window}))
        ]
        grid = grid_of(cut)
        everything = range(grid.rows), range(grid.columns)
        found = assemble(MemoryParts(bundles), *everything, bands=1, dtype="float32", fill=0)[0]
        assert found[~np.isnan(wanted)].tobytes() == wanted[~np.isnan(wanted)].tobytes()
        assert np.isnan(found[np.isnan(wanted)]).all()
        vector = CutSource(Vector(), Source("zones", str(data / zones), {}), MemoryAccess(tmp_path))
        reader = vector.open(vector.pieces({})[0])
        known = read_zones(reader, grid, scratch(place, "zones"), Tally())
        for rule in ("centre", "all_touched", "fraction"):
            sums = []
            for number, (_, item) in enumerate(zone_windows(known, grid, window=window).rows):
                parts = MemoryParts(bundles, [Interval({"row": box.row}, box.start, box.stop) for box in item.window])
                sums.append(zonal(parts, item, known, grid, scratch(place, f"{rule}{number}"), rule=rule))
            table = zone_table(sums, known, scratch(place, rule))
            made.setdefault(rule, set()).add(table.csv.read_bytes() + table.parquet.read_bytes())
            compare(table.csv, data / "oracle" / f"zones_ndvi_{rule}.csv", 0 if rule != "fraction" else 1e-9)
    assert {rule: len(tables) for rule, tables in made.items()} == dict.fromkeys(made, 1)


def compare(found: Path, wanted: Path, tolerance: float) -> None:
    import csv

    one, other = (list(csv.DictReader(path.read_text().splitlines())) for path in (found, wanted))
    for row, reference in zip(one, other, strict=True):
        for column in ("zone", "count", "sum", "mean", "min", "max"):
            if float(reference["count"]) or column in ("zone", "count"):
                assert math.isclose(float(row[column]), float(reference[column]), rel_tol=tolerance or 1e-15)


def test_division_by_zero_and_nodata_are_counted_apart(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", [[[0.0, 10, 255, 3, -5, 4]], [[0.0, 30, 7, 255, 5, -4]]], nodata=255)
    values, tally = whole(band_math, source(f"{path}#1+2", tmp_path, "red", "nir"), tmp_path)
    assert np.isnan(values[0, 0])
    assert values[0, 1:].tolist() == [0.5, -9999, -9999, math.inf, -math.inf]
    assert tally.made == 1
    assert sorted(tally.filtered_by.values()) == [2, 3]


def test_what_is_infinite_counts_for_nothing_in_overviews() -> None:
    values = np.array([[[math.inf, 1.0, -math.inf, math.inf], [3.0, -9999.0, math.nan, -9999.0]]], np.float32)
    found = halved(values, Product(dtype="float32", bands=("ndvi",), nodata=-9999))
    assert found.tolist() == [[[2.0, -9999.0]]]


@pytest.mark.parametrize(
    ("method", "wanted"), [("median", 3), ("max", 9), ("min", 1), ("mean", 13 / 3), ("difference", 8)]
)
def test_scenes_are_joined_and_clouds_left_out(tmp_path: Path, method: str, wanted: float) -> None:
    for number, value in enumerate((1.0, 3.0, 9.0)):
        write(tmp_path / f"{number}.tif", [[[value, value]], [[4.0, 8.0 if number == 1 else 4.0]]])
    cut = source(f"{tmp_path}/?.tif#1+2", tmp_path, "b", "scl")
    values, _ = whole(composite, cut, tmp_path, expression="b", clear="isin(scl, 4, 5)", method=method)
    assert values[0, 0] == np.float32(wanted)
    assert values[0, 1] == np.float32({"median": 5, "mean": 5}.get(method, wanted))


@pytest.mark.parametrize(
    ("text", "column", "why"),
    [
        ("(nir - red) / (nir + rad)", 22, "no band 'rad'"),
        ("nir * * red", 7, "can't be read"),
        ("__import__('os')", 1, "no function"),
        ("nir.dtype", 1, "nothing that band math knows"),
        ("nir if red else 1", 1, "nothing that band math knows"),
        ("1 + 2", 1, "no band"),
        ("min(nir)", 1, "takes 2 to 20"),
    ],
)
def test_a_bad_expression_is_told_with_its_place(text: str, column: int, why: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse(text, ("red", "nir"))
    assert why in caught.value.why
    assert caught.value.where["character"] == column


def test_a_zone_that_the_rasters_map_does_not_have_is_told() -> None:
    from rasterio.crs import CRS

    grid = Grid(crs=CRS.from_epsg(2154).to_wkt(), transform=(2, 0, 5e5, 0, -2, 6.4e6), rows=9, columns=9)
    to_the_pole = shapely.to_wkb(shapely.box(-10, -90, 10, 60))
    (shape,) = _on_map([to_the_pole], WGS84, grid)
    with pytest.raises(BadInput, match="where the raster's map does not reach"):
        _polygon(shape, grid, "zones.gpkg, feature 1")


WGS84 = rasterio.crs.CRS.from_epsg(4326).to_wkt()
_FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(_FINITE, max_size=50), st.lists(st.floats(-1e10, 1e10), min_size=2, max_size=2))
def test_sums_and_products_are_exact(values: list[float], pair: list[float]) -> None:
    assert rational(exact_total(np.array(values))) == sum(map(Fraction, values), Fraction(0))
    parts = product(np.array(pair[:1]), np.array(pair[1:]))
    if abs(pair[0] * pair[1]) > 1e-200:
        assert sum(rational(exact_total(part)) for part in parts) == Fraction(pair[0]) * Fraction(pair[1])


def test_sums_of_many_numbers_are_exact() -> None:
    random = np.random.default_rng(3)
    values = random.normal(0, 1, 200_000) * 10.0 ** random.integers(-20, 20, 200_000)
    assert float(rational(exact_total(values))) == math.fsum(values)
    assert exact_total(np.full(1 << 17, 1 - 2.0**-53)) == exact_total(np.array([2.0**17, -(2.0**-36)]))


def test_zones_that_are_odd_are_repaired_or_told() -> None:
    grid = Grid(crs="", transform=(1, 0, 0, 0, -1, 10), rows=10, columns=10)
    bow = shapely.Polygon([(0, 0), (4, 4), (4, 0), (0, 4)])
    shape, note = _polygon(bow, grid, "zones.gpkg, feature 1")
    assert shape.is_valid
    assert shape.area == 8
    assert note == "repaired: Self-intersection"
    assert _polygon(shapely.box(20, 20, 30, 30), grid, "")[1] == "outside of the raster"
    assert _polygon(None, grid, "") == (None, "no shape")
    needle = shapely.Polygon([(0, 0), (4, 0), (6, 0), (0, 0)])
    assert _polygon(needle, grid, "") == (None, "repaired: Self-intersection; no area")
    both = shapely.GeometryCollection([shapely.box(0, 0, 2, 2), shapely.GeometryCollection([shapely.box(1, 0, 4, 2)])])
    shape, note = _polygon(both, grid, "")
    assert (shape.area, note) == (8, "repaired: Self-intersection")
    with pytest.raises(BadInput, match=r"no polygon.*is a Point"):
        _polygon(shapely.Point(1, 1), grid, "zones.gpkg, feature 1")
    with pytest.raises(BadInput, match=r"no polygon.*is a GeometryCollection with a Point"):
        _polygon(shapely.GeometryCollection([*both.geoms, shapely.Point(1, 1)]), grid, "zones.gpkg, feature 1")
    ring_of_two = struct.pack("<BIII4d", 1, 3, 1, 2, 0, 0, 1, 1)
    with pytest.raises(BadInput, match="the shape of a zone can't be read"):
        _on_map([None, ring_of_two], WGS84, grid.model_copy(update={"crs": WGS84}))


def test_metres_that_a_file_takes_for_degrees_are_told() -> None:
    grid = Grid(crs=WGS84, transform=(1, 0, 0, 0, -1, 10), rows=10, columns=10)
    metres, degrees = (shapely.to_wkb(shapely.box(x, 5, x + 50, 9)) for x in (500_000, 170))
    with pytest.raises(BadInput, match=r"not degrees.*one of them is 500050; .*a_srs") as caught:
        _on_map([None, degrees, metres], WGS84, grid)
    assert caught.value.where["record"] == 3
    assert _on_map([degrees], WGS84, grid)[0].bounds == (170, 5, 220, 9)


def test_zones_over_a_product_without_a_coordinate_system_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "zones.geojson"
    square = {"type": "Polygon", "coordinates": [[[0, 0], [4, 0], [4, 4], [0, 0]]]}
    feature = {"type": "Feature", "properties": {"zone": 1}, "geometry": square}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    vector = CutSource(Vector(), Source("zones", str(path), {}), MemoryAccess(tmp_path))
    grid = Grid(crs="", transform=(1, 0, 0, 0, -1, 10), rows=10, columns=10)
    with pytest.raises(BadInput, match="without a coordinate reference system") as caught:
        read_zones(vector.open(vector.pieces({})[0]), grid, scratch(tmp_path, "zones"), Tally())
    assert "crs=EPSG:code" in caught.value.hint


def test_identifiers_are_a_column_of_distinct_values() -> None:
    features = [Feature(1, {"name": "a", "zone": 1.0}, None), Feature(2, {"name": "a", "zone": 2.0}, None)]
    assert _identifiers(features, None, "f") == [1, 2]
    with pytest.raises(BadInput, match="comes twice"):
        _identifiers(features, "name", "f")
    with pytest.raises(BadInput, match="no column 'nam'"):
        _identifiers(features, "nam", "f")


@pytest.mark.parametrize("rule", ["centre", "all_touched"])
def test_zones_together_cover_what_each_covers_alone(rule: Rule) -> None:
    grid = Grid(crs="", transform=(2, 0, 0, 0, -2, 600), rows=300, columns=256)
    random = np.random.default_rng(1)
    places, sizes = random.uniform(-20, 600, (90, 1, 2)), random.choice([1, 10, 90], (90, 1, 1))
    shapes = [*map(shapely.Polygon, places + sizes * random.random((90, 3, 2)))]
    shapes += [shapely.box(x, 540, x + 2, 542) for x in range(0, 500, 2)]  # each a pixel beside the next
    zones = place_zones([Zone(number, shape, "") for number, shape in enumerate(shapes)], grid)
    columns = range(256)
    for rows in (range(256), range(256, 300)):
        block, near = _Block(rows, columns, grid), meeting(zones, rows, columns)
        found = {number: np.asarray(pixels).tolist() for number, pixels, _ in block.coverage(near, rule)}
        alone = {zone.number: next(block.coverage([zone], rule))[1].tolist() for zone in near}
        assert found == alone
        assert sum(map(len, alone.values())) > 200
    assert len(_apart(zones, range(256), columns)) < 30, "GDAL is asked once for many"


def test_a_zone_without_a_number_among_numbers_is_told(tmp_path: Path) -> None:
    import pyogrio

    shapes = np.array([shapely.to_wkb(shapely.box(0, 0, 4, 4))] * 2, object)
    path, missing = tmp_path / "zones.gpkg", [np.array([False, True])]
    pyogrio.raw.write(
        path, shapes, [np.array([1, 0])], ["zone"], field_mask=missing, crs="EPSG:32633", geometry_type="Polygon"
    )
    vector = CutSource(Vector(), Source("zones", str(path), {}), MemoryAccess(tmp_path))
    features = [*vector.open(vector.pieces({})[0]).features()]
    assert [one.attributes["zone"] for one in features] == [1.0, None]
    with pytest.raises(BadInput, match="a zone has no identifier"):
        _identifiers(features, None, "f")


class TestBandMath(StageContract):
    def stage(self) -> Any:
        return band_math

    def inputs(self, folder: Path) -> dict[str, Any]:
        path = write(folder / "a.tif", np.arange(200).reshape(2, 10, 10), nodata=7)
        cut = source(f"{path}#1+2", folder, "red", "nir")
        piece: Piece = cut.pieces({})[0]
        return {"bands": cut.open(piece)}

    def options(self) -> dict[str, Any]:
        return {"expression": "nir / red"}


class TestComposite(TestBandMath):
    def stage(self) -> Any:
        return composite
