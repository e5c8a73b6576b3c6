"""Progressive morphological opening of a minimum raster: which cells are ground, and which hold objects.

The rule is that of Pingel et al. 2013 (doi:10.1016/j.isprsjprs.2012.12.002): a cell whose height falls by more than
``slope * radius`` when it is opened by a disc of that radius holds an object. Radii double, as in Zhang et al. 2003
(doi:10.1109/TGRS.2003.810682). Cells without points take part in nothing, where the published method fills them by
interpolation without bound; so a cell depends on a halo of finite size, and tiles agree. Imports numpy.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def radii(radius: float, resolution: float) -> list[int]:
    """Return the radii of the discs, in cells, ascending: 1, 2, 4, ... and the largest."""
    last = max(1, math.ceil(radius / resolution))
    return [*(1 << step for step in range((last - 1).bit_length())), last]


def halo_of(radius: float, resolution: float) -> int:
    """Return how many cells around a cell its answer depends on: an opening looks two radii far."""
    return 2 * sum(radii(radius, resolution))


def objects(lowest: Floats, *, radius: float, resolution: float, slope: float) -> Mask:
    """Return which cells hold objects.

    Args:
        lowest: Lowest height per cell, NaN where there is none; the halo of `halo_of` is included.
        radius: Half the width of the largest object, a length.
        resolution: Edge of a cell.
        slope: The steepest terrain, as a ratio of heights to lengths.
    """
    found = np.zeros(lowest.shape, np.bool_)
    surface = lowest
    for cells in radii(radius, resolution):
        opened = _opened(surface, cells)
        found |= surface - opened > slope * cells * resolution  # NaN is never greater
        surface = opened
    return found


def _opened(surface: Floats, radius: int) -> Floats:
    empty = np.isnan(surface)
    eroded = _least(np.where(empty, np.inf, surface), radius)
    opened = -_least(np.where(np.isinf(eroded), np.inf, -eroded), radius)
    return np.where(empty, np.nan, opened)


def _least(values: Floats, radius: int) -> Floats:
    """Return the least value in a disc around each cell, infinite where there is none."""
    rows = values.shape[0]
    found = np.full(values.shape, np.inf)
    for half, shifts in _chords(radius).items():
        run = _along(values, half)
        for shift in shifts:
            low, high = max(shift, 0), min(rows + shift, rows)
            if low < high:
                np.minimum(found[low - shift : high - shift], run[low:high], out=found[low - shift : high - shift])
    return found


def _chords(radius: int) -> dict[int, list[int]]:
    """Return the rows of a disc, as shifts, by half of their width."""
    found: dict[int, list[int]] = {}
    for shift in range(-radius, radius + 1):
        found.setdefault(math.isqrt(radius * radius - shift * shift), []).append(shift)
    return found


def _along(values: Floats, half: int) -> Floats:
    """Return the least of the ``2 * half + 1`` values around each in its row, by doubling."""
    width, columns = 2 * half + 1, values.shape[1]
    run = np.pad(values, ((0, 0), (half, half)), constant_values=np.inf)
    reach = 1
    while 2 * reach <= width:
        run = np.minimum(run[:, : run.shape[1] - reach], run[:, reach:])
        reach *= 2
    if reach < width:
        run = np.minimum(run[:, : run.shape[1] - (width - reach)], run[:, width - reach :])
    return run[:, :columns]
