"""Random odd datasets, cut at random, against the method computed straightforwardly in one process."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from metabolomics_driver import Driver
from metabolomics_reference import Peaks, Settings, Spectrum, annotate, isotope_peaks

from flowbutton.samples.imzml_files import FileLayout, PixelSpectrum, write_imzml
from flowbutton.stages import metabolomics
from flowbutton.stages.metabolomics.ions import IonGroup
from flowbutton.stages.metabolomics.peak_table import PeakTable

pytestmark = pytest.mark.slow

FORMULAS = ("C6H12O6", "C3H7NO2", "C2H6O", "CCl4", "C3H6O3", "C3H5NaO3")
LIMITS = {"mz": 1e-9, "chaos": 1e-9, "spatial": 1e-9, "spectral": 1e-7, "msm": 1e-7, "fdr": 1e-9}
PeaksOf = Callable[[str, Settings], Peaks]
LIMITS_3 = LIMITS | {"spatial": 3e-6, "msm": 3e-6}


EXACT, NEAR = (-3e-6, -1e-6, 0, 1e-6, 3e-6, 3.0001e-6), (-3.0001e-6, -2.9999e-6, 0, 1e-6, 2.9999e-6, 3.0001e-6)
"""Where points lie in a window of 3 ppm: on its very edge only where both sides take the same peaks. Peaks that are
computed anew differ in their last bits (4.4e-16 of the m/z at most), which puts a point on the edge in or out."""
WITH_PEAKS = (0, 2)
"""The seeds that compute the isotope peaks anew too, which takes seconds; the others take them from the stage."""


@cache
def stage_peaks(ion: str, charge: int, version: int, instrument: str) -> Peaks:
    group = IonGroup(ions=(ion,), charge=charge, sigma=Settings.sigma)
    found = PeakTable.decode(
        metabolomics.isotope_peaks(group, analysis_version=version, instrument=instrument)  # type: ignore[arg-type]
    )
    return found.mz[0], found.intensity[0]


def spectra_at_the_edges(
    random: np.random.Generator, asked: Settings, layout: FileLayout, edges: tuple[float, ...], peaks_of: PeaksOf
) -> list[PixelSpectrum]:
    """Return spectra of true ions and of some decoys: pixels missing and doubled, spectra empty and unsorted, points at
    the edges of windows, several of one pixel and of one m/z, and of intensity 0."""
    ions = ("C6H13O6", "C6H12O6Na", "C3H7KNO2", "C3H7NO2Xe", "C2H6OAu", "C3H6NaO3", "C6H12O6Zn")
    ions = (
        ions
        if asked.charge > 0
        else ("C6H11O6", "C6H12O6Cl", "C6H12O6", "C7H13O8", "C3H6NO2", "C3H5O3", "C3H7NO2Xe", "C6H12O6Zn")
    )
    columns, rows = random.integers(2, 9, 2).tolist()
    spectra = []
    for pixel in random.permutation(columns * rows)[: max(columns * rows * 3 // 4, 2)].tolist():
        x, y = pixel % columns + 3, pixel // columns - 2
        for _ in range(random.choice([1, 1, 1, 2])):
            mz, height = [random.uniform(60, 260, 6)], [random.integers(0, 9, 6).astype(float)]
            for ion in ions:
                if random.random() < (0.9 if x > 4 else 0.3):
                    at, share = peaks_of(ion, asked)
                    edge = random.choice(edges, len(at)) * asked.ppm / 3
                    mz.append(np.where(at > 0, at * (1 + edge), 77.0))
                    height.append(np.rint(share * random.uniform(1, 40)))
            values = np.concatenate(mz), np.concatenate(height)
            order = random.permutation(len(values[0])) if random.random() < 0.8 else slice(0, 0)
            spectra.append(PixelSpectrum(x, y, values[0][order], values[1][order]))
    if layout.continuous:
        axis = np.concatenate([one.mz for one in spectra])[:400]
        spectra = [PixelSpectrum(one.x, one.y, axis, random.poisson(2.0, len(axis))) for one in spectra]
    return spectra


def as_stored(spectra: list[PixelSpectrum], layout: FileLayout) -> list[Spectrum]:
    return [(one.x, one.y, one.mz.astype(layout.mz_kind), one.intensity.astype(layout.kind)) for one in spectra]


@pytest.mark.parametrize("seed", range(16))
def test_the_answer_is_the_methods(tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    negative = seed % 4 == 3
    layout = FileLayout(
        mz_kind=str(random.choice(["<f4", "<f8"])),
        kind=str(random.choice(["<f4", "<f8", "<i4", "<i8"])),
        continuous=seed % 5 == 4,
        intensity_first=bool(random.integers(2)),
        packed=bool(random.integers(2)),
        polarity="negative" if negative else "positive",
    )
    asked = Settings(
        adducts=("-H", "+Cl", "+HCOO", "[M]-") if negative else ("+H", "+Na", "+K"),
        charge=-1 if negative else 1,
        ppm=float(random.choice([3.0, 10.0])),
        levels=int(random.choice([1, 30])),
        decoys=int(random.choice([3, 20])),
        version=3 if seed % 3 == 2 else 1,
        instrument=str(random.choice(["Orbitrap", "FTICR", "TOF"])),
        min_px=seed % 3 + 1,
    )

    def peaks_of(ion: str, asked: Settings) -> Peaks:
        return stage_peaks(ion, asked.charge, asked.version, asked.instrument)

    anew = seed in WITH_PEAKS
    given = isotope_peaks if anew else peaks_of
    spectra = spectra_at_the_edges(random, asked, layout, NEAR if anew else EXACT, given)
    (tmp_path / "db.csv").write_text("formula\n" + "".join(f"{formula}\n" for formula in FORMULAS))
    version = {"analysis_version": asked.version}
    options = {
        "ions": version | {"decoy_sample_size": asked.decoys, "adducts": asked.adducts},
        "isotopes": version | {"instrument": asked.instrument},
        "segments": {"ppm": asked.ppm},
        "annotate": version | {"ppm": asked.ppm, "n_levels": asked.levels, "min_px": asked.min_px},
        "ranked": version,
    }
    imzml = write_imzml(tmp_path / "x.imzML", spectra, layout)
    run = Driver(tmp_path / "run", imzml, (tmp_path / "db.csv",), options, seed)
    ranked = run.annotate(piece_size=int(random.integers(1, 400)), size=int(random.integers(1, 20_000)))
    found = {(row["formula"], row["adduct"]): row for row in json.loads(ranked.table.read_text())}
    wanted = annotate(as_stored(spectra, layout), FORMULAS, asked, peaks_of=given)
    assert found.keys() == wanted.keys()
    for ion, row in wanted.items():
        for name, limit in (LIMITS if asked.version == 1 else LIMITS_3).items():
            assert found[ion][name] == pytest.approx(getattr(row, name), abs=limit * (1000 if name == "mz" else 1)), ion
