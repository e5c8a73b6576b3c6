"""The pipelines as Lithops functions on this machine end with the bytes that they have on processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from genomics_runs import GenomicsRun
from geospatial_runs import RASTERS, GeospatialRun
from metabolomics_runs import MetabolomicsRun
from pipeline_runs import PipelineRun

pytestmark = pytest.mark.slow


def genomics(folder: Path, data: Path, *options: str) -> PipelineRun:
    run = GenomicsRun(folder, data / "genomics" / "human-na12878-chr22")
    run.run(*options)
    return run


def metabolomics(folder: Path, data: Path, *options: str) -> PipelineRun:
    run = MetabolomicsRun(folder, data / "metabolomics" / "untreated_tiny")
    run.run(*options, fdr=0)  # draws little: a call costs more than a drawing
    return run


def geospatial(folder: Path, data: Path, *options: str) -> PipelineRun:
    place, file, red, nir, zones = RASTERS[1]
    run = GeospatialRun(folder, data / "geospatial" / place)
    run.run_rasters(file, red, nir, zones, options=options)
    return run


@pytest.mark.parametrize("pipeline", [genomics, metabolomics, geospatial])
def test_a_pipeline_ends_with_the_same_bytes(
    pipeline: Callable[..., PipelineRun], tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITHOPS_CONFIG_FILE", str(tmp_path / "lithops.yaml"))  # there is none: its localhost backend
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = set(tmp_path.iterdir())
    runs = [pipeline(_made(tmp_path / name), shared / "data", *options) for name, options in KINDS.items()]
    processes, functions = (run.published() for run in runs)
    assert functions == processes
    assert functions
    assert set(tmp_path.iterdir()) - before == {tmp_path / name for name in KINDS}, "nothing of Lithops is left"


KINDS: dict[str, tuple[str, ...]] = {
    "processes": ("--workers", "2"),
    "functions": ("--executor", "lithops", "--workers", "2"),
}


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
