"""A Cloud-Optimized GeoTIFF from compressed blocks, in a stream: blocks are joined behind a head of known size.

Bytes depend on the product alone: not on tiles, windows or workers. Memory holds two rows of blocks of the levels that
are made here, which have at most 1/64 of the cells. Here: the stage `geospatial.cog`. Not here: compression
(`compress`), the head (`tiff_header`). Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import BinaryIO

import numpy as np

from flowbutton.model.bundle import Parts
from flowbutton.model.stage import Resources, Scratch
from flowbutton.stages.columns import unpack
from flowbutton.stages.define import gather_stage
from flowbutton.stages.geospatial.compress import (
    PATCH_LEVELS,
    RAW_RANK,
    BandStatistics,
    PatchFacts,
    blocks,
)
from flowbutton.stages.geospatial.grid import BLOCK, Grid
from flowbutton.stages.geospatial.parts import Array
from flowbutton.stages.geospatial.product import Product
from flowbutton.stages.geospatial.pyramid import UpperLevels, level_sizes
from flowbutton.stages.geospatial.tiff_blocks import block_bytes
from flowbutton.stages.geospatial.tiff_header import AROUND_BLOCK, Level, geo_tags, header_bytes

_CLASSIC = 4_000_000_000  # bytes of blocks from which on a file is a BigTIFF: offsets have 32 bits in others
_MOST_BLOCK = BLOCK * BLOCK * 8 + 4096


@gather_stage("geospatial.cog", resources=Resources(memory_base_bytes=512 << 20, memory_per_input_byte=0.0))
def cog(
    compressed: Parts,
    facts: Sequence[PatchFacts],
    grid: Grid,
    scratch: Scratch,
    tags: Mapping[str, str] | None = None,
    *,
    product: Product,
    big: bool | None = None,
) -> Path:
    """Write a product as one file, with overviews, statistics and names of bands.

    Args:
        compressed: By `geospatial.compress`, of all patches.
        facts: Likewise.
        grid: Of the product.
        scratch: Where the file is written.
        tags: More names and texts for the file's metadata.
        product: As for `geospatial.compress`.
        big: Write a BigTIFF; if None, where the file needs it.
    """
    sizes = level_sizes(grid.rows, grid.columns)
    last = min(PATCH_LEVELS, len(sizes) - 1)
    statistics = [reduce(BandStatistics.joined, bands) for bands in zip(*(one.bands for one in facts), strict=True)]
    metadata = metadata_of(statistics, grid, {**product.tags, **(tags or {})})
    geo = geo_tags(grid)
    if big is None:
        big = _bytes(facts, sizes, last, len(product.bands)) > _CLASSIC
    empty = [Level(*size, *([0] * _count(size),) * 2) for size in sizes]
    path = Path(scratch) / "product.tif"
    with path.open("wb") as file:
        file.write(header_bytes(empty, product, geo, metadata, big=big))
        written = [_Written() for _ in sizes]
        for level, data in _in_order(compressed, sizes, last, product):
            written[level].add(file, data)
        filled = [Level(*size, one.offsets, one.sizes) for size, one in zip(sizes, written, strict=True)]
        file.seek(0)
        file.write(header_bytes(filled, product, geo, metadata, big=big))
    return path


@dataclass(slots=True)
class _Written:
    """Where the blocks of a level were written."""

    offsets: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def add(self, file: BinaryIO, data: bytes) -> None:
        self.offsets.append(file.tell() + 4)
        self.sizes.append(len(data))
        file.write(struct.pack("<I", len(data)) + data + data[-4:])


def _in_order(
    compressed: Parts, sizes: Sequence[tuple[int, int]], last: int, product: Product
) -> Iterator[tuple[int, bytes]]:
    """Yield the level and the bytes of each block as they lie in the file: smallest level first, then by rows."""
    upper = UpperLevels(len(sizes) - 1 - last, product)
    made: dict[int, list[bytes]] = {}
    held: list[Array] = []
    held_row = 0

    def keep(rows: Iterator[tuple[int, int, Array]]) -> None:
        for above, _, values in rows:
            done = [block_bytes(block, product.fill) for _, _, block in blocks(values)]
            made.setdefault(last + above, []).extend(done)

    raw = True
    for (rank, row, _), (data,) in compressed:
        if raw and (rank != RAW_RANK or row != held_row) and held:
            keep(upper.push(np.concatenate(held, axis=2)))
            held.clear()
        if rank == RAW_RANK:
            held.append(unpack(data)[0]["values"])
            held_row = int(row)
            continue
        if raw:
            keep(upper.close())
            for level in sorted(made, reverse=True):
                yield from ((level, block) for block in made.pop(level))
            raw = False
        yield last - int(rank), data


def _count(size: tuple[int, int]) -> int:
    """Return how many blocks a level of so many rows and columns has."""
    return -(-size[0] // BLOCK) * -(-size[1] // BLOCK)


def _bytes(facts: Sequence[PatchFacts], sizes: Sequence[tuple[int, int]], last: int, bands: int) -> int:
    """Return how many bytes a file has at most."""
    there = sum(one.size for one in facts)
    upper = sum(_count(size) for size in sizes[last + 1 :])
    return there + upper * bands * _MOST_BLOCK + sum(_count(size) for size in sizes) * (AROUND_BLOCK + 16)


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
