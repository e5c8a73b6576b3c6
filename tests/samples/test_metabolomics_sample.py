"""The metabolomics sample: the same bytes each time, its peaks those of the method, its truth in its database."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from flowbutton.samples.catalog import SAMPLES, sample_path
from flowbutton.samples.metabolomics import write_metabolomics
from flowbutton.samples.metabolomics_ions import IONS, MOLECULES
from flowbutton.stages import metabolomics
from flowbutton.stages.metabolomics.formulas import ion_of, parse_formula
from flowbutton.stages.metabolomics.ions import IonGroup
from flowbutton.stages.metabolomics.peak_table import PeakTable


def test_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        write_metabolomics(tmp_path / name, side=8)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert {"metabolomics/" + name for name in files if name != "dataset.ibd"} <= set(SAMPLES)
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_its_peaks_are_those_of_the_method() -> None:
    ions = [ion_of(parse_formula(formula), adduct) or "" for formula, adduct, _, _ in IONS]
    table = PeakTable.decode(metabolomics.isotope_peaks(IonGroup(ions=tuple(ions), charge=1, sigma=0.001238)))
    np.testing.assert_allclose(table.mz, [mz for _, _, mz, _ in IONS], atol=1e-6)
    np.testing.assert_allclose(table.intensity, [intensity for _, _, _, intensity in IONS], atol=1e-3)
    assert {formula for formula, _, _, _ in IONS} <= {formula for _, formula in MOLECULES}


def test_it_is_made_on_first_use(tmp_path: Path) -> None:
    with sample_path("metabolomics/truth.csv", tmp_path).open() as file:
        assert [(row["formula"], row["adduct"]) for row in csv.DictReader(file)] == [ion[:2] for ion in IONS]
