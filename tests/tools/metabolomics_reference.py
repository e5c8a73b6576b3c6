"""METASPACE's method in one process, straightforwardly: no cut, no engine, none of the package's code but its isotopes.

Written after the method's rules alone, to hold the pipeline against where no reference answer is there. Isotope peaks
and chaos can be given from outside: the benchmark gives METASPACE's own libraries.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from flowbutton.stages.metabolomics.isotope_table import ELECTRON_MASS, ISOTOPES

Floats = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]
Spectrum = tuple[int, int, npt.NDArray[Any], npt.NDArray[Any]]
"""Pixel (x, y), m/z, intensities."""
Peaks = tuple[Floats, npt.NDArray[np.float32]]

_F = 2.3548200450309493
_ELEMENTS = """
He Li Be B C N O F Ne Mg Al Si P S Cl Ar Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb Mo Ru Rh Pd Ag
Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Sm Eu Gd Tb Dy Ho Ir Th Pt Os Yb Lu Bi Pb Re Tl Tm U W Au Er Hf Hg Ta
"""


@dataclass(frozen=True)
class Settings:
    """What a run is asked for; the defaults are METASPACE's."""

    adducts: tuple[str, ...] = ("+H", "+Na", "+K")
    charge: int = 1
    sigma: float = 0.001238
    ppm: float = 3.0
    levels: int = 30
    decoys: int = 20
    seed: int = 42
    version: int = 1
    instrument: str = "Orbitrap"
    min_px: int = 1


@dataclass(frozen=True)
class Row:
    """One annotation: the lowest m/z, the metrics, the rate."""

    mz: float
    chaos: float
    spatial: float
    spectral: float
    msm: float
    fdr: float


def annotate(
    spectra: Iterable[Spectrum],
    formulas: Iterable[str],
    asked: Settings,
    *,
    peaks_of: Callable[[str, Settings], Peaks] | None = None,
    chaos_of: Callable[[Image, int], float] | None = None,
) -> dict[tuple[str, str], Row]:
    """Return the annotations with an MSM above 0 by formula and adduct."""
    peaks_of, chaos_of = peaks_of or isotope_peaks, chaos_of or labelled_chaos
    table = sorted(set(formulas))
    drawn = draw_decoys(table, asked)
    pairs = {(formula, adduct) for formula in table for adduct in asked.adducts}
    pairs |= {(formula, decoy) for (formula, _), decoys in drawn.items() for decoy in decoys}
    ions = {pair: ion for pair in sorted(pairs) if (ion := ion_formula(*pair)) is not None}
    images = Images(spectra)
    peaks = {ion: peaks_of(ion, asked) for ion in dict.fromkeys(ions.values())}
    metrics = {ion: _metrics(images, *peaks[ion], asked, chaos_of) for ion in peaks}
    found: dict[tuple[str, str], Row] = {}
    for adduct in asked.adducts:
        msm = {formula: metrics[ions[formula, adduct]][3] for formula in table if (formula, adduct) in ions}
        targets = {formula: score for formula, score in msm.items() if score > 0}
        rankings = [
            [
                score
                for formula in table
                if (formula, drawn[formula, adduct][number]) in ions
                and (score := metrics[ions[formula, drawn[formula, adduct][number]]][3]) > 0
            ]
            for number in range(asked.decoys)
        ]
        rates = _rates(targets, rankings, asked)
        for formula in targets:
            ion = ions[formula, adduct]
            found[formula, adduct] = Row(float(peaks[ion][0][0]), *metrics[ion], rates[formula])
    return found


def draw_decoys(formulas: Sequence[str], asked: Settings) -> dict[tuple[str, str], list[str]]:
    """Return the decoy adducts of each formula and adduct."""
    random = np.random.RandomState(asked.seed)
    candidates = [f"+{element}" for element in _ELEMENTS.split() if f"+{element}" not in asked.adducts]
    found = {}
    for formula in formulas:
        for number, adduct in enumerate(asked.adducts):
            if number == 0 or asked.version == 1:
                shuffled = [*candidates]
                random.shuffle(shuffled)
            found[formula, adduct] = shuffled[: asked.decoys]
    return found


def ion_formula(formula: str, adduct: str) -> str | None:
    """Return the formula with the adduct's atoms added or taken away; None where that can't be."""
    atoms = {element: int(count or 1) for element, count in re.findall("([A-Z][a-z]*)([0-9]*)", formula)}
    for sign, part in re.findall("([+-])([A-Za-z0-9]+)", adduct):
        for element, count in re.findall("([A-Z][a-z]*)([0-9]*)", part):
            atoms[element] = atoms.get(element, 0) + int(sign + (count or "1"))
            if atoms[element] < 0:
                return None
    if max(atoms.values()) == 0:
        return None
    order = sorted(atoms, key=lambda element: ("CHNOPS".find(element) % 7, element))
    return "".join(f"{element}{atoms[element] if atoms[element] > 1 else ''}" for element in order if atoms[element])


