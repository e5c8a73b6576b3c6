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


def level_sizes(rows: int, columns: int) -> list[tuple[int, int]]:
    """Return rows and columns of each level, the full one first; the last one is a block at most."""
    sizes = [(rows, columns)]
    while max(sizes[-1]) > BLOCK:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return sizes


def valid(values: Array, product: Product) -> npt.NDArray[np.bool_]:
    """Return which cells have a value."""
    found: npt.NDArray[np.bool_] = ~np.isnan(values)
    return found if product.nodata is None else found & (values != values.dtype.type(product.nodata))


def halved(values: Array, product: Product) -> Array:
    """Return the next level of (bands, rows, columns). Means of integers are rounded, halves up."""
    if product.overview == "first":
        return values[:, ::2, ::2]
    _, rows, columns = values.shape
    there = np.pad(valid(values, product), ((0, 0), (0, rows % 2), (0, columns % 2)))
    padded = np.pad(values, ((0, 0), (0, rows % 2), (0, columns % 2))).astype(np.float64)
    padded[~there] = 0.0
    corners = [(slice(None), slice(i, None, 2), slice(j, None, 2)) for i in (0, 1) for j in (0, 1)]
    a, b, c, d = (padded[corner] for corner in corners)
    count = sum(there[corner].astype(np.int64) for corner in corners)
    mean = ((a + b) + (c + d)) / np.maximum(count, 1)
    if values.dtype.kind != "f":
        mean = np.floor(mean + 0.5)
    mean[count == 0] = product.fill
    found: Array = mean.astype(values.dtype)
    return found


class UpperLevels:
    """Makes the levels above one whose rows of blocks come one after the other; holds two of them per level."""

    def __init__(self, levels: int, product: Product) -> None:
        self._product = product
        self._held: list[list[Array]] = [[] for _ in range(levels)]
        self._rows = [0] * (levels + 1)

    def push(self, values: Array, level: int = 0) -> Iterator[tuple[int, int, Array]]:
        """Add a row of blocks; yield (level, number of the block row, values) of those that it completes above."""
        if level == len(self._held):
            return
        held = self._held[level]
        held.append(values)
        if len(held) == 2:
            yield from self._halve(level)

    def close(self) -> Iterator[tuple[int, int, Array]]:
        """Yield what is left over, lowest level first."""
        for level, held in enumerate(self._held):
            if held:
                yield from self._halve(level)

    def _halve(self, level: int) -> Iterator[tuple[int, int, Array]]:
        above = halved(np.concatenate(self._held[level], axis=1), self._product)
        self._held[level].clear()
        row = self._rows[level + 1]
        self._rows[level + 1] += 1
        yield level + 1, row, above
        yield from self.push(above, level + 1)
