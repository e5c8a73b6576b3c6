"""New bands from the bands of a raster, window by window: indices, masks of clouds and quality, composites of dates.

Here: the stages `geospatial.raster_grid`, `geospatial.band_math`, `geospatial.composite`. Not here: the grammar
(`expression`), cutting (`partitioners.raster`). Imports `flowbutton.model`, the reader of rasters, numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, RootModel

from flowbutton.model.errors import BadInput, OptionError
from flowbutton.model.stage import Resources, Scratch, Tally, conserves
from flowbutton.partitioners.raster import Band, RasterWindow
from flowbutton.stages.bundles import Bundle
from flowbutton.stages.define import map_stage
from flowbutton.stages.geospatial.expression import Expression, parse
from flowbutton.stages.geospatial.grid import Grid
from flowbutton.stages.geospatial.parts import part_bundle

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Scene = Mapping[str, Band]
"""Bands of one date by their names."""

_STRIP_PIXELS = 1 << 16
_MEMORY = Resources(memory_base_bytes=512 << 20, memory_per_input_byte=40.0)


class RasterRow(BaseModel):
    """What the table of a raster source says of it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    crs: str
    transform: tuple[float, float, float, float, float, float]
    rows: int
    columns: int


class RasterTable(RootModel[list[RasterRow]]):
    """The table of a raster source: one row."""


@map_stage("geospatial.raster_grid")
def raster_grid(rasters: RasterTable) -> Grid:
    """Return the grid of a raster source, for the products that are made of it.

    Args:
        rasters: The source's table.
    """
    (row,) = rasters.root
    return Grid(crs=row.crs, transform=row.transform, rows=row.rows, columns=row.columns)


@map_stage("geospatial.band_math", ledger=conserves("bands"), resources=_MEMORY)
def band_math(
    bands: RasterWindow,
    scratch: Scratch,
    tally: Tally,
    *,
    expression: str = "ndvi",
    clear: str | None = None,
    scene: int = 0,
    nodata: float = -9999.0,
    dtype: Literal["float32", "float64"] = "float32",
) -> Bundle:
    """Compute an expression on the bands of one scene.

    A pixel without a value in any band that is used has none in the result. What can't be computed
    is as IEEE 754 has it, and as gdal_calc writes it: 0 / 0 is NaN, 1 / 0 infinite. Both are counted, and have no part
    in statistics, overviews and zones.

    Args:
        bands: A window of a raster.
        scratch: Where the result is written.
        tally: Counts pixels in, and those with a value out.
        expression: What is computed, of the bands' names; or ndvi, ndwi, evi or savi.
        clear: An expression that is not 0 where a pixel may be used: ``isin(scl, 4, 5, 6)``, ``bit(qa, 3) == 0``.
        scene: Which scene is meant, from 0.
        nodata: What pixels without a value get.
        dtype: The type of every step and of the result.

    Raises:
        OptionError: an expression can't be used, or there is no such scene.
    """
    scenes = _scenes(bands)
    formula = _formula(scenes, scene, expression, clear)
    made = _in_strips(scenes, lambda strips: formula.computed(strips[scene], dtype), tally, nodata, dtype)
    return _product(bands, Path(scratch), made)


@map_stage("geospatial.composite", ledger=conserves("bands"), resources=_MEMORY)
def composite(
    bands: RasterWindow,
    scratch: Scratch,
    tally: Tally,
    *,
    expression: str = "ndvi",
    clear: str | None = None,
    method: Literal["median", "max", "min", "mean", "difference"] = "median",
    nodata: float = -9999.0,
    dtype: Literal["float32", "float64"] = "float32",
) -> Bundle:
    """Compute an expression for each scene, and join the scenes pixel by pixel.

    Args:
        bands: A window of all scenes.
        scratch: Where the result is written.
        tally: Counts pixels in, and those with a value out.
        expression: As in `geospatial.band_math`.
        clear: As there; a pixel that is not clear in one scene is taken from the others.
        method: ``median`` (the mean of the middle two where their number is even), ``max``, ``min`` or ``mean`` of the
            scenes that have a value; ``difference``: the last scene less the first, where both have one.
        nodata: What pixels without a value get.
        dtype: The type of every step and of the result.

    Raises:
        OptionError: an expression can't be used.
        BadInput: a difference is wanted of one scene.
    """
    scenes = _scenes(bands)
    if method == "difference" and len(scenes) < 2:
        hint = "name the bands of another date behind those of the first, and their names with 'names'"
        raise BadInput("a difference needs two scenes, there is one", why="", hint=hint)
    wanted = (0, len(scenes) - 1) if method == "difference" else range(len(scenes))
    formulas = {number: _formula(scenes, number, expression, clear) for number in wanted}

    def composed(strips: Sequence[Scene]) -> tuple[Array, Mask]:
        found = [formula.computed(strips[number], dtype) for number, formula in formulas.items()]
        stack = np.stack([np.where(valid & np.isfinite(values), values, np.nan) for values, valid in found])
        masks = [valid for _, valid in found]
        valid = masks[0] & masks[-1] if method == "difference" else np.any(masks, axis=0)
        return _joined(stack, method).astype(dtype), valid

    return _product(bands, Path(scratch), _in_strips(scenes, composed, tally, nodata, dtype))


