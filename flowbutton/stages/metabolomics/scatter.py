"""Spectra become points by m/z: the shuffle from pixels to ions, and what is known of the pixels.

Here: the stage `metabolomics.scatter`. Not here: points as bytes (`points`), facts of all pieces together (`survey`).
Imports `flowbutton.model`, the reader of imzML, numpy.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from flowbutton.model.errors import BadInput, MalformedRecord
from flowbutton.model.stage import Resources, Scratch, Tally, conserves
from flowbutton.partitioners.imzml import ImzmlSpectra, Spectrum
from flowbutton.stages.bundles import Bundle
from flowbutton.stages.columns import Array, write
from flowbutton.stages.define import map_stage
from flowbutton.stages.metabolomics.points import SCHEMA, Points


class Scattered(NamedTuple):
    """Points in bins of m/z, and facts of the piece's spectra."""

    points: Bundle
    facts: Path


@map_stage(
    "metabolomics.scatter",
    ledger=conserves("spectra"),
    resources=Resources(memory_base_bytes=256 << 20, memory_per_input_byte=8.0),
)
def scatter(
    spectra: ImzmlSpectra,
    scratch: Scratch,
    tally: Tally,
    *,
    profile: Literal["accept", "refuse", "centroid"] = "accept",
) -> Scattered:
    """Sort the points of a piece by m/z, into bins; those of intensity zero are left out, as METASPACE does.

    Args:
        spectra: A piece of a dataset.
        scratch: Where points and facts are written.
        tally: Counts peaks in, and points out.
        profile: What to do with spectra that are not centroided: take their points as peaks, refuse them, or reduce
            each run of points to the intensity-weighted centre of its local maxima.

    Raises:
        BadInput: the spectra are not centroided, and are to be refused.
        MalformedRecord: an intensity does not fit into 32 bits.
    """
    if spectra.profile and profile == "refuse":
        raise BadInput(
            "the spectra of this dataset are not centroided",
            why="the imzML says that they are profile spectra",
            hint="centroid them, or say profile=centroid or profile=accept",
            file=str(spectra.key["file"]),
        )
    kept = _Kept(str(spectra.key["file"]))
    for spectrum in spectra.spectra():
        kept.add(centroided(spectrum) if spectra.profile and profile == "centroid" else spectrum)
    points = kept.points()
    bundle = Bundle(Path(scratch) / "points.bundle", SCHEMA)
    for key, part in points.bins():
        bundle.add((key,), part.encode())
    tally.out(len(points))
    tally.filtered("peaks of intensity 0", kept.empty)
    tally.filtered("points joined to peaks", spectra.consumed - len(points) - kept.empty)
    return Scattered(bundle, kept.write_facts(Path(scratch) / "facts.table", points, profile=spectra.profile))


class _Kept:
    """Collects what is kept of spectra."""

    def __init__(self, file: str) -> None:
        self._file, self.empty = file, 0
        self._mz: list[npt.NDArray[np.float64]] = []
        self._intensity: list[npt.NDArray[np.float32]] = []
        self._pixels: list[tuple[int, int, int, float]] = []

    def add(self, spectrum: Spectrum) -> None:
        """Keep the points above zero of a spectrum."""
        above = spectrum.intensity > 0
        with np.errstate(over="ignore"):
            intensity = spectrum.intensity[above].astype(np.float32)
        if not np.isfinite(intensity).all():
            raise MalformedRecord(
                "an intensity of a spectrum is too large",
                why="it does not fit into 32 bits, in which images are computed",
                hint="scale the intensities",
                file=self._file,
                record=spectrum.number,
            )
        self._mz.append(spectrum.mz[above].astype(np.float64))
        self._intensity.append(intensity)
        self._pixels.append((spectrum.x, spectrum.y, len(intensity), float(np.sum(intensity, dtype=np.float64))))
        self.empty += len(above) - len(intensity)

    def points(self) -> Points:
        """Return all points in order."""
        x, y, counts = (np.array(column, np.int32) for column in list(zip(*self._pixels, strict=True))[:3])
        found = Points(
            np.concatenate(self._mz), np.repeat(x, counts), np.repeat(y, counts), np.concatenate(self._intensity)
        )
        return found.in_order()

    def write_facts(self, path: Path, points: Points, *, profile: bool) -> Path:
        """Write pixel, number of points and total intensity of each spectrum, and the points of each bin."""
        x, y, counts, totals = zip(*self._pixels, strict=True)
        bins = [(key, len(part)) for key, part in points.bins()]
        columns: dict[str, Array] = {
            "x": np.array(x, np.int32),
            "y": np.array(y, np.int32),
            "points": np.array(counts, np.int32),
            "total": np.array(totals, np.float64),
            "bins": np.array(bins, np.int64).reshape(-1, 2),
            "range": points.mz[[0, -1]] if len(points) else np.zeros(0),
        }
        return write(path, columns, {"profile": profile})


def centroided(spectrum: Spectrum) -> Spectrum:
    """Return the local maxima of a profile spectrum, by m/z.

    Each has the intensity of its highest point, and the intensity-weighted mean m/z of the points around it as far as
    the lowest one to the next maximum, which belongs to the left one of the two.
    """
    order = np.argsort(spectrum.mz, kind="stable")
    mz, height = spectrum.mz[order].astype(np.float64), spectrum.intensity[order].astype(np.float64)
    changes = np.flatnonzero(np.append(height[:1] > -1, np.diff(height) != 0))  # a plateau counts as its first point
    padded = np.concatenate(([0.0], height[changes], [0.0]))
    tops = changes[(padded[:-2] < padded[1:-1]) & (padded[1:-1] > padded[2:])]
    if not len(tops):
        return Spectrum(spectrum.number, spectrum.x, spectrum.y, mz[:0], height[:0])
    starts = [0, *(left + int(np.argmin(height[left:right])) + 1 for left, right in pairwise(tops.tolist()))]
    centres = np.add.reduceat(height * mz, starts) / np.add.reduceat(height, starts)
    return Spectrum(spectrum.number, spectrum.x, spectrum.y, centres, height[tops])
