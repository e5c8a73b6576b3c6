"""Theoretical isotope peaks against the reference, and the grid against the rules word by word."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IsoSpecPy import IsoThreshold

from flowbutton.model.errors import OptionError
from flowbutton.model.stage import Scratch
from flowbutton.stages import metabolomics
from flowbutton.stages.metabolomics.envelope import peaks_of
from flowbutton.stages.metabolomics.envelope_bounds import may_reach
from flowbutton.stages.metabolomics.envelope_grid import FWHM, Floats, Isotopologues, grid_runs
from flowbutton.stages.metabolomics.fine_structure import fine_structures
from flowbutton.stages.metabolomics.ions import FormulaIons, IonGroup, IonList
from flowbutton.stages.metabolomics.isotope_table import ELECTRON_MASS, ISOTOPES
from flowbutton.stages.metabolomics.peak_table import PeakTable

ANSWERS = [
    ("sim24", "oracle"),
    ("untreated_tiny", "oracle"),
    ("matrix_tests", "oracle"),
    ("sim24", "oracle_v3"),
    ("untreated_tiny", "oracle_v3"),
]


@pytest.mark.parametrize(("dataset", "answer"), ANSWERS)
def test_every_seventh_ion_of_the_reference(shared: Path, dataset: str, answer: str) -> None:
    place = shared / "data" / "metabolomics" / dataset / answer
    asked = json.loads((place / "parameters.json").read_text())
    with gzip.open(place / "isotope_peaks.csv.gz", "rt") as file:
        rows = [*csv.DictReader(file)][::7]
    group = IonGroup(
        ions=tuple(row["ion_formula"] for row in rows), charge=asked["charge"], sigma=asked["isocalc_sigma"]
    )
    found = PeakTable.decode(
        metabolomics.isotope_peaks(group, analysis_version=asked["analysis_version"], instrument=asked["instrument"])
    )
    for kind, values, limit in (("mz", found.mz, 1e-13), ("int", found.intensity, 2e-7)):
        wanted = np.array([[float(row[f"{kind}{n}"] or 0) for n in range(1, 5)] for row in rows])
        np.testing.assert_allclose(values, wanted, rtol=limit)


def test_an_ion_does_not_depend_on_its_group() -> None:
    ions = ("C6H12O6Na", "F", "C20H38O3Sn", "CCl5", "H2O", "C60H80N10O20S3Xe")
    together = PeakTable.decode(metabolomics.isotope_peaks(IonGroup(ions=ions, charge=1, sigma=0.001)))
    alone = [PeakTable.decode(metabolomics.isotope_peaks(IonGroup(ions=(ion,), charge=1, sigma=0.001))) for ion in ions]
    joined = PeakTable.joined(alone)
    assert joined.encode() == together.encode()


def test_the_peaks_collected_are_those_of_the_ions_looked_for(tmp_path: Path) -> None:
    rows = tuple(FormulaIons(formula=formula, decoys=(("+He", "+Li"),)) for formula in ("C3H5O3Na", "C3H6O3"))
    listed = IonList(charge=1, adducts=("+Na",), sigma=0.001, formulas=rows)
    (tmp_path / "ions.json").write_text(listed.model_dump_json())
    groups = [
        IonGroup(ions=("C3H5O3HeNa", "C3H5O3LiNa", "C3H5O3Na2", "C3H6O3Na"), charge=1, sigma=0.001),
        IonGroup(ions=("C3H7O3", "C3H6O3Na", "C3H6O3He", "C3H6O3Li", "C3H6O3Ne"), charge=1, sigma=0.001),
    ]
    parts = [metabolomics.isotope_peaks(group) for group in groups]
    twice = {*groups[0].ions} & {*groups[1].ions}
    assert twice == {"C3H6O3Na"}  # the one with H is the other with Na
    first, second = (PeakTable.decode(part) for part in parts)
    for ion in twice:
        assert first.take([first.ions.index(ion)]).encode() == second.take([second.ions.index(ion)]).encode()
    table = PeakTable.read(metabolomics.collect_peaks(parts, tmp_path / "ions.json", Scratch(str(tmp_path))))
    assert len(table) == 6
    assert {*table.ions} == listed.wanted
    assert table.lowest.tolist() == sorted(table.lowest)


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(st.sampled_from(["C", "H", "O", "S", "Cl", "Se"]), st.integers(1, 6), min_size=1))
def test_fine_structures_are_those_of_isospec(atoms: dict[str, int]) -> None:
    masses, shares = (tuple(tuple(isotope[n] for isotope in ISOTOPES[one]) for one in atoms) for n in (0, 1))
    wanted = IsoThreshold(
        1e-4, absolute=False, atomCounts=[*atoms.values()], isotopeMasses=masses, isotopeProbabilities=shares
    )
    (found,) = fine_structures([atoms])
    np.testing.assert_allclose(np.sort(found.mass), np.sort(wanted.np_masses()), rtol=1e-14)
    heights = wanted.np_probs() / wanted.np_probs().max()
    np.testing.assert_allclose(np.sort(found.height), np.sort(heights), rtol=1e-13)


def test_a_lone_isotopologue_is_the_answer() -> None:
    found = PeakTable.decode(metabolomics.isotope_peaks(IonGroup(ions=("F2Na",), charge=-1, sigma=0.001)))
    (fluorine, _), (sodium, _) = *ISOTOPES["F"], *ISOTOPES["Na"]
    assert found.mz[0, 0] == pytest.approx(2 * fluorine + sodium + ELECTRON_MASS, rel=1e-15)
    assert found.mz[0, 1:].tolist() == [0, 0, 0]
    assert found.intensity[0].tolist() == [100, 0, 0, 0]


@settings(deadline=None)
@given(
    heights=st.lists(st.floats(1e-4, 1), min_size=2, max_size=30),
    gaps=st.lists(st.sampled_from([0.0, 1e-4, 0.0015, 0.0025, 0.004, 0.01, 0.5, 1.0]), min_size=30, max_size=30),
    count=st.integers(1, 6),
    width=st.sampled_from([12.0, 6.0]),
)
def test_what_is_left_out_is_none_of_the_strongest(
    heights: list[float], gaps: list[float], count: int, width: float
) -> None:
    mz = 300 + np.cumsum(gaps[: len(heights)])
    several = ions([(mz, np.array(heights) / max(heights), 0.001238 * mz / 300)] * 2)
    whole = peaks_of(several.ions(0, 1), width=width, count=10**6)
    best = np.sort(np.argsort(-whole.height, kind="stable")[:count])
    found = peaks_of(several, width=width, count=count)
    for ion in range(2):
        some_mz, some = found.mz[found.ion == ion], found.height[found.ion == ion]
        mine = np.sort(np.argsort(-some, kind="stable")[:count])
        assert some_mz[mine].tolist() == whole.mz[best].tolist()
        assert some[mine].tolist() == whole.height[best].tolist()


def test_a_peak_has_the_flank_of_isotopologues_that_are_none() -> None:
    mz = np.array([300.0, 301.0, 302.0, 303.0, 303.0 + 4 * 0.0012])  # the last, on the flank of a peak, can't be one
    several = ions([(mz, np.array([1.0, 1.0, 1.0, 1.0, 0.5]), np.full(5, 0.0012))])
    whole, found = (peaks_of(several, width=12.0, count=count) for count in (10**6, 4))
    assert len(whole.mz) == 5
    assert found.mz.tolist() == whole.mz[:4].tolist()


@settings(deadline=None, max_examples=50)
@given(
    heights=st.lists(st.floats(1e-4, 1), min_size=1, max_size=12),
    gaps=st.lists(st.floats(0, 3), min_size=12, max_size=12),
    near=st.floats(0, 6),
)
def test_the_envelope_is_nowhere_higher_than_its_bound(heights: list[float], gaps: list[float], near: float) -> None:
    mz = np.cumsum(gaps[: len(heights)])
    one = ions([(mz, np.array(heights), np.ones(len(mz)))])
    places = mz[:, None] + np.linspace(-near, near, 41)
    envelope = (np.exp(-0.5 * (places[:, :, None] - mz) ** 2) * heights).sum(axis=2).max(axis=1)
    ion, wide = np.zeros(len(mz), np.int64), np.ones(1)
    assert may_reach(one, wide, ion, mz, near, 0.999 * envelope).all()
    assert not may_reach(one, wide, ion, mz, near, np.full(len(mz), 1.01 * sum(heights))).any()


def ions(columns: Sequence[tuple[Floats, Floats, Floats]]) -> Isotopologues:
    starts = np.cumsum([0, *(len(mz) for mz, _, _ in columns)])
    mz, height, deviation = (np.concatenate(column) for column in zip(*columns, strict=True))
    return Isotopologues(mz, height, deviation, starts)


def added_one_by_one(pattern: Isotopologues, width: float) -> list[tuple[float, float]]:
    """Return points and the deviation at hand, as the rules say it, from the last leading point on."""
    mz, deviation = pattern.mz.tolist(), pattern.deviation.tolist()
    number, gap = 0, False
    point = mz[0] - width * deviation[0] + 7 * (deviation[0] * FWHM / 25)
    found: list[tuple[float, float]] = []
    while True:
        if point > mz[number] + width * deviation[number]:
            gap = True
        if gap and number + 1 < len(mz) and point >= mz[number + 1] - width * deviation[number]:
            number, gap = number + 1, False
        if point > mz[-1] + width * deviation[number]:
            return found
        found.append((point, deviation[number]))
        point += deviation[number] * FWHM / 25


@pytest.mark.parametrize("width", [12.0, 6.0])
@pytest.mark.parametrize("start", [100.0, 254.5, 511.99, 1020.3])
def test_runs_are_the_points_added_one_by_one(width: float, start: float) -> None:
    random = np.random.default_rng(int(start))
    dense = 3 + random.uniform(0, 1e-4, 30)  # the deviation changes from each point to the next, far behind them
    mz = start + np.sort(np.concatenate((random.uniform(0, 4, 6), 1 + random.uniform(0, 0.01, 6), dense)))
    deviation = 0.0012 * (mz / start) ** 1.5
    several = ions([(part, np.ones(len(part)), deviation[-len(part) :]) for part in (mz, mz[5:], mz[-1:])])
    runs = grid_runs(several, width)
    for number in range(3):
        one = runs.ions(number, number + 1)
        points = [
            (first + place * step, deviation)
            for first, step, count, deviation in zip(one.first, one.step, one.count, one.deviation, strict=True)
            for place in range(count)
        ]
        assert points == added_one_by_one(several.ions(number, number + 1), width)


@pytest.mark.parametrize("options", [{"n_peaks": 1}, {"analysis_version": 2}])
def test_options_that_cannot_be_used(options: dict[str, int]) -> None:
    with pytest.raises(OptionError):
        metabolomics.isotope_peaks(IonGroup(ions=("H2O",), charge=1, sigma=0.001), **options)
