"""How a BAM record lies in bytes: its fixed fields, its flags, and the bases of the reference that its CIGAR spans.

Arrays, not objects, as there are many records. Here: what a record says. Not here: where records are (`bam_records`).
Format: SAM/BAM specification (samtools/hts-specs), section 4.2. Imports numpy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

FIXED = np.dtype(
    [
        ("size", "<i4"),
        ("contig", "<i4"),
        ("position", "<i4"),
        ("name_length", "u1"),
        ("quality", "u1"),
        ("bin", "<u2"),
        ("cigar_length", "<u2"),
        ("flag", "<u2"),
        ("bases", "<i4"),
        ("mate_contig", "<i4"),
        ("mate_position", "<i4"),
        ("template_length", "<i4"),
    ]
)
"""The fields before a record's name. ``size`` counts the bytes after itself, ``cigar_length`` operations."""

SMALLEST = FIXED.itemsize - 4
"""No record has a smaller ``size``."""

PAIRED, PROPER, UNMAPPED, REVERSE = 0x1, 0x2, 0x4, 0x10
FIRST, LAST = 0x40, 0x80
SECONDARY, FAILED, DUPLICATE, SUPPLEMENTARY = 0x100, 0x200, 0x400, 0x800

_ON_REFERENCE = np.array([operation in (0, 2, 3, 7, 8) for operation in range(16)], np.int64)  # M D N = X


def gather(text: bytes, at: Ints, kind: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return what stands at the bytes ``at`` of a text, which need not be aligned."""
    letters = np.frombuffer(text, np.uint8)
    found: npt.NDArray[Any] = letters[at[:, None] + np.arange(kind.itemsize)].view(kind).reshape(-1)
    return found


def fixed_fields(text: bytes, starts: Ints) -> npt.NDArray[Any]:
    """Return the fixed fields of the records that begin at the bytes ``starts``, as one array of `FIXED`."""
    return gather(text, starts, FIXED)


def reference_spans(text: bytes, starts: Ints, fields: npt.NDArray[Any]) -> Ints:
    """Return how many bases of the reference the CIGAR of each record spans; 0 for one that has none.

    Args:
        text: Whole records.
        starts: Where they begin.
        fields: Their fixed fields.
    """
    counts = fields["cigar_length"].astype(np.int64)
    firsts = np.cumsum(counts) - counts
    cigars = starts + FIXED.itemsize + fields["name_length"]
    at = np.repeat(cigars - 4 * firsts, counts) + 4 * np.arange(int(counts.sum()))
    operations = gather(text, at, np.dtype("<u4")).astype(np.int64)
    sums = np.concatenate(([0], np.cumsum((operations >> 4) * _ON_REFERENCE[operations & 15])))
    return np.asarray(sums[firsts + counts] - sums[firsts])
