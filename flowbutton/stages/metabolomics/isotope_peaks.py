"""Theoretical isotope peaks of ions: fine structure, envelope, centroids.

Here: the stages `metabolomics.isotope_peaks`, `collect_peaks` and `list_peaks`. Not here: the grid (`envelope`).
Fine structure: Lacki et al. 2017, doi:10.1021/acs.analchem.6b01459 (IsoSpecPy). Imports `flowbutton.model`, numpy;
IsoSpecPy only inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from flowbutton.model.errors import OptionError
from flowbutton.model.stage import Resources, Scratch
from flowbutton.stages.define import gather_stage, map_stage
from flowbutton.stages.metabolomics.envelope import FWHM, Floats, Isotopologues, peaks_of
from flowbutton.stages.metabolomics.formulas import parse_formula
from flowbutton.stages.metabolomics.ions import Instrument, IonGroup
from flowbutton.stages.metabolomics.isotope_table import ELECTRON_MASS, ISOTOPES
from flowbutton.stages.metabolomics.peak_table import PeakTable

_LEAST = 1e-4  # of the most probable isotopologue, and of the highest peak
_WIDTHS = {1: 12.0, 3: 6.0}  # deviations that a term of the envelope reaches, by analysis version


@map_stage("metabolomics.isotope_peaks")
def isotope_peaks(
    group: IonGroup, *, n_peaks: int = 4, analysis_version: int = 1, instrument: Instrument = "Orbitrap"
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
    patterns = [_isotopologues(ion, group.charge, group.sigma, analysis_version, instrument) for ion in group.ions]
    several = [pattern for pattern in patterns if len(pattern.mz) > 1]
    peaks = iter(peaks_of(several, width=_WIDTHS[analysis_version], count=n_peaks))
    mz, intensity = np.zeros((len(group.ions), n_peaks)), np.zeros((len(group.ions), n_peaks), np.float32)
    for row, pattern in enumerate(patterns):
        found = _strongest(*(next(peaks) if len(pattern.mz) > 1 else (pattern.mz, np.ones(1))), n_peaks)
        mz[row, : len(found[0])], intensity[row, : len(found[1])] = found
    return PeakTable(group.ions, mz, intensity).encode()


@gather_stage("metabolomics.collect_peaks", resources=Resources(memory_base_bytes=512 << 20))
def collect_peaks(parts: Sequence[bytes], scratch: Scratch) -> Path:
    """Join the peaks of all ions into one table, by lowest m/z.

    Args:
        parts: Tables by `metabolomics.isotope_peaks`.
        scratch: Where the table is written.
    """
    table = PeakTable.joined([PeakTable.decode(part) for part in parts])
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


def _isotopologues(ion: str, charge: int, sigma: float, version: int, instrument: Instrument) -> Isotopologues:
    """Return all isotopologues with a probability of at least 1e-4 of the most probable one's."""
    from IsoSpecPy import IsoThreshold

    atoms = parse_formula(ion)
    found = IsoThreshold(
        _LEAST,
        absolute=False,
        atomCounts=list(atoms.values()),
        isotopeMasses=[[mass for mass, _ in ISOTOPES[element]] for element in atoms],
        isotopeProbabilities=[[share for _, share in ISOTOPES[element]] for element in atoms],
    )
    mz: Floats = np.array(found.np_masses()) - charge * ELECTRON_MASS
    height: Floats = np.array(found.np_probs())
    height /= height.max()
    order = np.argsort(mz, kind="stable")
    mz, height = mz[order], height[order]
    return Isotopologues(mz, height, _deviation(mz, height, sigma, version, instrument))


def _deviation(mz: Floats, height: Floats, sigma: float, version: int, instrument: Instrument) -> Floats:
    if version == 1:
        power = np.full(len(mz), mz[int(np.argmax(height))] / (sigma * FWHM))
    else:
        at_200 = 200.0 / (sigma * FWHM)
        power = {
            "Orbitrap": at_200 * np.sqrt(200.0 / mz),
            "FTICR": at_200 * 200.0 / mz,
            "TOF": np.full(len(mz), at_200),
        }[instrument]
    deviation: Floats = mz / power / FWHM
    return deviation


def _strongest(mz: Floats, height: Floats, count: int) -> tuple[Floats, Floats]:
    """Return the ``count`` highest peaks by m/z, their heights relative to 100."""
    height = height / height.max()
    mz, height = mz[height >= _LEAST], 100.0 * height[height >= _LEAST]
    chosen = np.sort(np.argsort(-height, kind="stable")[:count])  # peaks come by m/z, so their places do too
    return mz[chosen], height[chosen]
