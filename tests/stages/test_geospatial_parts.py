"""Products are cut into parts and put together again: whatever the tiles and the window, every cell once."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flowbutton.model.bundle import Interval
from flowbutton.model.errors import Bug
from flowbutton.stages.bundles import Bundle, MemoryParts
from flowbutton.stages.geospatial.grid import BLOCK, Grid, cut_axis, window_of
from flowbutton.stages.geospatial.parts import PART_SCHEMA, add_part, assemble

_TRANSFORM = (2.0, 0.0, 100.0, 0.0, -2.0, 900.0)


@st.composite
def _stretch(draw: st.DrawFn, most: int) -> range:
    start = draw(st.integers(0, most - 1))
    return range(start, draw(st.integers(start + 1, most)))


@given(cells=_stretch(2000))
@example(cells=range(BLOCK, 2 * BLOCK))
def test_cells_of_an_axis_belong_to_one_block_each(cells: range) -> None:
    pieces = [*cut_axis(cells)]
    assert [cell for piece in pieces for cell in piece] == [*cells]
    assert all(piece.start // BLOCK == (piece.stop - 1) // BLOCK for piece in pieces)


@settings(deadline=None, max_examples=30)
@given(height=st.integers(1, 600), width=st.integers(1, 600), tile=st.sampled_from([64, 100, 256, 999]), data=st.data())
def test_any_window_is_what_the_product_has_there(
    height: int, width: int, tile: int, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = np.arange(2 * height * width, dtype=np.float32).reshape(2, height, width)
    bundle = Bundle(tmp_path_factory.mktemp("parts") / "bundle", PART_SCHEMA)
    for row, column in product(range(0, height, tile), range(0, width, tile)):
        add_part(bundle, row, column, whole[:, row : row + tile, column : column + tile])
    rows, columns = data.draw(_stretch(height)), data.draw(_stretch(width))
    wanted = [Interval({"row": box.row}, box.start, box.stop) for box in window_of(rows, columns)]
    parts = MemoryParts([bundle.close()], wanted)
    window = whole[:, rows.start : rows.stop, columns.start : columns.stop]
    assert np.array_equal(assemble(parts, rows, columns, bands=2, dtype="float32", fill=-1), window)


def _parts(path: Path, *given_at: tuple[int, int]) -> MemoryParts:
    bundle = Bundle(path / "bundle", PART_SCHEMA)
    for row, column in given_at:
        add_part(bundle, row, column, np.ones((1, 2, 2), np.uint8))
    return MemoryParts([bundle.close()])


def test_cells_that_nobody_gave_are_filled(tmp_path: Path) -> None:
    parts = _parts(tmp_path, (0, 0), (0, 2))
    found = assemble(parts, range(3), range(5), bands=1, dtype="uint8", fill=9)
    assert found.tolist() == [[[1, 1, 1, 1, 9], [1, 1, 1, 1, 9], [9, 9, 9, 9, 9]]]


def test_a_cell_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Bug, match="given twice"):
        assemble(_parts(tmp_path, (0, 0), (1, 1)), range(3), range(3), bands=1, dtype="uint8", fill=0)


def test_a_part_of_another_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Bug, match="another kind"):
        assemble(_parts(tmp_path, (0, 0)), range(3), range(3), bands=1, dtype="int16", fill=0)


def test_a_grid_knows_where_it_lies() -> None:
    grid = Grid(crs="", transform=_TRANSFORM, rows=10, columns=20)
    assert grid.bounds() == (100.0, 880.0, 140.0, 900.0)
    assert grid.corners() == ((100.0, 900.0), (140.0, 900.0), (140.0, 880.0), (100.0, 880.0))
