"""Theoretical isotope peaks of many ions as one value, and as bytes.

Not here: computing them (`isotope_peaks`). Imports numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from flowbutton.stages.columns import pack, unpack

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PeakTable:
    """A row per ion formula: m/z ascending, intensity relative to 100; 0 and 0 where there is no such peak."""

    ions: tuple[str, ...]
    mz: Floats
    intensity: Floats32

    def __len__(self) -> int:
        return len(self.ions)

    @property
    def lowest(self) -> Floats:
        """The lowest m/z of each ion."""
        found: Floats = self.mz[:, 0]
        return found

    def take(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> PeakTable:
        """Return some rows, in the order given."""
        return PeakTable(tuple(self.ions[row] for row in rows), self.mz[rows], self.intensity[rows])

    def encode(self) -> bytes:
        """Return the table as bytes; the inverse of `decode`."""
        return pack({"mz": self.mz, "intensity": self.intensity}, {"ions": self.ions})

    @classmethod
    def decode(cls, data: bytes) -> PeakTable:
        """Read what `encode` wrote."""
        arrays, head = unpack(data)
        return cls(tuple(head["ions"]), arrays["mz"], arrays["intensity"])

    @classmethod
    def read(cls, path: Path) -> PeakTable:
        """Read a table from a file."""
        return cls.decode(path.read_bytes())

    @classmethod
    def joined(cls, tables: Sequence[PeakTable]) -> PeakTable:
        """Return all rows of some tables, one or more, in turn."""
        return cls(
            tuple(ion for table in tables for ion in table.ions),
            np.concatenate([table.mz for table in tables]),
            np.concatenate([table.intensity for table in tables]),
        )
