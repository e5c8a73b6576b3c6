"""The part of the ground that a source is confined to: option ``area`` of point clouds and rasters.

Here: the option, checked. Not here: which points and pixels lie in it (`lidar_area`, `raster_area`).
Imports `flowbutton.model`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from fractions import Fraction
from math import isfinite
from typing import cast

from flowbutton.model.canonical import Json
from flowbutton.model.errors import OptionError

Limits = tuple[float, float, float, float]
"""West, south, east, north, in the unit of the coordinate system of the source."""


@dataclass(frozen=True, slots=True)
class Area:
    """What lies at ``west <= x < east`` and ``south <= y < north``: neighbours share nothing."""

    west: float
    south: float
    east: float
    north: float

    def to_json(self) -> list[Json]:
        """Return the limits; the inverse of `from_json`."""
        return [*astuple(self)]

    @classmethod
    def from_json(cls, value: Sequence[float]) -> Area:
        """Read what `to_json` gave."""
        return cls(*value)

    def exact(self) -> tuple[Fraction, Fraction, Fraction, Fraction]:
        """Return the limits as the decimal numbers that were written."""
        west, south, east, north = (Fraction(repr(float(limit))) for limit in astuple(self))
        return west, south, east, north


def area_of(options: Mapping[str, Json]) -> Area | None:
    """Return the area of a source's options, None where there is none.

    Raises:
        OptionError: it has no extent.
    """
    given = cast(Sequence[float] | None, options.get("area"))
    if given is None:
        return None
    west, south, east, north = given
    if not all(map(isfinite, given)) or west >= east or south >= north:
        hint = "it is [xmin, ymin, xmax, ymax] in the unit of the coordinate system"
        raise OptionError(f"the area {list(given)} has no extent", why="", hint=hint)
    return Area(west, south, east, north)
