"""Alignments as bytes: BAM records in bundles, their fields as arrays, the order of a sorted BAM.

A part of a bundle holds the records of one sample that begin in one bin, one after the other as in a BAM, in the order
of `in_order`, deflated. Unplaced reads come under the contig that follows the last one.

Here: packing, fields, order, headers. Not here: making them (`align`), what is done with them.
Format: SAM specification (samtools/hts-specs), section 4.2. Imports `flowbutton.model`; isal only inside functions.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowbutton.model.bundle import KeySchema
from flowbutton.partitioners.bam_layout import REVERSE, Ints, fixed_fields, reference_spans
from flowbutton.stages.genomics.reference import Contig
from flowbutton.stages.packing import zlib_packed

BIN = 16_384
"""Bases per bin of an alignment's first base. Fixed: no consumer's size is in it."""

SCHEMA = KeySchema(("sample", "contig", "start"), width=BIN)

_LENGTH = struct.Struct("<i")


@dataclass(frozen=True, slots=True)
class Records:
    """Whole BAM records, one after the other in ``data``; ``starts`` says where each begins, ``ends`` where it ends.

    ``contig`` is the contig's number, -1 for none; ``position`` counts from 0; ``span`` is the number of bases of the
    reference that the alignment reaches over, 0 for an unmapped read.
    """

    data: bytes
    starts: Ints
    ends: Ints
    contig: Ints
    position: Ints
    flag: Ints
    span: Ints

    @classmethod
    def of(cls, data: bytes) -> Records:
        """Read the fields of the whole records in ``data``; `size` says where one that is cut begins."""
        bounds = np.array(_bounds(data), dtype=np.int64)
        starts, ends = bounds[:-1], bounds[1:]
        fixed = fixed_fields(data, starts)
        return cls(
            data=data,
            starts=starts,
            ends=ends,
            contig=fixed["contig"].astype(np.int64),
            position=fixed["position"].astype(np.int64),
            flag=fixed["flag"].astype(np.int64),
            span=reference_spans(data, starts, fixed),
        )

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def size(self) -> int:
        """How many bytes of ``data`` are whole records."""
        return int(self.ends[-1]) if len(self) else 0

    def take(self, chosen: npt.NDArray[np.intp]) -> bytes:
        """Return the records with the numbers ``chosen``, in that order."""
        data, starts, ends = self.data, self.starts[chosen].tolist(), self.ends[chosen].tolist()
        return b"".join([data[start:end] for start, end in zip(starts, ends, strict=True)])

    def in_order(self) -> npt.NDArray[np.intp]:
        """Return the numbers of the records in the order of a sorted BAM.

        That order is (contig, position, forward before reverse strand, order of the input); records without a contig
        come last, in the order of the input.
        """
        placed = self.contig >= 0
        position = np.where(placed, self.position, 0)
        reverse = placed & (self.flag & REVERSE != 0)
        return np.lexsort((reverse, position, self.contig, ~placed))


def pack(records: bytes) -> bytes:
    """Return records as a part of a bundle."""
    return zlib_packed(records)


def unpacked(part: bytes) -> bytes:
    """Return the records of a part of a bundle, in its order."""
    from isal import isal_zlib

    return bytes(isal_zlib.decompress(part))


def merged(parts: Sequence[bytes]) -> bytes:
    """Return the records of the parts of one key in the order of a sorted BAM.

    Args:
        parts: In the order of the upstream items, which decides between records that are equal in the key.
    """
    data = b"".join(map(unpacked, parts))
    if len(parts) < 2:
        return data
    records = Records.of(data)
    return records.take(records.in_order())


def bam_header(contigs: Sequence[Contig], read_group_lines: Sequence[str]) -> bytes:
    """Return what stands before the records of a sorted BAM: contigs and read groups, no program, no path."""
    lines = ["@HD\tVN:1.6\tSO:coordinate"]
    lines += [f"@SQ\tSN:{contig.name}\tLN:{contig.length}" for contig in contigs]
    text = "".join(f"{line}\n" for line in (*lines, *read_group_lines)).encode()
    pieces = [b"BAM\1", _LENGTH.pack(len(text)), text, _LENGTH.pack(len(contigs))]
    for contig in contigs:
        name = contig.name.encode() + b"\0"
        pieces += [_LENGTH.pack(len(name)), name, _LENGTH.pack(contig.length)]
    return b"".join(pieces)


def header_size(data: bytes) -> int | None:
    """Return how many bytes of ``data``, the start of a BAM, stand before its records; None if it is cut too early."""
    if len(data) < 8:
        return None
    at = 8 + _LENGTH.unpack_from(data, 4)[0]
    if len(data) < at + 4:
        return None
    count, at = _LENGTH.unpack_from(data, at)[0], at + 4
    for _ in range(count):
        if len(data) < at + 4:
            return None
        at += 8 + _LENGTH.unpack_from(data, at)[0]
    return at if at <= len(data) else None


def _bounds(data: bytes) -> list[int]:
    """Return where each whole record begins, and where the last one ends."""
    at, total, read = 0, len(data), _LENGTH.unpack_from
    bounds = [0]
    while at + 4 <= total and (at := at + 4 + read(data, at)[0]) <= total:
        bounds.append(at)
    return bounds
