"""Runs the genomics stages one after the other, without the engine: pieces in any order, results in source order."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from flowbutton.model.bundle import Interval
from flowbutton.model.composite import Stored
from flowbutton.model.pieces import Piece, Source
from flowbutton.model.stage import Scratch, Tally
from flowbutton.partitioners.fastq import Fastq, FastqReads
from flowbutton.stages import genomics
from flowbutton.stages.bundles import MemoryParts
from flowbutton.stages.genomics.align import Alignments
from flowbutton.stages.genomics.alignment_summary import AlignmentSummary
from flowbutton.stages.genomics.call import Calls
from flowbutton.stages.genomics.reference import Reference
from flowbutton.stages.genomics.regions import Region
from flowbutton.stages.genomics.samples import SampleTable
from flowbutton.stages.genomics.sorted_bam import StoredWindow
from flowbutton.stages.genomics.variant_blocks import StoredBlocks
from flowbutton.stages.genomics.variant_summary import VariantSummary
from flowbutton.stages.genomics.variant_windows import VariantWindow
from flowbutton.stages.genomics.variants import Finished
from flowbutton.stores.access import StoreAccess
from flowbutton.stores.memory import MemoryStore


class WrittenVcf(NamedTuple):
    """A VCF and its index, side by side."""

    vcf: Path
    index: Path  # type: ignore[assignment]


@dataclass
class Driver:
    """One run over a source of reads and a reference, in ``folder``."""

    folder: Path
    reads: str
    reference: Path
    seed: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    index: Reference = field(init=False)
    samples: SampleTable = field(init=False)
    aligned: list[Alignments] = field(init=False)
    tallies: list[Tally] = field(init=False)
    summaries: list[AlignmentSummary] = field(init=False)
    calls: list[Calls] = field(init=False)
    found: list[VariantSummary] = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._scratches = 0
        self._access = StoreAccess(MemoryStore("driver"))
        self.index = genomics.index_reference(self.reference, self.scratch())

    @property
    def genome(self) -> tuple[Path, Path]:
        """The FASTA and its ``.fai``."""
        return self.index.fasta, self.index.fai

    def scratch(self) -> Scratch:
        """Return a new empty folder."""
        self._scratches += 1
        path = self.folder / f"scratch{self._scratches}"
        path.mkdir(parents=True)
        return Scratch(str(path))

    def cut(self, size: int) -> list[Piece]:
        """Cut the reads; the table of samples is known afterwards."""
        partitioner = Fastq()
        groups = partitioner.probe(Source("reads", self.reads, {}), self._access)
        self.samples = SampleTable.model_validate(partitioner.table(groups))
        pieces: list[Piece] = []
        for group in groups:
            indexes = [partitioner.index(part, self._access) for part in partitioner.index_parts(group)]
            pieces += partitioner.cut(partitioner.layout(group, indexes), size=size)
        return pieces

    def open(self, piece: Piece) -> FastqReads:
        """Open a reader on a piece."""
        return Fastq().open(piece, self._access)

    def align(self, size: int) -> list[Alignments]:
        """Align all pieces, in random order; return the results in source order."""
        pieces = self.cut(size)
        found: dict[int, tuple[Alignments, Tally]] = {}
        for number in self._random.sample(range(len(pieces)), len(pieces)):
            tally = Tally()
            result = genomics.align(self.open(pieces[number]), self.index.fai, self.index.mmi, self.scratch(), tally)
            result.alignments.close()
            found[number] = result, tally
        self.aligned = [found[number][0] for number in sorted(found)]
        self.tallies = [found[number][1] for number in sorted(found)]
        return self.aligned

    def survey(self, tree: int = 3) -> Path:
        """Survey the profiles, joined by ``tree`` at a time first."""
        profiles = [result.profile for result in self.aligned]
        joined = [
            genomics.merge_profiles(profiles[at : at + tree], self.scratch()) for at in range(0, len(profiles), tree)
        ]
        depth = {name: value for name, value in self.options.items() if name == "max_depth"}
        ends = [result.ends for result in self.aligned]
        return genomics.survey(joined, self.index.fai, self.scratch(), ends, **depth)

    def regions(self, size: int) -> list[Region]:
        """Plan regions of about ``size`` bases."""
        return [region for _, region in genomics.plan_regions(self.survey(), self.index.fai, size=size).rows]

    def parts(self, region: Region) -> MemoryParts:
        """Return what the engine hands to a calling task: the parts that meet the region's window."""
        wanted = [Interval({"contig": w.contig}, w.start, w.stop) for w in region.window]
        return MemoryParts([result.alignments.path for result in self.aligned], wanted)

    def call(self, size: int) -> WrittenVcf:
        """Call all regions, in random order, and write the VCF without normalizing."""
        regions = self.regions(size)
        found: dict[int, Calls] = {}
        for number in self._random.sample(range(len(regions)), len(regions)):
            region = regions[number]
            given = (region, self.parts(region), *self.genome, self.samples, self.scratch(), Tally())
            found[number] = genomics.call(*given, **self.options)
            found[number].variants.close()
        self.calls = [found[number] for number in sorted(found)]
        return self.finish(normalize=False)

    def finish(self, *, normalize: bool = True) -> WrittenVcf:
        """Finish the windows of the VCF, in random order, and write them."""
        called, header = [calls.variants.path for calls in self.calls], self.header()
        facts = [calls.facts for calls in self.calls]
        windows = [row for _, row in genomics.plan_variants(facts, header, self.index.fai, self.samples).rows]
        finished: dict[int, Finished] = {}
        for number in self._random.sample(range(len(windows)), len(windows)):
            given = (windows[number], _meeting(called, windows[number]), header, *self.genome, self.scratch(), Tally())
            finished[number] = genomics.finish_variants(*given, normalize=normalize)
            finished[number].records.close()
        self.found = [finished[number].summary for number in sorted(finished)]
        return self._written(windows, [finished[number].records.path for number in sorted(finished)], header)

    def header(self) -> Path:
        """Write the header of the VCF."""
        return genomics.variant_header(*self.genome, self.samples, self.scratch(), **self.options)

    def _written(self, windows: Sequence[VariantWindow], records: Sequence[Path], header: Path) -> WrittenVcf:
        blocks = []
        for window in windows:
            parts, tally = _meeting(records, window), Tally()
            made = genomics.write_variants(window, parts, self.index.fai, self.scratch(), tally)
            assert tally.consumed_by.get("records", 0) == tally.made
            blocks.append(StoredBlocks(Stored.of(made.blocks.read_bytes()), made.index))
        tally, scratch = Tally(), self.scratch()
        joined = genomics.merge_variants(blocks, header, self.index.fai, scratch, tally)
        assert tally.consumed_by.get("windows", 0) == tally.made
        return WrittenVcf(joined.vcf.write(Path(scratch) / "variants.vcf.gz"), joined.index)

    def bams(self) -> list[Path]:
        """Write the windows of all samples, in random order, and join those of each."""
        return [bam for bam, _ in self.indexed_bams()]

    def indexed_bams(self) -> list[tuple[Path, Path]]:
        """Return the BAM of each sample and its index; what is counted of them is known afterwards."""
        bundles = [result.alignments.path for result in self.aligned]
        profiles = [result.profile for result in self.aligned]
        rows = genomics.plan_windows(profiles, self.samples, self.index.fai).rows
        made: dict[int, StoredWindow] = {}
        for number in self._random.sample(range(len(rows)), len(rows)):
            window = rows[number][1]
            wanted = [Interval({"sample": w.sample, "contig": w.contig}, w.start, w.stop) for w in window.reach]
            tally = Tally()
            found = genomics.write_window(window, MemoryParts(bundles, wanted), self.index.fai, self.scratch(), tally)
            assert tally.consumed_by.get("alignments", 0) == tally.made
            made[number] = StoredWindow(Stored.of(found.blocks.read_bytes()), found.index, found.summary)
        windows = {
            row.sample: [made[n] for n in sorted(made) if rows[n][0]["sample"] == row.sample]
            for row in self.samples.root
        }
        self.summaries = [
            genomics.alignment_summary(sample, [window.summary for window in found], self.index.fai)
            for sample, found in windows.items()
        ]
        return [self._joined(sample, found) for sample, found in windows.items()]

    def _joined(self, sample: str, windows: Sequence[StoredWindow]) -> tuple[Path, Path]:
        tally, scratch = Tally(), self.scratch()
        made = genomics.merge_alignments(sample, windows, self.index.fai, self.samples, scratch, tally)
        assert tally.consumed_by.get("windows", 0) == tally.made
        return made.bam.write(Path(scratch) / "sorted.bam"), made.index


def _meeting(bundles: Sequence[Path], window: VariantWindow) -> MemoryParts:
    return MemoryParts(bundles, [Interval({"contig": w.contig}, w.start, w.stop) for w in window.window])


def dataset(shared: Path, name: str, folder: Path, **more: Any) -> Driver:
    """Return a driver over one of the reference data sets."""
    place = shared / "data" / "genomics" / name
    return Driver(folder, str(place / "samples.tsv"), place / "ref.fa", **more)


def compare(
    shared: Path, name: str, *, vcf: Path | None = None, bams: Sequence[Path] = (), answer: str = "variants"
) -> str:
    """Compare with the unpartitioned tools' answer; return the differences, empty if there are none."""
    command = [sys.executable, str(shared / "check" / "genomics.py"), "--order", "--name", answer]
    command += ["--expect", str(shared / "data" / "genomics" / name / "oracle")]
    command += ["--vcf", str(vcf)] if vcf else []
    for bam in bams:
        command += ["--bam", str(bam)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr
