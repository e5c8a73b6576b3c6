"""Tiles: which cells of the grid one task computes, and what it must see for that.

Tiles cover the grid, each cell once. What a tile sees beyond its cells is its halo: ground points within twice the
largest circumradius, cells within the reach of the ground filter. Here: the stage `geospatial.plan_tiles`.
Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from flowbutton.model.errors import OptionError
from flowbutton.model.stage import Items
from flowbutton.stages.columns import read
from flowbutton.stages.define import map_stage
from flowbutton.stages.geospatial.cells import SIDE, Ints
from flowbutton.stages.geospatial.grid import BLOCK, Box, window_of
from flowbutton.stages.geospatial.ground_points import BIN
from flowbutton.stages.geospatial.limits import Above0, AtLeast1
from flowbutton.stages.geospatial.opening import halo_of
from flowbutton.stages.geospatial.survey import Cloud
from flowbutton.stages.geospatial.triangles import Window

AROUND = 4
"""Cells that stages of a kernel see around a tile: kernels are up to 9 cells wide."""
_BESIDE = 4  # cells on each side of a border whose terrain is computed again
_MOST_BOXES = 96  # of a window: an item stays small
_MOST_READS = 1 << 24  # of parts by a stage's tasks, about 0.15 ms each


class Strip(BaseModel):
    """All rows of columns ``[start, stop)``, in cells. An interval for `overlap`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: int
    stop: int


Boxes = tuple[Box | Strip, ...]


class Tile(BaseModel):
    """A rectangle of the grid, and the intervals of what it needs.

    ``cells`` are the blocks of `geospatial.scatter`'s cells that it touches, ``wide`` those with the halo of the ground
    filter; ``bins`` are the bins of points that it touches, ``ground`` those with the halo of the terrain; ``blocks``
    are the parts of products that it touches, ``around`` those with the halo of kernels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    row: int
    column: int
    rows: int
    columns: int
    cells: Boxes
    wide: Boxes
    bins: Boxes
    ground: Boxes
    blocks: Boxes
    around: Boxes

    def ranges(self, halo: int = 0) -> tuple[range, range]:
        """Return its rows and columns on the grid; with a halo they may lie outside."""
        rows = range(self.row - halo, self.row + self.rows + halo)
        return rows, range(self.column - halo, self.column + self.columns + halo)


def ground_halo(cloud: Cloud) -> int:
    """Return how many cells around a tile the points of its triangles may lie: within two circumradii."""
    return math.ceil(2 * cloud.radius / cloud.frame.cell)


@map_stage("geospatial.plan_tiles")
def plan_tiles(
    cloud: Cloud,
    bins: Path,
    *,
    of: Literal["terrain", "surface", "seams"] = "surface",
    tile_cells: AtLeast1 = 256,
    tile_points: AtLeast1 | None = None,
    filter_radius: Above0 = 18.0,
) -> Items[Tile]:
    """Divide the grid into tiles. Products do not depend on them.

    Args:
        cloud: By `geospatial.survey`.
        bins: Likewise.
        of: What is made of them: without a ``max_radius`` the terrain is one tile. ``seams`` are strips of eight cells
            across the borders between the tiles of the terrain.
        tile_cells: Edge of a tile, in cells, at least 1.
        tile_points: If given, tiles of at most so many points (and of a bin of 64 cells at least) instead.
        filter_radius: As of `geospatial.filter_ground`.

    Raises:
        OptionError: tiles are so small that tasks would do little but read.
    """
    rows, columns = range(cloud.grid.rows), range(cloud.grid.columns)
    if of != "surface" and cloud.max_radius is None:
        windows = iter([(rows, columns)])
    elif tile_points is not None:
        windows = _by_points(cloud, read(bins)[0]["bins"], tile_points)
    else:
        _affordable(cloud, tile_cells)
        windows = ((high, wide) for high in _steps(rows, tile_cells) for wide in _steps(columns, tile_cells))
    if of == "seams":
        windows = (strip for tile in windows for strip in _borders(*tile, rows, columns))
    wide = halo_of(filter_radius, cloud.frame.resolution)
    found = [_tile(cloud, high, across, wide) for high, across in windows]
    return Items(tuple(({"ordinal": number}, tile) for number, tile in enumerate(found)))


def _affordable(cloud: Cloud, size: int) -> None:
    """Refuse tiles so small that the run would not end: each task reads the parts of all tiles of its block."""
    tiles, each = _reads(cloud, size)
    if tiles * each <= _MOST_READS:
        return
    fits = next(edge for edge in (1 << n for n in range(64)) if math.prod(_reads(cloud, edge)) <= _MOST_READS)
    raise OptionError(
        f"tiles of {size} x {size} cells make {tiles} tasks in each of several stages",
        why=f"each reads what {each} tiles made, those of its block of {BLOCK} x {BLOCK} cells",
        hint=f"choose tile_cells={fits} or more: products are the same",
    )


def _reads(cloud: Cloud, size: int) -> tuple[int, int]:
    """Return how many tiles of a size the grid has, and how many of them each task reads."""
    tiles = math.ceil(cloud.grid.rows / size) * math.ceil(cloud.grid.columns / size)
    return tiles, min(tiles, math.ceil(BLOCK / size) ** 2)


def _steps(cells: range, size: int) -> Iterator[range]:
    for start in range(0, len(cells), size):
        yield cells[start : start + size]


def _borders(rows: range, columns: range, all_rows: range, all_columns: range) -> Iterator[tuple[range, range]]:
    """Yield the strips across the right and the lower border of a tile; at a crossing they don't overlap."""
    if columns.stop < all_columns.stop:
        yield rows, all_columns[max(columns.stop - _BESIDE, 0) : columns.stop + _BESIDE]
    left = columns.start + _BESIDE * (columns.start > 0)
    right = columns.stop - _BESIDE * (columns.stop < all_columns.stop)
    if rows.stop < all_rows.stop and left < right:
        yield all_rows[max(rows.stop - _BESIDE, 0) : rows.stop + _BESIDE], range(left, right)


