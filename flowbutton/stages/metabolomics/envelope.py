"""The envelope of an isotope pattern on METASPACE's moving grid, and the centroids of its peaks. Pure.

Only the points that can touch a peak are computed. Not here: where the points are (`envelope_grid`), which
isotopologues there are (`isotope_peaks`). Method: as cpyMSpec 0.3.5 (version 1) and 0.4.2 (version 3) compute it; the
rules are in docs/metabolomics.md. Imports numpy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flowbutton.stages.metabolomics.envelope_bounds import APART, LEAST, REACH, may_reach, surely_reached
from flowbutton.stages.metabolomics.envelope_grid import (
    FLANK,
    FWHM,
    POINTS_PER_WIDTH,
    Floats,
    Ints,
    Isotopologues,
    Runs,
    grid_runs,
    ranges,
)

_AT_ONCE = 48  # ions: their points stay in the processor's cache
# A sum of Gaussians of one deviation has its tops within it of some isotopologue: where its slope is zero, the
# curvature is below zero only if a term is that near. Only at a change of the deviation there may be another top, or
# everywhere, if terms end before they are small. A peak is its top, a step, and the flank.
_TOP = 1.0 + 0.2
_CHANGE = 3 * FWHM / POINTS_PER_WIDTH
_AROUND = (FLANK + 3) * FWHM / POINTS_PER_WIDTH


@dataclass(frozen=True, slots=True)
class Peaks:
    """Peaks of some ions: the number of the ion, ascending; m/z, ascending within an ion; height, about 1 at most."""

    ion: Ints
    mz: Floats
    height: Floats


def peaks_of(patterns: Isotopologues, *, width: float, count: int) -> Peaks:
    """Return peaks of each ion: the ``count`` strongest and others; which weaker ones are among them is not said.

    Args:
        patterns: The isotopologues of some ions, two or more of each; their peaks don't depend on each other.
        width: How many deviations a term reaches.
        count: How many peaks of each ion are wanted.
    """
    wide = np.maximum.reduceat(patterns.deviation, patterns.starts[:-1])
    least = surely_reached(patterns, wide, count)
    near = _TOP if width > REACH else width
    worth = may_reach(patterns, wide, patterns.ion, patterns.mz, near, least[patterns.ion])
    # No point of the grid near an ion's last worthy isotopologue, and no height there, depends on those far after it.
    last = np.maximum.reduceat(np.where(worth, patterns.mz, 0.0), patterns.starts[:-1])
    kept = patterns.mz <= (last + 2 * REACH * wide)[patterns.ion]
    patterns, worth = patterns.take(kept), worth[kept]
    runs = grid_runs(patterns, width)
    changes = np.flatnonzero(runs.changes)
    ion = runs.ion[changes]
    changes = changes[may_reach(patterns, wide, ion, runs.first[changes], _CHANGE, least[ion])]
    found = []
    for first in range(0, len(patterns), _AT_ONCE):
        stop = min(first + _AT_ONCE, len(patterns))
        part = slice(patterns.starts[first], patterns.starts[stop])
        begin, end = runs.starts[first], runs.starts[stop]
        mine = changes[np.searchsorted(changes, begin) : np.searchsorted(changes, end)] - begin
        batch = _Batch(patterns.ions(first, stop), runs.ions(first, stop), wide[first:stop], width)
        ion, mz, height = batch.peaks(np.flatnonzero(worth[part]), near, mine)
        found.append((first + ion, mz, height))
    return Peaks(*(np.concatenate(column) for column in zip(*found, strict=True)))


class _Batch:
    """Some ions at once: one call of numpy for all of them, where one for each would cost more than what it does.

    All points of all grids are numbered through, ion by ion; those where a peak can be are kept, in clusters.
    """

    def __init__(self, patterns: Isotopologues, runs: Runs, wide: Floats, width: float) -> None:
        self._width, self._wide = width, wide[patterns.ion]
        self._mz, self._height, self._ion = patterns.mz, patterns.height, patterns.ion
        self._first, self._step, self._count, self._at_hand = runs.first, runs.step, runs.count, runs.deviation
        self._offset = np.cumsum(self._count) - self._count
        self._runs_before = runs.starts
        self._order = runs.ion * APART + self._first

    def peaks(self, worth: Ints, near: float, changes: Ints) -> tuple[Ints, Floats, Floats]:
        """Return the ion, the m/z and the height of each peak near some isotopologues and beginnings of runs.

        Args:
            worth: Isotopologues.
            near: How many deviations from them a top may be.
            changes: Runs.
        """
        begins, lengths = self._clusters(worth, near, self._offset[changes])
        kept = np.cumsum(lengths) - lengths  # the place of a cluster's first point among those kept
        numbers = ranges(begins, lengths)
        run = np.searchsorted(self._offset, numbers, side="right") - 1
        points = self._first[run] + (numbers - self._offset[run]) * self._step[run]

        def place(number: Ints) -> Ints:
            """Return the place, among those kept, of the first point of that number or a higher one."""
            cluster = np.searchsorted(begins, number, side="right") - 1
            found: Ints = kept[cluster] + np.minimum(number - begins[cluster], lengths[cluster])
            return np.where(cluster < 0, 0, found)

        reach = np.minimum(np.sqrt(REACH**2 + 2.0 * np.log(self._height)), self._width) * self._wide
        starts, stops = (place(self._number(self._ion, edge)) for edge in (self._mz - reach, self._mz + reach))
        heights = self._heights(points, self._at_hand[run], starts, stops - starts)
        tops, mz = _centroids(points, heights, numbers)
        ion = np.searchsorted(self._offset[self._runs_before[1:-1]], numbers[tops], side="right")
        return ion, mz, heights[tops]

    def _clusters(self, worth: Ints, near: float, changes: Ints) -> tuple[Ints, Ints]:
        """Return the first and the count of the points of each stretch where a peak can be; none touches the next."""
        ion, mz, reach = self._ion[worth], self._mz[worth], (near + _AROUND) * self._wide[worth]
        starts = np.concatenate((self._number(ion, mz - reach), changes - FLANK - 3))
        stops = np.concatenate((self._number(ion, mz + reach), changes + FLANK + 3))
        order = np.argsort(starts, kind="stable")
        starts, stops = starts[order], np.maximum.accumulate(stops[order])
        apart = np.append(True, starts[1:] > stops[:-1])
        begins = starts[apart]
        return begins, stops[np.append(apart[1:], True)] - begins

    def _number(self, ion: Ints, mz: Floats) -> Ints:
        """Return the number of the first point at or above each ``mz``, in its ion's grid."""
        run = np.searchsorted(self._order, ion * APART + mz, side="right") - 1
        run = np.maximum(run, self._runs_before[ion])
        inside = np.ceil((mz - self._first[run]) / self._step[run]).astype(np.int64)
        found: Ints = self._offset[run] + np.clip(inside, 0, self._count[run])
        return found

    def _heights(self, points: Floats, at_hand: Floats, first: Ints, count: Ints) -> Floats:
        """Return the sum of the isotopologues' Gaussians at each point, of the deviation at hand there."""
        places = ranges(first, count)
        away = np.repeat(self._mz, count)
        away -= points[places]
        away /= at_hand[places]
        terms = away * away
        terms *= -0.5
        np.exp(terms, out=terms)
        terms *= np.repeat(self._height, count)
        if self._width <= REACH:
            terms[(away > self._width) | (away <= -self._width)] = 0.0
        summed: Floats = np.bincount(places, weights=terms, minlength=len(points)).astype(np.float64, copy=False)
        return summed