def _joined(stack: Array, method: str) -> Array:
    """Join scenes (scene, rows, columns) in which NaN means no value. No warning: all may be NaN."""
    if method == "difference":
        return np.asarray(stack[-1] - stack[0])
    count = np.sum(~np.isnan(stack), axis=0)
    if method in ("max", "min"):
        return np.asarray(np.fmax.reduce(stack) if method == "max" else np.fmin.reduce(stack))
    with np.errstate(all="ignore"):
        if method == "mean":
            return np.asarray(np.where(np.isnan(stack), 0, stack).sum(axis=0, dtype=stack.dtype) / count)
        ranked = np.sort(stack, axis=0)  # NaN comes last
        low, high = (np.maximum(count - 1, 0) // 2)[None], (count // 2)[None]
        high = np.minimum(high, len(stack) - 1)
        middle = np.take_along_axis(ranked, low, 0)[0], np.take_along_axis(ranked, high, 0)[0]
        return np.asarray(np.where(count % 2 == 1, middle[0], (middle[0] + middle[1]) / stack.dtype.type(2)))


def _scenes(window: RasterWindow) -> list[Scene]:
    found: dict[int, dict[str, Band]] = {}
    for band in window.read():
        found.setdefault(band.layer.scene, {})[band.layer.name] = band
    return [found[scene] for scene in sorted(found)]


def _in_strips(
    scenes: Sequence[Scene],
    compute: Callable[[Sequence[Scene]], tuple[Array, Mask]],
    tally: Tally,
    nodata: float,
    dtype: str,
) -> Array:
    """Return what is computed of strips of the scenes, of rows that fit into a processor's cache; count it."""
    rows, columns = next(iter(scenes[0].values())).values.shape
    made = np.empty((rows, columns), dtype)
    step = max(_STRIP_PIXELS // max(columns, 1), 1)
    for row in range(0, rows, step):
        own = slice(row, row + step)
        values, valid = compute([{name: band.part(own) for name, band in scene.items()} for scene in scenes])
        good, there = int(np.count_nonzero(valid & np.isfinite(values))), int(np.count_nonzero(valid))
        tally.out(good)
        tally.filtered("pixels without a value", values.size - there)
        tally.filtered("pixels that can't be computed, as by a division by zero", there - good)
        made[own] = values if good == values.size else _filled(values, valid, nodata)
    return made


@dataclass(frozen=True, slots=True)
class _Formula:
    """What is computed of a scene, and where it may be."""

    expression: Expression
    clear: Expression | None

    def computed(self, bands: Scene, dtype: str) -> tuple[Array, Mask]:
        """Return the values of some rows of a scene, and where all bands that are used have one."""
        values = self.expression.evaluate(_scaled(self.expression, bands, dtype), dtype)
        valid = _valid(self.expression, bands)
        if self.clear is not None:
            marks = self.clear.evaluate(_scaled(self.clear, bands, dtype), dtype)
            valid &= _valid(self.clear, bands) & (marks != 0) & ~np.isnan(marks)
        return values, valid


def _formula(scenes: Sequence[Scene], scene: int, expression: str, clear: str | None) -> _Formula:
    if not 0 <= scene < len(scenes):
        what = f"there is no scene {scene}"
        raise OptionError(what, why=f"there are {len(scenes)}, counted from 0", hint="name more bands")
    bands = scenes[scene]
    for band in bands.values():
        if band.values.dtype.kind not in "uif":
            why = f"its values are of type {band.values.dtype}"
            raise BadInput(
                f"band '{band.layer.name}' can't be computed with", why=why, hint="give whole or real numbers"
            )
    names = tuple(bands)
    return _Formula(parse(expression, names), None if clear is None else parse(clear, names))


def _scaled(formula: Expression, bands: Scene, dtype: str) -> dict[str, Array]:
    """Return the bands of a formula as what they mean: stored numbers, scaled in float64 where the file says so."""
    found: dict[str, Array] = {}
    for name in formula.bands:
        layer, values = bands[name].layer, bands[name].values
        plain = layer.scale == 1 and layer.offset == 0
        found[name] = values.astype(dtype) if plain else (values * np.float64(layer.scale) + layer.offset).astype(dtype)
    return found


def _valid(formula: Expression, bands: Scene) -> Mask:
    """Return where all bands of a formula have a value; an array of its own."""
    found = np.logical_and.reduce([bands[name].valid for name in formula.bands])
    for name in formula.bands:
        if bands[name].values.dtype.kind == "f":
            found &= ~np.isnan(bands[name].values)
    return np.asarray(found)


def _filled(values: Array, valid: Mask, nodata: float) -> Array:
    """Put nodata where there is no value, and one NaN wherever NaN was computed."""
    kind = values.dtype.type
    return np.where(valid, np.where(np.isnan(values), kind(np.nan), values), kind(nodata))


def _product(window: RasterWindow, folder: Path, values: Array) -> Bundle:
    rows, columns = window.seen
    top, left = window.rows.start - rows.start, window.columns.start - columns.start
    own = values[top : top + len(window.rows), left : left + len(window.columns)]
    return part_bundle(folder / "parts.bundle", window.rows.start, window.columns.start, own[None])
