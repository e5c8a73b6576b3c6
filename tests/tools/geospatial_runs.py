"""Runs of the geospatial pipeline as a user starts it, and the reference answers that they are held against."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PRODUCTS = ("dtm", "dsm", "chm", "zmin", "count", "hillshade", "slope")
RASTER_PRODUCTS = ("ndvi.tif", "zones.csv", "zones.parquet")
RASTERS = (("naip-virginia", "naip.tif", 1, 4, "zones.gpkg"), ("landsat-olinda", "landsat.tif", 3, 4, "zones.geojson"))
"""Dataset, file, bands of red and near infrared, zones."""
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
        return self._run(
            {"points": ",".join(str(self.data / name) for name in points.split(","))} | params, options, expect
        )

    def run_rasters(self, file: str, red: int, nir: int, zones: str, **params: object) -> None:
        """Run it on two bands of a file of the dataset, and its zones."""
        bands = {"red": f"{self.data / file}#{red}", "nir": f"{self.data / file}#{nir}"}
        self._run({**bands, "zones": str(self.data / zones), **params}, (), 0)

    def _run(
        self, given: Mapping[str, object], options: Sequence[str], expect: int
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "flowbutton", "run", str(ROOT / "pipelines" / "geospatial.yaml")]
        command += ["--store", str(self.folder / "store"), "--results", str(self.results), *options]
        for name, value in given.items():
            command += ["-p", f"{name}={value}"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, check=False)
        assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done

    def check(self, shared: Path, max_radius: str) -> None:
        """Hold the products of points against the untiled reference."""
        files = [text for name in _CHECKED for text in (f"--{name}", str(self.results / f"{name}.tif"))]
        self._check(shared, *files, "--max-radius", "inf" if max_radius == "none" else max_radius)

    def check_rasters(self, shared: Path, zones_of: str) -> None:
        """Hold NDVI and zones (``ndvi_centre``, ``red_fraction``) against the reference."""
        ndvi, zones = self.results / "ndvi.tif", self.results / "zones.csv"
        self._check(shared, "--ndvi", str(ndvi), "--zones", str(zones), "--zones-of", zones_of)

    def _check(self, shared: Path, *arguments: str) -> None:
        command = [sys.executable, str(shared / "check" / "geospatial.py"), "--expect", str(self.data / "oracle")]
        command += arguments
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def digests(self, names: Sequence[str] = tuple(f"{name}.tif" for name in PRODUCTS)) -> Mapping[str, str]:
        """Return the digest of each product."""
        return {name: hashlib.sha256((self.results / name).read_bytes()).hexdigest() for name in names}
