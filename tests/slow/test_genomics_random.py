"""Small odd datasets from seeds: pieces and regions of random size against the tools over everything.

Alignments in order, variants in every column, and mpileup's own records of all sites.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from genomics_driver import Driver
from genomics_runs import GenomicsRun
from random_genomics import Dataset, generate
from whole_tools import Refused, Whole, sam_lines, vcf_lines

from flowbutton.stages.genomics.call import CallerOptions, likelihoods
from flowbutton.stages.genomics.reference import genome_of

pytest.importorskip("pysam", reason="needs the extra 'genomics'")
pytestmark = pytest.mark.slow

# An indel's record prints these as the last base with an alternative left them; `carried_bias` mends it in variants.
_CARRIED = re.compile("(?:MQSBZ|BQBZ)=[^;]*;")
_LEAST_PIECE, _LEAST_REGION = 20_000, 500


def made(seed: int, folder: Path) -> tuple[Dataset, Whole]:
    for name in ("data", "whole"):
        (folder / name).mkdir()
    dataset = generate(seed, folder / "data")
    whole = Whole(folder / "whole", dataset.reference, dataset.lanes)
    whole.align()
    return dataset, whole


def sites(bcf: Path) -> Iterator[tuple[tuple[int, int], str]]:
    """Yield the place and the text of each record of a BCF."""
    import pysam

    with pysam.VariantFile(str(bcf), index_filename="") as records:
        for record in records:
            text = str(record)
            yield (record.rid, record.start), _CARRIED.sub("", text) if "\tINDEL;" in text else text


def in_regions(run: Driver, size: int, options: CallerOptions) -> list[str]:
    found = []
    for region in run.regions(size):
        scratch = run.scratch()
        genome = genome_of(*run.genome, scratch)
        bcf = likelihoods(region, run.parts(region), genome, run.samples, scratch, options)
        owned = {(part.contig, position) for part in region.intervals for position in range(part.start, part.stop)}
        found += [site for site in sites(bcf) if site[0] in owned]
    return [text for _, text in sorted(found, key=lambda site: site[0])]


@pytest.mark.parametrize("seed", range(10))
def test_the_cut_does_not_show_in_odd_data(seed: int, tmp_path: Path) -> None:
    dataset, whole = made(seed, tmp_path)
    options = dataset.options
    caller = {
        "max_depth": options.max_depth,
        "min_mapping_quality": options.min_mapping_quality,
        "min_base_quality": options.min_base_quality,
        "ploidy": dataset.ploidy,
        "mpileup_options": options.mpileup,
        "call_options": options.call,
    }
    run = Driver(tmp_path / "run", str(dataset.sheet), dataset.reference, seed=seed, options=caller)
    run.align(max(min(dataset.chunk_sizes), _LEAST_PIECE))
    assert [sam_lines(bam) for bam in run.bams()] == [sam_lines(bam) for bam in whole.bams.values()]
    bcf = whole.sites(options)
    small, large, *_ = sorted(max(size, _LEAST_REGION) for size in dataset.region_sizes)
    assert vcf_lines(run.call(small).vcf) == vcf_lines(whole.variants(bcf, options, dataset.ploidy))
    assert in_regions(run, large, CallerOptions(**caller)) == [text for _, text in sites(bcf)]


@pytest.mark.parametrize("seed", range(100, 104))
def test_a_run_of_odd_data_is_normal_too(seed: int, tmp_path: Path) -> None:
    dataset, whole = made(seed, tmp_path)
    options = dataset.options
    vcf = whole.variants(whole.sites(options), options, dataset.ploidy)
    params = {
        "reads": dataset.sheet,
        "reference": dataset.reference,
        "chunk_size": max(dataset.chunk_sizes),
        "region_size": max(dataset.region_sizes),
        "max_depth": options.max_depth,
        "min_mapping_quality": options.min_mapping_quality,
        "min_base_quality": options.min_base_quality,
        "mpileup_options": ",".join(options.mpileup),
        "call_options": ",".join(options.call),
    }
    params |= {"ploidy": dataset.ploidy} if dataset.ploidy else {}
    run = GenomicsRun(tmp_path, tmp_path)
    try:
        wanted = vcf_lines(whole.normalized(vcf))
    except Refused:
        wanted = vcf_lines(vcf)
        params |= {"normalize": "false"}
    run.run(**params)
    assert vcf_lines(run.results / "variants.vcf.gz") == wanted
    for sample, bam in whole.bams.items():
        assert sam_lines(run.results / "alignments" / f"{sample}.bam") == sam_lines(bam)
