"""The index of a sorted BAM, from parts of it: the bytes of ``.bai`` and ``.csi``, as ``samtools index`` makes them.

Here: a part of a BAM indexed as it is written; the whole's file. Not here: bins and chunks (`bin_index`), the BAM
itself (`sorted_bam`). Format: SAM/BAM specification (samtools/hts-specs), section 5.2; CSIv1 specification.
Imports `partitioners`; numpy.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from flowbutton.partitioners.bam_layout import UNMAPPED
from flowbutton.partitioners.bam_records import Batch, batches
from flowbutton.stages.genomics.bin_index import (
    MIN_SHIFT,
    SHORT_DEPTH,
    PartIndex,
    PartIndexer,
    contig_indexes,
    count,
)
from flowbutton.stages.genomics.deflate import BgzfWriter


def index_part(path: Path, depth: int) -> PartIndex:
    """Index the BGZF blocks of a file that holds records only, in the order of a sorted BAM. Memory: some MiB.

    Raises:
        BadInput, MalformedRecord, TruncatedInput: the file is not that.
    """
    size, found = path.stat().st_size, PartIndexer(depth)
    with path.open("rb") as file:

        def read(start: int, stop: int) -> bytes:
            file.seek(start)
            return file.read(stop - start)

        for batch in batches(read, 0, size << 16, file=path.name, first=0):
            _add(found, batch)
    return found.index(size << 16)


def _add(found: PartIndexer, batch: Batch) -> None:
    contig = batch.fields["contig"].astype(np.int64)
    placed = np.flatnonzero(contig >= 0)
    found.add_unplaced(batch.offsets[len(placed) :])
    if len(placed):
        start = np.maximum(batch.fields["position"][placed].astype(np.int64), 0)
        stop = np.maximum(start + batch.spans()[placed], 1)
        unaligned = batch.fields["flag"][placed] & UNMAPPED != 0
        found.add(contig[placed], start, stop, batch.offsets[placed], unaligned)


def write_index(path: Path, parts: Sequence[tuple[int, PartIndex]], contigs: int, depth: int) -> int:
    """Write the index of a BAM; return how many records it counts.

    Args:
        path: Where it is written: a ``.bai`` if ``depth`` is 5, else a ``.csi``.
        parts: In order, each with the byte of the file where its first block begins.
        contigs: How many the BAM has.
        depth: By `depth_of`, as the parts were indexed.
    """
    found = contig_indexes(parts, contigs)
    unplaced = sum(part.unplaced for _, part in parts)
    last = struct.pack("<Q", unplaced)
    if depth == SHORT_DEPTH:
        path.write_bytes(b"".join([b"BAI\1", count(contigs), *(one.short(depth) for one in found), last]))
    else:
        with path.open("wb") as file, BgzfWriter(file) as out:
            out.write(b"CSI\1" + struct.pack("<iiii", MIN_SHIFT, depth, 0, contigs))
            for one in found:
                out.write(one.csi(depth))
            out.write(last)
    return unplaced + sum(one.records for one in found)
