"""Runs of the metabolomics pipeline as a user starts it, and the reference answers that they are held against."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
ANSWERS = (
    ("untreated_tiny", "oracle"),
    ("untreated_tiny", "oracle_v3"),
    ("matrix_tests", "oracle"),
    ("sim24", "oracle"),
    ("sim24", "oracle_v3"),
)
_PARAMS = ("analysis_version", "ppm", "n_peaks", "n_levels", "decoy_sample_size", "decoy_seed", "charge")
_MORE = ("isocalc_sigma", "instrument", "min_px")


@dataclass(frozen=True)
class MetabolomicsRun:
    """A store and results folder for runs over one dataset, held against one reference answer."""

    folder: Path
    data: Path
    answer: str = "oracle"

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def run(self, *options: str, expect: int = 0, **params: object) -> subprocess.CompletedProcess[str]:
        """Run ``pipelines/metabolomics.yaml`` with the answer's parameters and ``params``."""
        asked = json.loads((self.data / self.answer / "parameters.json").read_text())
        (imzml,) = self.data.glob("*.imzML")
        given = {"dataset": imzml, "databases": self.data / "formulas.csv", "lists": "true"}
        given |= {name: asked[name] for name in (*_PARAMS, *_MORE)} | {"adducts": ",".join(asked["adducts"])} | params
        command = [sys.executable, "-m", "flowbutton", "run", str(ROOT / "pipelines" / "metabolomics.yaml")]
        command += ["--store", str(self.folder / "store"), "--results", str(self.results), *options]
        for name, value in given.items():
            command += ["-p", f"{name}={value}"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, check=False)
        assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done

    def check(self, shared: Path) -> str:
        """Hold the results against the reference answer: decoys, peaks, images, metrics, FDR; return what it says."""
        command = [sys.executable, str(shared / "check" / "metabolomics.py"), "--expect", str(self.data / self.answer)]
        command += ["--annotations", str(self.results / "annotations.csv")]
        command += ["--decoys", str(self.results / "decoys.csv"), "--peaks", str(self.results / "isotope_peaks.csv")]
        if (self.data / self.answer / "images.csv").exists():
            command += ["--images", str(self.results / "images.csv")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
