"""The frame of a point cloud: one unit in which all its coordinates and the grid are integers.

Files of one cloud may have different scales and offsets. In the frame each coordinate is an integer, so who owns a
point is decided without rounding: cell ``n`` of an axis is ``[n * cell, (n + 1) * cell)`` on a lattice through the
origin of the coordinate system. Here: the unit, the checks that files fit together, the stage `geospatial.frame`.
Not here: cells and tiles. Imports `flowbutton.model`, partitioners, numpy; rasterio inside functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import gcd, lcm
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, RootModel

from flowbutton.model.errors import BadInput, OptionError
from flowbutton.partitioners.lidar_area import exact_offset
from flowbutton.stages.define import map_stage

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Ratio = tuple[int, int]
Triple = tuple[str, str, str]

NO_CRS = "none"
_MOST_CELL = 1 << 22  # units per cell: 64 cells, doubled, still have products that fit into 64 bits
_MOST = 1 << 62


class HeaderRow(BaseModel):
    """What this domain needs of `PointHeader`, as a row of the source's table."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    file: str
    scale: Triple
    offset: Triple
    crs: str
    height_unit: str = ""


class HeaderTable(RootModel[tuple[HeaderRow, ...]]):
    """The table of a `lidar` source."""


class Frame(BaseModel):
    """Units as (numerator, denominator) of the coordinate system's unit; ``cell`` is the resolution in ``unit``s.

    ``crs`` is WKT, "" where the user said that there is none; ``height_unit`` is in metres, "" where it is not known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    crs: str
    height_unit: str
    unit: Ratio
    z_unit: Ratio
    cell: int

    @property
    def resolution(self) -> float:
        """The edge of a cell in the unit of the coordinate system."""
        return self.cell * self.unit[0] / self.unit[1]

    def axes(self, scales: Triple, offsets: Triple) -> tuple[Ratio, Ratio, Ratio]:
        """Return for X, Y and Z of a file (scale, offset) in the frame's units: ``X' = X * scale + offset``."""
        units = (self.unit, self.unit, self.z_unit)
        x, y, z = (
            (int(Fraction(scale) / Fraction(*unit)), int(exact_offset(scale, offset) / Fraction(*unit)))
            for scale, offset, unit in zip(scales, offsets, units, strict=True)
        )
        return x, y, z

    def length(self, value: float | str) -> float:
        """Return a length of the coordinate system in units."""
        return float(Fraction(str(value)) / Fraction(*self.unit))

    def heights(self, z: npt.NDArray[Any]) -> Floats:
        """Return integer heights as numbers: one exact product, one rounding."""
        return scaled(z, self.z_unit)


def scaled(values: npt.NDArray[Any], unit: Ratio) -> Floats:
    """Return ``values * numerator / denominator``, rounded once where the product is below 2**53."""
    found: Floats = (values.astype(np.int64) * unit[0]).astype(np.float64) / unit[1]
    return found


@map_stage("geospatial.frame")
def frame(headers: HeaderTable, *, resolution: float = 1.0, crs: str | None = None) -> Frame:
    """Find the unit of a cloud, and check that its files fit together.

    Args:
        headers: The table of the source: one row per file.
        resolution: Edge of a cell in the unit of the coordinate system, above 0.
        crs: For files that name no coordinate system: EPSG:code or WKT; "none" for a cloud without one. With it, files
            that don't tell their unit of height are taken to have that of the others.

    Raises:
        OptionError: the resolution is not above 0, or ``crs`` is unknown.
        BadInput: files have different coordinate systems or units of height, or none; or no unit fits them all.
    """
    rows = headers.root
    if not 0 < resolution < float("inf"):
        raise OptionError(f"the resolution is {resolution}", why="", hint="it is a length above 0")
    if not rows:
        raise BadInput("there is no point cloud", why="the source has no file", hint="")
    edge = Fraction(str(resolution))
    axes = [(Fraction(row.scale[n]), exact_offset(row.scale[n], row.offset[n])) for row in rows for n in (0, 1)]
    heights = [(Fraction(row.scale[2]), exact_offset(row.scale[2], row.offset[2])) for row in rows]
    unit = _common([edge, *(value for pair in axes for value in pair)])
    z_unit = _common([value for pair in heights for value in pair])
    cell = int(edge / unit)
    _fits(axes, unit, cell, resolution)
    _fits(heights, z_unit, 1, resolution)
    return Frame(
        crs=_crs(rows, crs),
        height_unit=_one(rows, [row.height_unit for row in rows], "units of height", unless=crs),
        unit=(unit.numerator, unit.denominator),
        z_unit=(z_unit.numerator, z_unit.denominator),
        cell=cell,
    )


def _common(values: Iterable[Fraction]) -> Fraction:
    """Return the largest number of which all are multiples."""
    found = [value for value in values if value]
    below = lcm(*(value.denominator for value in found))
    return Fraction(gcd(*(int(value * below) for value in found)), below)


def _fits(axes: Sequence[tuple[Fraction, Fraction]], unit: Fraction, cell: int, resolution: float) -> None:
    largest = max(int(scale / unit) * 2**31 + abs(int(offset / unit)) for scale, offset in axes)
    if largest >= _MOST or cell > _MOST_CELL:
        scales = sorted({str(float(scale)) for scale, _ in axes})
        raise BadInput(
            f"scales {', '.join(scales)} and the resolution {resolution} have no common unit",
            why=f"the largest length of which all are multiples is {float(unit):g}",
            hint="choose a resolution that is a multiple of the scale, or write the files with one decimal scale",
        )


def _crs(rows: Sequence[HeaderRow], given: str | None) -> str:
    found = _one(rows, [row.crs for row in rows], "coordinate systems", unless=given)
    if given is None and not found:
        raise BadInput(
            "the point cloud names no coordinate system",
            why="without it nobody knows where the products lie",
            hint="say it: crs=EPSG:code, or crs=none for a cloud that has none",
            file=rows[0].file,
        )
    if given is None or (found and given != NO_CRS):
        return _agreed(found, given, rows[0].file)
    return "" if given == NO_CRS else _wkt(given)


def _agreed(found: str, given: str | None, file: str) -> str:
    if given is not None and not _same(found, _wkt(given)):
        what = f"the file names another coordinate system than {given}"
        raise BadInput(what, why=_name(found), hint="leave crs out: points are not reprojected", file=file)
    return found


def _one(rows: Sequence[HeaderRow], values: Sequence[str], what: str, unless: str | None = None) -> str:
    """Return the one value that all files have; with ``unless``, files without any are passed over."""
    told = [(row.file, value) for row, value in zip(rows, values, strict=True) if value or unless is None]
    for file, value in told:
        if value != told[0][1]:
            names = f"{_name(value) or 'none'}; {told[0][0]}: {_name(told[0][1]) or 'none'}"
            hint = "files of one cloud have one: bring them into it first, or run them apart"
            raise BadInput(
                f"the files of the cloud have different {what}", why=f"{file}: {names}", hint=hint, file=file
            )
    return told[0][1] if told else ""


def _name(wkt: str) -> str:
    return wkt.split('"')[1] if wkt.count('"') > 1 else wkt


def _wkt(text: str) -> str:
    from rasterio import Env
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        with Env():
            found: str = CRS.from_user_input(text).to_wkt()
    except (CRSError, ValueError) as error:
        raise OptionError(f"crs={text} is not known", why=str(error), hint="EPSG:code, WKT, or none") from error
    return found


def _same(one: str, other: str) -> bool:
    from rasterio import Env
    from rasterio.crs import CRS

    with Env():
        return bool(CRS.from_wkt(one) == CRS.from_wkt(other))
