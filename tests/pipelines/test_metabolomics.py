"""The metabolomics pipeline end to end against METASPACE's answers; one cut for the smallest dataset."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from metabolomics_runs import MetabolomicsRun
from pipeline_runs import ROOT

from flowbutton.samples.imzml_files import FileLayout, PixelSpectrum, write_imzml


@pytest.mark.parametrize("answer", ["oracle", pytest.param("oracle_v3", marks=pytest.mark.slow)])
def test_the_cut_does_not_show(tmp_path: Path, shared: Path, answer: str) -> None:
    run = MetabolomicsRun(tmp_path, shared / "data" / "metabolomics" / "untreated_tiny", answer)
    run.run(piece_size=2000, segment_size="60KiB")
    run.check(shared)


@pytest.mark.slow
def test_the_next_dataset_finds_all_isotope_peaks_but_those_of_a_new_formula(tmp_path: Path, shared: Path) -> None:
    data = shared / "data" / "metabolomics"
    head, first, *rest = (data / "untreated_tiny" / "formulas.csv").read_text().splitlines(keepends=True)
    (tmp_path / "fewer.csv").write_text(head + "".join(rest))
    formula = next(csv.DictReader([head, first]))["formula"]
    assert f",{formula}\n" not in "".join(rest)
    MetabolomicsRun(tmp_path, data / "sim24").run(databases=tmp_path / "fewer.csv")
    MetabolomicsRun(tmp_path, data / "untreated_tiny").run()
    latest = tmp_path / "store" / "runs" / "latest" / "events.jsonl"
    events = [json.loads(line) for line in latest.read_text().splitlines()]
    done = [event for event in events if event.get("stage") == "isotopes" and "reused" in event]
    assert done
    assert done[-1]["reused"] == done[-1]["tasks"] - 1 > 30


@pytest.mark.parametrize(
    ("param", "told"),
    [("charge=0", "stages.ions.with.charge: the charge is 0"), ("analysis_version=2", "where 1 or 3 is expected")],
)
def test_a_param_that_no_run_can_use_is_refused_before_it(tmp_path: Path, param: str, told: str) -> None:
    pipeline = ROOT / "pipelines" / "metabolomics.yaml"
    command = [sys.executable, "-m", "flowbutton", "plan", str(pipeline), "-p", param]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert told in done.stderr
    assert f"{pipeline}:" in done.stderr


def test_the_default_run_finds_what_is_known_to_be_there(tmp_path: Path) -> None:
    pipeline = str(ROOT / "pipelines" / "metabolomics.yaml")
    command = [sys.executable, "-m", "flowbutton", "run", pipeline, "--results", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert found["recall"] > 0.9
    assert found["false_discoveries"] <= 0.1
    array = zarr.open_array(tmp_path / "out" / "ion_images.zarr", mode="r")
    ions = [str(ion) for ion in array.attrs["ions"]]  # type: ignore[union-attr]
    assert array.shape == (len(ions), 4, 36, 36)
    assert {path.stem for path in (tmp_path / "out" / "ion_images").glob("*.png")} == set(ions)
    with (tmp_path / "out" / "annotations.csv").open() as file:
        assert next(csv.DictReader(file))["ion_formula"] == ions[0]
    assert float(np.asarray(array[0, 0]).max()) > 0
    assert ions[0] in (tmp_path / "out" / "report.html").read_text()


def test_a_dataset_without_any_of_the_ions_has_an_empty_answer(tmp_path: Path) -> None:
    spectrum = PixelSpectrum(1, 1, np.array([900.0, 950.0]), np.ones(2))
    imzml = write_imzml(tmp_path / "x.imzML", [spectrum], FileLayout(polarity="negative"))
    (tmp_path / "db.csv").write_text("formula\nC6H12O6\nQq\n")
    (tmp_path / "more.tsv").write_text("name\tformula\nlactate\tC3H6O3\nwrong\tC3H(6\n")
    pipeline = str(ROOT / "pipelines" / "metabolomics.yaml")
    command = [sys.executable, "-m", "flowbutton", "run", pipeline, "--results", str(tmp_path / "out")]
    command += ["-p", f"dataset={imzml}", "-p", f"databases={tmp_path / 'db.csv'},{tmp_path / 'more.tsv'}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "out" / "annotations.csv").read_text().splitlines()) == 1
    told = (tmp_path / "out" / "report.html").read_text()
    assert "line 3: Qq" in told
    assert "line 3: C3H(6" in told


def test_params_that_cannot_be_used_are_refused_before_anything_runs(tmp_path: Path) -> None:
    wrong = ("ppm=0", "fdr=1.5", "isocalc_sigma=0", "decoy_sample_size=81", "n_peaks=1")
    command = [sys.executable, "-m", "flowbutton", "plan", str(ROOT / "pipelines" / "metabolomics.yaml")]
    command += [word for given in wrong for word in ("-p", given)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode != 0
    assert all(f"-p {given}: " in done.stderr for given in wrong)
    assert not [*tmp_path.iterdir()]
