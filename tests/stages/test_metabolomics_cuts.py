"""Stages run without the engine: no cut of spectra or ions shows, and odd datasets have their answer."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metabolomics_driver import Driver

from flowbutton.model.errors import BadInput, MalformedRecord, OptionError
from flowbutton.model.stage import Scratch, Tally
from flowbutton.partitioners.imzml import Imzml, Spectrum
from flowbutton.samples.imzml_files import FileLayout, PixelSpectrum, write_imzml
from flowbutton.stages import metabolomics
from flowbutton.stages.metabolomics.annotate import in_windows
from flowbutton.stages.metabolomics.annotations import Ranked
from flowbutton.stages.metabolomics.ions import IonGroup
from flowbutton.stages.metabolomics.peak_table import PeakTable
from flowbutton.stages.metabolomics.points import BIN, Points
from flowbutton.stages.metabolomics.scatter import centroided
from flowbutton.stages.metabolomics.segments import _stretches
from flowbutton.stages.metabolomics.survey import Dataset

FORMULAS = ["C6H12O6", "C3H7NO2", "C10H16N5O13P3", "C6H12O6Na", "C2H6O"]


def database(folder: Path) -> Path:
    path = folder / "db.csv"
    path.write_text("formula\n" + "".join(f"{formula}\n" for formula in FORMULAS))
    return path


def dataset(folder: Path, *, seed: int = 0, layout: FileLayout = FileLayout(), pixels: int = 30) -> Path:  # noqa: B008
    """Write spectra with some of the ions' peaks and noise: holes, a doubled pixel, an empty and unsorted spectra."""
    random = np.random.default_rng(seed)
    positive = layout.polarity == "positive"
    ions = ("C6H13O6", "C6H12O6Na", "C3H7NO2K") if positive else ("C3H6NO2", "C6H12O6Cl", "C6H11O6")
    group = IonGroup(ions=ions, charge=1 if positive else -1, sigma=0.001238)
    table = PeakTable.decode(metabolomics.isotope_peaks(group))
    spectra = []
    for number in range(pixels):
        here = random.random(len(ions)) < 0.7
        mz = np.concatenate((table.mz[here].ravel(), random.uniform(80, 300, 20)))
        mz = np.where(mz > 0, mz * (1 + random.normal(0, 8e-7, len(mz))), 100.0)
        heights = np.concatenate((table.intensity[here].ravel() * random.uniform(5, 50), random.uniform(0, 9, 20)))
        order = random.permutation(len(mz)) if number % 3 else np.argsort(mz)
        spectra.append(PixelSpectrum(1 + number % 6, 1 + number // 6 * 2, mz[order], np.round(heights[order], 2)))
    spectra.append(PixelSpectrum(2, 1, spectra[0].mz, spectra[0].intensity))
    spectra.append(PixelSpectrum(3, 4, np.zeros(0), np.zeros(0)))
    if layout.continuous:
        axis = np.sort(np.unique(np.round(np.concatenate([one.mz for one in spectra]), 4)))
        spectra = [on_axis(one, axis) for one in spectra]
    return write_imzml(folder / "x.imzML", spectra, layout)


def on_axis(one: PixelSpectrum, axis: np.ndarray[Any, Any]) -> PixelSpectrum:
    heights = np.zeros(len(axis))
    np.add.at(heights, np.searchsorted(axis, np.round(one.mz, 4)), one.intensity)
    return PixelSpectrum(one.x, one.y, axis, heights)


def digests(ranked: Ranked) -> list[bytes]:
    return [ranked.table.read_bytes(), ranked.csv.read_bytes(), ranked.decoys.read_bytes()]


@pytest.mark.parametrize(
    "layout",
    [
        FileLayout(),
        FileLayout(mz_kind="<f4", kind="<i4", packed=True),
        FileLayout(kind="<f8", continuous=True),
        FileLayout(polarity="negative"),
    ],
)
def test_no_cut_shows(tmp_path: Path, layout: FileLayout) -> None:
    imzml, formulas = dataset(tmp_path, layout=layout), database(tmp_path)
    answers = []
    cuts: Sequence[tuple[int, dict[str, int]]] = [
        (10**9, {"size": 10**9, "most_ions": 10**6}),
        (1, {"size": 1}),
        (100, {"size": 4000, "most_ions": 7}),
        (333, {"size": 20_000}),
    ]
    for number, (piece_size, segments) in enumerate(cuts):
        run = Driver(
            tmp_path / f"run{number}", imzml, (formulas,), {"groups": {"ions_per_task": number + 1}}, seed=number
        )
        answers.append(digests(run.annotate(piece_size=piece_size, **segments)))
    assert answers.count(answers[0]) == len(answers)
    assert len(json.loads(answers[0][0])) >= (1 if layout.polarity == "negative" else 3)


@settings(deadline=None, max_examples=60)
@given(mz=st.lists(st.floats(50, 60, width=32), max_size=40), seed=st.integers(0, 99), cut=st.integers(0, 40))
def test_points_by_way_of_bins_are_in_the_order_of_one_stable_sort(mz: list[float], seed: int, cut: int) -> None:
    random = np.random.default_rng(seed)
    values = np.array([*mz, *mz[::3]], np.float64)
    marks = np.arange(len(values), dtype=np.int32)
    points = Points(values, marks, marks, random.random(len(values)).astype(np.float32))
    wanted = points.in_order()
    parts: dict[int, list[bytes]] = {}
    for piece in (slice(0, cut), slice(cut, None)):
        for key, part in points.take(piece).in_order().bins():
            assert all(key <= one * 1024 < key + BIN for one in part.mz.tolist())
            parts.setdefault(key, []).append(part.encode())
    found = [Points.joined([Points.decode(part) for part in parts[key]]).in_order() for key in sorted(parts)]
    assert [mark for one in found for mark in one.x.tolist()] == wanted.x.tolist()
    assert [mark for one in found for mark in one.mz.tolist()] == wanted.mz.tolist()


@settings(deadline=None)
@given(
    mz=st.lists(st.floats(50, 50.5, width=32), max_size=40),
    windows=st.lists(st.tuples(st.floats(50, 50.5, width=32), st.floats(0, 0.1)), max_size=6),
    cut=st.integers(0, 40),
)
def test_only_points_in_windows_are_held(mz: list[float], windows: list[tuple[float, float]], cut: int) -> None:
    values, marks = np.array([*mz, *(low for low, _ in windows)], np.float64), np.arange(len(mz) + len(windows))
    points = Points(values, marks.astype(np.int32), marks.astype(np.int32), np.ones(len(values), np.float32))
    low, high = (np.array(edge) for edge in ([a for a, _ in windows], [a + b for a, b in windows]))
    parts: dict[int, list[bytes]] = {}
    for piece in (slice(0, cut), slice(cut, None)):
        for key, part in points.take(piece).in_order().bins():
            parts.setdefault(key, []).append(part.encode())
    found = in_windows([((key,), parts[key]) for key in sorted(parts)], low, high)  # type: ignore[arg-type]
    inside = [bool(np.any((low <= one) & (one <= high))) for one in values.tolist()]
    assert found.x.tolist() == points.take(np.array(inside, np.bool_)).in_order().x.tolist()


@given(keys=st.sets(st.integers(0, 3000), min_size=1, max_size=900))
def test_a_window_covers_its_bins_in_few_stretches(keys: set[int]) -> None:
    bins = {key * BIN for key in keys}
    stretches = _stretches(bins)
    assert len(stretches) <= 256
    assert all(any(one.start <= key and key + BIN <= one.stop for one in stretches) for key in bins)
    assert all(one.stop < other.start for one, other in pairwise(stretches))


def test_the_grid_is_the_bounding_box_and_doubled_pixels_count_once(tmp_path: Path) -> None:
    run = Driver(tmp_path / "run", dataset(tmp_path), (database(tmp_path),))
    facts = Dataset.read(metabolomics.survey([one.facts for one in run.scatter(100)], run.scratch()))
    assert (facts.width, facts.height, facts.left, facts.top) == (6, 9, 1, 1)
    assert len(facts.sample) == 31
    assert len(facts.peaks) == 32
    assert facts.bins[:, 1].sum() == facts.peaks.sum()


def test_peaks_of_intensity_0_are_counted_as_left_out(tmp_path: Path) -> None:
    mz = np.array([100.0, 101.0, 102.0])
    path = write_imzml(tmp_path / "x.imzML", [PixelSpectrum(1, 1, mz, np.array([0.0, 2.0, 0.0]))])
    run = Driver(tmp_path / "run", path, ())
    (piece,) = run.cut(10)
    tally = Tally()
    reader = Imzml().open(piece, run._access)
    metabolomics.scatter(reader, run.scratch(), tally).points.close()
    assert (reader.consumed, tally.made, tally.filtered_by) == (3, 1, {"peaks of intensity 0": 2})


def scatter(folder: Path, spectra: list[PixelSpectrum], layout: FileLayout, **options: Any) -> None:
    run = Driver(folder / "run", write_imzml(folder / "x.imzML", spectra, layout), (), {"points": options})
    metabolomics.survey([one.facts for one in run.scatter(10)], Scratch(str(folder)))


def test_profile_spectra_are_told_and_may_be_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spectra = [PixelSpectrum(1, 1, np.array([100.0]), np.array([5.0]))]
    scatter(tmp_path, spectra, FileLayout(profile=True))
    assert "profile spectra, not centroided" in capsys.readouterr().out
    (tmp_path / "other").mkdir()
    with pytest.raises(BadInput, match="are not centroided"):
        scatter(tmp_path / "other", spectra, FileLayout(profile=True), profile="refuse")


def test_nothing_above_zero(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="above zero"):
        scatter(tmp_path, [PixelSpectrum(1, 1, np.array([100.0]), np.array([0.0]))], FileLayout())


def test_an_intensity_that_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(MalformedRecord, match="too large"):
        scatter(tmp_path, [PixelSpectrum(1, 1, np.array([100.0]), np.array([1e300]))], FileLayout(kind="<f8"))


def test_a_grid_without_bounds(tmp_path: Path) -> None:
    far = [PixelSpectrum(n, n, np.array([100.0]), np.array([1.0])) for n in (1, 2_000_000_000)]
    with pytest.raises(BadInput, match="the image grid has 2000000000 x"):
        scatter(tmp_path, far, FileLayout())


def test_centroids() -> None:
    mz = np.array([100.0, 100.1, 100.2, 100.3, 100.4, 100.5, 100.6, 100.7])
    found = centroided(Spectrum(1, 3, 4, mz, np.array([0.0, 1, 2, 1, 0.5, 4, 4, 0])))
    assert found.intensity.tolist() == [2, 4]
    assert found.mz.tolist() == pytest.approx([(100.1 + 200.4 + 100.3 + 50.2) / 4.5, 100.55])
    assert (found.number, found.x, found.y) == (1, 3, 4)
    assert len(centroided(Spectrum(1, 1, 1, mz, np.zeros(8))).mz) == 0


def test_an_ion_that_no_point_touches_is_no_annotation(tmp_path: Path) -> None:
    path = write_imzml(tmp_path / "x.imzML", [PixelSpectrum(1, 1, np.array([900.0, 950.0]), np.ones(2))])
    ranked = Driver(tmp_path / "run", path, (database(tmp_path),)).annotate(piece_size=10)
    with ranked.csv.open() as file:
        assert [*csv.DictReader(file)] == []


@pytest.mark.parametrize("options", [{"ppm": 0.0}, {"n_levels": 0}, {"min_px": 0}, {"analysis_version": 2}])
def test_options_that_cannot_be_used(tmp_path: Path, options: dict[str, Any]) -> None:
    run = Driver(tmp_path / "run", dataset(tmp_path), (database(tmp_path),), {"annotate": options})
    with pytest.raises(OptionError):
        run.annotate(piece_size=1000)


@pytest.mark.parametrize("options", [{"ppm": 0.0}, {"size": 0}, {"most_ions": 0}])
def test_segments_that_cannot_be_made(tmp_path: Path, options: dict[str, Any]) -> None:
    run = Driver(tmp_path / "run", dataset(tmp_path), (database(tmp_path),), {"segments": options})
    with pytest.raises(OptionError):
        run.annotate(piece_size=1000)


def test_more_pixels_may_be_asked_for(tmp_path: Path) -> None:
    imzml, formulas = dataset(tmp_path), database(tmp_path)
    few, many = (
        Driver(tmp_path / str(least), imzml, (formulas,), {"annotate": {"min_px": least}}).annotate(piece_size=1000)
        for least in (1, 31)
    )
    assert len(json.loads(many.table.read_text())) < len(json.loads(few.table.read_text()))
