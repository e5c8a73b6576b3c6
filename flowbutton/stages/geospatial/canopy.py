"""Heights above the terrain, and surfaces without pits.

Here: the stages `geospatial.canopy`, `geospatial.fill_pits`. Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from flowbutton.model.bundle import Parts
from flowbutton.model.stage import Scratch
from flowbutton.stages.bundles import Bundle
from flowbutton.stages.define import gather_stage
from flowbutton.stages.geospatial.cells import grids
from flowbutton.stages.geospatial.limits import AtLeast0
from flowbutton.stages.geospatial.parts import assemble, part_bundle
from flowbutton.stages.geospatial.surface import heights_of
from flowbutton.stages.geospatial.survey import Cloud
from flowbutton.stages.geospatial.terrain import NO_PARTS
from flowbutton.stages.geospatial.tiles import Tile

Array = npt.NDArray[Any]


@gather_stage("geospatial.canopy")
def canopy(
    tile: Tile, cloud: Cloud, cells: Parts, terrain: Parts, scratch: Scratch, filled: Parts = NO_PARTS
) -> Bundle:
    """Make the parts of a tile's canopy: surface less terrain, float32, not clamped; NaN where one has no value.

    Args:
        tile: Of `geospatial.plan_tiles`.
        cloud: By `geospatial.survey`.
        cells: By `geospatial.scatter`, those that meet ``tile.cells``: the surface before it is rounded to a product.
        terrain: The DTM, what of it meets ``tile.blocks``.
        scratch: Where the parts are written.
        filled: By `geospatial.fill_pits`, likewise; taken for the surface where it is given.
    """
    if filled.schema is not None:
        top = _read(filled, tile, np.float32).astype(np.float64)
    else:
        found = grids(cells, cloud.window(*tile.ranges()))
        top = heights_of(found, found.highest, cloud)[::-1]
    above = (top - _read(terrain, tile, np.float64)).astype(np.float32)
    return _write(scratch, tile, np.where(np.isnan(above), np.float32(np.nan), above))


@gather_stage("geospatial.fill_pits")
def fill_pits(
    tile: Tile, surface: Parts, scratch: Scratch, *, depth: AtLeast0 = 1.0, kernel: Literal[3, 5, 7, 9] = 3
) -> Bundle:
    """Make the parts of a tile's surface with pits filled, float32.

    A pit is a cell that lies more than ``depth`` below the median of the cells around it; it gets this median. Cells
    without a value stay empty. Pits are small holes in crowns, where a pulse passed between leaves (Ben-Arie et al.
    2009, doi:10.1016/j.cageo.2009.02.003).

    Args:
        tile: Of `geospatial.plan_tiles`.
        surface: The DSM, what of it meets ``tile.around``.
        scratch: Where the parts are written.
        depth: In units of height, at least 0.
        kernel: Width of the square that is looked at: 3, 5, 7 or 9 cells.
    """
    half = kernel // 2
    seen = _read(surface, tile, np.float32, half)
    middle = seen[half:-half, half:-half]
    around = np.delete(_neighbours(seen, kernel), kernel * kernel // 2, axis=0)
    level = _median(around)
    return _write(scratch, tile, np.where(level - middle > depth, level, middle))


def _read(parts: Parts, tile: Tile, dtype: npt.DTypeLike, halo: int = 0) -> Array:
    found: Array = assemble(parts, *tile.ranges(halo), bands=1, dtype=dtype, fill=np.nan)[0]
    return found


def _write(scratch: Scratch, tile: Tile, values: Array) -> Bundle:
    return part_bundle(Path(scratch) / "product.bundle", tile.row, tile.column, values[None])


def _neighbours(seen: Array, kernel: int) -> Array:
    """Return the values of a square around each cell, as the first axis."""
    square = np.lib.stride_tricks.sliding_window_view(seen, (kernel, kernel))
    return square.reshape(*square.shape[:2], -1).transpose(2, 0, 1)


def _median(values: Array) -> Array:
    """Return the median along the first axis of what is not NaN; NaN where nothing is. Of two the lower one."""
    ordered = np.sort(values, axis=0)  # NaN last
    last = (~np.isnan(values)).sum(axis=0) - 1
    found: Array = np.take_along_axis(ordered, np.maximum(last, 0)[None] // 2, axis=0)[0]
    return found
