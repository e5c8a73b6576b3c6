"""A Cloud-Optimized GeoTIFF from compressed blocks, of which none is read: it is named by where they lie.

Bytes depend on the product alone: not on tiles, windows, patches or workers. Made here are the head, and the levels
above those of patches, which have at most 1/256 of the cells. Here: the stage `geospatial.cog`. Not here: compression
(`compress`), the head (`tiff_header`). Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain, groupby
from typing import NamedTuple

import numpy as np

from flowbutton.model.composite import Composite, Stored
from flowbutton.model.stage import Resources
from flowbutton.stages.columns import unpack
from flowbutton.stages.define import gather_stage
from flowbutton.stages.geospatial.compress import BandStatistics, PatchFacts, blocks, statistics_of
from flowbutton.stages.geospatial.grid import BLOCK, Grid
from flowbutton.stages.geospatial.parts import Array
from flowbutton.stages.geospatial.patches import PATCH_LEVELS, MosaicTile
from flowbutton.stages.geospatial.product import Product
from flowbutton.stages.geospatial.pyramid import UpperLevels, level_sizes
from flowbutton.stages.geospatial.tiff_blocks import AROUND_BLOCK, block_bytes, framed
from flowbutton.stages.geospatial.tiff_header import Level, geo_tags, header_bytes

_CLASSIC = 4_000_000_000  # bytes of blocks from which on a file is a BigTIFF: offsets have 32 bits in others


class StoredPatch(NamedTuple):
    """A patch by `geospatial.compress`, with its blocks where they lie."""

    blocks: Stored
    top: Stored
    facts: PatchFacts


@gather_stage("geospatial.cog", resources=Resources(memory_base_bytes=512 << 20, memory_per_input_byte=0.0))
def cog(
    patches: Sequence[StoredPatch],
    grid: Grid,
    tags: Mapping[str, str] | None = None,
    tile: MosaicTile | None = None,
    *,
    product: Product,
    big: bool | None = None,
) -> Composite:
    """Join a product to one file, with overviews, statistics and names of bands.

    Args:
        patches: By `geospatial.compress`, all of the grid's, or of the tile's, in their order.
        grid: Of the product.
        tags: More names and texts for the file's metadata.
        tile: Of `geospatial.plan_mosaic`: the file holds no more than it.
        product: As for `geospatial.compress`.
        big: Write a BigTIFF; if None, where the file needs it.
    """
    grid = tile.part_of(grid) if tile is not None else grid
    sizes = level_sizes(grid.rows, grid.columns)
    statistics = statistics_of(patch.facts for patch in patches)
    metadata = metadata_of(statistics, grid, {**product.tags, **(tags or {})})
    rows = [[*row] for _, row in groupby(patches, key=lambda patch: patch.facts.rows)]
    stored = min(PATCH_LEVELS + 1, len(sizes))
    levels = [_stored_level(rows, level) for level in range(stored)]
    levels += _levels_above(rows, len(sizes) - stored, product)
    if big is None:
        big = sum(chain.from_iterable(level.sizes for level in levels)) > _CLASSIC
    geo = geo_tags(grid)
    start = len(header_bytes(_placed(levels, sizes, 0), product, geo, metadata, big=big))
    head = header_bytes(_placed(levels, sizes, start), product, geo, metadata, big=big)
    return Composite([head, *chain.from_iterable(level.parts for level in reversed(levels))], ".tif")


@dataclass(slots=True)
class _Blocks:
    """The blocks of a level, by rows: bytes of each, and where they lie, framed."""

    sizes: list[int] = field(default_factory=list)
    parts: list[Stored | bytes] = field(default_factory=list)


def _stored_level(rows: Sequence[Sequence[StoredPatch]], level: int) -> _Blocks:
    """Return a level that patches have, given by rows of them: each row of blocks lies in one piece per patch."""
    found = _Blocks()
    for row in rows:
        for blocks_of_row in zip(*(_rows_of_blocks(patch, level) for patch in row), strict=True):
            for sizes, part in blocks_of_row:
                found.sizes += sizes
                found.parts.append(part)
    return found


def _rows_of_blocks(patch: StoredPatch, level: int) -> Iterator[tuple[Sequence[int], Stored]]:
    """Yield the rows of blocks of one level of a patch: the bytes of each block, and where they lie."""
    sizes, (left, right) = patch.facts.sizes, patch.facts.columns
    at, across = sum(map(_framed_bytes, sizes[:level])), -(-(right - left) // (BLOCK << level))
    for first in range(0, len(sizes[level]), across):
        row = sizes[level][first : first + across]
        yield row, patch.blocks.part(at, at + _framed_bytes(row))
        at += _framed_bytes(row)


def _framed_bytes(sizes: Sequence[int]) -> int:
    return sum(sizes) + AROUND_BLOCK * len(sizes)


def _levels_above(rows: Sequence[Sequence[StoredPatch]], count: int, product: Product) -> list[_Blocks]:
    """Make the levels above those of patches, lowest first, of the values of these; two rows of blocks are held."""
    upper, found = UpperLevels(count, product), [_Blocks() for _ in range(count)]

    def keep(made: Iterator[tuple[int, Array]]) -> None:
        for level, values in made:
            packed = [block_bytes(block, product.fill) for block in blocks(values)]
            found[level - 1].sizes += map(len, packed)
            found[level - 1].parts += map(framed, packed)

    for row in rows if count else ():
        tops = [unpack(patch.top.read(0, patch.top.size))[0]["values"] for patch in row]
        keep(upper.push(np.concatenate(tops, axis=2)))
    keep(upper.close())
    return found


def _placed(levels: Sequence[_Blocks], sizes: Sequence[tuple[int, int]], at: int) -> list[Level]:
    """Return where blocks lie when the smallest level begins at byte ``at``; the full level comes first."""
    placed: list[Level] = []
    for level, size in zip(reversed(levels), reversed(sizes), strict=True):
        *starts, at = accumulate((found + AROUND_BLOCK for found in level.sizes), initial=at)
        placed.append(Level(*size, [start + AROUND_BLOCK // 2 for start in starts], level.sizes))
    return placed[::-1]


def metadata_of(
    statistics: Sequence[BandStatistics], grid: Grid, tags: Mapping[str, str]
) -> dict[tuple[str, int | None], str]:
    """Return names and texts of a file's metadata: of the file (band None), and of its bands from 0."""
    found: dict[tuple[str, int | None], str] = {(name, None): text for name, text in sorted(tags.items())}
    for band, one in enumerate(statistics):
        if one.count:
            found["STATISTICS_MAXIMUM", band] = repr(one.most)
            found["STATISTICS_MEAN", band] = repr(one.mean)
            found["STATISTICS_MINIMUM", band] = repr(one.least)
            found["STATISTICS_STDDEV", band] = repr(math.sqrt(one.squares / one.count))
        found["STATISTICS_VALID_PERCENT", band] = f"{100 * one.count / (grid.rows * grid.columns):.4g}"
    return found
