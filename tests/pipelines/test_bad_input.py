"""What users get wrong, end to end: each ends with its exit code and a message that says what, where and what to do."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest
from genomics_runs import GenomicsRun

FAILED, USAGE, MISSING = 1, 2, 4


@pytest.fixture
def data(tmp_path: Path, shared: Path) -> GenomicsRun:
    """A copy of the smallest dataset, to be spoiled."""
    folder = tmp_path / "data"
    shutil.copytree(shared / "data" / "genomics" / "human-na12878-chr22", folder)
    for file in folder.rglob("*"):
        file.chmod(0o755 if file.is_dir() else 0o644)
    return GenomicsRun(tmp_path, folder)


def failing(run: GenomicsRun, code: int, **params: object) -> str:
    """Run, and return what was said; nothing may be published."""
    done = run.run(expect=code, **params)
    assert "Traceback" not in done.stderr
    assert not (run.results / "variants.vcf.gz").exists()
    return " ".join((done.stdout + done.stderr).split())


def single_end(run: GenomicsRun, data: bytes, name: str = "one.fastq") -> Path:
    place = run.folder / name
    place.write_bytes(data)
    return place


def test_truncated_gzip(data: GenomicsRun) -> None:
    file = data.data / "NA12878_L2_R1.fastq.gz"
    file.write_bytes(file.read_bytes()[:-2000])
    told = failing(data, FAILED)
    assert "NA12878_L2_R1.fastq.gz" in told
    assert "byte" in told


def test_gzip_with_trailing_garbage(data: GenomicsRun) -> None:
    file = data.data / "NA12878_L2_R2.fastq.gz"
    size = file.stat().st_size
    file.write_bytes(file.read_bytes() + b"these bytes are no gzip")
    told = failing(data, FAILED)
    assert "NA12878_L2_R2.fastq.gz" in told
    assert str(size) in told.replace(",", "")


def test_malformed_record_in_the_middle(data: GenomicsRun) -> None:
    records = [f"@r{n}\n{'ACGTA' * 20}\n+\n{'I' * (100 if n != 57 else 97)}\n" for n in range(100)]
    told = failing(data, FAILED, reads=single_end(data, "".join(records).encode()))
    assert "one.fastq" in told
    assert "record 58" in told
    assert f"byte {sum(map(len, records[:57]))}" in told.replace(",", "")


def test_pairs_in_another_order(data: GenomicsRun) -> None:
    text = gzip.decompress((data.data / "NA12878_L2_R2.fastq.gz").read_bytes()).split(b"\n")
    records = [b"\n".join(text[start : start + 4]) + b"\n" for start in range(0, len(text) - 1, 4)]
    records[5], records[6] = records[6], records[5]
    (data.data / "NA12878_L2_R2.fastq.gz").write_bytes(gzip.compress(b"".join(records)))
    told = failing(data, FAILED)
    assert "record 6" in told


def test_one_mate_more(data: GenomicsRun) -> None:
    file = data.data / "NA12878_L2_R1.fastq.gz"
    text = gzip.decompress(file.read_bytes())
    file.write_bytes(gzip.compress(text + b"@more/1\nACGT\n+\nIIII\n"))
    told = failing(data, FAILED)
    assert "818" in told
    assert "817" in told


def test_reference_without_contigs(data: GenomicsRun) -> None:
    empty = data.folder / "empty.fa"
    empty.write_text("")
    told = failing(data, FAILED, reference=empty)
    assert "empty.fa" in told
    assert "contig" in told


def test_fastq_as_reference(data: GenomicsRun) -> None:
    told = failing(data, FAILED, reference=single_end(data, b"@r\nACGT\n+\nIIII\n"))
    assert "FASTA" in told


def test_missing_files_are_told_before_anything_runs(data: GenomicsRun) -> None:
    told = failing(data, MISSING, reference=data.data / "reff.fa")
    assert "reff.fa" in told
    assert "ref.fa" in told.replace("reff.fa", "")  # did you mean
    (data.data / "NA12878_L1_R2.fastq.gz").unlink()
    assert "NA12878_L1_R2.fastq.gz" in failing(data, MISSING)


def test_one_lane_twice(data: GenomicsRun) -> None:
    sheet = data.data / "samples.tsv"
    rows = sheet.read_text().splitlines()
    sheet.write_text("\n".join([*rows, rows[1]]) + "\n")
    told = failing(data, FAILED)
    assert "NA12878" in told
    assert "L1" in told


def test_options_that_would_change_the_input_are_refused_before_anything_runs(data: GenomicsRun) -> None:
    told = failing(data, USAGE, mpileup_options="--regions,chr1", call_options="--gvcf,5")
    assert "genomics.yaml" in told
    assert "the option '--regions' can't be handed on to bcftools mpileup" in told
    assert "the option '--gvcf' can't be handed on to bcftools call" in told


def test_an_unknown_param_is_a_usage_error(data: GenomicsRun) -> None:
    told = failing(data, USAGE, regionsize=5)
    assert "region_size" in told
