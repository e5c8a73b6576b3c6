"""The bgzipped VCF of all samples: made window by window, then joined by name.

Here: the stages `genomics.write_variants` and `genomics.merge_variants`. Not here: windows (`variant_windows`), what
the records are (`variants`), the index (`variant_index`). Imports `flowbutton.model`; numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import numpy as np

from flowbutton.model.bundle import Parts
from flowbutton.model.composite import Composite, Stored
from flowbutton.model.stage import Resources, Scratch, Tally, conserves
from flowbutton.partitioners.bgzf import EOF_BLOCK
from flowbutton.stages.define import gather_stage
from flowbutton.stages.genomics.bin_index import SHORT_LIMIT, PartIndex, depth_of
from flowbutton.stages.genomics.deflate import BLOCK_TEXT, block, blocks_of
from flowbutton.stages.genomics.reference import contigs
from flowbutton.stages.genomics.variant_index import index_lines, write_tabix
from flowbutton.stages.genomics.variant_windows import VariantWindow


class VariantBlocks(NamedTuple):
    """The BGZF blocks of one window, records only, and what it contributes to the index."""

    blocks: Path
    index: PartIndex  # type: ignore[assignment]  # nobody looks for a value in this tuple


class StoredBlocks(NamedTuple):
    """The same, with the blocks where they lie."""

    blocks: Stored
    index: PartIndex  # type: ignore[assignment]


class Variants(NamedTuple):
    """A bgzipped VCF and its index: tabix (``.tbi``), or CSI where a contig is longer than 2^29 bases."""

    vcf: Composite
    index: Path  # type: ignore[assignment]


@gather_stage(
    "genomics.write_variants", ledger=conserves("records", owned=True), resources=Resources(memory_per_input_byte=6.0)
)
def write_variants(window: VariantWindow, records: Parts, fai: Path, scratch: Scratch, tally: Tally) -> VariantBlocks:
    """Write the records whose POS lies in a window as BGZF blocks, and index them.

    Args:
        window: Which bins are written.
        records: Their parts, of all windows that records came from.
        fai: The reference's contigs (faidx).
        scratch: Where the blocks are written.
        tally: Counts records taken from the parts, and those indexed.
    """
    genome = contigs(fai)
    lines = [line for _, parts in records for line in in_order(parts)]
    tally.consumed("records", len(lines))
    text = b"".join(lines)
    blocks = [block(text[at : at + BLOCK_TEXT]) for at in range(0, len(text), BLOCK_TEXT)]
    path = Path(scratch) / "variants.blocks"
    path.write_bytes(b"".join(blocks))
    starts = np.array([0, *accumulate(map(len, blocks))], np.int64)
    at = np.array([0, *accumulate(map(len, lines))], np.int64)[:-1]
    offsets = starts[at // BLOCK_TEXT] << 16 | at % BLOCK_TEXT
    number = {genome[own.contig].name.encode(): own.contig for own in window.window}
    depth = depth_of(max((contig.length for contig in genome), default=0))
    index = index_lines(lines, offsets, int(starts[-1]) << 16, number, depth)
    tally.out(index.records)
    return VariantBlocks(path, index)


def in_order(parts: Sequence[bytes]) -> list[bytes]:
    """Return the lines of one contig's records by POS; those of one POS stay in the order of the parts.

    That is where ``bcftools norm`` leaves them: in the order in which they were called.
    """
    lines = [line for part in parts for line in part.splitlines(keepends=True)]
    return sorted(lines, key=lambda line: int(line.split(b"\t", 2)[1]))


@gather_stage(
    "genomics.merge_variants",
    ledger=conserves("windows"),
    resources=Resources(memory_base_bytes=1 << 30, memory_per_input_byte=0.0),
)
def merge_variants(
    windows: Sequence[StoredBlocks], header: Path, fai: Path, scratch: Scratch, tally: Tally
) -> Variants:
    """Join windows into one VCF; none gives a valid VCF without records. No record is read here.

    Args:
        windows: In the order of the file.
        header: The header of the VCF.
        fai: The reference's contigs (faidx).
        scratch: Where the index is written.
        tally: Counts the records of the windows, and those of the whole's index.
    """
    genome, head = contigs(fai), blocks_of(header.read_bytes())
    starts = accumulate((window.blocks.size for window in windows), initial=len(head))
    is_long = any(contig.length >= SHORT_LIMIT for contig in genome)
    index = Path(scratch) / ("variants.vcf.gz.csi" if is_long else "variants.vcf.gz.tbi")
    tally.consumed("windows", sum(window.index.records for window in windows))
    tally.out(write_tabix(index, [(at, window.index) for at, window in zip(starts, windows, strict=False)], genome))
    return Variants(Composite([head, *(window.blocks for window in windows), EOF_BLOCK], ".vcf.gz"), index)
