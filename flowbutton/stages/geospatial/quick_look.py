"""Quick looks at products: small pictures in perceptual colours with a legend, and histograms.

They are made of an overview of at most `SIDE` cells per side, so that memory does not grow with the product. Here:
reading, colours, HTML. Not here: the page (`report`). Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

from flowbutton.model.composite import Stored
from flowbutton.stages.charts import Chart, short
from flowbutton.stages.geospatial.raster_head import opened_head, opened_level
from flowbutton.stages.pictures import colour_scale, greys, img, indexed_png, ramp, viridis

SIDE = 800
"""Cells that the longer side of a picture has at most."""
_BARS = 60
_CUT = 4
_COLOURS = 254  # the last of 256 stands for no value
_CLEAR = 255

Floats = npt.NDArray[np.float64]
Limits = Callable[[Floats], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Look:
    """How a product is shown: title, unit, colours, and which values have the first and the last of them."""

    title: str
    unit: str
    palette: bytes
    limits: Limits
    good: str


@dataclass(frozen=True, slots=True)
class Overview:
    """The values of an overview that are there, as a grid with NaN; how many cells of the product one is wide."""

    values: Floats
    factor: int


def _inner(values: Floats) -> tuple[float, float]:
    low, high = np.percentile(values, [1, 99]).tolist()
    return low, high


def _from_zero(values: Floats) -> tuple[float, float]:
    return 0.0, float(np.percentile(values, 99.5))


def _around_zero(values: Floats) -> tuple[float, float]:
    most = float(np.percentile(np.abs(values), 99))
    return -most, most


LOOKS: Mapping[str, Look] = {
    "hillshade": Look(
        "Hillshade of the terrain",
        "shade",
        greys(),
        lambda _: (1.0, 255.0),
        "Good: smooth, without straight lines; a line along a tile would be a seam, dimples are low noise.",
    ),
    "dtm": Look("Terrain", "height", viridis(), _inner, "Good: no holes but at the rim, no spikes."),
    "chm": Look(
        "Canopy: surface above terrain",
        "height",
        viridis(),
        _from_zero,
        "Good: 0 on open ground; far below 0 is low noise, or ground that was given too high.",
    ),
    "ndvi": Look(
        "NDVI",
        "NDVI",
        ramp(["#5b3a1e", "#c9a66b", "#f3ecc8", "#7fb069", "#14532d"]),
        lambda _: (-0.2, 1.0),
        "Good: above 0.6 where plants are dense, near 0.1 on bare ground and roofs, below 0 on water.",
    ),
    "ndvi_change": Look(
        "Change of the NDVI",
        "NDVI, later minus earlier",
        ramp(["#5e2a84", "#b59bcb", "#f4f2f4", "#86bd8c", "#146b38"]),
        _around_zero,
        "Good: near 0 where nothing was sown, cut or felled; the same everywhere hints at light or haze.",
    ),
    "index": Look("Index", "value of the expression", viridis(), _inner, ""),
}


def read_overview(product: Stored) -> Overview:
    """Read the largest overview of a product's first band that fits into `SIDE`, and what lies before it."""
    with opened_head(product) as file:
        factors = file.overviews(1)
        longer = max(file.shape)
    levels = [0, *factors]
    fitting = [number for number, factor in enumerate(levels) if -(-longer // max(factor, 1)) <= SIDE]
    chosen = fitting[0] if fitting else len(levels) - 1
    with opened_level(product, chosen) as file:
        values = file.read(1, masked=True).astype(np.float64).filled(np.nan)
    return Overview(values, max(levels[chosen], 1))


def picture(look: Look, overview: Overview, bar: str = "") -> str:
    """Return a picture with its legend as HTML; ``bar``, below the picture, is that of a length."""
    there = overview.values[np.isfinite(overview.values)]
    if not len(there):
        return f"<figure><figcaption>{escape(look.title)}</figcaption><p>No cell has a value.</p></figure>"
    low, high = look.limits(there)
    share = (overview.values - low) / ((high - low) or 1.0)
    known = np.isfinite(share)
    levels = np.rint(np.clip(np.where(known, share, 0), 0, 1) * _COLOURS).astype(np.uint8)
    png = indexed_png(np.where(known, levels, _CLEAR).astype(np.uint8), look.palette, clear=_CLEAR)
    marks = [short(value) for value in (low, (low + high) / 2, high)]
    scale = colour_scale(look.palette[: 3 * _CLEAR], marks, f"colours from {low:.4g} to {high:.4g}")
    size = f" One pixel is {overview.factor} cells wide." if overview.factor > 1 else ""
    return (
        f"<figure><figcaption>{escape(look.title)}</figcaption>{img(png, look.title)}{bar}"
        f'{scale}<p class="good">Colours: {escape(look.unit)}.{size} {escape(look.good)}</p></figure>'
    )


def histogram(look: Look, overview: Overview) -> Chart | None:
    """Return how often values occur in an overview; None where there is none."""
    there = overview.values[np.isfinite(overview.values)]
    if not len(there):
        return None
    low, high = np.percentile(there, [0.2, 99.8]).tolist()
    if low == high:
        low, high = low - 0.5, high + 0.5
    counts, edges = np.histogram(there, _BARS, (low, high))
    good = f"Of {len(there):,} cells" + (f" of the overview of {overview.factor} cells to one" * (overview.factor > 1))
    second, highest = np.sort(counts)[-2:].tolist()
    # One bar far above all others, as of open ground, must not flatten these: it is cut off, and its height told.
    cut = 0 < second * _CUT < highest
    good += f"; the highest bar goes on to {highest:,}" * cut
    top = float(second * 1.1 if cut else highest)
    chart = Chart(look.title, f"{good}.", (low, high), (0.0, top), look.unit, "cells", y_step=1)
    chart.bars(zip(edges[:-1].tolist(), counts.tolist(), strict=True), float(edges[1] - edges[0]), "a")
    return chart
