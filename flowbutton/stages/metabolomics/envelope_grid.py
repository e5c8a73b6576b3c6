"""METASPACE's moving grid, on which the envelope of an isotope pattern is computed. Pure.

The grid's step follows the width of the peak at hand, so each point depends on all before it. Here it is told as runs
of equal steps: the points are the same as if they were added up one by one. Not here: the envelope (`envelope`).
Method: as cpyMSpec 0.3.5 (version 1) and 0.4.2 (version 3) compute it. Imports numpy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

FWHM = 2.3548200450309493
"""Full width at half maximum of a Gaussian, in standard deviations."""
POINTS_PER_WIDTH = 25
"""Steps of the grid in a full width at half maximum."""
FLANK = 7
"""Points on each side of a peak that its centroid may take in."""


@dataclass(frozen=True, slots=True)
class Isotopologues:
    """Those of some ions, one ion after the other.

    Mass to charge, ascending within an ion; height, an ion's largest is 1; and the standard deviation of a peak there.
    ``starts`` are the places of each ion's first, and the end of the last ion's.
    """

    mz: Floats
    height: Floats
    deviation: Floats
    starts: Ints

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def ion(self) -> Ints:
        """The number of the ion of each, from 0."""
        found: Ints = np.repeat(np.arange(len(self)), np.diff(self.starts))
        return found

    def ions(self, first: int, stop: int) -> Isotopologues:
        """Return those of some consecutive ions."""
        part = slice(self.starts[first], self.starts[stop])
        starts = self.starts[first : stop + 1] - self.starts[first]
        return Isotopologues(self.mz[part], self.height[part], self.deviation[part], starts)

    def take(self, kept: npt.NDArray[np.bool_]) -> Isotopologues:
        """Return some of them."""
        starts = np.append(0, np.cumsum(kept))[self.starts]
        return Isotopologues(self.mz[kept], self.height[kept], self.deviation[kept], starts)


@dataclass(frozen=True, slots=True)
class Runs:
    """Grids of some ions, one after the other: points ``first + number * step``, how many, the deviation at hand.

    ``starts`` are the places of each ion's first run, and the end of the last ion's.
    """

    first: Floats
    step: Floats
    count: Ints
    deviation: Floats
    starts: Ints

    @property
    def ion(self) -> Ints:
        """The number of the ion of each, from 0."""
        found: Ints = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        return found

    @property
    def changes(self) -> npt.NDArray[np.bool_]:
        """Whether each follows another of its ion, where the deviation or the power of two changes."""
        found = np.ones(len(self.first), np.bool_)
        found[self.starts[:-1]] = False
        return found

    def ions(self, first: int, stop: int) -> Runs:
        """Return those of some consecutive ions."""
        part = slice(self.starts[first], self.starts[stop])
        starts = self.starts[first : stop + 1] - self.starts[first]
        return Runs(self.first[part], self.step[part], self.count[part], self.deviation[part], starts)


def grid_runs(of: Isotopologues, width: float) -> Runs:
    """Return the grid of each ion, from the last of its leading points on.

    The deviation of an isotopologue is at hand until a point is beyond its reach and within that of the next.
    Added up one by one, equal steps stay equal after rounding as long as no power of two is passed: so a run's points
    are known without adding. All ions go on together, isotopologue by isotopologue.

    Args:
        of: The isotopologues of some ions, at least one of each.
        width: How many deviations a term reaches.
    """
    reach = width * of.deviation
    edges = _Edges(of, reach)
    begins = of.starts[:-1]
    at = of.mz[begins] - reach[begins] + FLANK * edges.exact[begins]
    lengths = np.diff(of.starts)
    rows: list[tuple[Ints, Floats, Floats, Floats, Ints]] = []
    for number in range(int(lengths.max(initial=0))):
        going = np.flatnonzero(lengths > number)
        while len(going):
            place, now = begins[going] + number, at[going]
            step, count, then, done = edges.passed(place, now)
            rows.append((going, now, step, count, place))
            at[going] = then
            if done.all():
                break
            going = going[~done]
    ion, first, step, count, place = (np.concatenate(column) for column in zip(*rows, strict=True))
    order = np.argsort(ion, kind="stable")
    starts = np.append(0, np.cumsum(np.bincount(ion, minlength=len(of))))
    return Runs(first[order], step[order], count[order].astype(np.int64), of.deviation[place[order]], starts)


class _Edges:
    """What ends the runs of isotopologues, and their steps."""

    def __init__(self, of: Isotopologues, reach: Floats) -> None:
        self.exact = of.deviation * FWHM / POINTS_PER_WIDTH
        self._beyond = of.mz + reach
        self._within = np.append(of.mz[1:] - reach[:-1], 0.0)
        self._within[of.starts[1:] - 1] = self._beyond[of.starts[1:] - 1]
        self._last = np.maximum(self._beyond, self._within)
        self._power = np.ldexp(1.0, np.frexp(of.mz)[1])  # the power of two above
        self._step = _rounded(self.exact, of.mz)

    def passed(self, place: Ints, now: Floats) -> tuple[Floats, Floats, Floats, Mask]:
        """Return the steps of points from ``now`` on, how many there are, the point after them, and if the run ends.

        It goes on if a power of two was passed: then steps may be rounded otherwise.
        """
        step, power = self._step[place], self._power[place]
        count, then = self._counted(place, now, step)
        usual = (now >= 0.5 * power) & (then < power)
        if usual.all():
            return step, count, then, usual
        exact, power = self.exact[place], np.ldexp(1.0, np.frexp(now)[1])
        step = _rounded(exact, now)
        count, then = self._counted(place, now, step)
        room = np.trunc((power - now) / step)
        fits = (then < power) | (count <= room)
        then = np.where(fits, then, now + room * step + exact)
        done = fits | ((then > self._beyond[place]) & (then >= self._within[place]))
        return step, np.where(fits, count, room + 1.0), then, done

    def _counted(self, place: Ints, now: Floats, step: Floats) -> tuple[Floats, Floats]:
        """Return how many points there are, one or more, and the point after them, if steps stay equal."""
        beyond, within = self._beyond[place], self._within[place]
        count = np.maximum(np.trunc((self._last[place] - now) / step), 1.0)
        then = now + count * step
        while (short := (then <= beyond) | (then < within)).any():
            count += short
            then = now + count * step
        return count, then


def _rounded(step: Floats, at: Floats) -> Floats:
    """Return what a step adds to a point between the same powers of two as ``at``."""
    ulp = np.spacing(at)
    found: Floats = np.rint(step / ulp) * ulp
    return found


def ranges(starts: Ints, lengths: Ints) -> Ints:
    """Return the numbers of all ranges, one range after the other."""
    found: Ints = np.arange(int(lengths.sum())) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
    return found
