"""The sorted BAM of a sample, from all pieces of its reads: made window by window, then joined by name.

Windows are those of the data: their seams lie between bins of alignments where a useful number of aligned bases is
reached. No option moves them, so none shows in the file.
Here: the stages `genomics.plan_windows`, `genomics.write_window` and `genomics.merge_alignments`. Not here: sorting
inside a bin (`alignments`), BGZF blocks (`deflate`), the index (`alignment_index`), flags and depth
(`alignment_summary`). Imports `flowbutton.model`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from flowbutton.model.bundle import BundleKey, Parts
from flowbutton.model.composite import Composite, Stored
from flowbutton.model.pieces import Scalar
from flowbutton.model.stage import Items, Resources, Scratch, Tally, conserves
from flowbutton.partitioners.bgzf import EOF_BLOCK
from flowbutton.stages.define import gather_stage
from flowbutton.stages.genomics.alignment_index import index_part, write_index
from flowbutton.stages.genomics.alignment_summary import WindowCounter, WindowSummary
from flowbutton.stages.genomics.alignments import BIN, Records, bam_header, merged, unpacked
from flowbutton.stages.genomics.bin_index import SHORT_LIMIT, PartIndex, depth_of
from flowbutton.stages.genomics.deflate import BgzfWriter, blocks_of
from flowbutton.stages.genomics.depth import BLOCK, TILE, Profile, ProfileFile, joined_under
from flowbutton.stages.genomics.reference import contigs
from flowbutton.stages.genomics.samples import SampleTable, read_group_line

WINDOW_BASES = 1 << 25
"""Aligned bases from which on a window is full: about 20 MiB of BAM. Fixed: an option would show in the file."""


class BinRange(BaseModel):
    """Bins of a sample's alignments that begin in ``[start, stop)`` on a contig; the contig after the last is none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample: str
    contig: int
    start: int
    stop: int


