"""Products become compressed blocks, on many workers: of the full level, and of the overviews that a patch decides.

A patch is eight blocks high: it holds all that three levels of overviews need, and one row of blocks of the third. It
is worked on by rows of blocks, so memory does not grow with its height. Its blocks are stored as they lie in the file,
so that this is joined of them without reading any. Neither bytes nor statistics depend on how wide patches are.
Here: the stage `geospatial.compress`. Not here: which patches (`patches`), the file (`cog`). Imports
`flowbutton.model`, numpy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from flowbutton.model.bundle import Parts
from flowbutton.model.stage import Resources, Scratch
from flowbutton.stages.columns import pack
from flowbutton.stages.define import gather_stage
from flowbutton.stages.geospatial.grid import BLOCK, Grid
from flowbutton.stages.geospatial.parts import Array, assembled_rows
from flowbutton.stages.geospatial.patches import PATCH_LEVELS, SIDE, Patch
from flowbutton.stages.geospatial.product import Product
from flowbutton.stages.geospatial.pyramid import STRIP, UpperLevels, level_sizes, valid
from flowbutton.stages.geospatial.tiff_blocks import block_bytes, framed


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


_NONE = BandStatistics(count=0, least=0.0, most=0.0, mean=0.0, squares=0.0)


class PatchFacts(BaseModel):
    """What the file's head needs of a patch.

    ``squares`` are statistics by squares of `SIDE` cells, from left to right, then by bands; ``sizes`` the bytes of
    each block, by levels, the full one first, then by rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: tuple[int, int]
    columns: tuple[int, int]
    squares: tuple[tuple[BandStatistics, ...], ...]
    sizes: tuple[tuple[int, ...], ...]


def statistics_of(patches: Iterable[PatchFacts]) -> list[BandStatistics]:
    """Return the statistics of each band over patches, joined in the order of these."""
    squares = [bands for patch in patches for bands in patch.squares]
    return [reduce(BandStatistics.joined, bands) for bands in zip(*squares, strict=True)]


class Compressed(NamedTuple):
    """The framed blocks of a patch, in the order of ``facts.sizes``; the values of its smallest level, packed.

    The latter are empty where the grid has no level above.
    """

    blocks: Path
    top: bytes
    facts: PatchFacts


@gather_stage("geospatial.compress", resources=Resources(memory_base_bytes=768 << 20, memory_per_input_byte=0.0))
def compress(patch: Patch, grid: Grid, parts: Parts, scratch: Scratch, *, product: Product) -> Compressed:
    """Compress the blocks of a patch, and of its overviews.

    Args:
        patch: Of `geospatial.plan_patches`.
        grid: Of the product.
        parts: The product, what of it meets ``patch.window``.
        scratch: Where the blocks are written.
        product: What is made of it.
    """
    return compressed(patch, grid, patch_rows(patch, parts, product), scratch, product)


def compressed(patch: Patch, grid: Grid, rows: Iterable[Array], scratch: Scratch, product: Product) -> Compressed:
    """Compress a patch whose values come by rows of blocks, each (bands, rows, columns) of the type that is written.

    The full level goes into the file as it is made; those above it, a third as large, are held till then.
    """
    count = len(level_sizes(grid.rows, grid.columns))
    levels = min(PATCH_LEVELS, count - 1)
    squares = [[_NONE] * len(product.bands) for _ in range(*patch.columns, SIDE)]
    above: list[list[bytes]] = [[] for _ in range(levels)]
    sizes: list[list[int]] = [[] for _ in range(levels + 1)]
    path, top = Path(scratch) / "patch.blocks", b""
    with path.open("wb") as file:
        for level, values in _levels(rows, levels, product):
            made = [block_bytes(block, product.fill) for block in blocks(values)]
            sizes[level] += map(len, made)
            if level:
                above[level - 1] += map(framed, made)
            else:
                file.writelines(map(framed, made))
                squares = _counted(squares, values, product)
            if level == PATCH_LEVELS < count - 1:
                top = pack({"values": values})
        for frames in above:
            file.writelines(frames)
    facts = PatchFacts(
        rows=patch.rows, columns=patch.columns, squares=tuple(map(tuple, squares)), sizes=tuple(map(tuple, sizes))
    )
    return Compressed(path, top, facts)


def blocks(values: Array) -> list[Array]:
    """Return the values of each block, by rows; ``values`` begin at a block's corner."""
    _, rows, columns = values.shape
    return [
        values[:, row : row + BLOCK, column : column + BLOCK]
        for row in range(0, rows, BLOCK)
        for column in range(0, columns, BLOCK)
    ]


def patch_rows(patch: Patch, parts: Parts, product: Product) -> Iterator[Array]:
    """Yield (bands, rows, columns) of a patch by rows of blocks, in the type that is written."""
    made = np.dtype(product.made or product.dtype)
    rows, columns, bands = range(*patch.rows), range(*patch.columns), len(product.bands)
    for values in assembled_rows(parts, rows, columns, bands=bands, dtype=made, fill=product.fill):
        yield values.astype(product.dtype, copy=False)


def _levels(rows: Iterable[Array], levels: int, product: Product) -> Iterator[tuple[int, Array]]:
    """Yield rows of blocks with their level: the full one's as they come, and those above as they are complete."""
    upper = UpperLevels(levels, product)
    for values in rows:
        yield 0, values
        yield from upper.push(values)
    yield from upper.close()


def _counted(
    squares: Sequence[Sequence[BandStatistics]], values: Array, product: Product
) -> list[list[BandStatistics]]:
    """Return the statistics of squares with those of a row of blocks, which is joined by strips.

    Strips fit into a processor's cache.
    """
    strips = [values[:, row : row + STRIP] for row in range(0, values.shape[1], STRIP)]

    def with_strips(known: BandStatistics, number: int, band: int) -> BandStatistics:
        inside = slice(number * SIDE, (number + 1) * SIDE)
        return reduce(BandStatistics.joined, (_of_strip(strip[band, :, inside], product) for strip in strips), known)

    return [[with_strips(one, number, band) for band, one in enumerate(bands)] for number, bands in enumerate(squares)]


def _of_strip(strip: Array, product: Product) -> BandStatistics:
    there = valid(strip, product)
    chosen = strip.ravel() if there.all() else strip[there]
    if not len(chosen):
        return _NONE
    values = chosen.astype(np.float64)
    mean = float(values.mean())
    values -= mean
    squares = float(np.square(values, out=values).sum())
    return BandStatistics(
        count=len(values), least=float(chosen.min()), most=float(chosen.max()), mean=mean, squares=squares
    )
