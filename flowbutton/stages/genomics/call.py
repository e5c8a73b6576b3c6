"""Calling one region: all samples' reads of it together, as bcftools does for the whole genome.

Here: the stage `genomics.call`, the commands of the caller. Not here: the regions (`regions`), the VCF (`variants`).
Between the two tools stands BCF: VCF text rounds numbers, and that shows. Source: Danecek et al. 2021,
doi:10.1093/gigascience/giab008. Imports `flowbutton.model`; pysam only inside functions.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from flowbutton.model.bundle import KeySchema, Parts
from flowbutton.model.errors import OptionError
from flowbutton.model.stage import Resources, Scratch, Tally
from flowbutton.partitioners.bam_layout import UNMAPPED
from flowbutton.stages.bundles import Bundle
from flowbutton.stages.define import gather_stage
from flowbutton.stages.genomics.alignments import Records, bam_header, merged
from flowbutton.stages.genomics.caller_options import CallOptions, MpileupOptions, checked
from flowbutton.stages.genomics.carried_bias import Called, first_and_left
from flowbutton.stages.genomics.reference import CONTIGS_READ, Contig, Genome, genome_of
from flowbutton.stages.genomics.regions import Region, Stretch
from flowbutton.stages.genomics.samples import SampleTable, read_group_line
from flowbutton.stages.genomics.tools import run_bcftools
from flowbutton.stages.genomics.variant_windows import VARIANT_BIN, BinFacts, CallFacts

SCHEMA = KeySchema(("contig", "start"), width=VARIANT_BIN)
"""Variants are kept by bins of POS, as `Called`: one for each part of an interval that lies in the bin."""

_DIPLOID = 2


class Calls(NamedTuple):
    """The variants that a region owns, and what is to be known of them where they are joined."""

    variants: Bundle
    facts: CallFacts


@dataclass(frozen=True, slots=True)
class CallerOptions:
    """What reaches the caller; checked at birth.

    Raises:
        OptionError: a value is out of its range, or an option can't be handed on.
    """

    min_mapping_quality: int = 0
    min_base_quality: int = 1
    max_depth: int = 1_000_000
    ploidy: int | None = None
    mpileup_options: Sequence[str] = ()
    call_options: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name, least in (("min_mapping_quality", 0), ("min_base_quality", 0), ("max_depth", 1)):
            if getattr(self, name) < least:
                raise OptionError(f"{name} is {getattr(self, name)}", why=f"it is {least} or more", hint="")
        if self.ploidy not in (None, 1, 2):
            raise OptionError(f"the ploidy is {self.ploidy}", why="bcftools calls with 1 or 2", hint="")
        checked("mpileup", self.mpileup_options)
        checked("call", self.call_options)


@gather_stage(
    "genomics.call",
    resources=Resources(memory_base_bytes=512 << 20, memory_per_input_byte=12.0, memory_per_shared_byte=CONTIGS_READ),
)
def call(
    region: Region,
    alignments: Parts,
    fasta: Path,
    fai: Path,
    samples: SampleTable,
    scratch: Scratch,
    tally: Tally,
    *,
    min_mapping_quality: int = 0,
    min_base_quality: int = 1,
    max_depth: int = 1_000_000,
    ploidy: int | None = None,
    mpileup_options: MpileupOptions = (),
    call_options: CallOptions = (),
) -> Calls:
    """Call the variants that a region owns, from all samples together.

    Args:
        region: What to call, and what to see.
        alignments: The parts that meet the region's window, or more.
        fasta: The reference.
        fai: Its index by position (faidx).
        samples: The samples, in the order of the VCF's columns.
        scratch: Where BAM, BCF and VCF are written.
        tally: Counts the variants.
        min_mapping_quality: Reads below are left out (``-q``).
        min_base_quality: Bases below are left out (``-Q``).
        max_depth: The most reads of a sample over one place (``-d``), and the depth above which no indels are called
            (``-L``). The same value must go to `genomics.survey`.
        ploidy: 1 or 2, for all samples; without it each sample's own, 2 where the table is silent.
        mpileup_options: Further options of ``bcftools mpileup``; see `caller_options`.
        call_options: Further options of ``bcftools call``.

    Raises:
        OptionError: an option can't be used.
    """
    options = CallerOptions(min_mapping_quality, min_base_quality, max_depth, ploidy, mpileup_options, call_options)
    genome = genome_of(fasta, fai, scratch)
    bcf = likelihoods(region, alignments, genome, samples, scratch, options)
    cells = list(cells_of(region.intervals))
    owned = _owned(called(bcf, samples, scratch, options), genome.contigs, cells)
    bases = first_and_left(bcf, cells, Path(scratch))
    bundle, facts = Bundle(Path(scratch) / "variants.bundle", SCHEMA), []
    for number, cell in enumerate(cells):
        if number in owned or number in bases:
            first, left = bases.get(number, (None, b""))
            lines, key = owned.get(number, ()), (cell.contig, cell.start - cell.start % VARIANT_BIN)
            bundle.add(key, Called(cell.start, first, left, b"".join(lines)).encode())
            facts.append(BinFacts(*key, -1 if first is None else cell.start, left.decode(), len(lines)))
    tally.out(sum(len(lines) for lines in owned.values()))
    return Calls(bundle, CallFacts(bins=tuple(facts)))


def cells_of(intervals: Sequence[Stretch]) -> Iterator[Stretch]:
    """Yield intervals cut where bins of POS meet."""
    for stretch in intervals:
        seams = range(stretch.start - stretch.start % VARIANT_BIN + VARIANT_BIN, stretch.stop, VARIANT_BIN)
        for start, stop in pairwise((stretch.start, *seams, stretch.stop)):
            yield Stretch(contig=stretch.contig, start=start, stop=stop)


def likelihoods(
    region: Region,
    alignments: Parts,
    genome: Genome,
    samples: SampleTable,
    scratch: Scratch,
    options: CallerOptions,
) -> Path:
    """Return a BCF of all sites in a region's window: those in its intervals are as in a run over the whole genome."""
    folder = Path(scratch)
    bams = write_bams(folder, genome.contigs, samples, _reads(alignments, region.window))
    targets = folder / "window.bed"
    targets.write_text("".join(f"{genome.contigs[w.contig].name}\t{w.start}\t{w.stop}\n" for w in region.window))
    # -T streams where -R would jump by an index, which costs more than it saves: the BAMs hold these reads only.
    return run_mpileup(bams, genome, scratch, options, "-T", str(targets))


