"""Sums of floating numbers without rounding: the order of adding, and so the cut, can't show.

A float64 is a whole number of 2**-1074. Sums are kept as Python integers in that unit; they are rounded once, when they
are told. Numbers are added in slices of their bits (Demmel, Nguyen 2015, doi:10.1109/TC.2014.2345391). Products are
divided into two floats that are exactly it (Veltkamp 1968, Dekker 1971, doi:10.1007/BF01397083). Imports numpy.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

UNIT_BITS = 1074
"""Sums are in ``2**-UNIT_BITS``."""

_SLICE = 36  # bits
_PART = 1 << 16  # numbers: with 36 bits of each, sums have 52
_HUGE = 2.0**1000  # from here on there is no number large enough to round by
MOST = 1e140
"""Larger numbers are not summed: their squares have no place in float64."""


def exact_total(values: npt.NDArray[Any]) -> int:
    """Return the sum of finite float64 numbers, in 2**-1074."""
    flat = np.array(values, np.float64).ravel()
    total = 0
    if _largest(flat) >= _HUGE:
        huge = np.abs(flat) >= _HUGE
        total = sum(int(Fraction(value) * (1 << UNIT_BITS)) for value in flat[huge].tolist())
        flat[huge] = 0.0
    return total + sum(_sliced_total(flat[start : start + _PART]) for start in range(0, len(flat), _PART))


def _largest(values: Floats) -> float:
    """Return the greatest magnitude; 0 of no values."""
    return max(float(values.max()), -float(values.min())) if len(values) else 0.0


def _sliced_total(left: Floats) -> int:
    """Return the sum of at most `_PART` numbers below `_HUGE`, which are used up.

    Of each number the bits above ``2**unit`` are taken off at once, by adding and subtracting a large one. What is
    taken are so short numbers that adding them rounds nothing.
    """
    total, taken = 0, np.empty_like(left)
    while largest := _largest(left):
        unit = max(math.frexp(largest)[1] - _SLICE, -UNIT_BITS)
        rounder = math.ldexp(1.5, unit + 52)
        np.add(left, rounder, out=taken)
        taken -= rounder
        total += int(math.ldexp(float(taken.sum()), -unit)) << (unit + UNIT_BITS)
        left -= taken
    return total


def product(one: Floats, other: Floats) -> tuple[Floats, Floats]:
    """Return two floats for each product: what a float can hold of it, and the rest. Their sum is the product."""
    high = one * other
    (a, b), (c, d) = _split(one), _split(other)
    return high, ((a * c - high) + a * d + b * c) + b * d


def rational(total: int) -> Fraction:
    """Return a sum as a fraction; ``float`` of it is rounded correctly."""
    return Fraction(total, 1 << UNIT_BITS)


def _split(values: Floats) -> tuple[Floats, Floats]:
    large = values * (2.0**27 + 1)
    high = large - (large - values)
    return high, values - high
