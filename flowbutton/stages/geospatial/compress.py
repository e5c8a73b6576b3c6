"""Products become compressed blocks, on many workers: of the full level, and of the overviews that a patch decides.

A patch is 8 x 8 blocks: it holds all that three levels of overviews need, and one block of the third. Patches are
fixed, and so are bytes and statistics. Here: the stages `geospatial.plan_patches` and `geospatial.compress`.
Not here: the file (`cog`). Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from flowbutton.model.bundle import KeySchema, Parts
from flowbutton.model.stage import Items, Resources, Scratch
from flowbutton.stages.bundles import Bundle
from flowbutton.stages.columns import pack
from flowbutton.stages.define import gather_stage, map_stage
from flowbutton.stages.geospatial.grid import BLOCK, Box, Grid, window_of
from flowbutton.stages.geospatial.parts import Array, assemble
from flowbutton.stages.geospatial.product import Product
from flowbutton.stages.geospatial.pyramid import STRIP, halved, level_sizes, valid
from flowbutton.stages.geospatial.tiff_blocks import block_bytes

PATCH_LEVELS = 3
"""Levels of overviews that are made in patches; a patch has ``2**PATCH_LEVELS`` blocks per side."""
BLOCK_SCHEMA = KeySchema(("rank", "row", "column"))
"""Compressed blocks are kept in the order of a COG: rank 0 is the smallest level of patches, then by rows.

Rank -1 has the values of rank 0 as they are, for the levels above it, where there are any.
"""
RAW_RANK = -1


class Patch(BaseModel):
    """Rows and columns, in cells, half-open, and the blocks that they are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: tuple[int, int]
    columns: tuple[int, int]
    window: tuple[Box, ...]


class BandStatistics(BaseModel):
    """Of the cells that have a value: how many, mean, and the sum of squared differences to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int
    least: float
    most: float
    mean: float
    squares: float

    def joined(self, other: BandStatistics) -> BandStatistics:
        """Return the statistics of both (Chan et al. 1979)."""
        if not self.count or not other.count:
            return self if self.count else other
        count, apart = self.count + other.count, other.mean - self.mean
        return BandStatistics(
            count=count,
            least=min(self.least, other.least),
            most=max(self.most, other.most),
            mean=self.mean + apart * other.count / count,
            squares=self.squares + other.squares + apart * apart * self.count * other.count / count,
        )


class PatchFacts(BaseModel):
    """Statistics by band, and bytes of all blocks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bands: tuple[BandStatistics, ...]
    size: int


class Compressed(NamedTuple):
    """Blocks of a patch, and facts of it."""

    blocks: Bundle
    facts: PatchFacts


@map_stage("geospatial.plan_patches")
def plan_patches(grid: Grid) -> Items[Patch]:
    """Divide a grid into patches, by rows.

    Args:
        grid: Of the product.
    """
    side = BLOCK << PATCH_LEVELS
    found: list[tuple[dict[str, int], Patch]] = []
    for top in range(0, grid.rows, side):
        for left in range(0, grid.columns, side):
            rows, columns = range(top, min(top + side, grid.rows)), range(left, min(left + side, grid.columns))
            span = (rows.start, rows.stop), (columns.start, columns.stop)
            patch = Patch(rows=span[0], columns=span[1], window=window_of(rows, columns))
            found.append(({"ordinal": len(found)}, patch))
    return Items(tuple(found))


@gather_stage("geospatial.compress", resources=Resources(memory_base_bytes=512 << 20, memory_per_input_byte=8.0))
def compress(patch: Patch, grid: Grid, parts: Parts, scratch: Scratch, *, product: Product) -> Compressed:
    """Compress the blocks of a patch, and of its overviews.

    Args:
        patch: Of `geospatial.plan_patches`.
        grid: Of the product.
        parts: The product, what of it meets ``patch.window``.
        scratch: Where the blocks are written.
        product: What is made of it.
    """
    sizes = level_sizes(grid.rows, grid.columns)
    last = min(PATCH_LEVELS, len(sizes) - 1)
    values = patch_values(patch, parts, product)
    bundle = Bundle(Path(scratch) / "blocks.bundle", BLOCK_SCHEMA)
    bands, size = tuple(_statistics(band, product) for band in values), 0
    for level in range(last + 1):
        if level:
            values = halved(values, product)
        top, left = patch.rows[0] // BLOCK >> level, patch.columns[0] // BLOCK >> level
        for row, column, block in blocks(values):
            data = block_bytes(block, product.fill)
            bundle.add((last - level, top + row, left + column), data)
            size += len(data)
    if len(sizes) - 1 > last:
        bundle.add(
            (RAW_RANK, patch.rows[0] // BLOCK >> last, patch.columns[0] // BLOCK >> last), pack({"values": values})
        )
    return Compressed(bundle, PatchFacts(bands=bands, size=size))


def blocks(values: Array) -> list[tuple[int, int, Array]]:
    """Return row, column and values of each block, by rows; ``values`` begin at a block's corner."""
    _, rows, columns = values.shape
    return [
        (row // BLOCK, column // BLOCK, values[:, row : row + BLOCK, column : column + BLOCK])
        for row in range(0, rows, BLOCK)
        for column in range(0, columns, BLOCK)
    ]


def patch_values(patch: Patch, parts: Parts, product: Product) -> Array:
    """Return (bands, rows, columns) of a patch, in the type that is written."""
    made = np.dtype(product.made or product.dtype)
    found = assemble(
        parts, range(*patch.rows), range(*patch.columns), bands=len(product.bands), dtype=made, fill=product.fill
    )
    return found.astype(product.dtype, copy=False)


def _statistics(band: Array, product: Product) -> BandStatistics:
    """Return the statistics of a band, joined by strips, which fit into a processor's cache."""
    strips = (_of_strip(band[row : row + STRIP], product) for row in range(0, len(band), STRIP))
    return reduce(BandStatistics.joined, strips)


def _of_strip(strip: Array, product: Product) -> BandStatistics:
    there = valid(strip, product)
    chosen = strip.ravel() if there.all() else strip[there]
    if not len(chosen):
        return BandStatistics(count=0, least=0.0, most=0.0, mean=0.0, squares=0.0)
    values = chosen.astype(np.float64)
    mean = float(values.mean())
    values -= mean
    squares = float(np.square(values, out=values).sum())
    return BandStatistics(
        count=len(values), least=float(chosen.min()), most=float(chosen.max()), mean=mean, squares=squares
    )
