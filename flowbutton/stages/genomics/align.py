"""Aligning one piece of reads: sorted, cut into bins, counted.

Here: the stage `genomics.align`. Not here: what a sorted BAM of all pieces is (`sorted_bam`), aligners whose answer for
a read depends on other reads (bwa mem: its tie-break is seeded by a read's number in the run), which can't be exact.
Imports `flowbutton.model` and the reader of FASTQ; pysam and pyminimap2 only inside functions.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from flowbutton.model.errors import BadInput, Bug, LedgerBroken
from flowbutton.model.stage import Resources, Scratch, Tally, conserves
from flowbutton.partitioners.bam_layout import FIRST, LAST, SECONDARY, SUPPLEMENTARY
from flowbutton.partitioners.fastq import FastqReads
from flowbutton.stages.bundles import Bundle
from flowbutton.stages.define import map_stage
from flowbutton.stages.genomics.alignments import BIN, SCHEMA, Records, header_size, pack
from flowbutton.stages.genomics.depth import DepthCounter
from flowbutton.stages.genomics.neighbours import ReadEnds, namesakes
from flowbutton.stages.genomics.reference import contigs
from flowbutton.stages.genomics.samples import check_names, read_group_line
from flowbutton.stages.genomics.tools import require_space, run_minimap, run_samtools

_ENDS = FIRST | LAST

_EMPTY = re.compile(rb"\r?\n\r?\n\+")  # bases are the only line before one with '+' that may be empty
_LINES = 4
_NO_SAM = ("truncated file", "failed to read header")  # what samtools says of a line of SAM that is none

_BLOCK = 1 << 22
_SCRATCH_PER_TEXT = 3  # SAM, sorted BAM and bundle take 1.3, 1.0 and 0.2 times the bytes of the FASTQ text


class Alignments(NamedTuple):
    """Records in bins by (sample, contig, start), the depth profile of the piece, the names at its two ends."""

    alignments: Bundle
    profile: Path
    ends: ReadEnds


@map_stage(
    "genomics.align",
    ledger=conserves("reads"),
    resources=Resources(memory_base_bytes=1 << 30, memory_per_input_byte=4.0, memory_per_shared_byte=1.0),
)
def align(
    reads: FastqReads, fai: Path, mmi: Path, scratch: Scratch, tally: Tally, *, preset: Literal["sr"] = "sr"
) -> Alignments:
    """Align reads with minimap2; each read's answer is the one that it has in a run over all reads.

    The order inside a bin is that of ``samtools sort``. Every read comes out once, aligned or not; supplementary and
    secondary alignments are counted apart.

    Args:
        reads: A piece of one sample.
        fai: The reference's contigs (faidx).
        mmi: The aligner's index of the reference, of the same preset.
        scratch: Where SAM and BAM are written.
        tally: Counts reads in, and primary and unmapped records out.
        preset: ``sr``, short accurate reads; the index must be of the same.

    Raises:
        BadInput: a name can't be written to a header; the reads are malformed; neighbours have the same name.
        NoSpace: the scratch folder is too small.
        LedgerBroken: the aligner did not answer every read once.
    """
    folder = Path(scratch)
    counter = DepthCounter(reads.sample)
    bundle = Bundle(folder / "alignments.bundle", SCHEMA)
    with ExitStack() as failed:
        failed.callback(bundle.close)
        bins = _Bins(bundle, reads.sample, len(contigs(fai)))
        bam, ends = _sorted_bam(reads, mmi, folder, preset)
        for records in _records(bam):
            counter.add(records)
            bins.add(records)
        _count(reads, bins, tally)
        failed.pop_all()
    return Alignments(bins.finish(), counter.write(folder / "profile.bundle"), ends)


def _sorted_bam(reads: FastqReads, mmi: Path, folder: Path, preset: str) -> tuple[Path, ReadEnds]:
    check_names(reads.sample, (reads.read_group,))
    group = read_group_line(reads.read_group, reads.sample).replace("\\", "\\\\").replace("\t", "\\t")
    sam, bam = folder / "aligned.sam", folder / "sorted.bam"
    fastq = reads.write(folder)
    if reads.paired:
        _refuse_half_empty(fastq, sample=reads.sample)
    require_space(folder, _SCRATCH_PER_TEXT * sum(path.stat().st_size for path in fastq))
    run_minimap(["-ax", preset, "-t", "1", "-R", group, "-o", str(sam), str(mmi), *map(str, fastq)])
    # -u: the blocks are read at once and thrown away, deflating them would cost more than sorting.
    try:
        run_samtools("sort", ["--no-PG", "-u", "-T", str(folder / "sorting"), "-o", str(bam), str(sam)])
    except Bug as error:
        if not any(words in error.why for words in _NO_SAM):
            raise
        raise BadInput(
            "a read can't be written to a BAM",
            why="a name of more than 254 letters or with '@' first, a blank or a control character among the "
            "qualities, or an empty read in a file with CRLF",
            hint="the log has what samtools says of it; correct the reads",
            sample=reads.sample,
        ) from error
    return bam, ReadEnds.of(reads, fastq[0])


def _refuse_half_empty(fastq: Sequence[Path], *, sample: str) -> None:
    """Refuse pairs of which one read has no bases: minimap2 aborts there, and its process with it."""
    empty = [_empty_reads(path) for path in fastq]
    if len(empty) == 1:
        empty = [{number // 2: name for number, name in empty[0].items() if number % 2 == mate} for mate in (0, 1)]
    half = empty[0].keys() ^ empty[1].keys()
    if half:
        first = min(half)
        raise BadInput(
            f"the read '{(empty[0] | empty[1])[first]}' has no bases, its mate has some",
            why="minimap2 can't align such a pair",
            hint="drop pairs of which one read is empty: a trimmer does with a least length of 1 ('cutadapt -m 1')",
            sample=sample,
        )


def _empty_reads(fastq: Path) -> dict[int, str]:
    """Return the names of the reads without bases, by their number in a file of whole records."""
    found: dict[int, str] = {}
    if not fastq.stat().st_size:
        return found
    with fastq.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        number = at = 0
        for match in _EMPTY.finditer(text):
            begin = text.rfind(b"\n", 0, match.start()) + 1
            number += text[at:begin].count(b"\n")
            at = begin
            found[number // _LINES] = text[begin + 1 : match.start()].decode(errors="replace")
    return found


def _records(bam: Path) -> Iterator[Records]:
    """Yield the records of a BAM in blocks of some MiB, each of whole records."""
    import pysam

    with pysam.BGZFile(str(bam), "rb", None) as file:
        data = file.read(_BLOCK)
        while (start := header_size(data)) is None:
            data += file.read(_BLOCK)
        data = data[start:]
        while data:
            records = Records.of(data)
            if len(records):
                yield records
            data = data[records.size :] + (block := file.read(_BLOCK))
            if not block and len(data):
                raise LedgerBroken("a sorted BAM ends inside a record", why="", hint="")


class _Bins:
    """Cuts sorted records into the parts of a bundle, and counts them by kind."""

    def __init__(self, bundle: Bundle, sample: str, contig_count: int) -> None:
        self._bundle, self._sample, self._unplaced = bundle, sample, contig_count
        self._key: tuple[int, int] | None = None
        self._held: list[bytes] = []
        self.ends: set[int] = set()
        self.primary = self.secondary = self.supplementary = 0

    def add(self, records: Records) -> None:
        """Add records that follow those added before."""
        placed = records.contig >= 0
        contig = np.where(placed, records.contig, self._unplaced)
        start = np.where(placed, records.position // BIN * BIN, 0)
        changes = np.flatnonzero((np.diff(contig) != 0) | (np.diff(start) != 0)) + 1
        for first, stop in pairwise([0, *changes.tolist(), len(records)]):
            self._extend((int(contig[first]), int(start[first])), records, first, stop)
        self._classify(records)

    def finish(self) -> Bundle:
        """Add what is still held; return the bundle."""
        if self._key is not None:
            self._bundle.add((self._sample, *self._key), pack(b"".join(self._held)))
        self._key, self._held = None, []
        return self._bundle

    def _extend(self, key: tuple[int, int], records: Records, first: int, stop: int) -> None:
        if key != self._key:
            self.finish()
            self._key = key
        self._held.append(records.data[records.starts[first] : records.ends[stop - 1]])

    def _classify(self, records: Records) -> None:
        secondary, supplementary = records.flag & SECONDARY != 0, records.flag & SUPPLEMENTARY != 0
        self.secondary += int(secondary.sum())
        self.supplementary += int((supplementary & ~secondary).sum())
        primary = ~secondary & ~supplementary
        self.primary += int(primary.sum())
        self.ends.update(np.unique(records.flag[primary] & _ENDS).tolist())


def _count(reads: FastqReads, bins: _Bins, tally: Tally) -> None:
    if not bins.ends <= ({FIRST, LAST} if reads.paired else {0}):
        raise namesakes(reads.sample, paired=reads.paired)
    given = reads.consumed - reads.left_out
    if bins.primary != given:
        raise LedgerBroken(
            f"the aligner answered {bins.primary} of {given} reads",
            why="reads were lost or doubled",
            hint="",
            sample=reads.sample,
        )
    tally.out(bins.primary)
    tally.apart("secondary alignments", bins.secondary)
    tally.apart("supplementary alignments", bins.supplementary)
