"""How a product is divided: into patches, which tasks compress, and into the files of a mosaic.

Patches and files are whole squares of `SIDE` cells, so that the blocks of a file, and those of its overviews, are
blocks of its patches. Here: the stages `geospatial.plan_patches` and `geospatial.plan_mosaic`. Not here: compression
(`compress`), files (`cog`), what joins them (`mosaic`). Imports `flowbutton.model`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from flowbutton.model.stage import Items
from flowbutton.stages.define import map_stage
from flowbutton.stages.geospatial.grid import BLOCK, Box, Grid, window_of

PATCH_LEVELS = 3
"""Levels of overviews that are made in patches; a patch has ``2**PATCH_LEVELS`` rows of blocks."""
SIDE = BLOCK << PATCH_LEVELS
"""Cells that a patch is high; statistics are of squares of so many cells per side, joined by rows."""

FileCells = Annotated[int, Field(ge=SIDE, multiple_of=SIDE)]
"""Cells per side of a mosaic's files: a multiple of 2048."""


class Patch(BaseModel):
    """Rows and columns, in cells, half-open, and the blocks that they are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: tuple[int, int]
    columns: tuple[int, int]
    window: tuple[Box, ...]


class MosaicTile(BaseModel):
    """Rows and columns of a file of a mosaic, in cells of the product's grid, half-open."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: tuple[int, int]
    columns: tuple[int, int]

    def part_of(self, grid: Grid) -> Grid:
        """Return the tile's own grid: the same cells."""
        a, b, c, d, e, f = grid.transform
        (top, bottom), (left, right) = self.rows, self.columns
        corner = (a, b, c + a * left + b * top, d, e, f + d * left + e * top)
        return Grid(crs=grid.crs, transform=corner, rows=bottom - top, columns=right - left)

    def name(self, cells: int) -> str:
        """Return what the file is called among those of so many cells per side: its row and column, ``0_0`` first."""
        return f"{self.rows[0] // cells}_{self.columns[0] // cells}"


@map_stage("geospatial.plan_patches")
def plan_patches(
    grid: Grid,
    *,
    across: Annotated[int, Field(ge=1 << PATCH_LEVELS, multiple_of=1 << PATCH_LEVELS)] = 1 << PATCH_LEVELS,
    mosaic: FileCells | None = None,
) -> Items[Patch]:
    """Divide a grid into patches, by rows; those of one row, and of one file, are about equally wide.

    Args:
        grid: Of the product.
        across: Blocks that a patch is wide at most, a multiple of 8. Bytes don't depend on it: wide ones have fewer
            seams, narrow ones are more tasks.
        mosaic: Cells per side of the files of a mosaic: no patch is of two, and the key column ``tile`` names its one.
    """
    found: list[tuple[dict[str, int | str], Patch]] = []
    for tile in _tiles(grid, SIDE, mosaic or grid.columns):
        for start, stop in _even(*tile.columns, across * BLOCK):
            window = window_of(range(*tile.rows), range(start, stop))
            key = {"ordinal": len(found)} | ({"tile": tile.name(mosaic)} if mosaic else {})
            found.append((key, Patch(rows=tile.rows, columns=(start, stop), window=window)))
    return Items(tuple(found))


@map_stage("geospatial.plan_mosaic")
def plan_mosaic(grid: Grid, *, cells: FileCells) -> Items[MosaicTile]:
    """Divide a grid into the files of a mosaic, by rows. The key column ``tile`` is their row and column.

    Args:
        grid: Of the products.
        cells: Cells per side of a file, a multiple of 2048; the last ones have fewer.
    """
    return Items(tuple(({"tile": tile.name(cells)}, tile) for tile in mosaic_tiles(grid, cells)))


def mosaic_tiles(grid: Grid, cells: int) -> list[MosaicTile]:
    """Return the files of a mosaic, by rows."""
    return [*_tiles(grid, cells, cells)]


def _tiles(grid: Grid, height: int, width: int) -> Iterator[MosaicTile]:
    for top in range(0, grid.rows, height):
        for left in range(0, grid.columns, width):
            rows, columns = (top, min(top + height, grid.rows)), (left, min(left + width, grid.columns))
            yield MosaicTile(rows=rows, columns=columns)


def _even(first: int, last: int, most: int) -> Iterator[tuple[int, int]]:
    """Divide cells into spans of whole squares and of at most ``most`` cells, as equal as that allows."""
    squares = -(-(last - first) // SIDE)
    count = -(-squares * SIDE // most)
    return pairwise([*(first + squares * number // count * SIDE for number in range(count)), last])
