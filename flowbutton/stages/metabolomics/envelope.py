"""The envelope of an isotope pattern on METASPACE's moving grid, and the centroids of its peaks. Pure.

Only the points that can touch a peak are computed. Not here: where the points are (`envelope_grid`), which
isotopologues there are (`isotope_peaks`). Method: as cpyMSpec 0.3.5 (version 1) and 0.4.2 (version 3) compute it; the
rules are in docs/metabolomics.md. Imports numpy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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

_AT_ONCE = 24  # ions: their points stay in the processor's cache
_APART = 2.0**20  # between the m/z of two ions, where they are sorted together
_LEAST = 1e-4  # of the highest: peaks below it are none
_REACH = (
    8.0  # deviations from the highest isotopologue, beyond which a term is too small to tell; lower ones end before
)
# A sum of Gaussians of one deviation has its tops within it of some isotopologue: where its slope is zero, the
# curvature is below zero only if a term is that near. A peak is its top, a step, and the flank. Only at a change of the
# deviation there may be another top, if anything is high enough there.
_NEAR = 1.0 + (FLANK + 3) * FWHM / POINTS_PER_WIDTH + 0.2
_HIGH = 6.0
_SURE = 0.99  # of an isotopologue's height that the envelope has at some point of the grid


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
    worth = _worth(patterns, wide[patterns.ion], count)
    # No point of the grid up to an ion's last worthy isotopologue depends on those after it.
    stops = np.maximum.reduceat(np.where(worth, np.arange(len(worth)), 0), patterns.starts[:-1])
    kept = np.arange(len(worth)) <= stops[patterns.ion]
    patterns, worth = patterns.take(kept), worth[kept]
    runs = grid_runs(patterns, width)
    found = []
    for first in range(0, len(patterns), _AT_ONCE):
        stop = min(first + _AT_ONCE, len(patterns))
        part = slice(patterns.starts[first], patterns.starts[stop])
        batch = _Batch(patterns.ions(first, stop), runs.ions(first, stop), wide[first:stop], worth[part], width)
        ion, mz, height = batch.peaks()
        found.append((first + ion, mz, height))
    return Peaks(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _worth(of: Isotopologues, wide: Floats, wanted: int) -> npt.NDArray[np.bool_]:
    """Return the isotopologues that may be in one of an ion's ``wanted`` strongest peaks.

    Isotopologues that are far from all others of the ion make up an island. Its envelope is nowhere higher than the
    sum of their heights, and somewhere about as high as the highest: so if that many islands each have a peak above
    the sum of another, this one has none of the strongest.
    """
    apart = np.append(True, (np.diff(of.mz) > 2 * _REACH * wide[1:]) | (np.diff(of.ion) != 0))
    starts = np.flatnonzero(apart)
    most, highest = np.add.reduceat(of.height, starts), np.maximum.reduceat(of.height, starts)
    ion = of.ion[starts]
    order = np.lexsort((-highest, ion))
    rank = np.arange(len(order)) - np.searchsorted(ion, ion[order])
    limit = np.zeros(len(of))
    last = order[rank == wanted - 1]
    limit[ion[last]] = _SURE * highest[last]
    found: npt.NDArray[np.bool_] = (most >= limit[ion])[np.cumsum(apart) - 1]
    return found


class _Batch:
    """Some ions at once: one call of numpy for all of them, where one for each would cost more than what it does.

    All points of all grids are numbered through, ion by ion; those where a peak can be are kept, in clusters.
    """

    def __init__(
        self, patterns: Isotopologues, runs: Runs, wide: Floats, worth: npt.NDArray[np.bool_], width: float
    ) -> None:
        self._width, self._worth = width, worth
        self._mz, self._height, self._ion = patterns.mz, patterns.height, patterns.ion
        self._wide = wide[self._ion]
        self._first, self._step, self._count, self._at_hand = runs.first, runs.step, runs.count, runs.deviation
        self._offset = np.cumsum(self._count) - self._count
        self._runs_before = runs.starts
        self._order = np.repeat(np.arange(len(patterns)), np.diff(runs.starts)) * _APART + self._first

    def peaks(self) -> tuple[Ints, Floats, Floats]:
        """Return the ion, the m/z and the height of each peak."""
        begins, lengths = self._clusters()
        kept = np.cumsum(lengths) - lengths  # the place of a cluster's first point among those kept
        numbers = ranges(begins, lengths)
        run = np.searchsorted(self._offset, numbers, side="right") - 1
        points = self._first[run] + (numbers - self._offset[run]) * self._step[run]

        def place(number: Ints) -> Ints:
            """Return the place, among those kept, of the first point of that number or a higher one."""
            cluster = np.searchsorted(begins, number, side="right") - 1
            found: Ints = kept[cluster] + np.minimum(number - begins[cluster], lengths[cluster])
            return np.where(cluster < 0, 0, found)

        reach = np.minimum(np.sqrt(_REACH**2 + 2.0 * np.log(self._height)), self._width) * self._wide
        starts, stops = (place(self._number(edge)) for edge in (self._mz - reach, self._mz + reach))
        heights = self._heights(points, self._at_hand[run], starts, stops - starts)
        tops, mz = _centroids(points, heights, numbers)
        ion = np.searchsorted(self._offset[self._runs_before[1:-1]], numbers[tops], side="right")
        return ion, mz, heights[tops]

    def _clusters(self) -> tuple[Ints, Ints]:
        """Return the first and the count of the points of each stretch where a peak can be; none touches the next."""
        near = (_NEAR if self._width > _REACH else self._width) * self._wide  # a sum whose terms end may have more tops
        starts, stops = self._number(self._mz - near)[self._worth], self._number(self._mz + near)[self._worth]
        changes = self._offset[self._high_changes()]
        starts = np.concatenate((starts, changes - FLANK - 3))
        stops = np.concatenate((stops, changes + FLANK + 3))
        order = np.argsort(starts, kind="stable")
        starts, stops = starts[order], np.maximum.accumulate(stops[order])
        apart = np.append(True, starts[1:] > stops[:-1])
        begins = starts[apart]
        return begins, stops[np.append(apart[1:], True)] - begins

    def _high_changes(self) -> Ints:
        """Return the runs, none an ion's first, that begin where the envelope may be as high as a peak."""
        inner = np.setdiff1d(np.arange(len(self._first)), self._runs_before)
        place = self._ion * _APART + self._mz
        after = np.searchsorted(place, self._order[inner])
        nearest = np.minimum(
            np.abs(place[np.minimum(after, len(place) - 1)] - self._order[inner]),
            np.abs(place[np.maximum(after - 1, 0)] - self._order[inner]),
        )
        found: Ints = inner[nearest < _HIGH * self._wide.max()]
        return found

    def _number(self, mz: Floats) -> Ints:
        """Return the number of the first point at or above each isotopologue's ``mz``, in its ion's grid."""
        run = np.searchsorted(self._order, self._ion * _APART + mz, side="right") - 1
        run = np.maximum(run, self._runs_before[self._ion])
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
        if self._width <= _REACH:
            terms[(away > self._width) | (away <= -self._width)] = 0.0
        summed: Floats = np.bincount(places, weights=terms, minlength=len(points)).astype(np.float64, copy=False)
        return summed


def _centroids(points: Floats, heights: Floats, numbers: Ints) -> tuple[Ints, Floats]:
    """Return the places of the envelope's peaks, and their intensity-weighted m/z.

    No peak is so near the end of a stretch of consecutive ``numbers`` that its flank would not be in it.
    """
    whole = numbers[2 * FLANK + 1 :] - numbers[: -2 * FLANK - 1] == 2 * FLANK + 1
    high = np.flatnonzero(whole & (heights[FLANK : -FLANK - 1] >= _LEAST)) + FLANK
    tops = high[(heights[high - 1] < heights[high]) & (heights[high] >= heights[high + 1])]
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
