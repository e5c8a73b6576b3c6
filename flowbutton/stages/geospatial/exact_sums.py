"""Sums of floating numbers without rounding: the order of adding, and so the cut, can't show.

A float64 is a whole number of 2**-1074. Sums are kept as Python integers in that unit; they are rounded once, when they
are told. Products are divided into two floats that are exactly it (Veltkamp 1968, Dekker 1971, doi:10.1007/BF01397083).
Imports numpy.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_LOWEST = 1074
_HALF = 26
MOST = 1e140
"""Larger numbers are not summed: their squares have no place in float64."""


def exact_total(values: npt.NDArray[Any]) -> int:
    """Return the sum of finite float64 numbers, in 2**-1074."""
    mantissa, exponent = np.frexp(np.asarray(values, np.float64).ravel())
    whole = (mantissa * 2.0**53).astype(np.int64)
    shift = exponent.astype(np.int64) - 53 + _LOWEST
    total = 0
    for one in np.unique(shift).tolist():
        some = whole[shift == one]
        part = (int((some >> _HALF).sum()) << _HALF) + int((some & ((1 << _HALF) - 1)).sum())
        total += part << one if one >= 0 else part >> -one  # below zero the bits that fall off are 0
    return total


def product(one: Floats, other: Floats) -> tuple[Floats, Floats]:
    """Return two floats for each product: what a float can hold of it, and the rest. Their sum is the product."""
    high = one * other
    (a, b), (c, d) = _split(one), _split(other)
    return high, ((a * c - high) + a * d + b * c) + b * d


def rational(total: int) -> Fraction:
    """Return a sum as a fraction; ``float`` of it is rounded correctly."""
    return Fraction(total, 1 << _LOWEST)


def _split(values: Floats) -> tuple[Floats, Floats]:
    large = values * (2.0**27 + 1)
    high = large - (large - values)
    return high, values - high