def run_mpileup(bams: Sequence[Path], genome: Genome, scratch: Scratch, options: CallerOptions, *where: str) -> Path:
    """Run ``bcftools mpileup`` over sorted BAMs, one per sample; return a BCF of all sites."""
    bcf, depth = Path(scratch) / "likelihoods.bcf", str(options.max_depth)
    run_bcftools(
        "mpileup",
        [
            *("--no-version", "-Ou", "-f", str(genome.fasta)),
            *("-d", depth, "-L", depth, "-a", "FORMAT/AD,FORMAT/DP"),
            *("-q", str(options.min_mapping_quality), "-Q", str(options.min_base_quality)),
            *checked("mpileup", options.mpileup_options),
            *(*where, "-o", str(bcf), *map(str, bams)),
        ],
    )
    return bcf


def called(bcf: Path, samples: SampleTable, scratch: Scratch, options: CallerOptions) -> Path:
    """Run ``bcftools call``; return a VCF of the variants."""
    vcf = Path(scratch) / "called.vcf"
    ploidy = _ploidy(samples, options, Path(scratch))
    further = checked("call", options.call_options)
    run_bcftools("call", ["-mv", "--no-version", "-Ov", *ploidy, *further, "-o", str(vcf), str(bcf)])
    return vcf


def write_bams(
    folder: Path, genome: Sequence[Contig], samples: SampleTable, reads: Iterator[tuple[str, bytes]]
) -> list[Path]:
    """Write a BAM per sample, in the table's order; a sample without reads has one without records.

    A sample is called by its number there: the caller's table of ploidies holds no name with a blank.

    Args:
        folder: Where they are written.
        genome: The contigs.
        samples: The samples.
        reads: Records, in the order of a sorted BAM within each sample.
    """
    import pysam

    paths = {row.sample: folder / f"sample{number}.bam" for number, row in enumerate(samples.root)}
    files = {}
    for number, row in enumerate(samples.root):
        groups = [read_group_line(name, str(number)) for name in row.read_groups]
        # 0: blocks stored, not deflated; the file is read once, by the next call. (The stub does not know levels.)
        files[row.sample] = pysam.BGZFile(str(paths[row.sample]), "wb0", None)  # type: ignore[arg-type]
        files[row.sample].write(bam_header(genome, groups))
    for sample, records in reads:
        files[sample].write(records)
    for file in files.values():
        file.close()
    return list(paths.values())


def _ploidy(samples: SampleTable, options: CallerOptions, folder: Path) -> list[str]:
    ploidies = [options.ploidy or row.ploidy or _DIPLOID for row in samples.root]
    if len(set(ploidies)) == 1:
        return ["--ploidy", str(ploidies[0])]
    path = folder / "ploidies.txt"
    path.write_text("".join(f"{number}\t{ploidy}\n" for number, ploidy in enumerate(ploidies)))
    return ["-S", str(path)]


def _reads(alignments: Parts, window: Sequence[Stretch]) -> Iterator[tuple[str, bytes]]:
    """Yield the records that overlap the window, key by key."""
    wanted: dict[int, list[Stretch]] = {}
    for stretch in window:
        wanted.setdefault(stretch.contig, []).append(stretch)
    for key, parts in alignments:
        sample, contig = str(key[0]), int(key[1])
        if contig in wanted:
            yield sample, _overlapping(merged(parts), wanted[contig])


def _overlapping(data: bytes, window: Sequence[Stretch]) -> bytes:
    """Return the records of aligned reads that overlap ``window``, sorted and disjoint, of their contig."""
    records = Records.of(data)
    starts, stops = np.array([w.start for w in window]), np.array([w.stop for w in window])
    nearest = np.searchsorted(
        stops, records.position, side="right"
    )  # the first stretch that ends after the read begins
    reached = np.append(starts, np.iinfo(np.int64).max)[nearest] < records.position + records.span
    chosen = np.flatnonzero(reached & (records.flag & UNMAPPED == 0))
    return data if len(chosen) == len(records) else records.take(chosen)


def _owned(vcf: Path, genome: Sequence[Contig], intervals: Sequence[Stretch]) -> dict[int, list[bytes]]:
    """Return the record lines whose POS lies in an interval, by the number of the interval that owns them."""
    number = {contig.name.encode(): place for place, contig in enumerate(genome)}
    bounds = [(stretch.contig, stretch.start) for stretch in intervals]
    found: dict[int, list[bytes]] = {}
    with vcf.open("rb") as lines:
        for line in lines:
            if line.startswith(b"#"):
                continue
            contig, position = line.split(b"\t", 2)[:2]
            place = (number[contig], int(position) - 1)
            owner = bisect_right(bounds, place) - 1
            if owner >= 0 and bounds[owner][0] == place[0] and place[1] < intervals[owner].stop:
                found.setdefault(owner, []).append(line)
    return found
