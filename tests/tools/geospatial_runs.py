"""Runs of the geospatial pipeline as a user starts it, and the reference answers that they are held against."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pipeline_runs import PipelineRun

PRODUCTS = ("dtm", "dsm", "chm", "zmin", "count", "classes", "hillshade", "slope")
RASTER_PRODUCTS = ("ndvi.tif", "zones.csv", "zones.parquet")
RASTERS = (("naip-virginia", "naip.tif", 1, 4, "zones.gpkg"), ("landsat-olinda", "landsat.tif", 3, 4, "zones.geojson"))
"""Dataset, file, bands of red and near infrared, zones."""
_CHECKED = ("dtm", "dsm", "chm", "zmin", "count")


@dataclass(frozen=True)
class GeospatialRun(PipelineRun):
    """A store and results folder for runs over one cloud, held against the reference answer in ``data``."""

    pipeline: ClassVar[str] = "geospatial"

    def run(self, points: str, *options: str, expect: int = 0, **params: object) -> subprocess.CompletedProcess[str]:
        """Run ``pipelines/geospatial.yaml`` on files of the dataset."""
        return self.start(
            {"points": ",".join(str(self.data / name) for name in points.split(","))} | params, options, expect
        )

    def run_rasters(
        self, file: str, red: int, nir: int, zones: str, *, options: Sequence[str] = (), **params: object
    ) -> None:
        """Run it on two bands of a file of the dataset, and its zones."""
        bands = {"red": f"{self.data / file}#{red}", "nir": f"{self.data / file}#{nir}"}
        self.start({**bands, "zones": str(self.data / zones), **params}, options)

    def check(self, shared: Path, max_radius: str) -> None:
        """Hold the products of points against the untiled reference."""
        files = [text for name in _CHECKED for text in (f"--{name}", str(self.results / f"{name}.tif"))]
        self.hold(shared, self.data / "oracle", *files, "--max-radius", "inf" if max_radius == "none" else max_radius)

    def check_rasters(self, shared: Path, zones_of: str) -> None:
        """Hold NDVI and zones (``ndvi_centre``, ``red_fraction``) against the reference."""
        ndvi, zones = self.results / "ndvi.tif", self.results / "zones.csv"
        self.hold(shared, self.data / "oracle", "--ndvi", str(ndvi), "--zones", str(zones), "--zones-of", zones_of)

    def digests(self, names: Sequence[str] = tuple(f"{name}.tif" for name in PRODUCTS)) -> Mapping[str, str]:
        """Return the digest of each product."""
        return {name: hashlib.sha256((self.results / name).read_bytes()).hexdigest() for name in names}
