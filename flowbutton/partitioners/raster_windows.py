"""How large the windows of a raster are, and where they begin: whole stored blocks, near the size that was asked for.

Pure. Not here: what a window reads (`raster`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

_WINDOW, _FEW_LAYERS = 2048, 4  # a task costs some ms besides its pixels; what it holds grows with both


def default_window(layers: int) -> int:
    """Return the pixels per side of a window of so many layers, where none were asked for."""
    return _WINDOW if layers <= _FEW_LAYERS else _WINDOW // 2


def steps(first: int, count: int, size: int) -> Iterator[range]:
    """Yield ``count`` cells in ranges that end at multiples of ``size``, counted from ``first`` cells before them."""
    start = 0
    while start < count:
        stop = min(start + size - (first + start) % size, count)
        yield range(start, stop)
        start = stop


def window_shape(blocks: Sequence[tuple[int, int]], rows: int, columns: int, window: int) -> tuple[int, int]:
    """Return rows and columns of a window of about ``window`` pixels per side, in whole blocks.

    Files with blocks of different shapes get windows of whole blocks of all of them where that takes at most four of
    the largest; else of the largest, and a smaller block may lie in two windows.
    """
    high, wide = (_common([min(block[axis], (rows, columns)[axis]) for block in blocks]) for axis in (0, 1))
    if wide >= columns:
        wanted = max(window * window // columns, 1)
        return min(-(-wanted // high) * high, max(rows, 1)), columns
    return -(-window // high) * high, -(-window // wide) * wide


def _common(lengths: Sequence[int]) -> int:
    together = math.lcm(*lengths)
    return together if together <= 4 * max(lengths) else max(lengths)
