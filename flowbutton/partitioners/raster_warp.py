"""Rasters of other grids, brought onto one: by GDAL's warper, in blocks that the two grids alone decide.

GDAL's answer for a pixel depends in its last bits on what it is given besides. So each block of the target, of a fixed
size and place, is warped by itself, from a fixed part of the source; a window takes its pixels of these blocks, and no
window shows. Here: which part of a source a window needs, the warping. Not here: reading it (`raster`).
Imports `flowbutton.model`, numpy; rasterio only inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from flowbutton.model.canonical import Json
from flowbutton.model.errors import BadInput, OptionError
from flowbutton.model.pieces import Source
from flowbutton.model.store import DataAccess
from flowbutton.partitioners.files import file_name
from flowbutton.partitioners.raster_area import Clip
from flowbutton.partitioners.raster_layers import (
    RasterGrid,
    RasterHead,
    check_one_grid,
    difference,
    head_of,
    named_bands,
)

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Method = Literal["nearest", "bilinear", "average"]

BLOCK = 256
"""Pixels per side of a block of the target; fewer where it would take more than about 4096 x 4096 of the source."""
_MOST_SOURCE, _LEAST_BLOCK = 4096, 16
_EXACT = 1e-9
"""Of a pixel: as far as places may be off."""
_SNAP = 0.05
"""Steps as near to a whole number of pixels are taken for it, as by GDAL."""
_MESH = 9
"""Places per side of a block at which the source's pixels are computed; what bends between them is in the margin."""


