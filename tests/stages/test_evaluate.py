"""The score against known variants is the one that bcftools and plain sets gave; edge cases by hand."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from flowbutton.model.errors import BadInput
from flowbutton.model.stage import Scratch
from flowbutton.stages.genomics import evaluate, index_reference
from flowbutton.stages.genomics.evaluate import Evaluation
from flowbutton.stages.genomics.reference import Reference

SEQUENCE = "ACGTTTTTGCAACGGCTTACGATCGA"
HEADER = (
    "##fileformat=VCFv4.2\n##contig=<ID=c,length=26>\n"
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t"
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    folder = tmp_path_factory.mktemp("reference")
    (folder / "c.fa").write_text(f">c\n{SEQUENCE}\n")
    found = index_reference(folder / "c.fa", Scratch(str(folder)))
    assert isinstance(found, Reference)
    return found


def vcf(path: Path, samples: str, *rows: str) -> Path:
    lines = [f"c\t{row.split()[0]}\t.\t{row.split()[1]}\t{row.split()[2]}\t.\t.\t.\tGT\t" for row in rows]
    calls = ["\t".join(row.split()[3:]) for row in rows]
    path.write_text(
        HEADER + samples + "\n" + "".join(f"{line}{call}\n" for line, call in zip(lines, calls, strict=True))
    )
    return path


def score(evaluation: Evaluation, sample: str, kind: str) -> tuple[int, int, int, int]:
    [one] = [one for one in evaluation.scores if (one.sample, one.kind) == (sample, kind)]
    return one.truth, one.called, one.both, one.same_genotype


def compare(folder: Path, index: Reference, called: Path, truth: Path) -> Evaluation:
    scratch = folder / "scratch"
    scratch.mkdir()
    found = evaluate(called, truth, index.fasta, index.fai, Scratch(str(scratch)))
    assert isinstance(found, Evaluation)
    return found


def test_the_oracle_of_simulated_data(shared: Path, tmp_path: Path) -> None:
    data = shared / "data/genomics/sim-diploid"
    (tmp_path / "index").mkdir()
    index = index_reference(data / "ref.fa", Scratch(str(tmp_path / "index")))
    found = compare(tmp_path, index, data / "oracle/variants.norm.vcf.gz", data / "truth.vcf.gz")
    with (data / "oracle/eval_truth.tsv").open() as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    for row, one in zip(rows, found.scores, strict=True):
        assert (one.sample, one.kind) == (row["sample"], row["type"])
        counts = tuple(int(row[name]) for name in ("truth", "called", "both", "same_allele_count"))
        assert (one.truth, one.called, one.both, one.same_genotype) == counts
        assert one.precision == pytest.approx(float(row["precision"]), abs=5e-5)
        assert one.recall == pytest.approx(float(row["recall"]), abs=5e-5)


def test_one_change_in_two_spellings_is_one(tmp_path: Path, index: Reference) -> None:
    called = vcf(tmp_path / "called.vcf", "s", "3 GT G 0/1", "10 C A,T 1/2")
    truth = vcf(tmp_path / "truth.vcf", "s", "7 TT T 0|1", "10 C A 1|0", "10 C T 0|1")
    found = compare(tmp_path, index, called, truth)
    assert score(found, "s", "indel") == (1, 1, 1, 1)
    assert score(found, "s", "snv") == (2, 2, 2, 2)


def test_a_missed_a_false_and_a_wrong_genotype(tmp_path: Path, index: Reference) -> None:
    called = vcf(tmp_path / "called.vcf", "s", "2 C A 0/1", "10 C T 0/1", "12 A G 0/0")
    truth = vcf(tmp_path / "truth.vcf", "s", "2 C A 1|1", "14 G T 0|1")
    [snv, indel, everything] = compare(tmp_path, index, called, truth).scores
    assert (snv.truth, snv.called, snv.both, snv.same_genotype) == (2, 2, 1, 0)
    assert (snv.precision, snv.recall, snv.genotype_concordance) == (0.5, 0.5, 0.0)
    assert (indel.precision, indel.recall, indel.genotype_concordance) == (None, None, None)
    assert everything.kind == "all"


def test_samples_without_a_truth_are_left_out_and_each_has_its_own_score(tmp_path: Path, index: Reference) -> None:
    called = vcf(tmp_path / "called.vcf", "x\tb\ta", "2 C A 1/1 0/1 0/0", "10 C T 1/1 0/0 0/1")
    truth = vcf(tmp_path / "truth.vcf", "a\tb", "2 C A 0|0 0|1", "10 C T 0|1 1|1")
    found = compare(tmp_path, index, called, truth)
    assert list(dict.fromkeys(one.sample for one in found.scores)) == ["a", "b"]
    assert score(found, "a", "snv") == (1, 1, 1, 1)
    assert score(found, "b", "snv") == (2, 1, 1, 1)


def test_no_common_sample_is_an_error(tmp_path: Path, index: Reference) -> None:
    called, truth = vcf(tmp_path / "called.vcf", "s", "2 C A 1/1"), vcf(tmp_path / "truth.vcf", "t", "2 C A 1/1")
    with pytest.raises(BadInput, match="other samples") as caught:
        compare(tmp_path, index, called, truth)
    assert "known: t; called: s" in caught.value.why


def test_a_truth_of_another_reference_is_an_error(tmp_path: Path, index: Reference) -> None:
    called, truth = vcf(tmp_path / "called.vcf", "s", "2 C A 1/1"), vcf(tmp_path / "truth.vcf", "s", "2 G A 1/1")
    with pytest.raises(BadInput, match="normalized") as caught:
        compare(tmp_path, index, called, truth)
    assert caught.value.where == {"file": "truth.vcf"}
