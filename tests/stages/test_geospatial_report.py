"""The geospatial report: small pictures of large products, in colours that are even, on a page that is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from pages import PageChecker
from rasterio.io import MemoryFile
from rasterio.shutil import copy

from flowbutton.model.composite import Stored
from flowbutton.model.stage import Scratch
from flowbutton.stages.geospatial.evaluate import Evaluation
from flowbutton.stages.geospatial.frame import Frame
from flowbutton.stages.geospatial.grid import Grid
from flowbutton.stages.geospatial.map_scale import height_unit, length_unit, scale_bar
from flowbutton.stages.geospatial.quick_look import LOOKS, SIDE, Overview, histogram, picture, read_overview
from flowbutton.stages.geospatial.report import _places, report, report_images
from flowbutton.stages.geospatial.seams import Seams
from flowbutton.stages.geospatial.surface import TileFacts
from flowbutton.stages.geospatial.survey import Cloud
from flowbutton.stages.pictures import greys, indexed_png, ramp, viridis

_GRID = Grid(crs='PROJCS["a <b> map"]', transform=(1.0, 0, 500.0, 0, -1.0, 900.0), rows=300, columns=400)
_FRAME = Frame(crs="", height_unit="", unit=(1, 100), z_unit=(1, 100), cell=100)
_CLOUD = Cloud(
    frame=_FRAME,
    grid=_GRID,
    north=900,
    west=500,
    points=1000,
    ground_points=600,
    classes=(2, 5),
    lowest=1.0,
    highest=9.0,
    spacing=0.7,
    max_radius=None,
)


def _cog(path: Path, values: npt.NDArray[Any], nodata: float) -> Path:
    rows, columns = values.shape
    profile = {"driver": "GTiff", "width": columns, "height": rows, "count": 1, "dtype": values.dtype.name}
    place = rasterio.Affine(1, 0, 500, 0, -1, 900)
    with MemoryFile() as memory:
        with memory.open(**profile, crs="EPSG:32633", transform=place, nodata=nodata) as raster:
            raster.write(values, 1)
        copy(memory.name, path, driver="COG", blocksize=256, overview_resampling="nearest")
    return path


@pytest.mark.parametrize(("side", "factor"), [(SIDE, 1), (SIDE + 1, 2), (4 * SIDE, 4)])
def test_a_picture_is_made_of_the_largest_overview_that_is_small_enough(tmp_path: Path, side: int, factor: int) -> None:
    values = np.add.outer(np.arange(300), np.arange(side)).astype(np.float32)
    values[0, 0] = np.nan
    found = read_overview(Stored.of(_cog(tmp_path / "x.tif", values, np.nan).read_bytes()))
    assert found.factor == factor
    assert max(found.values.shape) <= SIDE
    assert np.isnan(found.values[0, 0])


def test_of_a_large_product_only_the_beginning_is_read(tmp_path: Path) -> None:
    noise = np.random.default_rng(3).normal(size=(4 * SIDE, 4 * SIDE)).astype(np.float32)
    held = Stored.of(_cog(tmp_path / "x.tif", noise, -9999).read_bytes())
    ends: list[int] = []
    found = read_overview(Stored(held.composition, lambda start, stop: (ends.append(stop), held.read(start, stop))[1]))
    assert found.values.shape == (SIDE, SIDE)
    assert max(ends) < held.size / 10


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 9), columns=st.integers(1, 9), seed=st.integers(0, 99), clear=st.booleans())
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_pictures_are_what_gdal_reads(rows: int, columns: int, seed: int, clear: bool) -> None:
    levels = np.random.default_rng(seed).integers(0, 256, (rows, columns)).astype(np.uint8)
    with MemoryFile(indexed_png(levels, viridis(), clear=255 if clear else None)) as memory, memory.open() as image:
        assert np.array_equal(image.read(1), levels)
        colours = image.colormap(1)
        assert [value for n in range(256) for value in colours[n][:3]] == [*viridis()]
        assert colours[255][3] == (0 if clear else 255)


@pytest.mark.parametrize("palette", [viridis(), greys(), ramp(["#000000", "#ffffff"])])
def test_colours_get_brighter_step_by_step(palette: bytes) -> None:
    red, green, blue = np.frombuffer(palette, np.uint8).reshape(256, 3).T.astype(float)
    bright = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    assert np.all(np.diff(np.convolve(bright, np.ones(4) / 4, "valid")) > -0.05)
    assert bright[-1] - bright[0] > 150


def test_a_ramp_goes_through_its_colours() -> None:
    colours = ["#5b3a1e", "#c9a66b", "#14532d"]
    found = ramp(colours)
    assert [found[3 * n : 3 * n + 3].hex() for n in (0, 255)] == [colours[0][1:], colours[2][1:]]
    near = np.abs(np.frombuffer(found, np.uint8).reshape(256, 3).astype(int) - [0xC9, 0xA6, 0x6B]).sum(axis=1)
    assert near.min() <= 4
    assert abs(int(near.argmin()) - 127) <= 1


def test_a_product_without_values_and_one_of_a_single_value_are_shown() -> None:
    empty, flat = Overview(np.full((3, 3), np.nan), 1), Overview(np.full((3, 3), 7.0), 1)
    assert "No cell has a value" in picture(LOOKS["dtm"], empty)
    assert histogram(LOOKS["dtm"], empty) is None
    assert "data:image/png" in picture(LOOKS["dtm"], flat)
    chart = histogram(LOOKS["dtm"], flat)
    assert chart is not None
    assert chart.y == (0.0, 9.0)


@pytest.mark.parametrize(
    ("crs", "unit"),
    [("EPSG:32633", "m"), ("EPSG:2277", "US survey ft"), ("EPSG:2222", "ft"), ("EPSG:4326", "°")],
)
def test_the_unit_of_lengths_is_that_of_the_system(crs: str, unit: str) -> None:
    grid = _GRID.model_copy(update={"crs": rasterio.CRS.from_user_input(crs).to_wkt()})
    assert length_unit(grid) == unit
    assert scale_bar(grid).endswith(f"100{'' if unit == '°' else ' '}{unit}</div>")
    assert "width:25.00%" in scale_bar(grid)


def test_what_no_file_tells_is_not_told() -> None:
    nameless = _GRID.model_copy(update={"crs": ""})
    assert (length_unit(_GRID), length_unit(nameless), height_unit(_FRAME)) == ("", "", "")
    assert "100 units of the coordinate system" in scale_bar(nameless)
    assert scale_bar(_GRID.model_copy(update={"transform": (1.0, 0.1, 0.0, 0.1, -1.0, 0.0)})) == ""
    told = {number: height_unit(_FRAME.model_copy(update={"height_unit": number})) for number in ("1", "0.3048", "0.5")}
    assert told == {"1": "m", "0.3048": "ft", "0.5": "0.5 m"}


@pytest.mark.parametrize(
    ("values", "places"), [([0.8803, -0.02], 4), ([21.93], 2), ([12345.0], 0), ([], 0), ([0.0], 0), ([np.inf, 2.0], 3)]
)
def test_a_column_has_as_many_decimals_as_its_largest_value_needs(values: list[float], places: int) -> None:
    assert _places(values) == places


def test_one_bar_far_above_the_others_does_not_flatten_them() -> None:
    values = np.concatenate((np.zeros(9000), np.linspace(1, 20, 1000)))[None]
    chart = histogram(LOOKS["chm"], Overview(values, 1))
    assert chart is not None
    assert chart.y[1] < 100
    assert "the highest bar goes on to 9,0" in chart.good


def _tile(row: int, column: int, points: int) -> TileFacts:
    return TileFacts(row=row, column=column, rows=150, columns=200, points=points, ground_points=0, occupied=points)


def test_the_page_is_whole_and_fetches_nothing(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(0, 1, (300, 400)).astype(np.float32)
    product, zones = Stored.of(_cog(tmp_path / "x.tif", values, np.nan).read_bytes()), tmp_path / "zones.csv"
    zones.write_text("zone,count,sum,mean,min,max,variance,note\n<a>,4,8.0,2.0,1.0,3.0,0.5,\nb,0,0.0,,,,,outside\n")
    tiles = [_tile(row, column, 1 + row + column) for row in (0, 150) for column in (0, 200)]
    known = Evaluation(seams=Seams(cells=10, differing=3))
    given_files: dict[str, Stored] = dict.fromkeys(("hillshade", "dtm", "chm", "ndvi", "ndvi_change", "index"), product)
    (tmp_path / "out").mkdir()
    path = report(
        tiles,
        _CLOUD,
        scratch=Scratch(str(tmp_path / "out")),
        raster=_GRID,
        **given_files,
        zones=zones,
        canopy_zones=zones,
        evaluation=known,
    )
    page = path.read_text()
    checker = PageChecker()
    checker.feed(page)
    assert not checker.open
    assert checker.fetched == []
    assert checker.seen["img"] == 13
    assert checker.seen["rect"] >= 4
    assert "<a>" not in page.replace("<a href", "")
    assert "a &lt;b&gt; map" in page
    assert "3 cells near the borders of tiles differ" in page
    assert "a coarser resolution" in page
    assert "bright tiles have most" in page
    assert "2 (ground), 5 (high vegetation)" in page
    assert page.count('class="length"') == 6


def test_images_alone_have_a_report(tmp_path: Path) -> None:
    product = Stored.of(_cog(tmp_path / "x.tif", np.ones((30, 40), np.float32), -9999).read_bytes())
    checker = PageChecker()
    checker.feed(report_images(_GRID, product, Scratch(str(tmp_path))).read_text())
    assert not checker.open
    assert checker.seen["img"] == 2