@dataclass(frozen=True)
class Warp:
    """A raster's grid, the grid that it is brought onto, and how its pixels become those of the other.

    ``nearest`` takes the pixel of the source in which the centre lies; ``bilinear`` weights those around it, and where
    the target is coarser all within a target's pixel of it; ``average`` takes the mean of those that the pixel covers.
    Pixels without a value weigh nothing.
    """

    source: RasterGrid
    target: RasterGrid
    method: Method

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON; the inverse of `from_json`."""
        return {"source": self.source.to_json(), "target": self.target.to_json(), "method": self.method}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Warp:
        """Read what `to_json` gave."""
        return cls(RasterGrid.from_json(value["source"]), RasterGrid.from_json(value["target"]), value["method"])

    @cached_property
    def block(self) -> int:
        """Pixels per side of the blocks of the target that are warped at once."""
        side = BLOCK
        while side > _LEAST_BLOCK and side * max(self._steps) > _MOST_SOURCE:
            side //= 2
        return side

    @cached_property
    def _steps(self) -> tuple[float, float]:
        """Columns and rows of the source per pixel of the target, in the middle of the target."""
        row, column = self.target.rows / 2, self.target.columns / 2
        found = self._source_pixels(np.array([column, column + 1, column]), np.array([row, row, row + 1]))
        if len(found) < 3:
            return 1.0, 1.0
        across, down = found[1] - found[0], found[2] - found[0]
        return math.hypot(across[0], down[0]), math.hypot(across[1], down[1])

    def meets(self) -> bool:
        """Return whether the source has a pixel near the target."""
        return all(map(len, self._needed(range(self.target.rows), range(self.target.columns))))

    def region(self, rows: range, columns: range) -> tuple[range, range]:
        """Return rows and columns of the source that a window of the target needs; none where they do not meet."""
        found = [self._needed(*block) for block in self._blocks(rows, columns)]
        there = [need for need in found if len(need[0]) and len(need[1])]
        if not there:
            return range(0), range(0)
        down, across = ([need[axis] for need in there] for axis in (0, 1))
        return _around(down), _around(across)

    def clip(self, rows: range, columns: range) -> Clip:
        """Return the part of the source that a window of the target needs; a pixel where they do not meet."""
        down, across = self.region(rows, columns)
        size = (self.source.rows, self.source.columns)
        return Clip(down.start, across.start, max(len(down), 1), max(len(across), 1), size)

    def pixels(
        self, values: Array, valid: Mask, at: tuple[range, range], rows: range, columns: range
    ) -> tuple[Array, Mask]:
        """Return the values of a window of the target in the type of the source, and which of them are there.

        Whole numbers are rounded as by GDAL; those above 2**53 are not exact.

        Args:
            values: Of rows and columns ``at`` of the source, all that `region` names.
            valid: Which of these are there.
            at: Rows and columns of the source.
            rows: Of the target.
            columns: Of the target.
        """
        found = np.zeros((len(rows), len(columns)), values.dtype)
        there = np.zeros(found.shape, np.bool_)
        for down, across in self._blocks(rows, columns):
            need = self._needed(down, across)
            if not (len(need[0]) and len(need[1])):
                continue
            part = _inside(need, at)
            block = self._warped(np.where(valid[part], values[part].astype(np.float64), np.nan), need, (down, across))
            own = (_meeting(down, rows), _meeting(across, columns))
            made, place = block[_inside(own, (down, across))], _inside(own, (rows, columns))
            there[place] = ~np.isnan(made)
            found[place] = _as_stored(made, values.dtype)
        return found, there

    def _blocks(self, rows: range, columns: range) -> Iterator[tuple[range, range]]:
        """Yield the blocks of the target that a window meets, as far as the target reaches."""
        side = self.block
        for top in range(rows.start // side * side, rows.stop, side):
            for left in range(columns.start // side * side, columns.stop, side):
                yield (
                    range(top, min(top + side, self.target.rows)),
                    range(left, min(left + side, self.target.columns)),
                )

    def _needed(self, rows: range, columns: range) -> tuple[range, range]:
        """Return rows and columns of the source that a block needs, with a margin for what its pixels reach."""
        x, y = np.meshgrid(*(np.linspace(some.start, some.stop, _MESH) for some in (columns, rows)))
        found = self._source_pixels(x.ravel(), y.ravel())
        if not len(found):
            return range(0), range(0)
        share = 0.1 if len(found) == x.size else 0.5  # where the map ends within the block, its rim is not known
        low, high = found.min(axis=0), found.max(axis=0)
        margin = 2 + 2 * np.array(self._steps) + share * (high - low)
        limits = (self.source.columns, self.source.rows)
        first = np.clip(np.floor(low - margin), 0, limits).astype(int).tolist()
        last = np.clip(np.ceil(high + margin), 0, limits).astype(int).tolist()
        return range(first[1], last[1]), range(first[0], last[0])

    def _source_pixels(self, columns: Floats, rows: Floats) -> Floats:
        """Return columns and rows of the source at those of the target, of the places that the source's map has."""
        from rasterio.crs import CRS

        here, there = CRS.from_wkt(self.target.crs), CRS.from_wkt(self.source.crs)
        a, b, c, d, e, f = self.target.transform
        x, y = a * columns + b * rows + c, d * columns + e * rows + f
        points = np.column_stack((x, y)) if here == there else _moved(here, there, x, y)
        a, b, c, d, e, f = self.source.transform
        x, y, whole = points[:, 0] - c, points[:, 1] - f, a * e - b * d
        return np.column_stack(((e * x - b * y) / whole, (a * y - d * x) / whole))

    def _warped(self, values: Floats, at: tuple[range, range], block: tuple[range, range]) -> Floats:
        """Return a block of the target, NaN where it has no value, of the source's values ``at`` rows and columns.

        Places are exact (no tolerance), and the reach of the kernel is that of the whole target (``XSCALE``), so that
        it is GDAL's answer for the whole, but for roundings.
        """
        from rasterio.crs import CRS
        from rasterio.enums import Resampling
        from rasterio.io import MemoryFile
        from rasterio.vrt import WarpedVRT

        across, down = (
            1 / (round(step) if step > 0.5 and abs(step - round(step)) < _SNAP else step) for step in self._steps
        )
        rows, columns = values.shape
        place = {"crs": CRS.from_wkt(self.source.crs), "transform": _shifted(self.source, at)}
        with MemoryFile() as memory:
            with memory.open("GTiff", columns, rows, 1, dtype="float64", nodata=np.nan, **place) as file:
                file.write(values, 1)
            with (
                memory.open() as file,
                WarpedVRT(
                    file,
                    crs=CRS.from_wkt(self.target.crs),
                    transform=_shifted(self.target, block),
                    height=len(block[0]),
                    width=len(block[1]),
                    resampling=Resampling[self.method],
                    tolerance=_EXACT,
                    XSCALE=repr(across),
                    YSCALE=repr(down),
                ) as warped,
            ):
                found: Floats = warped.read(1)
                return found


