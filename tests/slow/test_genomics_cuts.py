"""Many cuts of the real data: nine pairs of chunk and region size on sim-diploid, three on the others."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from genomics_runs import DATASETS, GenomicsRun

pytestmark = pytest.mark.slow

CUTS = [
    *(("sim-diploid", chunk, region) for chunk, region in product(("90KiB", "700KiB", "1GiB"), (3_000, 40_000, 10**9))),
    *(
        (dataset, chunk, region)
        for dataset in DATASETS
        if dataset != "sim-diploid"
        for chunk, region in (("30KiB", 700), ("250KiB", 5_000), ("1GiB", 10**9))
    ),
]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for one store per dataset: pieces that two cuts share are computed once."""
    return tmp_path_factory.mktemp("stores")


@pytest.mark.parametrize(("dataset", "chunk", "region"), CUTS)
def test_no_cut_shows(dataset: str, chunk: str, region: int, stores: Path, shared: Path) -> None:
    folder = stores / dataset
    folder.mkdir(exist_ok=True)
    run = GenomicsRun(folder, shared / "data" / "genomics" / dataset)
    run.run(normalize="false", chunk_size=chunk, region_size=region)
    run.check(shared)


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_normal_form(dataset: str, tmp_path: Path, shared: Path) -> None:
    run = GenomicsRun(tmp_path, shared / "data" / "genomics" / dataset)
    run.run(chunk_size="300KiB", region_size=30_000)
    run.check(shared, "variants.norm")


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_tools_own_depth_caps(dataset: str, tmp_path: Path, shared: Path) -> None:
    run = GenomicsRun(tmp_path, shared / "data" / "genomics" / dataset)
    run.run(chunk_size="300KiB", region_size=9_000, max_depth=250, normalize="false")
    run.check(shared, "variants.depth250", alignments=False)
