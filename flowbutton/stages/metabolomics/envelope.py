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
_AT_ONCE = 16  # ions: their points stay in the processor's cache
_APART = 2.0**20  # between the m/z of two ions, where they are sorted together
_LEAST = 1e-4  # of the highest: peaks below it are none
# A term this many deviations away is below 1e-13 of its peak; points that far from all isotopologues touch no peak.
_REACH = 8.0


@dataclass(frozen=True, slots=True)
class Isotopologues:
    """Mass to charge, ascending; height, the largest is 1; and the standard deviation of a peak there."""

    mz: Floats
    height: Floats
    deviation: Floats


Ints = npt.NDArray[np.int64]


def peaks_of(patterns: Sequence[Isotopologues], *, width: float) -> list[tuple[Floats, Floats]]:
    """Return m/z and height (the largest of an ion is about 1) of the peaks of each pattern, m/z ascending.

    Args:
        patterns: The isotopologues of some ions, two or more of each; their peaks don't depend on each other.
        width: How many deviations a term reaches.
    """
    found: list[tuple[Floats, Floats]] = []
    for start in range(0, len(patterns), _AT_ONCE):
        found += _Batch(patterns[start : start + _AT_ONCE], width).peaks()
    return found


_Run = tuple[float, float, int, float]
"""Points ``first + number * step``, how many of them, and the deviation at hand at each."""


def grid_runs(pattern: Isotopologues, width: float) -> list[_Run]:
    """Return the grid, from the last of its leading points on.

    The deviation of an isotopologue is at hand until a point is beyond its reach and within that of the next.
    Added up one by one, equal steps stay equal after rounding as long as no power of two is passed: so a run's points
    are known without adding.
    """
    mz, deviations = pattern.mz.tolist(), pattern.deviation.tolist()
    at = mz[0] - width * deviations[0] + _FLANK * (deviations[0] * FWHM / _POINTS_PER_WIDTH)
    runs: list[_Run] = []
    for number, deviation in enumerate(deviations):
        beyond = mz[number] + width * deviation
        within = mz[number + 1] - width * deviation if number + 1 < len(mz) else beyond
        step = deviation * FWHM / _POINTS_PER_WIDTH
        while True:
            ulp = math.ulp(at)
            rounded = round(step / ulp) * ulp
            count = max(int(((beyond if beyond > within else within) - at) / rounded), 1)
            while not (at + count * rounded > beyond and at + count * rounded >= within):
                count += 1
            room = int((ulp * 2.0**53 - at) / rounded)
            if count <= room:
                runs.append((at, rounded, count, deviation))
                at += count * rounded
                break
            runs.append((at, rounded, room + 1, deviation))
            at = at + room * rounded + step
            if at > beyond and at >= within:
                break
    return runs


class _Batch:
    """Some ions at once: one call of numpy for all of them, where one for each would cost more than what it does.

    All points of all grids are numbered through, ion by ion; those near an isotopologue are kept, in clusters.
    """

    def __init__(self, patterns: Sequence[Isotopologues], width: float) -> None:
        self._width = width
        self._mz = np.concatenate([pattern.mz for pattern in patterns])
        self._height = np.concatenate([pattern.height for pattern in patterns])
        self._ion = np.repeat(np.arange(len(patterns)), [len(pattern.mz) for pattern in patterns])
        runs = [grid_runs(pattern, width) for pattern in patterns]
        self._first, self._step, counts, self._at_hand = np.array([row for some in runs for row in some]).T
        self._count = counts.astype(np.int64)
        self._offset = np.cumsum(self._count) - self._count
        self._runs_before = np.cumsum([0, *(len(some) for some in runs)])
        self._order = np.repeat(np.arange(len(patterns)), np.diff(self._runs_before)) * _APART + self._first
        margins = np.array([min(width, _REACH) * pattern.deviation.max() for pattern in patterns])[self._ion]
        self._starts, self._stops = self._place(self._mz - margins), self._place(self._mz + margins)

    def peaks(self) -> list[tuple[Floats, Floats]]:
        """Return the peaks of each ion."""
        starts, stops = self._starts, self._stops
        apart = np.append(True, (starts[1:] > stops[:-1]) | (np.diff(self._ion) != 0))
        begins, ends = starts[apart], stops[np.append(apart[1:], True)]  # of the clusters
        lengths = ends - begins
        kept = np.cumsum(lengths) - lengths  # the place of a cluster's first point among those kept
        numbers = _ranges(begins, lengths)
        run = np.searchsorted(self._offset, numbers, side="right") - 1
        points = self._first[run] + (numbers - self._offset[run]) * self._step[run]
        cluster = np.cumsum(apart) - 1
        heights = self._heights(points, self._at_hand[run], starts - begins[cluster] + kept[cluster])
        tops, mz = _centroids(points, heights)
        ions = np.arange(1, len(self._runs_before) - 1)
        bounds = np.searchsorted(tops, kept[np.searchsorted(self._ion[apart], ions)])
        return [*zip(np.split(mz, bounds), np.split(heights[tops], bounds), strict=True)]

    def _place(self, mz: Floats) -> Ints:
        """Return the number of the first point at or above each isotopologue's ``mz``, in its ion's grid."""
        run = np.searchsorted(self._order, self._ion * _APART + mz, side="right") - 1
        run = np.maximum(run, self._runs_before[self._ion])
        inside = np.ceil((mz - self._first[run]) / self._step[run]).astype(np.int64)
        found: Ints = self._offset[run] + np.clip(inside, 0, self._count[run])
        return found

    def _heights(self, points: Floats, at_hand: Floats, first: Ints) -> Floats:
        """Return the sum of the isotopologues' Gaussians at each point, of the deviation at hand there."""
        count = self._stops - self._starts
        places = _ranges(first, count)
        away = (np.repeat(self._mz, count) - points[places]) / at_hand[places]
        terms = np.repeat(self._height, count) * np.exp(away * away * -0.5)
        terms[(away > self._width) | (away <= -self._width)] = 0.0
        summed: Floats = np.bincount(places, weights=terms, minlength=len(points)).astype(np.float64)
        return summed


def _ranges(starts: Ints, lengths: Ints) -> Ints:
    """Return the numbers of all ranges, one range after the other."""
    found: Ints = np.arange(int(lengths.sum())) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
    return found


def _centroids(points: Floats, heights: Floats) -> tuple[Ints, Floats]:
    """Return the places of the envelope's peaks, and their intensity-weighted m/z."""
    high = np.flatnonzero(heights >= _LEAST)
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
