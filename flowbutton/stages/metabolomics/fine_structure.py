"""Isotopologues of ions: which there are, how heavy, how probable. Pure.

Isotopes of the elements of an ion are chosen independently: so its isotopologues are those of its first elements, each
with each of its last. Ions that begin alike, as a molecule with many adducts, share what they have in common, and their
last elements are tried at once. Those of one element are IsoSpec's (Lacki et al. 2017,
doi:10.1021/acs.analchem.6b01459).
Not here: peaks (`isotope_peaks`), the numbers (`isotope_table`). Imports numpy; IsoSpecPy only inside functions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from flowbutton.stages.metabolomics.envelope_grid import Floats
from flowbutton.stages.metabolomics.formulas import Atoms
from flowbutton.stages.metabolomics.isotope_table import ISOTOPES

LEAST = 1e-4
"""Of the most probable isotopologue: those below are none."""

_Elements = tuple[tuple[str, int], ...]


class FineStructure(NamedTuple):
    """Masses in dalton, and probabilities relative to the highest, which is 1."""

    mass: Floats
    height: Floats


def fine_structures(ions: Sequence[Atoms]) -> list[FineStructure]:
    """Return of each ion all isotopologues of at least 1e-4 of the most probable one's probability, in no order.

    They depend, to the last bit, on the atoms and the order of the elements only.
    """
    return _fine_structures([(*atoms.items(),) for atoms in ions])


def _fine_structures(ions: Sequence[_Elements]) -> list[FineStructure]:
    alike = defaultdict[_Elements, list[int]](list)
    for number, elements in enumerate(ions):
        alike[elements[:-1]].append(number)
    firsts = [first for first in alike if first]
    known = dict(zip(firsts, _fine_structures(firsts), strict=True)) if firsts else {}
    found: dict[int, FineStructure] = {}
    for first, numbers in alike.items():
        lasts = [_of_element(*ions[number][-1]) for number in numbers]
        found.update(zip(numbers, _products(known[first], lasts) if first else lasts, strict=True))
    return [found[number] for number in range(len(ions))]


def _products(one: FineStructure, others: Sequence[FineStructure]) -> list[FineStructure]:
    """Return for each of the others its isotopologues, each with each of ``one``.

    Those that are not probable enough are left out: with more elements they would not be either.
    """
    mass, height = (np.concatenate(column) for column in zip(*others, strict=True))
    probable = height[:, None] >= LEAST / one.height
    second, first = probable.nonzero()
    ends = np.cumsum(probable.sum(axis=1))[np.cumsum([len(other.mass) for other in others]) - 1]
    masses, heights = one.mass[first] + mass[second], one.height[first] * height[second]
    return [FineStructure(masses[start:stop], heights[start:stop]) for start, stop in pairwise([0, *ends.tolist()])]


@cache
def _of_element(element: str, count: int) -> FineStructure:
    from IsoSpecPy import IsoThreshold

    masses, shares = zip(*ISOTOPES[element], strict=True)
    found = IsoThreshold(
        LEAST,
        absolute=False,
        atomCounts=[count],
        isotopeMasses=[masses],
        isotopeProbabilities=[shares],
    )
    mass, probability = np.array(found.np_masses()), np.array(found.np_probs())
    order = np.argsort(-probability, kind="stable")
    return FineStructure(mass[order], probability[order] / probability[order[0]])
