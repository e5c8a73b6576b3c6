"""The report: right numbers, whole HTML, nothing from outside, the same bytes anywhere; depth as samtools counts."""

from __future__ import annotations

import gzip
import html
import random
import re
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pysam
import pytest
from pages import PageChecker

from flowbutton.model.errors import BadInput
from flowbutton.model.stage import Scratch, Tally
from flowbutton.stages.charts import round_length, round_ticks
from flowbutton.stages.genomics import alignment_summary, report
from flowbutton.stages.genomics.alignment_summary import AlignmentSummary, WindowCounter
from flowbutton.stages.genomics.alignments import Records, header_size
from flowbutton.stages.genomics.evaluate import Evaluation, Score
from flowbutton.stages.genomics.quality_figures import quantiles
from flowbutton.stages.genomics.quality_table import FileQuality, QualityTable, SampleQuality, Sketch
from flowbutton.stages.genomics.variant_figures import drawn_contigs
from flowbutton.stages.genomics.variant_summary import summarize_variants

VCF = """##fileformat=VCFv4.2
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t<b>&s
c\t3\t.\tA\tG\t50\t.\t.\tGT:AD\t0/1:10,10
c\t5\t.\tA\tC\t10\t.\t.\tGT:AD\t1/1:0,20
c\t9\t.\tT\tTAA\t300\t.\t.\tGT:AD\t0/1:0,9
c\t9\t.\tT\tC\t.\t.\t.\tGT:AD\t1/0:0,9
c\t20\t.\tTAAA\tT,TA\t70\t.\t.\tGT:AD\t1/2:0,5,5
c\t30\t.\tAC\tGT\t70\t.\t.\tGT:AD\t./.:.
"""
SAMPLE = "<b>&s"


CONTIGS = {"c": 2000, "bare": 10, "d": 700}
READS = [(0, position % 1900, "50M3D20M5S", 0x3 | 0x40) for position in range(0, 1900, 7)]
READS += [(0, 1950, "50M", 0x1), (0, 1950, "30M", 0x400), (0, 1960, "40M", 0x100), (0, 1960, "10M", 0x800)]
READS += [(2, 300, "100M", 0x1), (2, 600, "100M", 0x1), (-1, -1, "*", 0x4)]


def write_bam(path: Path, reads: Sequence[tuple[int, int, str, int]]) -> Path:
    """Write (contig, position, CIGAR, flag), sorted as given."""
    header = {
        "HD": {"VN": "1.6", "SO": "coordinate"},
        "SQ": [{"SN": name, "LN": length} for name, length in CONTIGS.items()],
    }
    with pysam.AlignmentFile(str(path), "wb", header=header) as out:
        for number, (contig, position, cigar, flag) in enumerate(reads):
            read = pysam.AlignedSegment(out.header)
            read.query_name, read.flag, read.reference_id, read.reference_start = f"r{number}", flag, contig, position
            read.cigarstring = cigar if cigar != "*" else None
            length = sum(int(size) for size, kind in re.findall(r"(\d+)([MIDS])", cigar) if kind != "D")
            read.query_sequence = "A" * (length or 5)
            out.write(read)
    return path


def summarized(
    folder: Path, reads: Sequence[tuple[int, int, str, int]], seams: Sequence[int] = (), *, reach: int = 73
) -> AlignmentSummary:
    """Count a BAM in windows: contigs with reads are cut at ``seams``, and the last window holds reads without one."""
    data = gzip.decompress(write_bam(folder / "a.bam", reads).read_bytes())
    all_reads = Records.of(data[header_size(data) :])
    lengths = [*CONTIGS.values()]
    windows = []
    for contig in sorted({contig for contig, *_ in reads}):
        length = lengths[contig] if contig >= 0 else 1
        for start, stop in pairwise(sorted({0, *(seam for seam in seams if seam < length), length})):
            counter = WindowCounter([(contig, start, stop)] if contig >= 0 else [], lengths)
            here = (all_reads.contig == contig) & (all_reads.position < stop)
            for is_own, chosen in ((False, all_reads.position < start), (True, all_reads.position >= start)):
                seen = here & chosen & ((all_reads.position > start - reach) | (contig < 0))
                counter.add(Records.of(all_reads.take(seen.nonzero()[0])), is_own=is_own or contig < 0)
            windows.append(counter.summary())
    fai = folder / "ref.fai"
    fai.write_text("".join(f"{name}\t{length}\t0\t60\t61\n" for name, length in CONTIGS.items()))
    found = alignment_summary(SAMPLE, windows, fai)
    assert isinstance(found, AlignmentSummary)
    return found


