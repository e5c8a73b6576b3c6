"""How well four images fit an isotope pattern: spectral, spatial, chaos. Pure.

An image is kept as the pixels that have points; a pixel's value is float32, as METASPACE's images are.
Here: the three metrics of both analysis versions. Not here: images (`images`), their product and what it is for
(`annotate`, `fdr`). Method: Palmer et al. 2017, doi:10.1038/nmeth.4072; Alexandrov & Bartels 2013,
doi:10.1093/bioinformatics/btt388 (chaos). Imports numpy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from flowbutton.stages.metabolomics.spanning_forest import forest_weight

Floats32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_SAME_RELATIVE, _SAME_ABSOLUTE = 1e-5, 1e-8  # what numpy.isclose takes for equal
_MOSTLY = 0.9


def spectral(images: Floats32, theory: Floats32) -> float:
    """Return how near the images' totals, where the first has points, are to the theoretical intensities.

    Args:
        images: A row per peak, a column per pixel that any of them has; the first has at least one value above 0.
        theory: Intensity of each peak.
    """
    seen = images[0] > 0
    totals = np.array([np.sum(np.ascontiguousarray(image[seen])) for image in images], np.float32)
    measured = totals / np.sqrt(np.sum(totals * totals))
    wanted = theory.astype(np.float64)
    wanted = wanted / np.sqrt(np.sum(wanted * wanted))
    found = 1.0 - float(np.mean(np.abs(wanted - measured)))
    return 0.0 if not np.isfinite(found) or found == 1.0 else found


def spatial(images: Floats32, theory: Floats32, pixels: int, *, analysis_version: int) -> float:
    """Return the correlation of the first image with the others, weighted by their theoretical intensities.

    Args:
        images: A row per peak, a column per pixel that any of them has.
        theory: Intensity of each peak.
        pixels: How many pixels the sample has; in those without a column all images are 0.
        analysis_version: 1 computes in float64, 3 in float32.
    """
    weights = theory[1:].astype(np.float64)
    if np.count_nonzero(images[0]) < 2 or not weights.any():
        return 0.0
    # Column-major, as METASPACE's array is: numpy adds up its rows one by one, not pairwise, which shows in float32.
    values: Any = images.astype(np.float64) if analysis_version == 1 else np.asfortranarray(images)
    mean = np.sum(values, axis=1) / values.dtype.type(pixels)
    centred = values - mean[:, None]
    rest = values.dtype.type(pixels - values.shape[1])
    variance = np.sum(centred * centred, axis=1) + mean * mean * rest
    covariance = np.sum(centred[:1] * centred, axis=1) + mean[0] * mean * rest
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = (covariance[1:] / np.sqrt(variance[0] * variance[1:])).astype(np.float64)
    correlation[~np.isfinite(correlation)] = 0.0
    return float(min(max(np.sum(correlation * weights) / np.sum(weights), 0.0), 1.0))


def chaos(rows: Ints, columns: Ints, values: Floats32, shape: tuple[int, int], *, levels: int) -> float:
    """Return 1 less the mean number of connected parts above each of ``levels`` levels, per pixel above 0.

    The number of parts above a level is that of the pixels less that of the edges of a spanning forest. One forest of
    the heaviest edges, an edge as heavy as the lower of its pixels, spans the parts of all levels at once; so their sum
    needs one pass over it.

    Args:
        rows: Row of each pixel above 0.
        columns: Its column.
        values: Its intensity.
        shape: Height and width of the whole image, which decide what is cropped.
        levels: How many, from 0 to below the highest intensity.
    """
    if not len(values):
        return 0.0
    ranks = _ranks(closed(cropped(rows, columns, values, shape)), float(values.max()), levels)
    parts = int(ranks.sum()) - forest_weight(ranks)
    found = 1.0 - parts / levels / len(values)
    return 0.0 if abs(found - 1.0) <= _SAME_ABSOLUTE + _SAME_RELATIVE else found


def cropped(rows: Ints, columns: Ints, values: Floats32, shape: tuple[int, int]) -> Floats32:
    """Return the image without the rows and columns that are far from all points, as METASPACE takes them out."""
    kept = [_kept(places, length) for places, length in ((rows, shape[0]), (columns, shape[1]))]
    image = np.zeros([int(mask.sum()) for mask in kept], np.float32)
    places = [np.cumsum(mask) - 1 for mask in kept]
    image[places[0][rows], places[1][columns]] = values
    return image


def _kept(places: Ints, length: int) -> Mask:
    """Return which rows have a point at most two rows away; the last two look back only. All, where most have."""
    has = np.zeros(length + 2, np.bool_)
    has[places] = True
    back = has[:length].copy()
    back[1:] |= has[: length - 1]
    back[2:] |= has[: max(length - 2, 0)]
    kept = back.copy()
    kept[:-2] |= back[2:]
    return np.ones(length, np.bool_) if np.count_nonzero(kept) >= _MOSTLY * length else kept


def closed(image: Floats32) -> Floats32:
    """Return the image dilated by a cross (outside is 0), then eroded by a square (outside is no bound)."""
    wide = np.pad(image, 1)
    dilated = wide.copy()
    np.maximum(dilated[1:], wide[:-1], out=dilated[1:])
    np.maximum(dilated[:-1], wide[1:], out=dilated[:-1])
    np.maximum(dilated[:, 1:], wide[:, :-1], out=dilated[:, 1:])
    np.maximum(dilated[:, :-1], wide[:, 1:], out=dilated[:, :-1])
    inside = np.pad(dilated[1:-1, 1:-1], 1, constant_values=np.inf)
    across = np.minimum(np.minimum(inside[:, :-2], inside[:, 1:-1]), inside[:, 2:])
    found: Floats32 = np.minimum(np.minimum(across[:-2], across[1:-1]), across[2:])
    return found


def _ranks(image: Floats32, highest: float, levels: int) -> Ints:
    """Return for each pixel how many of the levels it is above."""
    bounds = (np.float32(highest) * np.arange(levels, dtype=np.float32)) / np.float32(levels)
    found: Ints = np.searchsorted(bounds, image, side="left")
    return found
