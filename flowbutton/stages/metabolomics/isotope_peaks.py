"""Theoretical isotope peaks of ions: fine structure, envelope, centroids.

Here: the stages `metabolomics.isotope_peaks`, `collect_peaks` and `list_peaks`. Not here: isotopologues
(`fine_structure`), the grid (`envelope`). Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from flowbutton.model.errors import OptionError
from flowbutton.model.stage import Resources, Scratch
from flowbutton.stages.define import gather_stage, map_stage
from flowbutton.stages.metabolomics.envelope import Peaks, peaks_of
from flowbutton.stages.metabolomics.envelope_grid import FWHM, Floats, Isotopologues
from flowbutton.stages.metabolomics.fine_structure import LEAST, fine_structures
from flowbutton.stages.metabolomics.formulas import read_written
from flowbutton.stages.metabolomics.ions import Instrument, IonGroup, IonList, Version
from flowbutton.stages.metabolomics.isotope_table import ELECTRON_MASS
from flowbutton.stages.metabolomics.peak_table import PeakTable

_WIDTHS = {1: 12.0, 3: 6.0}  # deviations that a term of the envelope reaches, by analysis version


@map_stage("metabolomics.isotope_peaks")
def isotope_peaks(
    group: IonGroup, *, n_peaks: int = 4, analysis_version: Version = 1, instrument: Instrument = "Orbitrap"
) -> bytes:
    """Compute the strongest isotope peaks of each ion of a group.

    Args:
        group: Ion formulas, charge, and the width of a peak.
        n_peaks: How many peaks are kept.
        analysis_version: 1: one resolving power for all masses of an ion. 3: as the instrument's changes with mass.
        instrument: What version 3 asks for.

    Raises:
        OptionError: ``n_peaks`` is below 2, or there is no such version.
    """
    if n_peaks < 2 or analysis_version not in _WIDTHS:
        what = f"n_peaks {n_peaks} with analysis_version {analysis_version} can't be used"
        raise OptionError(what, why="", hint="take 2 peaks or more, and version 1 or 3")
    patterns = _isotopologues(group, analysis_version, instrument)
    found = peaks_of(patterns, width=_WIDTHS[analysis_version], count=n_peaks)
    mz, intensity = _strongest(found, len(patterns), n_peaks)
    lone = np.diff(patterns.starts) == 1  # an isotopologue alone is the answer, as it is
    mz[lone], intensity[lone] = 0.0, 0.0
    mz[lone, 0], intensity[lone, 0] = patterns.mz[patterns.starts[:-1][lone]], 100.0
    return PeakTable(group.ions, mz, intensity.astype(np.float32)).encode()


@gather_stage("metabolomics.collect_peaks", resources=Resources(memory_base_bytes=512 << 20))
def collect_peaks(parts: Sequence[bytes], ions: Path, scratch: Scratch) -> Path:
    """Join the peaks of the ions that are looked for into one table, by lowest m/z.

    Args:
        parts: Tables by `metabolomics.isotope_peaks`, of these ions and others.
        ions: The list by `metabolomics.choose_ions`.
        scratch: Where the table is written.
    """
    left = {*IonList.model_validate_json(ions.read_bytes()).wanted}
    tables = []
    for table in map(PeakTable.decode, parts):
        tables.append(table.take([row for row, ion in enumerate(table.ions) if ion in left]))
        left.difference_update(tables[-1].ions)
    table = PeakTable.joined(tables)
    order = sorted(range(len(table)), key=lambda row: (table.lowest[row], table.ions[row]))
    path = Path(scratch) / "peaks.table"
    path.write_bytes(table.take(order).encode())
    return path


@map_stage("metabolomics.list_peaks")
def list_peaks(peaks: Path, scratch: Scratch) -> Path:
    """Write the peaks as CSV: ion_formula, mz1.., int1..

    Args:
        peaks: The table by `metabolomics.collect_peaks`.
        scratch: Where it is written.
    """
    table = PeakTable.read(peaks)
    path, count = Path(scratch) / "isotope_peaks.csv", table.mz.shape[1]
    names = [f"{kind}{number}" for kind in ("mz", "int") for number in range(1, count + 1)]
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(["ion_formula", *names]) + "\n")
        for ion, mz, intensity in zip(table.ions, table.mz, table.intensity, strict=True):
            file.write(",".join([ion, *map(repr, mz.tolist()), *map(str, intensity)]) + "\n")
    return path


def _isotopologues(group: IonGroup, version: int, instrument: Instrument) -> Isotopologues:
    """Return the isotopologues of all ions of a group, by m/z."""
    fine = fine_structures([read_written(ion) for ion in group.ions])
    mass, height = (np.concatenate(column) for column in zip(*fine, strict=True))
    counts = [len(one.mass) for one in fine]
    starts = np.append(0, np.cumsum(counts))
    number = np.repeat(np.arange(len(fine)), counts)
    mz = mass - group.charge * ELECTRON_MASS
    order = np.lexsort((mz, number))
    mz, height = mz[order], height[order]
    tops = np.flatnonzero(height == 1.0)
    main = mz[tops[np.searchsorted(tops, starts[:-1])]]  # the most probable of each ion, the lightest of equal ones
    return Isotopologues(mz, height, _deviation(mz, main[number], group.sigma, version, instrument), starts)


def _deviation(mz: Floats, main: Floats, sigma: float, version: int, instrument: Instrument) -> Floats:
    """Return the width of a peak at each m/z of an ion whose most probable one is ``main``."""
    if version == 1:
        power = main / (sigma * FWHM)
    else:
        at_200 = 200.0 / (sigma * FWHM)
        power = {
            "Orbitrap": at_200 * np.sqrt(200.0 / mz),
            "FTICR": at_200 * 200.0 / mz,
            "TOF": np.full(len(mz), at_200),
        }[instrument]
    deviation: Floats = mz / power / FWHM
    return deviation


def _strongest(peaks: Peaks, ions: int, count: int) -> tuple[Floats, Floats]:
    """Return a row per ion: its ``count`` highest peaks by m/z, and their heights relative to 100; the rest is 0."""
    highest = np.zeros(ions)
    np.maximum.at(highest, peaks.ion, peaks.height)
    height = peaks.height / highest[peaks.ion]
    order = np.lexsort((-height, peaks.ion))
    rank = np.arange(len(order)) - np.searchsorted(peaks.ion, peaks.ion[order])
    chosen = np.sort(order[(rank < count) & (height[order] >= LEAST)])  # peaks come by m/z, so their places do too
    ion = peaks.ion[chosen]
    place = np.arange(len(chosen)) - np.searchsorted(ion, ion)
    mz, intensity = np.zeros((ions, count)), np.zeros((ions, count))
    mz[ion, place], intensity[ion, place] = peaks.mz[chosen], 100.0 * height[chosen]
    return mz, intensity
