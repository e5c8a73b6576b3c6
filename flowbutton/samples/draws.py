"""Random numbers that are the same on every machine and with every numpy.

numpy promises the raw bits of a bit generator for ever, but not what its distributions make of them; so the few
distributions that a sample needs are made here, in integers. Imports numpy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]


class Draws:
    """A stream of draws from one seed; each call goes on where the last one ended."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def below(self, limit: int | Ints, count: int) -> Ints:
        """Draw ``count`` integers of ``[0, limit)``; ``limit`` (below 2**31) is one number, or one for each draw."""
        return ((self._words(count) >> np.uint64(33)).astype(np.int64) * limit) >> 31

    def chance(self, per_mille: int, count: int) -> NDArray[np.bool_]:
        """Draw ``count`` booleans that are true with ``per_mille`` / 1000."""
        return self.below(1000, count) < per_mille

    def normal(self, mean: int, deviation: int, count: int) -> Ints:
        """Draw ``count`` integers, nearly normal: sums of twelve uniform numbers have variance one."""
        parts = self.packed("<u2", count * 12).reshape(count, 12).astype(np.int64)
        result: Ints = mean + (deviation * (parts.sum(axis=1) - 6 * 65536)) // 65536
        return result

    def packed(self, kind: str, count: int) -> NDArray[Any]:
        """Draw ``count`` unsigned integers over the whole range of the little-endian type ``kind`` (``"<u2"``)."""
        size = np.dtype(kind).itemsize
        return self._words(-(-count * size // 8)).astype("<u8").view(kind)[:count]

    def _words(self, count: int) -> NDArray[np.uint64]:
        return self._bits.random_raw(count)
