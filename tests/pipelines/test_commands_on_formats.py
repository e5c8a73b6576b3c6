"""Programs get pieces in the source's own format, complete in themselves; the example of commands does what it says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pysam
import pytest
from bench import Bench

from flowbutton.engine.run import Report, Status

ROOT = Path(__file__).resolve().parents[2]

READS = "".join(f"@r{number}\n{'ACGT' * 5}\n+\n{'I' * 20}\n" for number in range(40))
# What each program prints: the names and the content of the files that it was given.
SHOW = json.dumps(
    ["python3", "-c", "import sys; print([(name, open(name, 'rb').read().hex()) for name in sys.argv[1:]])"]
)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty bench."""
    return Bench(tmp_path)


def fastq(folder: Path) -> str:
    """Write reads of one file."""
    (folder / "a.fastq").write_text(READS)
    return "a.fastq"


def pairs(folder: Path) -> str:
    """Write paired reads."""
    for mate in (1, 2):
        (folder / f"a_R{mate}.fastq").write_text(READS)
    (folder / "sheet.tsv").write_text("sample\tlane\tfastq_1\tfastq_2\nA\tL1\ta_R1.fastq\ta_R2.fastq\n")
    return "sheet.tsv"


def bam(folder: Path) -> str:
    """Write alignments."""
    header = {"HD": {"VN": "1.6", "SO": "coordinate"}, "SQ": [{"SN": "c", "LN": 1000}]}
    with pysam.AlignmentFile(str(folder / "a.bam"), "wb", header=header) as file:
        for number in range(40):
            read = pysam.AlignedSegment(file.header)
            read.query_name, read.reference_id, read.reference_start = f"r{number}", 0, number
            read.query_sequence, read.cigarstring = "ACGT", "4M"
            file.write(read)
    return "a.bam"


def fasta(folder: Path) -> str:
    """Write a reference."""
    (folder / "a.fa").write_text(">c\n" + "ACGTACGTAC\n" * 20)
    return "a.fa"


def run(bench: Bench, source: str, command: str, *, made: Callable[[Path], str]) -> tuple[Report, list[str]]:
    """Run a program on each piece; return the report and what it printed, in the order of the pieces."""
    place = made(bench.folder)
    text = (
        f"flowbutton: 1\nname: x\nsources: {{data: {{{source}, from: {place}}}}}\n"
        f"stages:\n  show: {{command: {command}, for_each: {{data: data}}, stdout: out.txt}}\n"
        '  all: {command: [cat, "{parts}"], gather: {parts: show}, stdout: all.txt}\noutputs: {all.txt: all}\n'
    )
    report = bench.run(text, settings={"executor": "serial"})
    assert report.status is Status.DONE, report.failures
    return report, bench.result("all.txt").splitlines()


def shown(line: str) -> list[tuple[str, bytes]]:
    """Return the names and contents that a program printed."""
    found: list[tuple[str, str]] = json.loads(line.replace("(", "[").replace(")", "]").replace("'", '"'))
    return [(name, bytes.fromhex(text)) for name, text in found]


def with_files(*placeholders: str) -> str:
    """Return the command line that shows files."""
    return SHOW[:-1] + "".join(f', "{name}"' for name in placeholders) + "]"


@pytest.mark.parametrize("size", [200, 1000, 100_000])
def test_reads_are_written_out(bench: Bench, size: int) -> None:
    report, lines = run(bench, f"partitioner: fastq, with: {{size: {size}}}", with_files("{data}"), made=fastq)
    assert len(lines) == (1 if size == 100_000 else pytest.approx(len(READS) / size, abs=2))
    files = [shown(line) for line in lines]
    assert {name for [(name, _)] in files} == {"in/data/reads_1.fastq"}
    assert b"".join(text for [(_, text)] in files).decode() == READS
    [balance] = report.ledger
    assert (balance.consumed, balance.emitted) == (40, 40)


def test_pairs_are_two_files(bench: Bench) -> None:
    command = with_files("{data.r1}", "{data.r2}")
    report, lines = run(bench, "partitioner: fastq, with: {size: 500}", command, made=pairs)
    first, second = (b"".join(shown(line)[mate][1] for line in lines) for mate in (0, 1))
    assert first.decode() == second.decode() == READS
    assert report.ledger[0].consumed == 80


def test_alignments_are_a_bam_with_a_header(bench: Bench) -> None:
    report, lines = run(bench, "partitioner: bam, with: {by: region, region_size: 40}", with_files("{data}"), made=bam)
    names = []
    for number, line in enumerate(lines):
        [(name, data)] = shown(line)
        assert name == "in/data/alignments.bam"
        place = bench.folder / f"{number}.bam"
        place.write_bytes(data)
        with pysam.AlignmentFile(str(place), "rb") as file:
            assert file.header.references == ("c",)
            names += [read.query_name for read in file.fetch(until_eof=True)]
    assert names == [f"r{number}" for number in range(40)]
    assert report.ledger[0].consumed == 40


def test_bases_are_a_fasta_that_names_its_range(bench: Bench) -> None:
    _, lines = run(bench, "partitioner: fasta, with: {size: 90, overlap: 5}", with_files("{data}"), made=fasta)
    texts = [shown(line)[0][1].decode() for line in lines]
    assert [text.split("\n")[0] for text in texts] == [">c:1-90", ">c:91-180", ">c:181-200"]
    assert "".join("".join(text.split("\n")[1:]) for text in texts) == "ACGTACGTAC" * 20
    assert max(len(line) for text in texts for line in text.split("\n")) == 60


def test_a_region_is_a_line_of_bed(bench: Bench) -> None:
    _, lines = run(bench, "partitioner: regions, with: {size: 150}", with_files("{data}"), made=fasta)
    assert [shown(line) for line in lines] == [
        [("in/data/region.bed", b"c\t0\t150\n")],
        [("in/data/region.bed", b"c\t150\t200\n")],
    ]


def test_a_piece_that_has_other_files_is_told(bench: Bench) -> None:
    pairs(bench.folder)
    text = (
        "flowbutton: 1\nname: x\nsources: {data: {partitioner: fastq, from: sheet.tsv}}\n"
        'stages: {go: {command: [cat, "{data}"], for_each: {data: data}, stdout: o}}\noutputs: {"{ordinal}": go}\n'
    )
    error = bench.run(text).failures[0].error
    assert error.what == "'{data}' is no file of what 'data' is bound to"
    assert error.why == "its files are: {data.r1}, {data.r2}"


def test_the_example_runs(tmp_path: Path) -> None:
    place = tmp_path / "command"
    shutil.copytree(ROOT / "examples/command", place)
    bench = Bench(place)
    report = bench.run((place / "words.yaml").read_text())
    assert report.status is Status.DONE
    assert bench.result("frequent.tsv") == "is\t2\nthe\t5\n"
    assert bench.result("summary.txt") == "2 of 23 words stand 2 times or more\n"
    script = place / "frequent.py"
    script.write_text(script.read_text().replace("stand {asked.least}", "are there {asked.least}"))
    assert bench.run((place / "words.yaml").read_text()).ran == 2  # the script's index, and the stage that reads it
    assert bench.result("summary.txt") == "2 of 23 words are there 2 times or more\n"
