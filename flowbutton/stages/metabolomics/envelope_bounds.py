"""Where the envelope of an isotope pattern can have one of its strongest peaks: bounds, before it is computed. Pure.

Not here: the envelope itself (`envelope`), its grid (`envelope_grid`). Imports numpy.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flowbutton.stages.metabolomics.envelope_grid import Floats, Ints, Isotopologues, ranges

Mask = npt.NDArray[np.bool_]

REACH = 8.0
"""Deviations from the highest isotopologue, beyond which a term is too small to tell; lower ones end before."""
APART = 2.0**20
"""Between the m/z of two ions, where they are sorted together."""
LEAST = 1e-4
"""Of the highest: peaks below it are none."""
_SURE = 0.99  # of an isotopologue's height that the envelope has at some point of the grid


def surely_reached(of: Isotopologues, wide: Floats, wanted: int) -> Floats:
    """Return for each ion a height that its ``wanted`` strongest peaks have, or that any peak has.

    Isotopologues that are far from all others of the ion make up an island. Its envelope has a peak about as high as
    the highest of them, and those of two islands are two peaks.

    Args:
        of: The isotopologues of some ions.
        wide: The largest deviation of each ion.
        wanted: How many peaks of each ion are wanted.
    """
    apart = np.append(True, (np.diff(of.mz) > 2 * REACH * wide[of.ion[1:]]) | (np.diff(of.ion) != 0))
    starts = np.flatnonzero(apart)
    highest, ion = np.maximum.reduceat(of.height, starts), of.ion[starts]
    order = np.lexsort((-highest, ion))
    last = order[np.arange(len(order)) - np.searchsorted(ion, ion[order]) == wanted - 1]
    found = np.full(len(of), _SURE * LEAST)
    found[ion[last]] = np.maximum(_SURE * highest[last], _SURE * LEAST)
    return found


def may_reach(of: Isotopologues, wide: Floats, ion: Ints, mz: Floats, near: float, least: Floats) -> Mask:
    """Return whether the envelope may be ``least`` high within ``near`` deviations of some places.

    Each isotopologue counts as if it were that much nearer. What lies beyond `REACH` is not counted.

    Args:
        of: The isotopologues of some ions.
        wide: The largest deviation of each ion.
        ion: The number of the ion of each place.
        mz: The places.
        near: A number of deviations.
        least: A height for each place.
    """
    placed = of.ion * APART + of.mz
    middle, reach = ion * APART + mz, (REACH + near) * wide[ion]
    first, stop = np.searchsorted(placed, middle - reach), np.searchsorted(placed, middle + reach)
    total = np.append(0.0, np.cumsum(of.height))
    found: Mask = total[stop] - total[first] >= _SURE * least  # as if all were there
    asked = np.flatnonzero(found)
    count = (stop - first)[asked]
    others = ranges(first[asked], count)
    away = np.abs(of.mz[others] - np.repeat(mz[asked], count))
    away *= np.repeat(1.0 / wide[ion[asked]], count)
    away -= near
    np.maximum(away, 0.0, out=away)
    away *= away
    away *= -0.5
    terms = np.exp(away, out=away) * of.height[others]
    found[asked] = np.add.reduceat(terms, np.cumsum(count) - count) >= least[asked] if len(asked) else False
    return found
