"""The sorted BAM of a sample, from all pieces of its reads.

Here: the stage `genomics.merge_alignments`. Not here: sorting inside a bin (`alignments`), BGZF blocks (`deflate`).
Imports `flowbutton.model`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from flowbutton.model.bundle import Parts
from flowbutton.model.stage import Scratch, Tally, conserves
from flowbutton.stages.define import gather_stage
from flowbutton.stages.genomics.alignments import bam_header, count_records, merged
from flowbutton.stages.genomics.deflate import BgzfWriter
from flowbutton.stages.genomics.reference import Reference, contigs
from flowbutton.stages.genomics.samples import SampleTable, read_group_line
from flowbutton.stages.genomics.tools import run_samtools

_BAI_LIMIT = 1 << 29  # a .bai index reaches this many bases of a contig


class SortedBam(NamedTuple):
    """A BAM sorted by coordinate and its index: ``.bai``, or ``.csi`` where a contig is longer than 2^29 bases."""

    bam: Path
    index: Path  # type: ignore[assignment]  # nobody looks for a value in this tuple


@gather_stage("genomics.merge_alignments", ledger=conserves("alignments"))
def merge_alignments(
    sample: str, alignments: Parts, index: Reference, samples: SampleTable, scratch: Scratch, tally: Tally
) -> SortedBam:
    """Join a sample's alignments into one sorted BAM: the records and the order of ``samtools sort`` over all reads.

    One bin is held in memory at a time. The header holds contigs and read groups, nothing of how it was made.

    Args:
        sample: The sample.
        alignments: Its parts, of all pieces of its reads.
        index: The reference.
        samples: The table of samples, which names the read groups.
        scratch: Where the files are written.
        tally: Counts records taken from the parts, and those that the index says are in the file.
    """
    genome = contigs(index)
    groups = [read_group_line(name, sample) for name in samples.row(sample).read_groups]
    path = Path(scratch) / "sorted.bam"
    with path.open("wb") as file, BgzfWriter(file) as out:
        out.write(bam_header(genome, groups))
        for _, parts in alignments:
            records = merged(parts)
            tally.consumed("alignments", count_records(records))
            out.write(records)
    long = any(contig.length >= _BAI_LIMIT for contig in genome)
    place = path.with_name(path.name + (".csi" if long else ".bai"))
    run_samtools("index", ["-c" if long else "-b", "-o", str(place), str(path)])
    tally.out(_counted(path, place))
    return SortedBam(path, place)


def _counted(bam: Path, index: Path) -> int:
    """Return how many records ``samtools index`` counted: a count of its own, from the file as it is."""
    import pysam

    with pysam.AlignmentFile(str(bam), "rb", index_filename=str(index)) as file:
        return sum(contig.total for contig in file.get_index_statistics()) + int(file.nocoordinate)
