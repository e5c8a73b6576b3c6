"""Products against what is known of them: errors add up, borders of tiles are looked at, and a wrong tile is found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from geospatial_driver import Driver, meeting
from hypothesis import given, settings
from hypothesis import strategies as st

from flowbutton.model.errors import BadInput
from flowbutton.model.pieces import Piece
from flowbutton.partitioners.whole import WholeFile
from flowbutton.samples.laz_files import POINT, CloudLayout, write_laz
from flowbutton.stages.bundles import Bundle, MemoryParts
from flowbutton.stages.geospatial.compare import Differences, compare, errors_of, pair_grids
from flowbutton.stages.geospatial.evaluate import Evaluation, evaluate, told
from flowbutton.stages.geospatial.grid import Grid
from flowbutton.stages.geospatial.ground_points import BIN_SCHEMA, places
from flowbutton.stages.geospatial.parts import PART_SCHEMA, add_part
from flowbutton.stages.geospatial.seams import Seams, check_seams
from flowbutton.stages.geospatial.terrain import terrain
from flowbutton.stores.access import StoreAccess
from flowbutton.stores.memory import MemoryStore

_UTM = 'PROJCS["x",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],'
_UTM += 'UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],PARAMETER["central_meridian",15],'
_UTM += 'PARAMETER["scale_factor",0.9996],PARAMETER["false_easting",500000],UNIT["metre",1]]'


def _cloud(folder: Path) -> Driver:
    """Return a rough terrain of 90 x 70 m, one ground point per four square metres."""
    random = np.random.default_rng(4)
    points = np.zeros(1600, POINT)
    points["X"], points["Y"] = random.integers(0, 9000, 1600), random.integers(0, 7000, 1600)
    points["Z"] = random.integers(0, 500, 1600)
    points["classification"], points["bit_fields"] = 2, 17
    file = write_laz(folder / "rough.laz", points, CloudLayout(wkt="", chunk=500))
    return Driver(folder / "work", [file], {"frame": {"crs": "none"}, "survey": {"max_radius": "5"}})


def _seams(driver: Driver, made: list[Path], **sizes: int) -> Seams:
    cloud, grounds = driver.surveyed.cloud, [one.ground.path for one in driver.scattered]
    parts = [
        check_seams(tile, cloud, meeting(grounds, tile.ground), meeting(made, tile.blocks))
        for tile in driver.tiles("seams", **sizes)
    ]
    found = evaluate(seams=parts).seams
    assert found is not None
    return found


@pytest.mark.parametrize("sizes", [{"tile_cells": 30}, {"tile_points": 300}])
def test_right_tiles_show_no_seam_and_tiles_with_too_small_a_halo_do(tmp_path: Path, sizes: dict[str, int]) -> None:
    driver = _cloud(tmp_path)
    cloud, grounds = driver.surveyed.cloud, [one.ground.path for one in driver.scattered]
    found = _seams(driver, driver.terrain_parts(**sizes), **sizes)
    assert found.differing == 0
    assert found.cells > 1000
    wrong = []
    for tile in driver.tiles("terrain", **sizes):
        seen = cloud.window(*tile.ranges()).widened(2)  # where 2 * max_radius is needed
        few = Bundle(Path(driver.scratch()) / "few.bundle", BIN_SCHEMA)
        for key, part in places(meeting(grounds, tile.ground), seen, cloud.frame.cell).bins(cloud.frame.cell):
            few.add(key, part.encode())
        wrong.append(terrain(tile, cloud, MemoryParts([few.close()]), driver.scratch()).close())
    assert _seams(driver, wrong, **sizes).differing > 0


def test_seams_are_each_cell_near_a_border_once(tmp_path: Path) -> None:
    driver = _cloud(tmp_path)
    grid = driver.surveyed.cloud.grid
    seen = np.zeros((grid.rows, grid.columns), int)
    for tile in driver.tiles("seams", tile_cells=30):
        rows, columns = tile.ranges()
        seen[rows.start : rows.stop, columns.start : columns.stop] += 1
    rows, columns = np.arange(grid.rows), np.arange(grid.columns)
    near_row, near_column = ((np.abs(n + 0.5 - 30 * np.rint((n + 0.5) / 30)) < 4) & (n >= 4) for n in (rows, columns))
    inside = (rows < 30 * ((grid.rows - 1) // 30) + 4), (columns < 30 * ((grid.columns - 1) // 30) + 4)
    assert np.array_equal(seen, ((near_row & inside[0])[:, None] | (near_column & inside[1])[None]).astype(int))


def test_one_tile_has_no_border(tmp_path: Path) -> None:
    assert _cloud(tmp_path).tiles("seams", tile_cells=500) == []


def _bundle(path: Path, row: int, column: int, values: npt.NDArray[np.float32]) -> MemoryParts:
    bundle = Bundle(path, PART_SCHEMA)
    add_part(bundle, row, column, values[None])
    return MemoryParts([bundle.close()])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99), down=st.integers(-300, 300), across=st.integers(-300, 300))
def test_errors_are_those_of_the_cells_in_common(
    tmp_path_factory: pytest.TempPathFactory, seed: int, down: int, across: int
) -> None:
    folder, random = tmp_path_factory.mktemp("pair"), np.random.default_rng(seed)
    mine, known = (random.normal(0, 1, shape).astype(np.float32) for shape in ((310, 280), (290, 330)))
    mine[random.random(mine.shape) < 0.2] = np.nan
    known[random.random(known.shape) < 0.2] = -9999
    grid = Grid(crs=_UTM, transform=(0.5, 0, 100.0, 0, -0.5, 900.0), rows=310, columns=280)
    there = (0.5, 0.0, 100.0 - across / 2, 0.0, -0.5, 900.0 + down / 2)
    pairs = pair_grids(grid, Grid(crs=_UTM, transform=there, rows=290, columns=330))
    values, truth = _bundle(folder / "mine", 0, 0, mine), _bundle(folder / "known", 0, 0, known)
    found = errors_of([compare(pair, values, truth) for _, pair in pairs.rows])
    whole = np.full((1000, 1000), np.nan)
    whole[350 - down : 640 - down, 350 - across : 680 - across] = np.where(known == -9999, np.nan, known)
    wanted = mine - whole[350:660, 350:630]
    assert found.cells == np.count_nonzero(~np.isnan(wanted))
    assert found.missing == np.count_nonzero(~np.isnan(whole[350:660, 350:630]) & np.isnan(mine))
    if found.cells:
        assert found.bias == pytest.approx(np.nanmean(wanted), abs=1e-9)
        assert found.rmse == pytest.approx(np.sqrt(np.nanmean(wanted**2)))
        for percent, value in found.percentiles.items():
            nearest = np.nanpercentile(wanted, int(percent), method="inverted_cdf")
            assert value == pytest.approx(nearest, abs=0.00051)


@pytest.mark.parametrize(
    ("transform", "crs", "said"),
    [
        ((1.0, 0, 100.0, 0, -1.0, 900.0), _UTM, "cells of another size"),
        ((0.5, 0, 100.1, 0, -0.5, 900.0), _UTM, "lie between"),
        ((0.5, 0, 100.0, 0, -0.5, 900.0), "", "another coordinate reference system"),
    ],
)
def test_a_truth_on_another_grid_is_refused(transform: tuple[float, ...], crs: str, said: str) -> None:
    grid = Grid(crs=_UTM, transform=(0.5, 0, 100.0, 0, -0.5, 900.0), rows=10, columns=10)
    with pytest.raises(BadInput, match=said):
        pair_grids(grid, Grid(crs=crs, transform=transform, rows=10, columns=10))  # type: ignore[arg-type]


def test_an_evaluation_without_anything_known_says_nothing() -> None:
    assert evaluate() == Evaluation()
    assert told(evaluate(dtm=[Differences(missing=3)])) == []


def _whole(path: Path) -> WholeFile:
    data = StoreAccess(MemoryStore("truth"))
    body = {"uri": str(path), "identity": data.head(str(path)).identity}
    return WholeFile(Piece("whole", (("file", path.name), ("ordinal", 0)), "0", 1, path.stat().st_size, body), data)


def test_zones_are_compared_by_their_names(tmp_path: Path) -> None:
    mine, known, bare = (tmp_path / name for name in ("mine.csv", "known.csv", "bare.csv"))
    mine.write_text("zone,count,sum,mean\n1,10,5.0,0.5\n2,4,1.0,0.25\n3,0,0.0,\n")
    known.write_text("zone,count,mean\n2,4,0.20\n1,9,0.51\n3,0,\n")
    bare.write_text("zone,mean\n1,0.5\n")
    found = evaluate(zones=mine, known_zones=_whole(known)).zones
    assert found is not None
    assert (found.zones, found.same_count) == (3, 2)
    assert found.largest_error == pytest.approx(0.05)
    assert json.loads(found.model_dump_json())["mean_error"] == pytest.approx(0.03)
    with pytest.raises(BadInput, match="lack a column"):
        evaluate(zones=mine, known_zones=_whole(bare))


def test_the_line_for_the_end_of_a_run_does_not_depend_on_tiles() -> None:
    few, many = (Evaluation(seams=Seams(cells=cells, differing=0)).headline for cells in (10, 99))
    assert few == many == "Against what is known: no seams between tiles"
    assert "seam cells: 3 of 10" in Evaluation(seams=Seams(cells=10, differing=3)).headline
    assert Evaluation().headline == "Nothing is known of these products"
