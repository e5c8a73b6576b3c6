"""Hillshade and slope of a terrain, as gdaldem computes them (Horn 1981): from the eight cells around each.

A cell has no value where one of the nine has none. Here: the stages `geospatial.hillshade`, `geospatial.slope`.
Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from flowbutton.model.bundle import Parts
from flowbutton.model.stage import Scratch
from flowbutton.stages.bundles import Bundle
from flowbutton.stages.define import gather_stage
from flowbutton.stages.geospatial.limits import Above0
from flowbutton.stages.geospatial.parts import assemble, part_bundle
from flowbutton.stages.geospatial.survey import Cloud
from flowbutton.stages.geospatial.tiles import Tile

Floats = npt.NDArray[np.float64]

SHADE_NODATA = 0
"""Of hillshades; shades are 1 to 255."""


@gather_stage("geospatial.hillshade")
def hillshade(
    tile: Tile,
    cloud: Cloud,
    terrain: Parts,
    scratch: Scratch,
    *,
    azimuth: float = 315.0,
    altitude: Annotated[float, Field(ge=0, le=90)] = 45.0,
    z_factor: Above0 | None = None,
) -> Bundle:
    """Make the parts of a tile's hillshade: uint8, 1 to 255, 0 where there is no value.

    Args:
        tile: Of `geospatial.plan_tiles`.
        cloud: By `geospatial.survey`.
        terrain: The DTM, what of it meets ``tile.around``.
        scratch: Where the parts are written.
        azimuth: Of the light, in degrees from north, clockwise.
        altitude: Of the light above the horizon, from 0 to 90 degrees.
        z_factor: Units of length per unit of height; without it what the files say of their units, 1 where they don't.
    """
    east, south = gradient(_seen(terrain, tile), _edge(cloud, z_factor))
    return _write(scratch, tile, shade(east, south, math.radians(azimuth), math.radians(altitude)))


@gather_stage("geospatial.slope")
def slope(tile: Tile, cloud: Cloud, terrain: Parts, scratch: Scratch, *, z_factor: Above0 | None = None) -> Bundle:
    """Make the parts of a tile's slope: in degrees, float32, NaN where there is no value.

    Args:
        tile: Of `geospatial.plan_tiles`.
        cloud: By `geospatial.survey`.
        terrain: The DTM, what of it meets ``tile.around``.
        scratch: Where the parts are written.
        z_factor: Units of length per unit of height; without it what the files say of their units, 1 where they don't.
    """
    east, south = gradient(_seen(terrain, tile), _edge(cloud, z_factor))
    steepest = np.sqrt(east * east + south * south)
    degrees = np.degrees(np.arctan(steepest)).astype(np.float32)
    return _write(scratch, tile, np.where(np.isnan(steepest), np.float32(np.nan), degrees))


def _edge(cloud: Cloud, z_factor: float | None) -> float:
    """Return the edge of a cell in units of height."""
    return cloud.frame.resolution / (cloud.frame.height_length if z_factor is None else z_factor)


def gradient(heights: Floats, cell: float) -> tuple[Floats, Floats]:
    """Return the rise to the east and to the south, for all but the outermost cells. Rows go to the south."""
    a, b, c = heights[:-2, :-2], heights[:-2, 1:-1], heights[:-2, 2:]
    d, f = heights[1:-1, :-2], heights[1:-1, 2:]
    g, h, i = heights[2:, :-2], heights[2:, 1:-1], heights[2:, 2:]
    middle = heights[1:-1, 1:-1] * 0.0  # NaN where the cell itself has no value
    east = ((c + f + f + i) - (a + d + d + g)) / (8.0 * cell) + middle
    south = ((g + h + h + i) - (a + b + b + c)) / (8.0 * cell) + middle
    return east, south


def shade(east: Floats, south: Floats, azimuth: float, altitude: float) -> npt.NDArray[np.uint8]:
    """Return 1 plus 254 times the cosine between the light and the normal of the surface; angles in radians."""
    light_east, light_north = math.sin(azimuth) * math.cos(altitude), math.cos(azimuth) * math.cos(altitude)
    # The normal of a surface that rises by `east` and falls to the north by `south` is (-east, south, 1).
    cosine = math.sin(altitude) - light_east * east + light_north * south
    bright = 1.0 + 254.0 * np.maximum(cosine / np.sqrt(1.0 + east * east + south * south), 0.0)
    empty = np.isnan(bright)
    return np.where(empty, SHADE_NODATA, np.where(empty, 0.0, bright) + 0.5).astype(np.uint8)


def _seen(terrain: Parts, tile: Tile) -> Floats:
    found: Floats = assemble(terrain, *tile.ranges(1), bands=1, dtype=np.float64, fill=np.nan)[0]
    return found


def _write(scratch: Scratch, tile: Tile, values: npt.NDArray[Any]) -> Bundle:
    return part_bundle(Path(scratch) / "product.bundle", tile.row, tile.column, values[None])
