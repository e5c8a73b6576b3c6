"""Aligning odd reads: none, unknown, single, in turn; and what the counts and names must be."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from genomics_driver import Driver

from flowbutton.model.errors import BadInput
from flowbutton.model.stage import Tally
from flowbutton.stages.genomics import align, merge_alignments
from flowbutton.stages.genomics.samples import SampleTable, check_names

pytest.importorskip("pysam", reason="needs the extra 'genomics'")

NAME = "human-na12878-chr22"


def records(path: Path, count: int) -> list[str]:
    with gzip.open(path, "rt") as file:
        lines = [next(file) for _ in range(4 * count)]
    return ["".join(lines[at : at + 4]) for at in range(0, len(lines), 4)]


@pytest.fixture
def place(shared: Path) -> Path:
    return shared / "data" / "genomics" / NAME


def sheet(folder: Path, rows: str, **files: str) -> str:
    for name, text in files.items():
        (folder / f"{name}.fastq").write_text(text)
    (folder / "samples.tsv").write_text(rows)
    return str(folder / "samples.tsv")


def oracle(run: Driver, fastq: list[Path], sample: str) -> list[str]:
    """Return the sorted SAM lines of the tools alone."""
    import pyminimap2
    import pysam.samtools

    sam, bam = run.folder / "oracle.sam", run.folder / "oracle.bam"
    group = f"@RG\\tID:{sample}\\tSM:{sample}"
    names = [str(path) for path in fastq]
    pyminimap2.main(["-ax", "sr", "-t", "1", "-R", group, "-o", str(sam), str(run.index.fasta), *names])
    pysam.samtools.sort("--no-PG", "-o", str(bam), str(sam), catch_stdout=False)
    return lines(bam)


def lines(bam: Path) -> list[str]:
    import pysam

    with pysam.AlignmentFile(str(bam)) as file:
        return [record.to_string() for record in file.fetch(until_eof=True)]


@pytest.mark.parametrize("kind", ["single", "interleaved"])
def test_single_and_interleaved_reads_are_aligned_as_by_the_tools(place: Path, tmp_path: Path, kind: str) -> None:
    one = records(place / "NA12878_L1_R1.fastq.gz", 300)
    two = records(place / "NA12878_L1_R2.fastq.gz", 300)
    text = "".join(one) if kind == "single" else "".join(a + b for a, b in zip(one, two, strict=True))
    rows = f"sample\tr1\tinterleaved\ns\ts.fastq\t{'yes' if kind == 'interleaved' else 'no'}\n"
    run = Driver(tmp_path / "run", sheet(tmp_path, rows, s=text), place / "ref.fa")
    assert len(run.align(7_000)) > 5
    (bam,) = run.bams()
    assert lines(bam) == oracle(run, [tmp_path / "s.fastq"], "s")
    assert sum(tally.made or 0 for tally in run.tallies) == text.count("\n") // 4


def test_reads_that_match_nothing_and_no_reads_at_all_give_whole_empty_results(place: Path, tmp_path: Path) -> None:
    import pysam

    unknown = "".join(f"@u{number}\n{'AT' * 60}\n+\n{'I' * 120}\n" for number in range(9))
    rows = "sample\tr1\nnobody\tn.fastq\nunknown\tu.fastq\n"
    run = Driver(tmp_path / "run", sheet(tmp_path, rows, n="", u=unknown), place / "ref.fa")
    assert len(run.align(500)) > 2
    assert sum(tally.made or 0 for tally in run.tallies) == 9
    nobody, strangers = run.bams()
    assert lines(nobody) == []
    assert lines(strangers) == oracle(run, [tmp_path / "u.fastq"], "unknown")
    assert run.regions(1000) == []
    with pysam.VariantFile(str(run.call(1000).vcf)) as vcf:
        assert list(vcf.header.samples) == ["nobody", "unknown"]
        assert list(vcf) == []


def test_a_contig_without_reads_and_a_sample_of_other_ploidy(place: Path, tmp_path: Path) -> None:
    import pysam

    (tmp_path / "ref.fa").write_text(f">none\n{'ACGGT' * 100}\n{(place / 'ref.fa').read_text()}")
    rows = "sample\tr1\tr2\tploidy\n" + "".join(
        f"{sample}\t{place}/NA12878_{lane}_R1.fastq.gz\t{place}/NA12878_{lane}_R2.fastq.gz\t{ploidy}\n"
        for sample, lane, ploidy in (("z", "L1", 1), ("a", "L2", 2))
    )
    run = Driver(tmp_path / "run", sheet(tmp_path, rows), tmp_path / "ref.fa")
    run.align(30_000)
    found = []
    for size in (800, 10**6):
        with pysam.VariantFile(str(run.call(size).vcf)) as vcf:
            assert list(vcf.header.samples) == ["z", "a"]
            found.append([(r.pos, *(len(s["GT"]) for s in r.samples.values()), str(r)) for r in vcf])
    assert found[0] == found[1]
    assert {row[1:3] for row in found[0]} == {(1, 2)}


def test_artifacts_hold_nothing_of_where_and_when(place: Path, tmp_path: Path) -> None:
    made = []
    for name in ("here", "there"):
        run = Driver(tmp_path / name, str(place / "samples.tsv"), place / "ref.fa", seed=len(name))
        run.align(60_000)
        variants = run.call(5_000)
        files = [path for result in run.aligned for path in (result.alignments.path, result.profile)]
        made.append([path.read_bytes() for path in (*files, *run.bams(), run.survey(), *variants)])
    assert made[0] == made[1]
    assert b"scratch" not in gzip.decompress(made[0][-2])


def test_the_header_of_a_sorted_bam_names_contigs_and_read_groups_only(place: Path, tmp_path: Path) -> None:
    import pysam

    rows = "sample\tlane\tread_group\tr1\nback\\slash\tA\tgroup one\ts.fastq\nback\\slash\tB\t2\tt.fastq\n"
    text = "".join(records(place / "NA12878_L1_R1.fastq.gz", 5))
    run = Driver(tmp_path / "run", sheet(tmp_path, rows, s=text, t=text), place / "ref.fa")
    run.align(1000)
    (bam,) = run.bams()
    with pysam.AlignmentFile(str(bam)) as file:
        header = file.header.to_dict()
        groups = {record.get_tag("RG") for record in file}
    assert set(header) == {"HD", "SQ", "RG"}
    assert header["HD"] == {"VN": "1.6", "SO": "coordinate"}
    assert header["RG"] == [{"ID": "group one", "SM": "back\\slash"}, {"ID": "2", "SM": "back\\slash"}]
    assert groups == {"group one", "2"}


@pytest.mark.parametrize(
    ("sample", "groups"),
    [("a\tb", ()), ("", ()), ("a\nb", ()), *(("s", (group,)) for group in ("g\t1", "", "grüppe", "*", "?"))],
)
def test_names_that_no_header_can_hold_are_refused(sample: str, groups: tuple[str, ...]) -> None:
    with pytest.raises(BadInput, match="can't be written"):
        check_names(sample, groups)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([("a", ["1"], 2), ("a", ["2"], 2)], "sample 'a' stands twice"),
        ([("a", ["1"], 2), ("b", ["1"], 2)], "read group '1' stands twice"),
        ([("a", ["1"], 3)], "ploidy 3"),
    ],
)
def test_tables_that_can_not_be_called_are_refused(rows, says) -> None:
    with pytest.raises(BadInput, match=says):
        SampleTable.model_validate([{"sample": s, "read_groups": g, "ploidy": p} for s, g, p in rows])


def test_a_bam_of_no_pieces_is_a_whole_bam(place: Path, tmp_path: Path) -> None:
    run = Driver(tmp_path / "run", str(place / "samples.tsv"), place / "ref.fa")
    run.cut(10**9)
    made = merge_alignments("NA12878", [], run.index.fai, run.samples, run.scratch(), Tally())
    assert lines(made.bam.write(tmp_path / "none.bam")) == []


def test_each_read_is_counted_once(place: Path, tmp_path: Path) -> None:
    run = Driver(tmp_path / "run", str(place / "samples.tsv"), place / "ref.fa")
    for piece in run.cut(30_000):
        reads, tally = run.open(piece), Tally()
        align(reads, run.index.fai, run.index.mmi, run.scratch(), tally).alignments.close()
        assert tally.made == reads.consumed == piece.records
