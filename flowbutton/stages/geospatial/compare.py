"""A product against what is known of it, cell by cell, on the cells that both have.

Here: the stages `geospatial.pair_grids` and `geospatial.compare`, errors as counts that add up. Not here: what is told
of them (`evaluate`). Imports `flowbutton.model`, numpy; rasterio inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from flowbutton.model.bundle import Parts
from flowbutton.model.errors import BadInput
from flowbutton.model.stage import Items, Resources
from flowbutton.stages.define import gather_stage, map_stage
from flowbutton.stages.geospatial.grid import BLOCK, Box, Grid, window_of
from flowbutton.stages.geospatial.parts import assemble

NODATA = -9999.0
"""Of the truth, as `geospatial.band_math` writes it."""
_STEPS = 1000  # errors are counted in steps of a thousandth
_SIDE = 4 * BLOCK
_APART = 1e-6  # of a cell: corners that lie closer are one


class Pair(BaseModel):
    """Cells that a product and a truth have in common: rows and columns of each, and the parts where they are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: tuple[int, int]
    columns: tuple[int, int]
    truth_row: int
    truth_column: int
    window: tuple[Box, ...]
    truth_window: tuple[Box, ...]


class Differences(BaseModel):
    """Product less truth: how many cells have both, sums, extremes, and how often each error occurs.

    ``errors`` counts by the nearest thousandth, as text. ``missing`` cells have a truth but no value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cells: int = 0
    missing: int = 0
    total: float = 0.0
    squares: float = 0.0
    errors: Mapping[str, int] = {}

    def joined(self, other: Differences) -> Differences:
        """Return the differences of both."""
        errors = dict(self.errors)
        for error, count in other.errors.items():
            errors[error] = errors.get(error, 0) + count
        return Differences(
            cells=self.cells + other.cells,
            missing=self.missing + other.missing,
            total=self.total + other.total,
            squares=self.squares + other.squares,
            errors=errors,
        )


@map_stage("geospatial.pair_grids")
def pair_grids(grid: Grid, truth: Grid) -> Items[Pair]:
    """Find the cells that two grids have in common, in windows of 1,024 x 1,024.

    Args:
        grid: Of a product.
        truth: Of what it is compared with.

    Raises:
        BadInput: their cells are not the same: another CRS, another size, or shifted.
    """
    down, across = _shift(grid, truth)
    rows = range(max(0, -down), min(grid.rows, truth.rows - down))
    columns = range(max(0, -across), min(grid.columns, truth.columns - across))
    found: list[tuple[dict[str, int], Pair]] = []
    for top in rows[::_SIDE]:
        for left in columns[::_SIDE]:
            high, wide = range(top, min(top + _SIDE, rows.stop)), range(left, min(left + _SIDE, columns.stop))
            there = range(high.start + down, high.stop + down), range(wide.start + across, wide.stop + across)
            pair = Pair(
                rows=(high.start, high.stop),
                columns=(wide.start, wide.stop),
                truth_row=there[0].start,
                truth_column=there[1].start,
                window=window_of(high, wide),
                truth_window=window_of(*there),
            )
            found.append(({"ordinal": len(found)}, pair))
    return Items(tuple(found))


def _shift(grid: Grid, truth: Grid) -> tuple[int, int]:
    """Return what is to be added to a row and a column of the grid to get the truth's."""
    from rasterio.crs import CRS

    hint = "bring it onto the grid of the product: gdalwarp -tr width height -tap -r bilinear in.tif out.tif"
    if bool(grid.crs) != bool(truth.crs) or (grid.crs and CRS.from_wkt(grid.crs) != CRS.from_wkt(truth.crs)):
        raise BadInput("the truth has another coordinate reference system than the product", why="", hint=hint)
    a, b, c, d, e, f = grid.transform
    if not np.allclose((a, b, d, e), (truth.transform[0], truth.transform[1], *truth.transform[3:5]), rtol=1e-9):
        why = f"cells of {abs(truth.transform[0]):g} x {abs(truth.transform[4]):g}, not {abs(a):g} x {abs(e):g}"
        raise BadInput("the truth has cells of another size than the product", why=why, hint=hint)
    x, y, area = c - truth.transform[2], f - truth.transform[5], a * e - b * d
    column, row = (e * x - b * y) / area, (a * y - d * x) / area
    if abs(column - round(column)) > _APART or abs(row - round(row)) > _APART:
        why = f"it is shifted by {column % 1:.3g} columns and {row % 1:.3g} rows"
        raise BadInput("the cells of the truth lie between those of the product", why=why, hint=hint)
    return round(row), round(column)