class Window(BaseModel):
    """What one task writes of a BAM: ranges of bins, in the order of the file; and what it sees.

    ``reach`` begins a longest span to the left of ``window``: alignments in between may reach into it, and are counted
    in its depth.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: tuple[BinRange, ...]
    reach: tuple[BinRange, ...]


class WindowBlocks(NamedTuple):
    """The BGZF blocks of one window, records only, and what it contributes to the index and to the summary."""

    blocks: Path
    index: PartIndex  # type: ignore[assignment]  # nobody looks for a value in this tuple
    summary: WindowSummary


class StoredWindow(NamedTuple):
    """The same, with the blocks where they lie."""

    blocks: Stored
    index: PartIndex  # type: ignore[assignment]
    summary: WindowSummary


class SortedBam(NamedTuple):
    """A BAM sorted by coordinate and its index: ``.bai``, or ``.csi`` where a contig is longer than 2^29 bases."""

    bam: Composite
    index: Path  # type: ignore[assignment]


@gather_stage("genomics.plan_windows", resources=Resources(memory_base_bytes=1 << 30))
def plan_windows(profiles: Sequence[Path], samples: SampleTable, fai: Path) -> Items[Window]:
    """Divide each sample's alignments into windows, in the order of a sorted BAM; the last is of reads without a place.

    Args:
        profiles: Depth profiles of all reads; none if there are no reads.
        samples: The samples.
        fai: The reference's contigs (faidx).
    """
    files = [ProfileFile(path) for path in profiles]
    lengths = [contig.length for contig in contigs(fai)]
    rows: list[tuple[Mapping[str, Scalar], Window]] = []
    for row in samples.root:
        unplaced = (BinRange(sample=row.sample, contig=len(lengths), start=0, stop=1),)
        windows = (*_windows(row.sample, files, lengths), Window(window=unplaced, reach=unplaced))
        rows += [({"sample": row.sample, "ordinal": ordinal}, window) for ordinal, window in enumerate(windows)]
    return Items(tuple(rows))


def _windows(sample: str, files: Sequence[ProfileFile], lengths: Sequence[int]) -> Iterator[Window]:
    """Yield windows that hold all bins of contigs with reads; each but the last is full."""
    found: list[tuple[BinRange, int]] = []  # with the first base that is seen
    held = 0
    for contig, length in enumerate(lengths):
        key = (sample, contig)
        if all(key not in file.keys for file in files):
            continue
        profile = joined_under(files, key)
        longest = np.maximum.accumulate(profile.spans)
        start = seen = 0
        for number, bases in enumerate(_bases_per_bin(profile, length)):
            held += bases
            if held >= WINDOW_BASES:
                stop = (number + 1) * BIN
                yield _window([*found, (BinRange(sample=sample, contig=contig, start=start, stop=stop), seen)])
                before = int(np.searchsorted(profile.tiles, stop // TILE))
                found, held, start, seen = [], 0, stop, max(0, stop - int(longest[before - 1]))
        if start < length:
            found.append((BinRange(sample=sample, contig=contig, start=start, stop=-(-length // BIN) * BIN), seen))
    if found:
        yield _window(found)


def _window(ranges: Sequence[tuple[BinRange, int]]) -> Window:
    return Window(
        window=tuple(owned for owned, _ in ranges),
        reach=tuple(owned.model_copy(update={"start": seen}) for owned, seen in ranges),
    )


def _bases_per_bin(profile: Profile, length: int) -> list[int]:
    bins, per_bin = -(-length // BIN), BIN // BLOCK
    depth = profile.depth(bins * per_bin) * BLOCK
    sums: list[int] = np.add.reduceat(depth, np.arange(bins) * per_bin).tolist()
    return sums


@gather_stage("genomics.write_window", ledger=conserves("alignments", owned=True))
def write_window(window: Window, alignments: Parts, fai: Path, scratch: Scratch, tally: Tally) -> WindowBlocks:
    """Write the records of one window as BGZF blocks, in the order of ``samtools sort`` over all reads.

    The blocks are indexed, and alignments counted: their flags, and their depth on the window's bases.
    One bin is held in memory at a time, of reads without a place one piece's.

    Args:
        window: Which bins are written, and which are seen.
        alignments: Their parts, of all pieces of the sample's reads.
        fai: The reference's contigs (faidx).
        scratch: Where the blocks are written.
        tally: Counts records taken from the parts, and those that are read again from the blocks.
    """
    lengths = [contig.length for contig in contigs(fai)]
    placed = [(piece.contig, piece.start, piece.stop) for piece in window.window if piece.contig < len(lengths)]
    counter = WindowCounter(placed, lengths)
    path = Path(scratch) / "window.blocks"
    with path.open("wb") as file:
        out = BgzfWriter(file)
        for key, data in _records(alignments, is_placed=bool(placed)):
            records = Records.of(data)
            is_own = not placed or key[1:] >= placed[0][:2]
            counter.add(records, is_own=is_own)
            if is_own:
                tally.consumed("alignments", len(records))
                out.write(data)
        out.flush()
    found = index_part(path, depth_of(max(lengths, default=0)))
    tally.out(found.records)
    return WindowBlocks(path, found, counter.summary())


def _records(alignments: Parts, *, is_placed: bool) -> Iterator[tuple[BundleKey, bytes]]:
    """Yield records in the order of the file: bin by bin, and those without a place as they come."""
    if is_placed:
        yield from ((key, merged(parts)) for key, parts in alignments)
    else:
        yield from ((key, unpacked(part)) for key, part in alignments.each())


@gather_stage(
    "genomics.merge_alignments",
    ledger=conserves("windows"),
    resources=Resources(memory_base_bytes=1 << 30, memory_per_input_byte=0.0),
)
def merge_alignments(
    sample: str, windows: Sequence[StoredWindow], fai: Path, samples: SampleTable, scratch: Scratch, tally: Tally
) -> SortedBam:
    """Join a sample's windows into one sorted BAM: the records and the order of ``samtools sort`` over all reads.

    No record is read here. The header holds contigs and read groups, nothing of how the file was made.

    Args:
        sample: The sample.
        windows: Its windows, in the order of the file.
        fai: The reference's contigs (faidx).
        samples: The table of samples, which names the read groups.
        scratch: Where the index is written.
        tally: Counts the records of the windows, and those of the whole's index.
    """
    genome = contigs(fai)
    groups = [read_group_line(name, sample) for name in samples.row(sample).read_groups]
    header = blocks_of(bam_header(genome, groups))
    depth = depth_of(max((contig.length for contig in genome), default=0))
    is_long = any(contig.length >= SHORT_LIMIT for contig in genome)
    placed: list[tuple[int, PartIndex]] = []
    at = len(header)
    for window in windows:
        placed.append((at, window.index))
        at += window.blocks.size
        tally.consumed("windows", window.index.records)
    place = Path(scratch) / ("sorted.bam.csi" if is_long else "sorted.bam.bai")
    tally.out(write_index(place, placed, len(genome), depth))
    return SortedBam(Composite([header, *(window.blocks for window in windows), EOF_BLOCK], ".bam"), place)
