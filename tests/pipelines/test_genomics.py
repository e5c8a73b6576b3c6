"""The genomics pipeline end to end against the answers of the unpartitioned tools; one cut for each dataset."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from genomics_runs import DATASETS, GenomicsRun

from flowbutton import load
from flowbutton.stages.genomics.reference import Reference
from flowbutton.ui.cli import call


@pytest.fixture
def dataset(request: pytest.FixtureRequest, tmp_path: Path, shared: Path) -> GenomicsRun:
    """A run over the dataset that the test names."""
    return GenomicsRun(tmp_path, shared / "data" / "genomics" / request.param)


FAST = "human-na12878-chr22"
CUT = [name if name == FAST else pytest.param(name, marks=pytest.mark.slow) for name in DATASETS]


@pytest.mark.parametrize("dataset", CUT, indirect=True)
def test_the_cut_does_not_show(dataset: GenomicsRun, shared: Path) -> None:
    dataset.run(normalize="false", chunk_size="200KiB", region_size=20_000)
    dataset.check(shared)


def test_a_stage_takes_the_file_of_the_reference_that_it_reads() -> None:
    """From a bucket each worker fetches what its tasks take: gigabytes, of a human genome."""
    stages = load("genomics").file.spec.stages
    taking = {
        file: {name for name, stage in stages.items() if f"index.{file}" in stage.share.values()}
        for file in Reference._fields
    }
    assert taking["mmi"] == {"align"}
    assert taking["fasta"] == {"call", "header", "finished", "evaluation"}
    assert not any("index" in stage.share.values() for stage in stages.values())


@pytest.mark.slow
@pytest.mark.parametrize("dataset", ["human-na12878-chr22"], indirect=True)
def test_the_caps_of_depth_and_the_normal_form(dataset: GenomicsRun, shared: Path) -> None:
    dataset.run(chunk_size="60KiB", region_size=4000)
    dataset.check(shared, "variants.norm")
    dataset.run(chunk_size="60KiB", region_size=4000, max_depth=250, normalize="false")
    dataset.check(shared, "variants.depth250")


@pytest.mark.parametrize("dataset", ["human-na12878-chr22"], indirect=True)
def test_reads_that_match_nothing_give_a_valid_empty_answer_and_a_warning(
    dataset: GenomicsRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reads = tmp_path / "junk_R1.fastq"
    reads.write_text("".join(f"@junk{n}\n{'ACGTTGCA' * 9}\n+\n{'I' * 72}\n" for n in range(50)))
    dataset.run(reads=reads)
    assert call(["status", "--store", str(dataset.folder / "store")]) == 0
    assert "warning: report: junk_R1: no read aligned" in capsys.readouterr().err
    text = gzip.decompress((dataset.results / "variants.vcf.gz").read_bytes()).decode()
    lines = text.splitlines()
    assert lines[0].startswith("##fileformat=VCF")
    assert lines[-1].split("\t")[0] == "#CHROM"
    assert "no read" in (dataset.results / "report.html").read_text().lower()


@pytest.mark.parametrize("dataset", ["human-na12878-chr22"], indirect=True)
def test_an_empty_file_of_reads_gives_a_valid_empty_answer(dataset: GenomicsRun, tmp_path: Path) -> None:
    sheet = tmp_path / "empty.tsv"
    (tmp_path / "none.fastq").write_text("")
    sheet.write_text("sample\tr1\nnobody\tnone.fastq\n")
    dataset.run(reads=sheet)
    assert gzip.decompress((dataset.results / "variants.vcf.gz").read_bytes()).startswith(b"##fileformat=VCF")
    assert (dataset.results / "alignments" / "nobody.bam").exists()


@pytest.mark.parametrize("dataset", ["human-na12878-chr22"], indirect=True)
def test_a_second_run_repeats_nothing(dataset: GenomicsRun) -> None:
    dataset.run()
    again = dataset.run()
    last = json.loads((dataset.folder / "store" / "runs" / "latest" / "events.jsonl").read_text().splitlines()[-1])
    assert (last["event"], last["ran"]) == ("ended", 0)
    assert len(again.stdout.strip().splitlines()) <= 2
