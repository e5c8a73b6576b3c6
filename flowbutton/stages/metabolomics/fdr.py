"""False discovery rates: targets ranked against decoys. Pure.

Here: both ways of METASPACE. Not here: the ions (`ions`), the table (`annotations`).
Method: Palmer et al. 2017, doi:10.1038/nmeth.4072. Imports numpy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

LEVELS = (0.05, 0.1, 0.2, 0.5)
"""What version 1 rounds to."""

Floats = npt.NDArray[np.float64]


def by_medians(targets: Floats, rankings: Sequence[Floats]) -> Floats:
    """Return the FDR level of each target, 1 where it reaches none (analysis version 1).

    Args:
        targets: MSM of the targets of one adduct, above 0.
        rankings: MSM, above 0, of the decoys that each ranking pits against them.
    """
    if not len(targets):
        return np.zeros(0)
    better = _at_least(targets, targets)
    found = np.median([_at_least(decoys, targets) / better for decoys in rankings], axis=0)
    fdr = np.ones(len(targets))
    for level in reversed(LEVELS):
        reached = targets[found < level]
        if len(reached):
            fdr[targets >= reached.min()] = level
    return fdr


def by_one_ranking(targets: Floats, decoys: Floats, ratio: int) -> Floats:
    """Return the FDR of each target (analysis version 3).

    Args:
        targets: MSM of the targets of one adduct, above 0.
        decoys: MSM, above 0, of all their decoys.
        ratio: How many decoys were drawn for each target.
    """
    scores = np.unique(np.concatenate((targets, decoys)))
    # One of each more: the rule of succession. Lower scores may not have a lower rate.
    rates = (_at_least(decoys, scores) + 1) / ratio / (_at_least(targets, scores) + 1)
    monotonic = np.minimum.accumulate(rates)
    found: Floats = monotonic[np.searchsorted(scores, targets)]
    return found


def _at_least(scores: Floats, limits: Floats) -> npt.NDArray[np.int64]:
    """Return for each limit how many scores are at least as high."""
    found: npt.NDArray[np.int64] = len(scores) - np.searchsorted(np.sort(scores), limits, side="left")
    return found
