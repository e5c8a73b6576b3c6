"""imzML cut between spectra; pyimzML is the oracle where it can read the file."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyimzml.ImzMLParser import ImzMLParser

from flowbutton.model.errors import ChangedInput, OptionError
from flowbutton.model.partitioner import Reader
from flowbutton.model.pieces import Source
from flowbutton.partitioners.imzml import Imzml, ImzmlSpectra
from flowbutton.partitioners.ranges import merged_spans
from flowbutton.samples.imzml_files import FileLayout, PixelSpectrum, write_imzml
from flowbutton.testing.partitioners import CutSource, MemoryAccess, PartitionerContract

AXIS = np.array([100.5, 200.25, 300.125, 300.125, 900.0])


def spectrum(x: int, y: int, mz: Sequence[float], seed: int) -> PixelSpectrum:
    values = np.random.default_rng(seed).integers(0, 5000, len(mz)) / 8
    return PixelSpectrum(x, y, np.array(mz, np.float64), values)


ODD = [
    spectrum(3, 2, [], 1),
    spectrum(3, 2, [500.0, 100.0, 100.0], 2),
    spectrum(1, 9, [100.0], 3),
    spectrum(1, 9, [150.5, 151.5], 4),
    spectrum(7, 1, [], 5),
    spectrum(7, 2, AXIS.tolist(), 6),
    spectrum(8, 2, [], 7),
]
SAME = [spectrum(x, 1, AXIS.tolist(), x) for x in range(1, 6)]


def cut(path: Path) -> CutSource:
    return CutSource(Imzml(), Source("spectra", str(path), {}), MemoryAccess(path.parent))


def records(reader: Reader) -> list[bytes]:
    """Return a record per peak, as the oracle prints them."""
    return [
        struct.pack("<iidd", one.x, one.y, mz, intensity)
        for one in cast(ImzmlSpectra, reader).spectra()
        for mz, intensity in zip(one.mz.tolist(), one.intensity.tolist(), strict=True)
    ]


def oracle(path: Path) -> list[bytes]:
    with ImzMLParser(str(path), parse_lib="ElementTree") as parser:
        return [
            struct.pack("<iidd", x, y, float(mz), float(intensity))
            for number, (x, y, _) in enumerate(parser.coordinates)
            for mz, intensity in zip(*parser.getspectrum(number), strict=True)
        ]


class TestImzmlContract(PartitionerContract):
    def partitioner(self) -> Imzml:
        return Imzml()

    def source(self, folder: Path) -> Source:
        write_imzml(folder / "a.imzML", ODD)
        write_imzml(folder / "b.imzML", SAME, FileLayout(mz_kind="<f4", kind="<f8", continuous=True))
        write_imzml(folder / "c.imzML", ODD, FileLayout(kind="<i4", intensity_first=True))
        return Source("spectra", f"{folder}/*.imzML", {})

    def change(self, folder: Path) -> None:
        for name, spectra in (("a", ODD), ("b", SAME), ("c", ODD)):
            layouts = {"b": FileLayout(mz_kind="<f4", kind="<f8", continuous=True)}
            layouts["c"] = FileLayout(kind="<i4", intensity_first=True)
            last = next(number for number in reversed(range(len(spectra))) if len(spectra[number].mz))
            changed = [*spectra]
            one = spectra[last]
            changed[last] = PixelSpectrum(one.x, one.y, one.mz, one.intensity + 1)
            write_imzml(folder / f"{name}.imzML", changed, layouts.get(name, FileLayout()))

    def oracle(self, folder: Path) -> list[bytes]:
        return [record for path in sorted(folder.glob("*.imzML")) for record in oracle(path)]

    def read(self, reader: Reader) -> list[bytes]:
        return records(reader)

    def options(self, size: int) -> Mapping[str, Any]:
        return {"size": size}


values = st.floats(0, 1e6, width=32)


@st.composite
def datasets(draw: st.DrawFn) -> tuple[list[PixelSpectrum], FileLayout]:
    layout = FileLayout(
        mz_kind=draw(st.sampled_from(["<f4", "<f8"])),
        kind=draw(st.sampled_from(["<f4", "<f8", "<i4", "<i8"])),
        continuous=draw(st.booleans()),
        intensity_first=draw(st.booleans()),
        packed=draw(st.booleans()),
    )
    axis = draw(st.lists(st.floats(50, 3000, width=32), min_size=1, max_size=8))
    spectra = []
    for _ in range(draw(st.integers(1, 12))):
        mz = axis if layout.continuous else draw(st.lists(st.floats(50, 3000, width=32), max_size=8))
        found = draw(st.lists(values, min_size=len(mz), max_size=len(mz)))
        x, y = draw(st.integers(-3, 40)), draw(st.integers(1, 40))
        spectra.append(PixelSpectrum(x, y, np.array(mz, np.float64), np.array(found, np.float64)))
    spectra.append(PixelSpectrum(1, 1, np.array(axis, np.float64), np.ones(len(axis))))
    return spectra, layout


@settings(deadline=None, max_examples=80)
@given(dataset=datasets(), size=st.integers(1, 40))
def test_every_peak_has_one_owner_in_every_layout_and_no_spectrum_is_cut(
    dataset: tuple[list[PixelSpectrum], FileLayout], size: int
) -> None:
    spectra, layout = dataset
    with TemporaryDirectory() as folder:
        source = cut(write_imzml(Path(folder) / "x.imzML", spectra, layout))
        readers = [cast(ImzmlSpectra, source.open(piece)) for piece in source.pieces({"size": size})]
        found = [[*reader.spectra()] for reader in readers]
        for one, wanted in zip((one for piece in found for one in piece), spectra, strict=True):
            assert (one.x, one.y) == (wanted.x, wanted.y)
            assert one.mz.tolist() == wanted.mz.astype(layout.mz_kind).tolist()
            assert one.intensity.tolist() == wanted.intensity.astype(layout.kind).tolist()
        assert [one.number for piece in found for one in piece] == [*range(1, len(spectra) + 1)]
        for piece, reader in zip(found, readers, strict=True):
            sizes = [len(one.mz) for one in piece if len(one.mz)]
            assert sum(sizes) <= max(size, *sizes)
            assert reader.consumed == sum(sizes)


@given(spans=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60))), gap=st.integers(0, 9))
def test_merged_spans_cover_all_and_lie_apart(spans: list[tuple[int, int]], gap: int) -> None:
    merged = merged_spans(spans, gap=gap)
    for start, stop in spans:
        assert start >= stop or any(first <= start and stop <= last for first, last in merged)
    assert all(second[0] - first[1] > gap for first, second in pairwise(merged))
    assert sum(last - first for first, last in merged) <= sum(max(b - a + gap, 0) for a, b in spans)


@pytest.mark.parametrize("dataset", ["matrix_tests", "sim24", "untreated_tiny"])
def test_real_datasets(shared: Path, dataset: str) -> None:
    (path,) = (shared / "data" / "metabolomics" / dataset).glob("*.imzML")
    source = cut(path)
    for size in (1, 7_000):
        pieces = source.pieces({"size": size})
        assert len(pieces) > 1
        with nullcontext() if dataset == "sim24" else pytest.warns(UserWarning, match="incorrect name"):
            assert [record for piece in pieces for record in records(source.open(piece))] == oracle(path)


def test_neighbours_are_fetched_together_and_nothing_twice(tmp_path: Path) -> None:
    spectra = [spectrum(x, 1, [100.0 + n for n in range(1000)], x) for x in range(1, 41)]
    source = cut(write_imzml(tmp_path / "x.imzML", spectra))
    piece = source.pieces({"size": 10_000})[1]
    before = len(source.data.reads)
    assert len(records(source.open(piece))) == 10_000
    reads = [(stop or 0) - start for uri, start, stop in source.data.reads[before:] if uri.endswith(".ibd")]
    assert (len(reads), sum(reads)) == (1, 120_000)
    assert piece.bytes == 120_000


def test_a_shared_axis_is_counted_once(tmp_path: Path) -> None:
    source = cut(write_imzml(tmp_path / "x.imzML", SAME, FileLayout(continuous=True)))
    assert source.layouts[0].bytes == 5 * 8 + 5 * 5 * 4


@pytest.mark.parametrize(("polarity", "told"), [("positive", "positive"), ("negative", "negative"), (None, "unknown")])
def test_the_table_tells_the_polarity(tmp_path: Path, polarity: str | None, told: str) -> None:
    source = cut(write_imzml(tmp_path / "x.imzML", ODD, FileLayout(polarity=polarity)))
    assert source.partitioner.table(source.groups) == [
        {"file": "x.imzML", "ordinal": 0, "polarity": told, "pixel_um": None}
    ]


@pytest.mark.parametrize("profile", [False, True])
def test_a_reader_knows_profile_spectra(tmp_path: Path, profile: bool) -> None:
    source = cut(write_imzml(tmp_path / "x.imzML", ODD, FileLayout(profile=profile)))
    assert [cast(ImzmlSpectra, source.open(piece)).profile for piece in source.pieces({})] == [profile]


def test_a_file_that_changes_is_found_out(tmp_path: Path) -> None:
    path = write_imzml(tmp_path / "x.imzML", ODD)
    source = cut(path)
    (piece,) = source.pieces({})
    write_imzml(path, ODD[:-2])
    with pytest.raises(ChangedInput):
        records(source.open(piece))
    with pytest.raises(ChangedInput):
        source.partitioner.index(source.parts[0][0], source.data)


def test_a_piece_tells_its_place(tmp_path: Path) -> None:
    source = cut(write_imzml(tmp_path / "x.imzML", ODD))
    places = [source.partitioner.places(piece)[0].records for piece in source.pieces({"size": 3})]
    assert places[0] == (1, 3)
    assert [place[0] for place in places[1:] if place] == [place[1] for place in places[:-1] if place]


def test_a_size_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(OptionError):
        cut(write_imzml(tmp_path / "x.imzML", ODD)).pieces({"size": 0})
