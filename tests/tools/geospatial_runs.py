"""Runs of the geospatial pipeline as a user starts it, and the reference answers that they are held against."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PRODUCTS = ("dtm", "dsm", "chm", "zmin", "count", "hillshade", "slope")
_CHECKED = ("dtm", "dsm", "chm", "zmin", "count")


@dataclass(frozen=True)
class GeospatialRun:
    """A store and results folder for runs over one cloud, held against the reference answer in ``data``."""

    folder: Path
    data: Path

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def run(self, points: str, *options: str, expect: int = 0, **params: object) -> subprocess.CompletedProcess[str]:
        """Run ``pipelines/geospatial.yaml`` on files of the dataset."""
        given = {"points": ",".join(str(self.data / name) for name in points.split(","))} | params
        command = [sys.executable, "-m", "flowbutton", "run", str(ROOT / "pipelines" / "geospatial.yaml")]
        command += ["--store", str(self.folder / "store"), "--results", str(self.results), *options]
        for name, value in given.items():
            command += ["-p", f"{name}={value}"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, check=False)
        assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done

    def check(self, shared: Path, max_radius: str) -> None:
        """Hold the results against the untiled reference."""
        command = [sys.executable, str(shared / "check" / "geospatial.py"), "--expect", str(self.data / "oracle")]
        for product in _CHECKED:
            command += [f"--{product}", str(self.results / f"{product}.tif")]
        command += ["--max-radius", "inf" if max_radius == "none" else max_radius]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def digests(self) -> Mapping[str, str]:
        """Return the digest of each product."""
        paths = {name: self.results / f"{name}.tif" for name in PRODUCTS}
        return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in paths.items()}