def _by_points(cloud: Cloud, bins: Ints, most: int) -> Iterator[tuple[range, range]]:
    """Halve the grid along the lines of bins until no part has more points."""
    south = cloud.north - cloud.grid.rows
    high = range(south // BIN, -(-cloud.north // BIN))
    across = range(cloud.west // BIN, -(-(cloud.west + cloud.grid.columns) // BIN))
    for rows, columns in _halved(bins, high, across, most):
        top, bottom = min(rows.stop * BIN, cloud.north), max(rows.start * BIN, south)
        left = max(columns.start * BIN - cloud.west, 0)
        right = min(columns.stop * BIN - cloud.west, cloud.grid.columns)
        yield range(cloud.north - top, cloud.north - bottom), range(left, right)


def _halved(bins: Ints, rows: range, columns: range, most: int) -> Iterator[tuple[range, range]]:
    if bins[:, 2].sum() <= most or len(rows) == len(columns) == 1:
        yield rows, columns
        return
    axis, span = (0, rows) if len(rows) >= len(columns) else (1, columns)
    at = _middle(bins[:, axis], bins[:, 2], span)
    below = bins[:, axis] < at
    one, two = range(span.start, at), range(at, span.stop)
    for chosen, part in ((below, one), (~below, two)):
        yield from _halved(bins[chosen], part if axis == 0 else rows, part if axis == 1 else columns, most)


def _middle(line: Ints, points: Ints, span: range) -> int:
    """Return the line, strictly inside, where the halves come closest to equal numbers of points."""
    lines = range(span.start + 1, span.stop)
    return min(lines, key=lambda at: abs(2 * int(points[line < at].sum()) - int(points.sum())))


def _tile(cloud: Cloud, rows: range, columns: range, wide: int) -> Tile:
    window = cloud.window(rows, columns)
    gathered = cloud.max_radius is None
    return Tile(
        row=rows.start,
        column=columns.start,
        rows=len(rows),
        columns=len(columns),
        cells=_boxes(window, SIDE),
        wide=_boxes(window.widened(wide), SIDE),
        bins=_boxes(window, BIN),
        ground=_boxes(window, BIN) if gathered else _boxes(window.widened(ground_halo(cloud)), BIN),
        blocks=_short(window_of(rows, columns), columns),
        around=_short(window_of(*(_grown(cells) for cells in (rows, columns))), _grown(columns)),
    )


def _grown(cells: range) -> range:
    return range(max(cells.start - AROUND, 0), cells.stop + AROUND)


def _boxes(window: Window, side: int) -> Boxes:
    columns = range(window.column, window.column + window.columns)
    rows = range(window.row // side, -(-(window.row + window.rows) // side))
    if len(rows) > _MOST_BOXES:
        return (Strip(start=columns.start, stop=columns.stop),)
    return tuple(Box(row=row, start=columns.start, stop=columns.stop) for row in rows)


def _short(boxes: tuple[Box, ...], columns: range) -> Boxes:
    return boxes if len(boxes) <= _MOST_BOXES else (Strip(start=columns.start, stop=columns.stop),)
