"""The index of a VCF, from parts of it: the bytes of ``.tbi`` and ``.csi``, as ``bcftools index`` makes them.

Here: a part of a VCF indexed by its lines; the whole's file. Not here: bins and chunks (`bin_index`), the VCF itself
(`variant_blocks`). Format: Tabix and CSIv1 specifications (samtools/hts-specs); Li 2011,
doi:10.1093/bioinformatics/btq671. Imports numpy.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from flowbutton.partitioners.bam_layout import Ints
from flowbutton.stages.genomics.bin_index import (
    MIN_SHIFT,
    SHORT_DEPTH,
    PartIndex,
    PartIndexer,
    contig_indexes,
    count,
    depth_of,
)
from flowbutton.stages.genomics.deflate import BgzfWriter
from flowbutton.stages.genomics.reference import Contig

_VCF = struct.pack("<6i", 2, 1, 2, 0, ord("#"), 0)  # the preset; columns of contig, begin and end; comments, head


def index_lines(lines: Sequence[bytes], offsets: Ints, end: int, number: Mapping[bytes, int], depth: int) -> PartIndex:
    """Index records of a VCF, which reach over the bases of their REF.

    Args:
        lines: In order.
        offsets: The virtual offset of each, from the first byte of the part.
        end: The virtual offset after the last.
        number: The contigs' numbers by their names.
        depth: By `depth_of`.
    """
    found = PartIndexer(depth)
    fields = [line.split(b"\t", 4) for line in lines]
    start = np.array([int(one[1]) - 1 for one in fields], np.int64)
    span = np.array([len(one[3]) for one in fields], np.int64)
    contig = np.array([number[one[0]] for one in fields], np.int64)
    found.add(contig, start, start + span, offsets, np.zeros(len(lines), np.bool_))
    return found.index(end)


def write_tabix(path: Path, parts: Sequence[tuple[int, PartIndex]], genome: Sequence[Contig]) -> int:
    """Write the index of a VCF; return how many records it counts.

    Args:
        path: Where it is written: a ``.tbi``, or a ``.csi`` where a contig is longer than 2^29 bases.
        parts: In order, each with the byte of the file where its first block begins.
        genome: The contigs; those without records are not named in the index.
    """
    depth = depth_of(max((contig.length for contig in genome), default=0))
    found = contig_indexes(parts, len(genome))
    named = [number for number, one in enumerate(found) if one.records]
    names = b"".join(genome[number].name.encode() + b"\0" for number in named)
    meta = _VCF + count(len(names)) + names
    with path.open("wb") as file, BgzfWriter(file) as out:
        if depth == SHORT_DEPTH:
            out.write(b"TBI\1" + count(len(named)) + meta)
        else:
            out.write(b"CSI\1" + struct.pack("<iii", MIN_SHIFT, depth, len(meta)) + meta + count(len(named)))
        for number in named:
            out.write(found[number].short(depth) if depth == SHORT_DEPTH else found[number].csi(depth))
        out.write(struct.pack("<Q", 0))
    return sum(one.records for one in found)