def _centroids(points: Floats, heights: Floats, numbers: Ints) -> tuple[Ints, Floats]:
    """Return the places of the envelope's peaks, and their intensity-weighted m/z.

    No peak is so near the end of a stretch of consecutive ``numbers`` that its flank would not be in it.
    """
    up = heights[1:] > heights[:-1]
    tops = np.flatnonzero(up[FLANK - 1 : -FLANK - 1] & ~up[FLANK:-FLANK]) + FLANK
    whole = numbers[tops + FLANK + 1] - numbers[tops - FLANK] == 2 * FLANK + 1
    tops = tops[whole & (heights[tops] >= LEAST)]
    around = heights[tops[:, None] + np.arange(-FLANK, FLANK + 2)]
    left, top = around[:, FLANK - 1 :: -1], around[:, FLANK, None]
    right = around[:, FLANK + 1 :]
    falls_left = (left < np.hstack((top, left[:, :-1]))).cumprod(axis=1).sum(axis=1)
    falls_right = (right <= np.hstack((top, right[:, :-1]))).cumprod(axis=1)[:, :-1].sum(axis=1)
    # Where the envelope rises again on the right, the valley between belongs to neither peak; on the left to this one.
    rises = falls_right < FLANK
    last = falls_right - (rises & (falls_right > 0))
    offsets = np.arange(-FLANK, FLANK + 1)
    taken = (offsets >= -falls_left[:, None]) & (offsets <= last[:, None])
    weights = np.where(taken, around[:, :-1], 0.0)
    mz: Floats = (weights * points[tops[:, None] + offsets]).sum(axis=1) / weights.sum(axis=1)
    return tops, mz