@cache
def isotope_peaks(ion: str, asked: Settings) -> Peaks:
    """Return the four strongest peaks by m/z, point by point on the moving grid."""
    from IsoSpecPy import IsoThreshold

    atoms = [(element, int(count or 1)) for element, count in re.findall("([A-Z][a-z]*)([0-9]*)", ion)]
    found = IsoThreshold(
        1e-4,
        absolute=False,
        atomCounts=[count for _, count in atoms],
        isotopeMasses=[[mass for mass, _ in ISOTOPES[element]] for element, _ in atoms],
        isotopeProbabilities=[[share for _, share in ISOTOPES[element]] for element, _ in atoms],
    )
    mass, height = np.array(found.np_masses()) - asked.charge * ELECTRON_MASS, np.array(found.np_probs())
    order = np.argsort(mass)
    mass, height = mass[order], height[order] / height.max()
    if len(mass) == 1:
        return np.array([mass[0], 0, 0, 0]), np.array([100, 0, 0, 0], np.float32)
    mz, top = _centroids(*_envelope(mass, height, asked))
    top = top / top.max()
    mz, top = mz[top >= 1e-4], 100 * top[top >= 1e-4]
    best = np.sort(np.argsort(-top, kind="stable")[:4])
    return np.pad(mz[best], (0, 4 - len(best))), np.pad(top[best], (0, 4 - len(best))).astype(np.float32)


def _deviation(mass: float, strongest: float, asked: Settings) -> float:
    at_200 = 200 / (asked.sigma * _F)
    power = {"Orbitrap": at_200 * np.sqrt(200 / mass), "FTICR": at_200 * 200 / mass, "TOF": at_200}[asked.instrument]
    if asked.version == 1:
        power = strongest / (asked.sigma * _F)
    return float(mass / power / _F)


def _envelope(mass: Floats, height: Floats, asked: Settings) -> tuple[Floats, Floats]:
    width = 12 if asked.version == 1 else 6
    places, strongest = mass.tolist(), float(mass[np.argmax(height)])
    at, gap, s = 0, False, _deviation(places[0], strongest, asked)
    start = [places[0] - width * s + (j - 7) * (s * _F / 25) for j in range(15)]
    points, at_hand, seen = [], [], []
    z = start[0]
    while True:
        if z > places[at] + width * s:
            gap = True
        if gap and at + 1 < len(places) and z >= places[at + 1] - width * s:
            at, gap = at + 1, False
            s = _deviation(places[at], strongest, asked)
        if z > places[-1] + width * s:
            break
        points.append(z)
        at_hand.append(s)
        seen.append(not gap)
        z = start[len(points)] if len(points) < 15 else z + s * _F / 25
    heights, inside = np.zeros(len(points)), np.flatnonzero(seen)
    away = mass - np.array(points)[inside, None]
    reach = np.array(at_hand)[inside, None]
    terms = height * np.exp(-((away / reach) ** 2) / 2)
    heights[inside] = np.where((away <= width * reach) & (-away < width * reach), terms, 0.0).sum(axis=1)
    return np.array(points), heights


def _centroids(z: Floats, y: Floats) -> tuple[Floats, Floats]:
    mz, top = [], []
    for i in (np.flatnonzero(y[8:-7] >= 1e-4) + 8).tolist():
        if y[i - 1] < y[i] >= y[i + 1]:
            left = right = i
            while i - left < 7 and y[left - 1] < y[left]:
                left -= 1
            while right - i < 7 and y[right + 1] <= y[right]:
                right += 1
            if i < right < i + 7:  # it rises again: the valley belongs to neither
                right -= 1
            mz.append(np.average(z[left : right + 1], weights=y[left : right + 1]))
            top.append(y[i])
    return np.array(mz), np.array(top)


class Images:
    """All points in one order, and the images that they make."""

    def __init__(self, spectra: Iterable[Spectrum]) -> None:
        x, y, mz, intensity = zip(*spectra, strict=True)
        left, top = min(x), min(y)
        self.width, self.height = max(x) - left + 1, max(y) - top + 1
        pixels = (np.array(y) - top) * self.width + np.array(x) - left
        self.sample = np.unique(pixels)
        pixel = np.repeat(np.searchsorted(self.sample, pixels), [len(one) for one in mz])
        all_mz, value = np.concatenate(mz).astype(np.float64), np.concatenate(intensity).astype(np.float32)
        order = np.flatnonzero(value > 0)
        order = order[np.argsort(all_mz[order], kind="stable")]
        self.mz, self.pixel, self.value = all_mz[order], pixel[order], value[order]

    def of(self, mz: Floats, ppm: float) -> Image | None:
        """Return an image per peak on the sample; None where no peak lies inside the m/z range of the dataset."""
        if not np.any((mz > self.mz[0]) & (mz < self.mz[-1])):
            return None
        found = np.zeros((len(mz), len(self.sample)), np.float32)
        for peak, at in enumerate(mz.tolist()):
            if at > 0:
                start = np.searchsorted(self.mz, at - at * ppm * 1e-6, "left")
                stop = np.searchsorted(self.mz, at + at * ppm * 1e-6, "right")
                np.add.at(found[peak], self.pixel[start:stop], self.value[start:stop])
        return found


