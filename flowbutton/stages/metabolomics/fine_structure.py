"""Isotopologues of ions: which there are, how heavy, how probable. Pure.

Isotopes of the elements of an ion are chosen independently: so its isotopologues are those of its first elements, each
with each of the next. Ions that begin alike, as a molecule with many adducts, share what they have in common. Those of
one element are IsoSpec's (Lacki et al. 2017, doi:10.1021/acs.analchem.6b01459).
Not here: peaks (`isotope_peaks`), the numbers (`isotope_table`). Imports numpy; IsoSpecPy only inside functions.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from flowbutton.stages.metabolomics.envelope_grid import Floats, ranges
from flowbutton.stages.metabolomics.formulas import Atoms
from flowbutton.stages.metabolomics.isotope_table import ISOTOPES

LEAST = 1e-4
"""Of the most probable isotopologue: those below are none."""

_Elements = tuple[tuple[str, int], ...]


class FineStructure(NamedTuple):
    """Masses in dalton, and probabilities relative to the highest, which is 1."""

    mass: Floats
    height: Floats


class FineStructures:
    """The isotopologues of ions, one after the other; keeps those of the elements that ions begin with."""

    def __init__(self) -> None:
        self._known: dict[_Elements, FineStructure] = {}

    def of(self, atoms: Atoms) -> FineStructure:
        """Return all isotopologues of at least 1e-4 of the most probable one's probability, in no particular order.

        They depend, to the last bit, on the atoms and the order of the elements only.
        """
        return self._with((*atoms.items(),))

    def _with(self, elements: _Elements) -> FineStructure:
        if len(elements) == 1:
            return _of_element(*elements[0])
        found = self._known.get(elements)
        if found is None:
            found = self._known[elements] = _product(self._with(elements[:-1]), _of_element(*elements[-1]))
        return found


def _product(one: FineStructure, other: FineStructure) -> FineStructure:
    """Return each with each, but those that would not be probable enough, with more elements neither.

    Those of ``other`` come from the most probable to the least.
    """
    counts = np.searchsorted(-other.height, -LEAST / one.height, side="right")
    first, second = np.repeat(np.arange(len(counts)), counts), ranges(np.zeros_like(counts), counts)
    return FineStructure(one.mass[first] + other.mass[second], one.height[first] * other.height[second])


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
