"""The metabolomics sample: an imaged tissue with known molecules in known patterns.

Here: patterns, intensities, m/z errors, noise, the files. Not here: which molecules (`samples.metabolomics_ions`), the
format (`samples.imzml_files`). Numbers are drawn as integers, so the bytes are the same everywhere. Imports numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from flowbutton.samples.draws import Draws
from flowbutton.samples.imzml_files import FileLayout, PixelSpectrum, write_imzml
from flowbutton.samples.metabolomics_ions import IONS, MOLECULES

_SEED = 20_171_110
_SIDE = 36
_CHANCE_IONS = 120  # peaks in scattered pixels that belong to no molecule: what decoys are there for
_NOISE = 25  # random peaks per spectrum
_DEVIATION_PPB = 600

Mask = npt.NDArray[np.bool_]
_PATTERNS: tuple[Callable[[npt.NDArray[np.int64], npt.NDArray[np.int64]], Mask], ...] = (
    lambda x, y: (x - 12) ** 2 + (y - 14) ** 2 < 90,
    lambda x, y: ((x - 18) ** 2 + (y - 18) ** 2 < 250) & ((x - 18) ** 2 + (y - 18) ** 2 > 110),
    lambda x, y: (x + y // 60) // 4 % 3 == 0,
    lambda x, y: x + y < 34,
    lambda x, y: (x > 20) & (y > 8) & (y < 30),
    lambda x, y: (x - 26) ** 2 + 2 * (y - 10) ** 2 < 120,
)


def write_metabolomics(folder: Path, *, side: int = _SIDE) -> None:
    """Write ``dataset.imzML`` with its ``.ibd``, ``molecules.csv`` and ``truth.csv`` into ``folder``.

    Args:
        folder: Where the files are written.
        side: Pixels in each direction.
    """
    draws = Draws(_SEED)
    y, x = (axis.ravel().astype(np.int64) for axis in np.mgrid[:side, :side])
    found: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float64]]] = []
    for number, (_, _, mz, intensity) in enumerate(IONS):
        here = np.flatnonzero(_PATTERNS[number % len(_PATTERNS)](x, y))
        amplitude = 300 + int(draws.below(4000, 1)[0])
        shift = int(draws.normal(0, _DEVIATION_PPB // 2, 1)[0])
        for peak, share in zip(mz, intensity, strict=True):
            if share:
                heights = (amplitude * share * draws.normal(1000, 180, len(here)).clip(200) / 1e5).astype(np.float64)
                seen = heights > 2
                found.append((here[seen], _measured(draws, peak, len(here), shift)[seen], heights[seen]))
    for mz_units in draws.below(850_000, _CHANCE_IONS).tolist():
        here = np.flatnonzero(draws.chance(80, len(x)))
        heights = (20 + draws.below(900, len(here))).astype(np.float64)
        found.append((here, _measured(draws, 100 + mz_units / 1000, len(here), 0), heights))
    for pixel in range(len(x)):
        mz_noise = (90 + draws.below(910_000_000, _NOISE) / 1e6).astype(np.float64)
        heights = (1 + draws.below(40, _NOISE)).astype(np.float64)
        found.append((np.full(_NOISE, pixel, np.int64), mz_noise, heights))
    _write(folder, x, y, *(np.concatenate(column) for column in zip(*found, strict=True)))


def _measured(draws: Draws, mz: float, count: int, shift_ppb: int) -> npt.NDArray[np.float64]:
    return (mz * (1 + draws.normal(shift_ppb, _DEVIATION_PPB, count) * 1e-9)).astype(np.float64)


def _write(
    folder: Path,
    x: npt.NDArray[np.int64],
    y: npt.NDArray[np.int64],
    pixels: npt.NDArray[np.int64],
    mz: npt.NDArray[np.float64],
    heights: npt.NDArray[np.float64],
) -> None:
    order = np.lexsort((mz, pixels))
    bounds = np.searchsorted(pixels[order], np.arange(1, len(x)))
    spectra = (
        PixelSpectrum(int(x[pixel]) + 1, int(y[pixel]) + 1, mz[peaks], heights[peaks])
        for pixel, peaks in enumerate(np.split(order, bounds))
    )
    write_imzml(folder / "dataset.imzML", spectra, FileLayout(polarity="positive", pixel_um=50.0))
    rows = [f"M{number:03},{name},{formula}\n" for number, (name, formula) in enumerate(MOLECULES, 1)]
    (folder / "molecules.csv").write_text("id,name,formula\n" + "".join(rows), newline="\n")
    truth = [f"{formula},{adduct}\n" for formula, adduct, _, _ in IONS]
    (folder / "truth.csv").write_text("formula,adduct\n" + "".join(truth), newline="\n")
