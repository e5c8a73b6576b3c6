"""Sources that grew by a hundredth, were touched or copied: of the tasks that read them about a hundredth runs again.

An index pass over what changed comes first (docs/decisions/0002): for plain and BGZF text in parts, for imzML in one
task per dataset, for point clouds one per file. What is counted here are the tasks behind it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from bench import Bench

from flowbutton.engine.run import Status
from flowbutton.samples.geospatial_points import WKT
from flowbutton.samples.imzml_files import PixelSpectrum, write_imzml
from flowbutton.samples.laz_files import POINT, CloudLayout, write_laz
from flowbutton.testing.packing import bgzip

pytestmark = pytest.mark.slow

READS = """
flowbutton: 1
name: reads
params: {reads: {type: uri}}
sources:
  reads: {partitioner: fastq, from: "${params.reads}", with: {size: 256KiB}}
stages:
  quality: {uses: genomics.read_quality, for_each: {reads: reads}}
  summary: {uses: genomics.merge_quality, gather: {parts: quality}}
outputs: {quality.json: summary}
"""
CLOUD = """
flowbutton: 1
name: cloud
params: {points: {type: uri, default: "in/*.laz"}}
sources:
  points: {partitioner: lidar, from: "${params.points}"}
stages:
  frame: {uses: geospatial.frame, share: {headers: points.table}, with: {resolution: 1.0}}
  cells: {uses: geospatial.scatter, for_each: {points: points}, share: {frame: frame}}
  survey: {uses: geospatial.survey, gather: {facts: cells.facts}, share: {frame: frame}}
outputs: {"survey{suffix}": survey.bins}
"""
SPECTRA = """
flowbutton: 1
name: spectra
params: {spectra: {type: uri, default: in/tissue.imzML}}
sources:
  spectra: {partitioner: imzml, from: "${params.spectra}", with: {size: 40}}
stages:
  points: {uses: metabolomics.scatter, for_each: {spectra: spectra}}
  survey: {uses: metabolomics.survey, gather: {facts: points.facts}}
outputs: {"survey{suffix}": survey}
"""


def reads(numbers: Iterable[int]) -> bytes:
    draw = np.random.default_rng(7)
    letters = np.frombuffer(b"ACGT", np.uint8)
    quality = bytes(draw.integers(40, 70, 150, np.uint8))
    bases = (letters[draw.integers(0, 4, 150)].tobytes() for _ in numbers)
    return b"".join(b"@read/%d\n%s\n+\n%s\n" % (n, line, quality) for n, line in zip(numbers, bases, strict=True))


def cloud(folder: Path, number: int) -> None:
    points = np.zeros(40, POINT)
    draw = np.random.default_rng(number)
    points["X"], points["Y"], points["Z"] = (draw.integers(0, 1000, 40) for _ in range(3))
    points["X"] += number * 1000
    points["classification"] = 2
    write_laz(folder / f"tile{number:03}.laz", points, CloudLayout(WKT))


def tissue(folder: Path, count: int) -> None:
    draw = np.random.default_rng(3)
    spectra = [
        PixelSpectrum(1 + n % 10, 1 + n // 10, np.sort(draw.uniform(100, 900, 40)), draw.uniform(1, 9, 40).astype("f4"))
        for n in range(count)
    ]
    write_imzml(folder / "tissue.imzML", spectra)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    return Bench(tmp_path)


def ran(bench: Bench, stage: str, text: str, **params: str) -> int:
    """Run; return how many tasks of a stage ran."""
    assert bench.run(text, **params).status is Status.DONE
    return bench.stages_run().get(stage, 0)


def why(bench: Bench, text: str, **params: str) -> dict[str, list[str]]:
    return {stage.name: [str(reason) for reason in stage.why] for stage in bench.plan(text, **params).stages}


@pytest.mark.parametrize("coding", ["plain", "bgzip"])
def test_appended_reads(bench: Bench, coding: str) -> None:
    place = bench.folder / ("in/r.fq.gz" if coding == "bgzip" else "in/r.fq")
    code: Callable[[bytes], bytes] = bgzip if coding == "bgzip" else bytes
    count = 80_000
    place.write_bytes(code(reads(range(count))))
    whole = ran(bench, "quality", READS, reads=str(place))
    assert whole > (80 if coding == "plain" else 12)  # pieces are of stored bytes
    with place.open("ab") as file:
        file.write(code(reads(range(count // 100))))
    assert why(bench, READS, reads=str(place))["reads"] == [f"changed: {place.name}"]
    again = ran(bench, "quality", READS, reads=str(place))
    assert 1 <= again <= 3 + whole // 100, "the new reads, and the pieces at the seam"
    (bench.folder / "copy").mkdir()
    copy = shutil.copy(place, bench.folder / "copy")  # of another name it would be of another sample
    assert ran(bench, "quality", READS, reads=str(copy)) == 0


def test_an_added_cloud(bench: Bench) -> None:
    folder = bench.folder / "in"
    for number in range(100):
        cloud(folder, number)
    assert ran(bench, "cells", CLOUD) == 100
    cloud(folder, 100)
    assert why(bench, CLOUD)["points"] == ["new: tile100.laz"]
    assert ran(bench, "cells", CLOUD) == 1
    assert bench.stages_run()["points"] == 1, "only the new file is indexed"
    (folder / "tile050.laz").touch()
    assert ran(bench, "cells", CLOUD) == 0


def test_added_spectra(bench: Bench) -> None:
    folder = bench.folder / "in"
    tissue(folder, 100)
    assert ran(bench, "points", SPECTRA) == 100
    tissue(folder, 101)
    assert ran(bench, "points", SPECTRA) == 1
    assert bench.stages_run()["survey"] == 1
    (bench.folder / "copy").mkdir()
    for name in ("tissue.imzML", "tissue.ibd"):
        shutil.copy(folder / name, bench.folder / "copy" / name)
    assert ran(bench, "points", SPECTRA, spectra="copy/tissue.imzML") == 0
