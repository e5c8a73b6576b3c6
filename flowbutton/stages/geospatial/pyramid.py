"""Overviews: each level halves the one before it, 2 x 2 cells by 2 x 2 cells, from the grid's upper left corner.

Sizes are rounded up; cells beyond the edge don't count. A level is made of the level before it, never of another, so
a part of a grid that starts at a multiple of 2**n cells gives the same n levels as the whole. Imports numpy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from flowbutton.stages.geospatial.grid import BLOCK
from flowbutton.stages.geospatial.product import Product

Array = npt.NDArray[Any]

STRIP = 64
"""Rows that are worked on at once, so that what is made on the way stays in a processor's cache; an even number."""


def level_sizes(rows: int, columns: int) -> list[tuple[int, int]]:
    """Return rows and columns of each level, the full one first; the last one is a block at most."""
    sizes = [(rows, columns)]
    while max(sizes[-1]) > BLOCK:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return sizes


def valid(values: Array, product: Product) -> npt.NDArray[np.bool_]:
    """Return which cells have a value; what is infinite, as x / 0, counts for nothing."""
    found: npt.NDArray[np.bool_] = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, np.bool_)
    if product.nodata is not None:
        found &= values != values.dtype.type(product.nodata)
    return found


def halved(values: Array, product: Product) -> Array:
    """Return the next level of (bands, rows, columns). Means of integers are rounded, halves up."""
    if product.overview == "first":
        return values[:, ::2, ::2]
    bands, rows, columns = values.shape
    found = np.empty((bands, -(-rows // 2), -(-columns // 2)), values.dtype)
    for row in range(0, rows, STRIP):
        found[:, row // 2 : (row + STRIP) // 2] = _halved(values[:, row : row + STRIP], product)
    return found


def _halved(values: Array, product: Product) -> npt.NDArray[np.float64]:
    """Return the next level of a strip; where no cell is without a value, nothing is counted."""
    odd = ((0, 0), (0, values.shape[1] % 2), (0, values.shape[2] % 2))
    there = valid(values, product)
    if whole := not (odd[1][1] or odd[2][1]) and bool(there.all()):
        mean = _sums(values.astype(np.float64))
        mean *= 0.25
    else:
        padded, count = np.pad(values, odd).astype(np.float64), np.pad(there, odd)
        padded[~count] = 0.0
        counts = _sums(count.view(np.uint8))
        mean = _sums(padded) / np.maximum(counts, np.uint8(1))
    if values.dtype.kind != "f":
        mean = np.floor(mean + 0.5)
    if not whole:
        mean[counts == 0] = product.fill
    return mean


def _sums(values: Array) -> Array:
    """Return the sums of 2 x 2 cells: first of each row's two."""
    pairs = values[..., ::2] + values[..., 1::2]
    found: Array = pairs[:, ::2] + pairs[:, 1::2]
    return found


class UpperLevels:
    """Makes the levels above one whose rows of blocks come one after the other; holds half a row of them per level.

    All rows but the last are `BLOCK` high: so halves of them are what the half of all is.
    """

    def __init__(self, levels: int, product: Product) -> None:
        self._product = product
        self._held: list[Array | None] = [None] * levels

    def push(self, values: Array, level: int = 0) -> Iterator[tuple[int, Array]]:
        """Add a row of blocks; yield level and values of the rows of blocks that it completes above."""
        if level == len(self._held):
            return
        half, held = halved(values, self._product), self._held[level]
        self._held[level] = half if held is None else None
        if held is not None:
            yield from self._above(np.concatenate((held, half), axis=1), level)

    def close(self) -> Iterator[tuple[int, Array]]:
        """Yield what is left over, lowest level first."""
        for level, held in enumerate(self._held):
            if held is not None:
                self._held[level] = None
                yield from self._above(held, level)

    def _above(self, values: Array, level: int) -> Iterator[tuple[int, Array]]:
        yield level + 1, values
        yield from self.push(values, level + 1)
