"""The stages, on pieces in any order, against the unpartitioned tools' answer on real and simulated reads."""

from __future__ import annotations

import pytest
from genomics_driver import compare, dataset

pytest.importorskip("pysam", reason="needs the extra 'genomics'")


@pytest.mark.parametrize(
    ("name", "chunk", "region"),
    [
        ("human-na12878-chr22", 1 << 30, 100_000),
        ("human-na12878-chr22", 15_000, 1_500),
        ("human-deep-lanes", 60_000, 3_750),
        pytest.param("sarscov2-two-samples", 300_000, 3_750, marks=pytest.mark.slow),
        pytest.param("sim-diploid", 1_000_000, 45_000, marks=pytest.mark.slow),
    ],
)
def test_alignments_and_variants_are_those_of_one_run(shared, tmp_path, name, chunk, region) -> None:
    run = dataset(shared, name, tmp_path, seed=chunk)
    run.align(chunk)
    variants = run.call(region)
    assert compare(shared, name, vcf=variants.vcf, bams=run.bams()) == ""
    assert compare(shared, name, vcf=run.finish().vcf, answer="variants.norm") == ""


@pytest.mark.parametrize(
    "name",
    ["human-na12878-chr22", "human-deep-lanes", pytest.param("sarscov2-two-samples", marks=pytest.mark.slow)],
)
def test_a_depth_cap_that_drops_reads_gives_the_same_variants(shared, tmp_path, name) -> None:
    run = dataset(shared, name, tmp_path, options={"max_depth": 250})
    run.align(200_000)
    assert compare(shared, name, vcf=run.call(5_000).vcf, answer="variants.depth250") == ""


def test_pieces_in_another_order_give_another_order_of_equal_records(shared, tmp_path) -> None:
    """The order of the pieces matters, so the comparison above would find it wrong."""
    run = dataset(shared, "human-deep-lanes", tmp_path)
    run.align(200_000)
    run.aligned.reverse()
    assert "same records in another order" in compare(shared, "human-deep-lanes", bams=run.bams())
