"""Stages run without the engine: no cut of spectra or ions shows, and odd datasets have their answer."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metabolomics_driver import Driver

from flowbutton.model.bundle import BundleKey
from flowbutton.model.errors import BadInput, MalformedRecord, OptionError
from flowbutton.model.stage import Scratch, Tally
from flowbutton.partitioners.imzml import Imzml, Spectrum
from flowbutton.samples.imzml_files import FileLayout, PixelSpectrum, write_imzml
from flowbutton.stages import metabolomics
from flowbutton.stages.metabolomics.annotate import in_windows
from flowbutton.stages.metabolomics.annotations import Ranked
from flowbutton.stages.metabolomics.ions import IonGroup
from flowbutton.stages.metabolomics.peak_table import PeakTable
from flowbutton.stages.metabolomics.points import BIN, FINE, SCHEMA, Points
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
        run = Driver(tmp_path / f"run{number}", imzml, (formulas,), {}, seed=number)
        answers.append(digests(run.annotate(piece_size=piece_size, **segments)))
    assert answers.count(answers[0]) == len(answers)
    assert len(json.loads(answers[0][0])) >= (1 if layout.polarity == "negative" else 3)


def parts_of(points: Points, cut: int, dense: int) -> list[tuple[int, bytes]]:
    """Return key and bytes of all parts of two pieces, as a task of `annotate` gets them."""
    found = [
        (key, piece, part.encode(first))
        for piece, (first, rows) in enumerate(((1, slice(0, cut)), (cut + 1, slice(cut, None))))
        for key, part in points.take(rows).in_order().narrowed().bins(dense=dense)
    ]
    return [(key, part) for key, _, part in sorted(found, key=lambda one: one[:2])]


class Handed:
    """Parts that are there already."""

    schema = SCHEMA

    def __init__(self, parts: list[tuple[int, bytes]]) -> None:
        self._parts = parts

    def keys(self) -> list[BundleKey]:
        return [*dict.fromkeys((key,) for key, _ in self._parts)]

    def __iter__(self) -> Iterator[tuple[BundleKey, list[bytes]]]:
        raise AssertionError("all parts of a bin are held at once")

    def each(self) -> Iterator[tuple[BundleKey, bytes]]:
        return (((key,), part) for key, part in self._parts)


def pointed(mz: list[float]) -> Points:
    marks = np.arange(len(mz), dtype=np.int32)
    return Points(np.array(mz, np.float64), marks, marks, np.ones(len(mz), np.float32))


@settings(deadline=None)
@given(
    mz=st.lists(st.floats(50, 50.5, width=32) | st.sampled_from([50.0, 50.25]), max_size=40),
    windows=st.lists(st.tuples(st.floats(50, 50.5, width=32), st.floats(0, 0.1)), max_size=6),
    cut=st.integers(0, 40),
    dense=st.sampled_from([1, 3, 8192]),
    at_once=st.sampled_from([1, 4, 1 << 16]),
)
def test_points_in_windows_are_in_the_order_of_one_stable_sort(
    mz: list[float], windows: list[tuple[float, float]], cut: int, dense: int, at_once: int
) -> None:
    points = pointed([*mz, *(low for low, _ in windows), *mz[::3]])
    low, high = (np.array(edge) for edge in ([a for a, _ in windows], [a + b for a, b in windows]))
    found = in_windows(Handed(parts_of(points, cut, dense)), low, high, at_once=at_once)
    inside = [bool(np.any((low <= one) & (one <= high))) for one in points.mz.tolist()]
    wanted = points.take(np.array(inside, np.bool_))
    assert found.x.tolist() == wanted.x[np.argsort(wanted.mz, kind="stable")].tolist()


@settings(deadline=None)
@given(
    near=st.lists(st.integers(0, 4), max_size=60),  # so near that they are rounded to one number
    far=st.lists(st.floats(1e-6, 1e9), max_size=10),
)
def test_points_in_order_are_in_that_of_one_stable_sort(near: list[int], far: list[float]) -> None:
    points = pointed([*(500 + one * 2.0**-44 for one in near), *far, *far[:3]])
    assert points.in_order().x.tolist() == np.argsort(points.mz, kind="stable").tolist()


@settings(deadline=None)
@given(mz=st.lists(st.floats(50, 52, width=32), max_size=60), dense=st.integers(1, 20))
def test_a_dense_bin_is_cut_by_value_into_sub_bins(mz: list[float], dense: int) -> None:
    points = pointed(mz).in_order()
    bins = [*points.bins(dense=dense)]
    assert [one for _, part in bins for one in part.mz.tolist()] == points.mz.tolist()
    assert all(key <= one * 1024 < key + BIN for key, part in bins for one in part.mz.tolist())
    assert len({key for key, _ in bins}) == len(bins)
    for _, part in bins:
        assert len(part) <= dense or len({int(one * 1024) // FINE for one in part.mz.tolist()}) == 1
    assert points.counts()[:, 1].sum() == len(points)
    assert all(
        count == sum(key <= one * 1024 < key + FINE for one in points.mz.tolist()) for key, count in points.counts()
    )


@pytest.mark.parametrize(("mz", "x"), [([100.5], 3), ([100.1], 3), ([100.5], 70_000), ([], 0)])
def test_a_part_gives_back_what_it_was_made_of(mz: list[float], x: int) -> None:
    column = np.full(len(mz), x, np.int32)
    points = Points(np.array(mz), column, column, np.ones(len(mz), np.float32))
    first, found = Points.decode(points.narrowed().encode(7))
    assert (first, found.mz.tolist(), found.x.tolist()) == (7, mz, column.tolist())


@given(keys=st.sets(st.integers(0, 3000), min_size=1, max_size=900))
def test_a_window_covers_its_bins_in_few_stretches(keys: set[int]) -> None:
    bins = {key * FINE for key in keys}
    stretches = _stretches(bins)
    assert len(stretches) <= 256
    assert all(any(one.start <= key and key + FINE <= one.stop for one in stretches) for key in bins)
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


def test_intensities_too_small_for_32_bits_are_0(tmp_path: Path) -> None:
    heights = np.array([1e-50, 2.0, 5e-324])
    path = write_imzml(
        tmp_path / "x.imzML", [PixelSpectrum(1, 1, np.array([100.0, 101.0, 102.0]), heights)], FileLayout(kind="<f8")
    )
    run = Driver(tmp_path / "run", path, ())
    facts = Dataset.read(metabolomics.survey([one.facts for one in run.scatter(100)], run.scratch()))
    assert (facts.low, facts.high, facts.peaks.tolist()) == (101.0, 101.0, [1])


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


def test_profile_spectra_may_be_centroided(tmp_path: Path) -> None:
    mz = np.array([100.0, 100.1, 100.2, 100.3, 100.4])
    layout = FileLayout(profile=True)
    path = write_imzml(tmp_path / "x.imzML", [PixelSpectrum(1, 1, mz, np.array([1.0, 2, 1, 3, 0]))], layout)
    run = Driver(tmp_path / "run", path, ())
    (piece,) = run.cut(10)
    tally = Tally()
    scattered = metabolomics.scatter(Imzml().open(piece, run._access), run.scratch(), tally, profile="centroid")
    scattered.points.close()
    facts = Dataset.read(metabolomics.survey([scattered.facts], run.scratch()))
    assert (tally.made, tally.filtered_by) == (2, {"points joined to peaks": 3})
    assert (facts.low, facts.high) == (pytest.approx(100.1), pytest.approx(100.3))


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
