"""Runs of the metabolomics pipeline as a user starts it, and the reference answers that they are held against."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pipeline_runs import PipelineRun

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
class MetabolomicsRun(PipelineRun):
    """A store and results folder for runs over one dataset, held against one reference answer."""

    pipeline: ClassVar[str] = "metabolomics"
    answer: str = "oracle"

    def run(self, *options: str, expect: int = 0, **params: object) -> subprocess.CompletedProcess[str]:
        """Run the pipeline with the answer's parameters and ``params``."""
        asked = json.loads((self.data / self.answer / "parameters.json").read_text())
        (imzml,) = self.data.glob("*.imzML")
        given = {"dataset": imzml, "databases": self.data / "formulas.csv", "lists": "true"}
        given |= {name: asked[name] for name in (*_PARAMS, *_MORE)} | {"adducts": ",".join(asked["adducts"])} | params
        return self.start(given, options, expect)

    def check(self, shared: Path) -> str:
        """Hold the results against the reference answer: decoys, peaks, images, metrics, FDR; return what it says."""
        arguments = ["--annotations", str(self.results / "annotations.csv")]
        arguments += ["--decoys", str(self.results / "decoys.csv"), "--peaks", str(self.results / "isotope_peaks.csv")]
        if (self.data / self.answer / "images.csv").exists():
            arguments += ["--images", str(self.results / "images.csv")]
        return self.hold(shared, self.data / self.answer, *arguments)