def _metrics(
    images: Images, mz: Floats, theory: Image, asked: Settings, chaos_of: Callable[[Image, int], float]
) -> tuple[float, float, float, float]:
    found = images.of(mz, asked.ppm)
    if found is None or np.count_nonzero(found[0]) < asked.min_px:
        return 0.0, 0.0, 0.0, 0.0
    spatial = _spatial(found, theory, asked.version)
    spectral = _spectral(found, theory)
    if spatial <= 0 or spectral <= 0:
        return 0.0, spatial, spectral, 0.0
    whole = np.zeros(images.height * images.width, np.float32)
    whole[images.sample] = found[0]
    chaos = chaos_of(whole.reshape(images.height, images.width), asked.levels)
    return chaos, spatial, spectral, chaos * spatial * spectral


def _spectral(images: Image, theory: Image) -> float:
    totals = np.array([np.sum(np.ascontiguousarray(image[images[0] > 0])) for image in images], np.float32)
    wanted = theory.astype(np.float64) / np.linalg.norm(theory.astype(np.float64))
    found = 1 - float(np.mean(np.abs(wanted - totals / np.linalg.norm(totals))))
    return found if np.isfinite(found) and found != 1 else 0.0


def _spatial(images: Image, theory: Image, version: int) -> float:
    weights = theory[1:].astype(np.float64)
    if np.count_nonzero(images[0]) < 2 or not weights.any():
        return 0.0
    kind = np.float64 if version == 1 else np.float32
    centred = [one - one.mean(dtype=kind) for one in images.astype(kind)]
    with np.errstate(divide="ignore", invalid="ignore"):
        found = [
            np.sum(centred[0] * one) / np.sqrt(np.sum(centred[0] * centred[0]) * np.sum(one * one))
            for one in centred[1:]
        ]
    correlation = np.nan_to_num(np.array(found, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    return float(np.clip(np.average(correlation, weights=weights), 0, 1))


def labelled_chaos(image: Image, levels: int) -> float:
    """Return the chaos as the method says it: mask, dilate, erode and count at each level, on the cropped image."""
    from scipy import ndimage

    image = image[_near_points(image.any(axis=1))]
    image = image[:, _near_points(image.any(axis=0))]
    count = np.count_nonzero(image)
    if not count:
        return 0.0
    cross = ndimage.generate_binary_structure(2, 1)
    parts = []
    for level in range(levels):
        mask = image > np.float32(np.float32(image.max() * np.float32(level)) / np.float32(levels))
        mask = ndimage.binary_dilation(mask, cross)
        mask = ndimage.binary_erosion(mask, np.ones((3, 3)), border_value=1)
        parts.append(ndimage.label(mask, cross)[1])
    found = 1 - np.mean(parts) / count
    return 0.0 if np.isclose(found, 1.0) else float(found)


def _near_points(has: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    length = len(has)
    kept = np.array(
        [has[max(row - 2, 0) : row + 3 if row < length - 2 else row + 1].any() for row in range(length)], np.bool_
    )
    return np.ones(length, np.bool_) if kept.sum() >= 0.9 * length else kept


def _rates(targets: dict[str, float], rankings: list[list[float]], asked: Settings) -> dict[str, float]:
    def at_least(scores: Iterable[float], limit: float) -> int:
        return sum(score >= limit for score in scores)

    if asked.version == 1:
        median = {
            score: np.median([at_least(one, score) / at_least(targets.values(), score) for one in rankings])
            for score in set(targets.values())
        }
        cuts = [
            (level, min((score for score, rate in median.items() if rate < level), default=np.inf))
            for level in (0.05, 0.1, 0.2, 0.5)
        ]
        return {name: next((level for level, cut in cuts if score >= cut), 1.0) for name, score in targets.items()}
    decoys = [score for one in rankings for score in one]
    lowest, by_score = np.inf, {}
    for score in sorted({*targets.values(), *decoys}):
        rate = (at_least(decoys, score) + 1) / asked.decoys / (at_least(targets.values(), score) + 1)
        lowest = min(lowest, rate)
        by_score[score] = lowest
    return {name: float(by_score[score]) for name, score in targets.items()}
