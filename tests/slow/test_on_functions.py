"""The pipelines as Lithops functions on this machine end with the bytes that they have on processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bench import HERE, WHOLE, Bench
from genomics_runs import GenomicsRun
from geospatial_runs import RASTERS, GeospatialRun
from metabolomics_runs import MetabolomicsRun
from pipeline_runs import PipelineRun

import flowbutton

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


MIXED = """
profiles:
  mixed:
    executor: processes
    workers: 2
    executors: {lithops: {stages: [count], workers: 2}}
"""


def test_one_stage_on_functions_and_the_rest_on_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITHOPS_CONFIG_FILE", str(tmp_path / "lithops.yaml"))
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.chdir(tmp_path)
    bench = Bench(tmp_path)
    for number in range(4):
        bench.file(f"f{number}.txt", f"abc{number} hello world\n")
    (tmp_path / "letters.yaml").write_text(WHOLE + MIXED)
    pipeline = flowbutton.load("letters.yaml", profile="mixed")
    places = {stage.name: stage.executor for stage in pipeline.plan().stages}
    assert {name for name, place in places.items() if place == "lithops"} == {"count"}
    mixed = pipeline.run(store="mixed", results="mixed-results")
    alone = pipeline.run(store="alone", results="alone-results", executor="serial")
    assert {name: file.read_bytes() for name, file in mixed.files.items()} == {
        name: file.read_bytes() for name, file in alone.files.items()
    }
    again = pipeline.run(store="mixed", results="mixed-results", executor="serial")
    assert again.ran == 0, "where a task ran is in no fingerprint"


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
