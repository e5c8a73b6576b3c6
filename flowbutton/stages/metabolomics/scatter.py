"""Spectra become points by m/z: the shuffle from pixels to ions, and what is known of the pixels.

Here: the stage `metabolomics.scatter`. Not here: points as bytes (`points`), facts of all pieces together (`survey`).
Imports `flowbutton.model`, the reader of imzML, numpy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from flowbutton.model.errors import BadInput, MalformedRecord
from flowbutton.model.stage import Resources, Scratch, Tally, conserves
from flowbutton.partitioners.imzml import ImzmlSpectra, Spectrum
from flowbutton.stages.bundles import Bundle
from flowbutton.stages.columns import Array, write
from flowbutton.stages.define import map_stage
from flowbutton.stages.metabolomics.points import SCHEMA, Points

Ints = npt.NDArray[np.int64]


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
    asked = map(centroided, spectra.spectra()) if spectra.profile and profile == "centroid" else spectra.spectra()
    kept = _Kept.of(asked, str(spectra.key["file"]))
    points = kept.points()
    bundle = Bundle(Path(scratch) / "points.bundle", SCHEMA)
    for key, part in points.narrowed().bins():
        bundle.add((key,), part.encode(int(kept.numbers[0])))
    tally.out(len(points))
    tally.filtered("peaks of intensity 0", kept.empty)
    tally.filtered("points joined to peaks", spectra.consumed - len(points) - kept.empty)
    return Scattered(bundle, kept.write_facts(Path(scratch) / "facts.table", points, profile=spectra.profile))


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept of spectra: a row each with number, pixel and number of points; then all points in their order.

    ``empty`` is how many points were left out.
    """

    numbers: Ints
    x: Ints
    y: Ints
    counts: Ints
    mz: npt.NDArray[np.float64]
    intensity: npt.NDArray[np.float32]
    empty: int

    @classmethod
    def of(cls, spectra: Iterable[Spectrum], file: str) -> _Kept:
        """Keep the points above zero.

        Raises:
            MalformedRecord: an intensity does not fit into 32 bits.
        """
        rows: list[tuple[int, int, int, int]] = []
        axes: list[npt.NDArray[Any]] = []
        heights: list[npt.NDArray[np.float32]] = []
        for spectrum in spectra:
            height = spectrum.intensity
            heights.append(height if height.dtype == np.float32 else _as_float32(height))
            axes.append(spectrum.mz)
            rows.append((spectrum.number, spectrum.x, spectrum.y, len(height)))
        numbers, x, y, counts = np.array(rows, np.int64).T
        mz, intensity = np.concatenate(axes, dtype=np.float64), np.concatenate(heights)
        above = intensity > 0  # in float32: what is too small for it is nothing
        empty = len(above) - int(np.count_nonzero(above))
        if empty:
            ends = np.append(0, np.cumsum(above))[np.append(0, np.cumsum(counts))]
            mz, intensity, counts = mz[above], intensity[above], np.diff(ends)
        wrong = np.flatnonzero(~np.isfinite(intensity))
        if len(wrong):
            raise MalformedRecord(
                "an intensity of a spectrum is too large",
                why="it does not fit into 32 bits, in which images are computed",
                hint="scale the intensities",
                file=file,
                record=int(numbers[np.searchsorted(np.cumsum(counts), wrong[0], side="right")]),
            )
        return cls(numbers, x, y, counts, mz, intensity, empty)

    def points(self) -> Points:
        """Return all points in order."""
        x, y = (np.repeat(column.astype(np.int32), self.counts) for column in (self.x, self.y))
        return Points(self.mz, x, y, self.intensity).in_order()

    def write_facts(self, path: Path, points: Points, *, profile: bool) -> Path:
        """Write pixel, number of points and total intensity of each spectrum, and the points of each fine bin."""
        spectrum = np.repeat(np.arange(len(self.counts)), self.counts)
        columns: dict[str, Array] = {
            "x": self.x.astype(np.int32),
            "y": self.y.astype(np.int32),
            "points": self.counts.astype(np.int32),
            "total": np.bincount(spectrum, weights=self.intensity, minlength=len(self.counts)),
            "bins": points.counts(),
            "range": points.mz[[0, -1]] if len(points) else np.zeros(0),
        }
        return write(path, columns, {"profile": profile})


def _as_float32(intensity: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore", under="ignore"):
        return intensity.astype(np.float32)


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
