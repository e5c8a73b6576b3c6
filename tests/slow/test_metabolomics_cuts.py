"""Many cuts of the reference datasets, on one and two workers: METASPACE's answer, and the same bytes, for each."""

from __future__ import annotations

from pathlib import Path

import pytest
from metabolomics_runs import ANSWERS, MetabolomicsRun

pytestmark = pytest.mark.slow

CUTS = ((250, "60KiB", 1), (5_000, "300KiB", 2), (10**9, "1GiB", 2))
NAMES = ("annotations.csv", "annotations.parquet", "decoy_scores.csv", "images.csv")


@pytest.mark.parametrize(("dataset", "answer"), ANSWERS)
def test_no_cut_shows(dataset: str, answer: str, tmp_path: Path, shared: Path) -> None:
    run = MetabolomicsRun(tmp_path, shared / "data" / "metabolomics" / dataset, answer)
    found = []
    for piece_size, segment_size, workers in CUTS:
        run.run("--workers", str(workers), piece_size=piece_size, segment_size=segment_size)
        run.check(shared)
        found.append([(run.results / name).read_bytes() for name in NAMES])
    assert found.count(found[0]) == len(found)
