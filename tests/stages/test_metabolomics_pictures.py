"""Scale bars: their length is round and told right, and they fit under any image."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowbutton.model.pieces import Source
from flowbutton.partitioners.imzml import Imzml
from flowbutton.samples.imzml_files import FileLayout, PixelSpectrum, write_imzml
from flowbutton.stages.metabolomics.pictures import BRIGHTEST, png_of
from flowbutton.stages.metabolomics.report import _peaks_per_spectrum
from flowbutton.stages.metabolomics.scale_bar import bar_length, scale_bar
from flowbutton.stages.metabolomics.survey import Dataset
from flowbutton.stages.pictures import png_notes
from flowbutton.testing.partitioners import CutSource, MemoryAccess

_UNITS = {"px": None, "nm": 1e-3, "µm": 1.0, "mm": 1e3}


@given(cells=st.integers(1, 20_000), cell_um=st.none() | st.floats(0.05, 500))
def test_a_bar_is_as_long_as_it_says(cells: int, cell_um: float | None) -> None:
    length, text = bar_length(cells, cell_um)
    number, unit = text.split()
    micrometres = _UNITS[unit]
    told = float(number) if micrometres is None else float(number) * micrometres / (cell_um or 1.0)
    assert told == pytest.approx(length, rel=1e-9)
    assert number.strip("0.")[:1] in ("1", "2", "5")
    assert set(number.strip("0.")[1:]) <= {"."}
    assert length <= max(0.3 * cells, 1.0) * (1 + 1e-9)


@given(cells=st.integers(1, 400), dots=st.integers(1, 240), cell_um=st.none() | st.floats(0.05, 500))
def test_a_strip_is_as_wide_as_its_image(cells: int, dots: int, cell_um: float | None) -> None:
    strip = scale_bar(cells, dots, cell_um)
    assert strip.shape[1] == cells * dots
    if cells * dots > 100:
        assert strip.any()


def indexes_of(png: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return the numbers of colours of a PNG whose rows are not filtered."""
    width, height = struct.unpack_from(">II", png, 16)
    data = zlib.decompress(png[png.index(b"IDAT") + 4 : png.index(b"IEND") - 8])
    return np.frombuffer(data, np.uint8).reshape(height, width + 1)[:, 1:]


def square(side: int, sample: np.ndarray[tuple[int], np.dtype[np.int64]], peaks: list[int] | None = None) -> Dataset:
    """Return the facts of a square image of pixels of 50 µm."""
    counts = np.array([1] * len(sample) if peaks is None else peaks, np.int32)
    none = np.zeros(0, np.int64)
    return Dataset(side, side, 1, 1, 1.0, 2.0, False, 50.0, sample, np.ones(len(sample)), counts, none)


def test_the_picture_has_its_bar_below_the_image() -> None:
    white = indexes_of(png_of(np.eye(40), square(40, np.arange(1600)))) == 255
    assert white.shape[1] == 240
    assert not white[:240].any()
    assert max(np.count_nonzero(row) for row in white[240:]) >= 60  # 500 µm are 10 pixels of 6 dots


def test_a_picture_tells_its_brightest_intensity_and_leaves_blank_what_was_not_measured() -> None:
    image = np.zeros((3, 3))
    image[0] = 0, 1234.5678, 7
    png = png_of(image, square(3, np.array([0, 1, 4])))
    assert png_notes(png) == {BRIGHTEST: f"{np.percentile([1234.5678, 7], 99):.6g}"}
    levels = indexes_of(png)[: 3 * 80 : 80, ::80]
    assert (levels == [[0, 253, 254], [254, 0, 254], [254, 254, 254]]).all()
    alpha = png[png.index(b"tRNS") + 4 :][:256]
    assert alpha[:255] == b"\xff" * 254 + b"\0"
    assert png_notes(png_of(image * 0, square(3, np.arange(9)))) == {}


@pytest.mark.parametrize(
    ("value", "unit", "told"),
    [("50.0", "UO:0000017", 50.0), ("0.05", "UO:0000016", 50.0), ("500", "UO:0000018", 0.5), ("50", "UO:1", None),
     ("wide", "UO:0000017", None), ("0", "UO:0000017", None), ("inf", "UO:0000017", None)],
)  # fmt: skip
def test_the_table_tells_the_size_of_a_pixel(tmp_path: Path, value: str, unit: str, told: float | None) -> None:
    spectrum = PixelSpectrum(1, 1, np.array([100.0]), np.ones(1))
    path = write_imzml(tmp_path / "x.imzML", [spectrum], FileLayout(pixel_um=77.0))
    text = path.read_text()
    path.write_text(text.replace('value="77.0"', f'value="{value}"').replace("UO:0000017", unit))
    source = CutSource(Imzml(), Source("spectra", str(path), {}), MemoryAccess(tmp_path))
    (row,) = source.partitioner.table(source.groups)  # type: ignore[misc]
    assert row["pixel_um"] == (None if told is None else pytest.approx(told))  # type: ignore[index, call-overload]


@given(peaks=st.lists(st.integers(0, 10_000), min_size=1, max_size=50))
def test_each_spectrum_is_in_one_class(peaks: list[int]) -> None:
    chart = _peaks_per_spectrum(square(1, np.zeros(0, np.int64), peaks))
    assert 1 <= len(chart.marks) <= 40
    assert chart.y[1] <= len(peaks)
