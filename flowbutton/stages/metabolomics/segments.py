"""Segments: which ions one task annotates, and the m/z that it must see.

The list of ions is cut, never an ion: its peaks may lie on both sides of any cut of the m/z axis. A segment reads all
bins that its ions' windows touch, so two segments may read the same bin; it holds what lies in the windows.

Here: the stage `metabolomics.plan_segments`, windows of peaks. Not here: annotating (`annotate`).
Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from flowbutton.model.errors import OptionError
from flowbutton.model.stage import Items
from flowbutton.stages.define import map_stage
from flowbutton.stages.metabolomics.peak_table import PeakTable
from flowbutton.stages.metabolomics.points import FINE, POINT_BYTES, fine_bin_of
from flowbutton.stages.metabolomics.survey import Dataset

Floats = npt.NDArray[np.float64]

_MOST_STRETCHES = 256  # of a window: an item stays small; the nearest ones are joined


class Stretch(BaseModel):
    """A half-open range of m/z, ``[start, stop)``, in 1/1024."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: int
    stop: int


class Segment(BaseModel):
    """Rows ``[first, stop)`` of the table of peaks, and the m/z that their windows touch: sorted, disjoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: int
    stop: int
    window: tuple[Stretch, ...]


@map_stage("metabolomics.plan_segments")
def plan_segments(
    dataset: Path, peaks: Path, *, ppm: float = 3.0, size: int = 32 << 20, most_ions: int = 1000
) -> Items[Segment]:
    """Divide the ions, by lowest m/z, into segments of bounded size.

    The plan depends on the data and the sizes only, and the annotations do not depend on the plan.

    Args:
        dataset: The facts by `metabolomics.survey`.
        peaks: The table of all ions' peaks.
        ppm: Half the width of a window, in millionths of m/z.
        size: Bytes of points that a task holds, at least 1; an ion whose windows alone touch more makes a larger one.
        most_ions: Ions per segment, at least 1.

    Raises:
        OptionError: a size is below 1, or ``ppm`` is not above 0.
    """
    if min(size, most_ions) < 1 or not 0 < ppm < 1e5:
        what = f"segments of {size} bytes or {most_ions} ions, with windows of {ppm} ppm, can't be made"
        raise OptionError(what, why="", hint="sizes are 1 or more, ppm is above 0")
    facts, table = Dataset.read(dataset), PeakTable.read(peaks)
    segments: list[tuple[dict[str, int], Segment]] = []
    for first, stop, bins in _groups(facts, table, ppm, size // POINT_BYTES, most_ions):
        segments.append(({"ordinal": len(segments)}, Segment(first=first, stop=stop, window=_stretches(bins))))
    return Items(tuple(segments))


def windows(mz: Floats, ppm: float) -> tuple[Floats, Floats]:
    """Return the lowest and the highest m/z, both inclusive, of the windows of some peaks."""
    return mz - mz * ppm * 1e-6, mz + mz * ppm * 1e-6


def takes_part(table: PeakTable, facts: Dataset) -> npt.NDArray[np.bool_]:
    """Return which ions have a peak strictly between the smallest and the largest m/z of the dataset."""
    inside: npt.NDArray[np.bool_] = (table.mz > facts.low) & (table.mz < facts.high)
    found: npt.NDArray[np.bool_] = np.any(inside, axis=1)
    return found


def _groups(
    facts: Dataset, table: PeakTable, ppm: float, most_points: int, most_ions: int
) -> Iterator[tuple[int, int, set[int]]]:
    """Yield rows ``[first, stop)`` and the fine bins that they touch, of those that have points.

    A bin counts once for all ions of a segment: what a task holds is the points in any of their windows, or less.
    """
    points = dict(facts.bins.tolist())
    low, high = (fine_bin_of(edge) for edge in windows(table.mz, ppm))
    part = takes_part(table, facts)
    first, held, bins = 0, 0, set[int]()
    for row in range(len(table)):
        if not part[row]:
            continue
        wanted = {
            key
            for start, stop, there in zip(low[row].tolist(), high[row].tolist(), table.mz[row] > 0, strict=True)
            for key in (range(start, stop + FINE, FINE) if there else ())
            if key in points
        }
        more = sum(points[key] for key in wanted - bins)
        if bins and (held + more > most_points or row - first >= most_ions):
            yield first, row, bins
            first, held, bins = row, 0, set()
            more = sum(points[key] for key in wanted)
        bins |= wanted
        held += more
    if bins:
        yield first, len(table), bins


def _stretches(bins: set[int]) -> tuple[Stretch, ...]:
    keys = np.array(sorted(bins), np.int64)
    gaps = keys[1:] - keys[:-1] - FINE
    widest = np.sort(gaps)[::-1][: _MOST_STRETCHES - 1]
    least = max(int(widest[-1]) if len(widest) == _MOST_STRETCHES - 1 else 1, 1)
    edges = np.flatnonzero(gaps >= least) + 1
    return tuple(Stretch(start=int(part[0]), stop=int(part[-1]) + FINE) for part in np.split(keys, edges) if len(part))