@pytest.fixture
def summary(tmp_path: Path) -> AlignmentSummary:
    return summarized(tmp_path, READS)


def test_bases_without_reads_take_no_memory() -> None:
    """The reads of a panel lie a chromosome apart."""
    length, (none, one) = 10**7, (np.zeros(0, np.int64), np.ones(1, np.int64))
    counter = WindowCounter([(0, 0, length)], [length])
    tracemalloc.start()
    for position in (5, length // 2, length - 100):
        counter.add(Records(b"", none, none, one * 0, one * position, one * 0, one * 100), is_own=True)
    [depth] = counter.summary().depths
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20
    assert depth.histogram == {0: length - 300, 1: 300}
    assert sum(depth.aligned) == 300


def file_quality() -> FileQuality:
    return FileQuality(
        reads=4,
        bases=8,
        lengths={2: 4},
        quality={2: (1, 1), 30: (1, 3), 40: (2,)},
        content={"A": (2, 2), "C": (1, 1), "G": (1, 1)},
        mean_quality={20: 1, 35: 3},
        gc={0: 2, 50: 2},
        adapters={"AGATCGGAAGAG": (0, 1)},
    )


def quality() -> QualityTable:
    starts = Sketch(hashes=(1, 2, 3), counts=(2, 1, 1))
    return QualityTable(
        samples={SAMPLE: SampleQuality(files={"R1": file_quality(), "R2": file_quality()}, starts=starts)}
    )


def written(folder: Path, found: QualityTable, vcf: str, summaries: list[AlignmentSummary], *rest: Evaluation) -> str:
    folder.mkdir()
    (folder / "v.vcf").write_text(vcf)
    tally = Tally()
    page = report(found, summaries, [summarize_variants(folder / "v.vcf")], Scratch(str(folder)), tally, *rest)
    assert isinstance(page, Path)
    text = page.read_text(encoding="utf-8")
    assert tally.warnings
    assert all(html.escape(warning) in text for warning in tally.warnings)
    return text


def evaluation() -> Evaluation:
    return Evaluation(scores=(Score(sample=SAMPLE, kind="snv", truth=4, called=0, both=0, same_genotype=0),))


def test_depth_is_what_samtools_counts(summary: AlignmentSummary, tmp_path: Path) -> None:
    pysam.index(str(tmp_path / "a.bam"))
    # -J counts deletions; --excl-flags leaves supplementary alignments in.
    lines = pysam.samtools.depth("-aa", "-J", str(tmp_path / "a.bam")).splitlines()
    for contig in summary.contigs:
        depths = [int(line.split("\t")[2]) for line in lines if line.startswith(f"{contig.name}\t")]
        assert len(depths) == contig.length
        assert contig.histogram == dict(Counter(depths))
        windows = range(0, contig.length, contig.window)
        assert list(contig.aligned) == [sum(depths[start : start + contig.window]) for start in windows]


def test_flags_are_counted_once_per_read(summary: AlignmentSummary) -> None:
    assert summary.reads == 272 + 5
    assert summary.mapped == 276
    assert summary.properly_paired == 272
    assert summary.paired == 272 + 3
    assert (summary.secondary, summary.supplementary, summary.marked_duplicates) == (1, 1, 1)
    assert summary.share_at_least(0) == 1
    assert 0 < summary.share_at_least(11) < summary.share_at_least(1) < 1


@pytest.mark.parametrize("seed", range(4))
def test_windows_add_up_to_the_whole(tmp_path: Path, summary: AlignmentSummary, seed: int) -> None:
    rng = random.Random(seed)
    seams = rng.sample(range(1, 2000), rng.choice([1, 5, 60]))
    assert summarized(tmp_path, READS, seams, reach=100) == summary


def test_variants_are_counted_by_alternative_and_site(tmp_path: Path) -> None:
    (tmp_path / "v.vcf").write_text(VCF)
    found = summarize_variants(tmp_path / "v.vcf")
    assert (found.sites, found.multiallelic) == (5, 2)
    assert found.kinds == {"SNV": 3, "insertion": 1, "deletion": 2, "several bases replaced": 1}
    assert (found.transitions, found.transversions) == (2, 1)
    assert found.lengths == {2: 1, -3: 1, -2: 1}
    assert found.quals == {0: 1, 2: 1, 3: 2, 12: 1}
    one = found.samples[SAMPLE]
    assert (one.heterozygous, one.homozygous) == (3, 1)
    assert one.balance == {10: 1}  # a split site says nothing of the balance


def test_a_file_that_is_no_vcf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "v.vcf").write_text("hello\n")
    with pytest.raises(BadInput, match="VCF"):
        summarize_variants(tmp_path / "v.vcf")


