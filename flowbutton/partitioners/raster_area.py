"""The part of a raster that lies in an area: a window of its pixels, which is a raster of its own.

A pixel lies where its centre lies. What is read of the area, whole stored blocks, is kept in the store in packs, one
per indexing task. Here: the window, the places in the packs. Not here: the pass (`raster_index`).
Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from flowbutton.model.canonical import Json
from flowbutton.model.errors import BadInput
from flowbutton.model.store import DataAccess
from flowbutton.partitioners.area import Area
from flowbutton.partitioners.raster_layers import RasterGrid
from flowbutton.partitioners.tiff_image import TiffImage

_PACK_BITS = 40
"""Of a place in a pack; the number of the pack stands above them."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Rows and columns of a whole raster that a source is confined to, and rows and columns of the whole."""

    top: int
    left: int
    rows: int
    columns: int
    of: tuple[int, int]

    def to_json(self) -> list[Json]:
        """Return it as JSON; the inverse of `from_json`."""
        return [self.top, self.left, self.rows, self.columns, *self.of]

    @classmethod
    def from_json(cls, value: Sequence[int]) -> Clip:
        """Read what `to_json` gave."""
        top, left, rows, columns, high, wide = value
        return cls(top, left, rows, columns, (high, wide))

    @property
    def share(self) -> float:
        """Of the pixels of the whole."""
        return self.rows * self.columns / (self.of[0] * self.of[1])

    def placed(self, rows: range, columns: range) -> tuple[range, range]:
        """Return rows and columns of the clip as those of the whole."""
        return (
            range(rows.start + self.top, rows.stop + self.top),
            range(columns.start + self.left, columns.stop + self.left),
        )

    def meeting(self, image: TiffImage) -> tuple[range, range]:
        """Return the rows and columns of blocks that it meets."""
        return image.meeting(*self.placed(range(self.rows), range(self.columns)))


def clip_of(grid: RasterGrid, area: Area | None, *, file: str) -> Clip:
    """Return the smallest window that has all pixels whose centres lie in an area; without one the whole.

    Raises:
        BadInput: there is none.
    """
    if area is None:
        return Clip(0, 0, grid.rows, grid.columns, (grid.rows, grid.columns))
    a, b, c, d, e, f = grid.transform
    whole = a * e - b * d
    corners = product((area.west, area.east), (area.south, area.north))
    places = [((e * (x - c) - b * (y - f)) / whole, (a * (y - f) - d * (x - c)) / whole) for x, y in corners]
    columns, rows = (
        _centres(min(place[axis] for place in places), max(place[axis] for place in places), most, forward=step > 0)
        for axis, most, step in ((0, grid.columns, a), (1, grid.rows, e))
    )
    if not len(rows) or not len(columns):
        raise BadInput(
            "the area has no pixel of the raster",
            why=f"the raster begins at ({c:g}, {f:g}) and has {grid.columns} x {grid.rows} pixels of {a:g} x {e:g}",
            hint="the area is [xmin, ymin, xmax, ymax] in the coordinate system of the raster",
            file=file,
        )
    return Clip(rows.start, columns.start, len(rows), len(columns), (grid.rows, grid.columns))


def _centres(low: float, high: float, most: int, *, forward: bool) -> range:
    """Return the pixels ``n`` with ``low <= n + 0.5 < high``; where the axis runs backward, ``low < n + 0.5 <= high``.

    Limits are taken to a millionth of a pixel.
    """
    low, high = round(low, 6), round(high, 6)
    if forward:
        first, end = ceil(low - 0.5), ceil(high - 0.5)
    else:
        first, end = -ceil(0.5 - low) + 1, -ceil(0.5 - high) + 1
    first, end = max(first, 0), min(end, most)
    return range(first, max(first, end))


def clipped(grid: RasterGrid, clip: Clip) -> RasterGrid:
    """Return the grid of a clip."""
    a, b, c, d, e, f = grid.transform
    corner = (a, b, c + a * clip.left + b * clip.top, d, e, f + d * clip.left + e * clip.top)
    whole = not (clip.left or clip.top)
    return replace(grid, transform=grid.transform if whole else corner, rows=clip.rows, columns=clip.columns)


def wanted_blocks(image: TiffImage, clip: Clip) -> npt.NDArray[np.int64]:
    """Return the numbers of an image's blocks that a clip meets, of all bands."""
    return np.array(image.numbers(*clip.meeting(image), range(1, image.planes + 1)), np.int64)


def in_packs(sizes: npt.NDArray[np.uint64], pack: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Return the places of blocks of these sizes that lie behind each other in packs; ``pack`` ascends."""
    before: npt.NDArray[np.uint64] = np.cumsum(sizes) - sizes
    first: npt.NDArray[np.uint64] = pack.astype(np.uint64) << np.uint64(_PACK_BITS)
    return first + before - before[np.searchsorted(pack, pack)]


def reader_of(file: Mapping[str, Any], data: DataAccess) -> Callable[[int, int], bytes]:
    """Return what reads stored bytes of a file: of its packs where it has some."""
    packs: Sequence[str] = file.get("packs", ())

    def read(start: int, stop: int) -> bytes:
        if not packs:
            return data.read(file["uri"], start, stop)
        number = start >> _PACK_BITS
        base = number << _PACK_BITS
        return data.read(packs[number], start - base, stop - base)

    return read
