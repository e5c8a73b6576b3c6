"""The envelope of an isotope pattern on METASPACE's moving grid, and the centroids of its peaks. Pure.

The grid's step follows the width of the peak at hand, so each point depends on all before it: the points are the same
as if they were added up one by one, but only those that can touch a peak are computed.
Not here: which isotopologues there are (`isotope_peaks`). Method: as cpyMSpec 0.3.5 (version 1) and 0.4.2 (version 3)
compute it; the rules are in docs/metabolomics.md. Imports numpy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FWHM = 2.3548200450309493
"""Full width at half maximum of a Gaussian, in standard deviations."""

Floats = npt.NDArray[np.float64]

_POINTS_PER_WIDTH = 25  # steps of the grid in a full width at half maximum
_FLANK = 7  # points on each side of a peak that its centroid may take in
_AT_ONCE = 24  # ions: their points stay in the processor's cache
_APART = 2.0**20  # between the m/z of two ions, where they are sorted together
_LEAST = 1e-4  # of the highest: peaks below it are none
_REACH = (
    8.0  # deviations from the highest isotopologue, beyond which a term is too small to tell; lower ones end before
)
# A sum of Gaussians of one deviation has its tops within it of some isotopologue: where its slope is zero, the
# curvature is below zero only if a term is that near. A peak is its top, a step, and the flank. Only at a change of the
# deviation there may be another top, if anything is high enough there.
_NEAR = 1.0 + (_FLANK + 3) * FWHM / _POINTS_PER_WIDTH + 0.2
_HIGH = 6.0
_SURE = 0.99  # of an isotopologue's height that the envelope has at some point of the grid


@dataclass(frozen=True, slots=True)
class Isotopologues:
    """Mass to charge, ascending; height, the largest is 1; and the standard deviation of a peak there."""

    mz: Floats
    height: Floats
    deviation: Floats


Ints = npt.NDArray[np.int64]


def peaks_of(patterns: Sequence[Isotopologues], *, width: float, count: int) -> list[tuple[Floats, Floats]]:
    """Return m/z and height (the largest of an ion is about 1) of peaks of each pattern, m/z ascending.

    They are the ``count`` strongest and others; which weaker ones are among them is not said.

    Args:
        patterns: The isotopologues of some ions, two or more of each; their peaks don't depend on each other.
        width: How many deviations a term reaches.
        count: How many peaks of each ion are wanted.
    """
    found: list[tuple[Floats, Floats]] = []
    for start in range(0, len(patterns), _AT_ONCE):
        found += _Batch(patterns[start : start + _AT_ONCE], width, count).peaks()
    return found


_Run = tuple[float, float, int, float]
"""Points ``first + number * step``, how many of them, and the deviation at hand at each."""


def grid_runs(pattern: Isotopologues, width: float) -> list[_Run]:
    """Return the grid, from the last of its leading points on.

    The deviation of an isotopologue is at hand until a point is beyond its reach and within that of the next.
    Added up one by one, equal steps stay equal after rounding as long as no power of two is passed: so a run's points
    are known without adding.
    """
    mz, deviations, reach = pattern.mz, pattern.deviation, width * pattern.deviation
    beyond, steps = mz + reach, deviations * FWHM / _POINTS_PER_WIDTH
    within = np.append(mz[1:] - reach[:-1], beyond[-1])
    at = float(mz[0] - reach[0] + _FLANK * steps[0])
    columns = zip(deviations.tolist(), steps.tolist(), beyond.tolist(), within.tolist(), strict=True)
    runs: list[_Run] = []
    ulp, power = math.ulp(at), _power_above(at)  # of the points below this power of two
    for deviation, step, last, next_first in columns:
        end = last if last > next_first else next_first
        while True:
            if at >= power:
                ulp, power = math.ulp(at), _power_above(at)
            rounded = round(step / ulp) * ulp
            count = max(int((end - at) / rounded), 1)
            while (then := at + count * rounded) <= last or then < next_first:
                count += 1
            if then < power or count <= (room := int((power - at) / rounded)):
                runs.append((at, rounded, count, deviation))
                at = then
                break
            runs.append((at, rounded, room + 1, deviation))
            at = at + room * rounded + step
            if at > last and at >= next_first:
                break
    return runs


def _power_above(value: float) -> float:
    return 2.0 ** math.frexp(value)[1]


class _Batch:
    """Some ions at once: one call of numpy for all of them, where one for each would cost more than what it does.

    All points of all grids are numbered through, ion by ion; those where a peak can be are kept, in clusters.
    """

    def __init__(self, patterns: Sequence[Isotopologues], width: float, count: int) -> None:
        self._width, self._wanted = width, count
        self._mz = np.concatenate([pattern.mz for pattern in patterns])
        self._height = np.concatenate([pattern.height for pattern in patterns])
        self._ion = np.repeat(np.arange(len(patterns)), [len(pattern.mz) for pattern in patterns])
        runs = [grid_runs(pattern, width) for pattern in patterns]
        self._first, self._step, counts, self._at_hand = np.array([row for some in runs for row in some]).T
        self._count = counts.astype(np.int64)
        self._offset = np.cumsum(self._count) - self._count
        self._runs_before = np.cumsum([0, *(len(some) for some in runs)])
        self._order = np.repeat(np.arange(len(patterns)), np.diff(self._runs_before)) * _APART + self._first
        self._wide = np.array([pattern.deviation.max() for pattern in patterns])[self._ion]

    def peaks(self) -> list[tuple[Floats, Floats]]:
        """Return the peaks of each ion."""
        begins, lengths = self._clusters()
        kept = np.cumsum(lengths) - lengths  # the place of a cluster's first point among those kept
        numbers = _ranges(begins, lengths)
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
        bounds = np.searchsorted(numbers[tops], self._offset[self._runs_before[1:-1]])
        return [*zip(np.split(mz, bounds), np.split(heights[tops], bounds), strict=True)]

    def _clusters(self) -> tuple[Ints, Ints]:
        """Return the first and the count of the points of each stretch where a peak can be; none touches the next."""
        near = (_NEAR if self._width > _REACH else self._width) * self._wide  # a sum whose terms end may have more tops
        worth = self._worth()
        starts, stops = self._number(self._mz - near)[worth], self._number(self._mz + near)[worth]
        changes = self._offset[self._high_changes()]
        starts = np.concatenate((starts, changes - _FLANK - 3))
        stops = np.concatenate((stops, changes + _FLANK + 3))
        order = np.argsort(starts, kind="stable")
        starts, stops = starts[order], np.maximum.accumulate(stops[order])
        apart = np.append(True, starts[1:] > stops[:-1])
        begins = starts[apart]
        return begins, stops[np.append(apart[1:], True)] - begins

    def _worth(self) -> npt.NDArray[np.bool_]:
        """Return the isotopologues that may be in one of the strongest peaks.

        Isotopologues that are far from all others of the ion make up an island. Its envelope is nowhere higher than the
        sum of their heights, and somewhere about as high as the highest: so if that many islands each have a peak above
        the sum of another, this one has none of the strongest.
        """
        apart = np.append(True, (np.diff(self._mz) > 2 * _REACH * self._wide[1:]) | (np.diff(self._ion) != 0))
        starts = np.flatnonzero(apart)
        most, highest = np.add.reduceat(self._height, starts), np.maximum.reduceat(self._height, starts)
        ion = self._ion[starts]
        order = np.lexsort((-highest, ion))
        rank = np.arange(len(order)) - np.searchsorted(ion, ion[order])
        limit = np.zeros(len(self._runs_before) - 1)
        last = order[rank == self._wanted - 1]
        limit[ion[last]] = _SURE * highest[last]
        found: npt.NDArray[np.bool_] = (most >= limit[ion])[np.cumsum(apart) - 1]
        return found

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
        places = _ranges(first, count)
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


def _ranges(starts: Ints, lengths: Ints) -> Ints:
    """Return the numbers of all ranges, one range after the other."""
    found: Ints = np.arange(int(lengths.sum())) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
    return found


def _centroids(points: Floats, heights: Floats, numbers: Ints) -> tuple[Ints, Floats]:
    """Return the places of the envelope's peaks, and their intensity-weighted m/z.

    No peak is so near the end of a stretch of consecutive ``numbers`` that its flank would not be in it.
    """
    whole = numbers[2 * _FLANK + 1 :] - numbers[: -2 * _FLANK - 1] == 2 * _FLANK + 1
    high = np.flatnonzero(whole & (heights[_FLANK : -_FLANK - 1] >= _LEAST)) + _FLANK
    tops = high[(heights[high - 1] < heights[high]) & (heights[high] >= heights[high + 1])]
    around = heights[tops[:, None] + np.arange(-_FLANK, _FLANK + 2)]
    left, top = around[:, _FLANK - 1 :: -1], around[:, _FLANK, None]
    right = around[:, _FLANK + 1 :]
    falls_left = (left < np.hstack((top, left[:, :-1]))).cumprod(axis=1).sum(axis=1)
    falls_right = (right <= np.hstack((top, right[:, :-1]))).cumprod(axis=1)[:, :-1].sum(axis=1)
    # Where the envelope rises again on the right, the valley between belongs to neither peak; on the left to this one.
    rises = falls_right < _FLANK
    last = falls_right - (rises & (falls_right > 0))
    offsets = np.arange(-_FLANK, _FLANK + 1)
    taken = (offsets >= -falls_left[:, None]) & (offsets <= last[:, None])
    weights = np.where(taken, around[:, :-1], 0.0)
    mz: Floats = (weights * points[tops[:, None] + offsets]).sum(axis=1) / weights.sum(axis=1)
    return tops, mz