@gather_stage("geospatial.compare", resources=Resources(memory_base_bytes=256 << 20, memory_per_input_byte=8.0))
def compare(
    pair: Pair,
    values: Parts,
    truth: Parts,
    *,
    dtype: Literal["float32", "float64"] = "float32",
    nodata: float | None = None,
) -> Differences:
    """Count the errors of a product in one window.

    Args:
        pair: By `geospatial.pair_grids`.
        values: The product's parts that meet ``pair.window``: one band.
        truth: The truth, likewise, by `geospatial.band_math`.
        dtype: The type of the product's parts.
        nodata: What its cells without a value have; NaN if None.
    """
    rows, columns = range(*pair.rows), range(*pair.columns)
    there = (
        range(pair.truth_row, pair.truth_row + len(rows)),
        range(pair.truth_column, pair.truth_column + len(columns)),
    )
    fill = float("nan") if nodata is None else nodata
    mine = assemble(values, rows, columns, bands=1, dtype=dtype, fill=fill)[0]
    known = assemble(truth, *there, bands=1, dtype="float32", fill=NODATA)[0]
    some = np.isfinite(known) & (known != NODATA)
    valued = np.isfinite(mine) if nodata is None else np.isfinite(mine) & (mine != mine.dtype.type(nodata))
    error = mine[some & valued].astype(np.float64) - known[some & valued]
    steps, counts = np.unique(np.rint(error * _STEPS).astype(np.int64), return_counts=True)
    return Differences(
        cells=len(error),
        missing=int(np.count_nonzero(some & ~valued)),
        total=float(error.sum()),
        squares=float(np.square(error).sum()),
        errors={str(step): count for step, count in zip(steps.tolist(), counts.tolist(), strict=True)},
    )


class Errors(BaseModel):
    """Errors of a product: value less truth.

    Args:
        cells: Those with a value and a truth.
        missing: Those with a truth alone.
        bias: The mean error; None where there is no cell, as all that follows.
        rmse: The root of the mean squared error.
        percentiles: Of the error, by percent, to a thousandth: 0 is the least, 100 the greatest.
        absolute_95: 95 % of the errors are at most so large.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cells: int
    missing: int
    bias: float | None = None
    rmse: float | None = None
    percentiles: Mapping[str, float] = {}
    absolute_95: float | None = None


def errors_of(parts: Sequence[Differences]) -> Errors:
    """Return what the differences of all windows say together."""
    joined = reduce(Differences.joined, parts, Differences())
    if not joined.cells:
        return Errors(cells=0, missing=joined.missing)
    steps = np.array(sorted(map(int, joined.errors)), np.int64)
    counts = np.array([joined.errors[str(step)] for step in steps.tolist()], np.int64)
    order = np.argsort(np.abs(steps), kind="stable")
    return Errors(
        cells=joined.cells,
        missing=joined.missing,
        bias=joined.total / joined.cells,
        rmse=float(np.sqrt(joined.squares / joined.cells)),
        percentiles={str(percent): _at(steps, counts, percent) for percent in (0, 5, 25, 50, 75, 95, 100)},
        absolute_95=_at(np.abs(steps)[order], counts[order], 95),
    )


def _at(steps: np.typing.NDArray[np.int64], counts: np.typing.NDArray[np.int64], percent: int) -> float:
    """Return the percentile by the nearest rank."""
    heaped = np.cumsum(counts)
    rank = max(-(-percent * int(heaped[-1]) // 100), 1)
    return int(steps[np.searchsorted(heaped, rank)]) / _STEPS