def test_the_page_is_whole_escaped_and_needs_nothing_from_outside(tmp_path: Path, summary: AlignmentSummary) -> None:
    page = written(tmp_path / "one", quality(), VCF, [summary], evaluation())
    checker = PageChecker()
    checker.feed(page)
    assert not checker.open
    assert not checker.fetched
    assert not checker.seen["script"]
    assert checker.seen["b"] == 0
    assert "&lt;b&gt;&amp;s" in page
    assert "url(" not in page
    assert checker.seen["figure"] == checker.seen["figcaption"] == checker.seen["svg"] == page.count("Good: ") - 4
    for shown in ("2 / 1 = 2.00", "3.00", "25.0 %", "no read on bare", "277", "–"):
        assert shown in page


def test_the_page_is_the_same_in_any_folder(tmp_path: Path, summary: AlignmentSummary) -> None:
    one = written(tmp_path / "one", quality(), VCF, [summary], evaluation())
    assert written(tmp_path / "two", quality(), VCF, [summary], evaluation()) == one
    assert str(tmp_path) not in one


def test_a_run_that_found_nothing_says_so(tmp_path: Path) -> None:
    empty = summarized(tmp_path, [])
    nothing = "".join(line + "\n" for line in VCF.splitlines() if line.startswith("#"))
    page = written(tmp_path / "one", QualityTable(samples={}), nothing, [empty])
    checker = PageChecker()
    checker.feed(page)
    assert f"{html.escape(SAMPLE)}: no reads." in page
    assert "no read aligned" not in page
    assert "No variant was called" in page
    assert 'href="#truth"' not in page


def test_many_contigs_and_many_samples_stay_readable(tmp_path: Path, summary: AlignmentSummary) -> None:
    short, long = summary.contigs[2], summary.contigs[0]
    contigs = tuple(short.model_copy(update={"name": f"k{n}"}) for n in range(60))
    wide = summary.model_copy(update={"contigs": (*contigs[:30], long, *contigs[30:])})
    assert [contig.name for contig in drawn_contigs(wide)] == [
        *(f"k{n}" for n in range(30)),
        "c",
        *(f"k{n}" for n in range(30, 39)),
    ]
    reads = quality().samples[SAMPLE]
    page = written(tmp_path / "few", QualityTable(samples={"a": reads}), VCF, [summary, wide])
    assert "21 shorter contigs not drawn; those drawn are 66.6 % of the reference." in page
    assert page.count("<details open>") == 3  # of reads, and two of depth
    many = QualityTable(samples={f"s{n}": reads for n in range(7)})
    page = written(tmp_path / "many", many, VCF, [summary] * 7)
    checker = PageChecker()
    checker.feed(page)
    assert (checker.seen["details"], page.count("<details open>")) == (14, 0)


def test_quartiles_of_a_cycle() -> None:
    assert quantiles(file_quality().quality, 0) == (2, 30, 40)
    assert quantiles(file_quality().quality, 1) == (2, 30, 30)


@pytest.mark.parametrize(
    ("first", "last", "ticks"), [(0, 10, [0, 2, 4, 6, 8, 10]), (1, 150, [50, 100, 150]), (0, 1, 6)]
)
def test_ticks_are_round(first: float, last: float, ticks: list[float] | int) -> None:
    found = round_ticks(first, last)
    assert (len(found) if isinstance(ticks, int) else [pytest.approx(tick) for tick in found]) == ticks


def test_ticks_of_counts_are_whole() -> None:
    assert round_ticks(0, 2, least=1) == [0, 1, 2]
    assert round_ticks(0, 1000, least=1) == round_ticks(0, 1000)


@pytest.mark.parametrize(("most", "length"), [(1, 1), (1.99, 1), (2, 2), (4.9, 2), (70, 50), (0.3, 0.2), (100, 100)])
def test_a_round_length_is_the_longest(most: float, length: float) -> None:
    assert round_length(most) == pytest.approx(length)