def onto_one_grid(
    heads: Sequence[RasterHead], files: Sequence[str], first: int, source: Source, data: DataAccess
) -> tuple[RasterGrid, tuple[Warp | None, ...]]:
    """Return the grid of a source, and how each file comes onto it: None where it is on it.

    Args:
        heads: Of its files.
        files: Their URIs.
        first: The number of the file whose grid it is, where no option ``grid`` names one.
        source: With the options ``warp`` and ``grid``.
        data: Where the raster that ``grid`` names is read.

    Raises:
        BadInput: grids differ, and no ``warp`` is wanted; a raster does not meet the grid.
        OptionError: there is a ``grid`` without ``warp``.
    """
    method, named = cast(Method | None, source.options.get("warp")), cast(str | None, source.options.get("grid"))
    if method is None and named is not None:
        hint = "add warp=nearest, bilinear or average"
        raise OptionError("a grid is named, but not how rasters are brought onto it", why="", hint=hint)
    grid = heads[first].grid
    if named is not None:
        ((info, _), *_) = named_bands(Source(source.name, named, {}), data)
        grid = head_of(info, data).grid
    if method is None:
        check_one_grid([head.grid for head in heads], files)
        return grid, (None,) * len(heads)
    warps = tuple(Warp(head.grid, grid, method) if difference(grid, head.grid) else None for head in heads)
    for warp, file in zip(warps, files, strict=True):
        if warp is not None and not warp.meets():
            why = f"its pixels lie beside those of {file_name(named or files[first])}"
            hint = "look at the bounds of both: rio bounds FILE"
            raise BadInput("a raster has no pixel on the grid that it is brought onto", why=why, hint=hint, file=file)
    return grid, warps


def _moved(here: Any, there: Any, x: Floats, y: Floats) -> Floats:
    """Return points of one reference system in another, those that it has."""
    from rasterio._err import CPLE_BaseError
    from rasterio.warp import transform

    try:
        points = np.column_stack(transform(here, there, x, y))
    except CPLE_BaseError:  # GDAL refuses all where one can't be moved
        if len(x) == 1:
            return np.empty((0, 2))
        half = len(x) // 2
        return np.vstack((_moved(here, there, x[:half], y[:half]), _moved(here, there, x[half:], y[half:])))
    found: Floats = points[np.isfinite(points).all(axis=1)]
    return found


def _shifted(grid: RasterGrid, at: tuple[range, range]) -> Any:
    from rasterio.transform import Affine

    return Affine(*grid.transform) @ Affine.translation(at[1].start, at[0].start)


def _around(ranges: Sequence[range]) -> range:
    return range(min(one.start for one in ranges), max(one.stop for one in ranges))


def _meeting(one: range, other: range) -> range:
    return range(max(one.start, other.start), min(one.stop, other.stop))


def _inside(part: tuple[range, range], whole: tuple[range, range]) -> tuple[slice, slice]:
    """Return where rows and columns lie in an array of others."""
    down, across = (slice(some.start - of.start, some.stop - of.start) for some, of in zip(part, whole, strict=True))
    return down, across


def _as_stored(values: Floats, dtype: np.dtype[Any]) -> Array:
    """Return values in the type of the source, rounded as by GDAL; 0 where there is none."""
    there = np.where(np.isnan(values), 0.0, values)
    if dtype.kind not in "iu":
        return there.astype(dtype)
    limits = np.iinfo(dtype)
    most = limits.max if limits.bits < 64 else np.nextafter(float(limits.max), 0)
    return np.clip(np.floor(there + 0.5), limits.min, most).astype(dtype)
