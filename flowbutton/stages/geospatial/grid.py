"""Grids of cells: where a product's rows and columns lie on the ground, and what it is cut into.

A product is cut into blocks of 256 x 256 cells, counted from its upper left corner. Blocks are fixed: no tile, window
or number of workers is in them. Here: the grid, its blocks. Not here: values in them (`parts`).
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, Field

BLOCK = 256
"""Cells per side of a block: the unit in which products travel and are compressed."""


class Box(BaseModel):
    """Blocks of one block row that a window touches: columns ``[start, stop)``, in cells. An interval for `overlap`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    row: int
    start: int
    stop: int


class Grid(BaseModel):
    """A raster's cells: ``x = a * column + b * row + c``, ``y = d * column + e * row + f``, from the upper left corner.

    ``transform`` is (a, b, c, d, e, f), rasterio's order. Products of points are north-up (``e`` is negative), tight
    around the cells that have points, and their corner is on multiples of the resolution; products of rasters have the
    grid of these, south-up and rotated ones too. ``crs`` is WKT, "" where there is none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    crs: str
    transform: tuple[float, float, float, float, float, float]
    rows: int = Field(ge=1)
    columns: int = Field(ge=1)

    def corners(self) -> tuple[tuple[float, float], ...]:
        """Return upper left, upper right, lower right and lower left as (x, y) in the grid's CRS."""
        a, b, c, d, e, f = self.transform
        ends = ((0, 0), (self.columns, 0), (self.columns, self.rows), (0, self.rows))
        return tuple((a * column + b * row + c, d * column + e * row + f) for column, row in ends)

    def bounds(self) -> tuple[float, float, float, float]:
        """Return left, bottom, right and top of the box around the corners."""
        xs, ys = zip(*self.corners(), strict=True)
        return min(xs), min(ys), max(xs), max(ys)


def window_of(rows: range, columns: range) -> tuple[Box, ...]:
    """Return what of a product a window of cells needs: for each block row that it touches, the columns.

    Gathered with ``overlap`` it gets whole blocks; `parts.assemble` trims them to the cells.
    """
    return tuple(Box(row=row, start=columns.start, stop=columns.stop) for row in blocks_of(rows)) if columns else ()


def blocks_of(cells: range) -> range:
    """Return the numbers of the blocks that some cells of one axis touch."""
    return range(cells.start // BLOCK, -(-cells.stop // BLOCK)) if cells else range(0)


def cut_axis(cells: range) -> Iterator[range]:
    """Yield the cells of one axis by block: none is empty, and none crosses a block's edge."""
    for block in blocks_of(cells):
        yield range(max(cells.start, block * BLOCK), min(cells.stop, (block + 1) * BLOCK))
