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
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, RootModel

from flowbutton.model.errors import BadInput, OptionError
from flowbutton.partitioners.las_crs import UNIT_NAMES, normal_form
from flowbutton.partitioners.lidar_area import exact_offset
from flowbutton.stages.define import map_stage
from flowbutton.stages.geospatial.limits import Above0, when_read

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Ratio = tuple[int, int]
Triple = tuple[str, str, str]

NO_CRS = "none"
_MOST_CELL = 1 << 22  # units per cell: 64 cells, doubled, still have products that fit into 64 bits
_MOST = 1 << 62
_SAME_UNIT = 1e-9  # the two feet differ by 2e-6


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
    ``height_length`` has units of length per unit of height: 3.28 for feet with heights in metres, 1 where nobody says.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    crs: str
    height_unit: str
    unit: Ratio
    z_unit: Ratio
    cell: int
    height_length: float = 1.0

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


def _given(text: str) -> tuple[str, str]:
    """Return the horizontal system and the unit of heights of what a user calls one."""
    from rasterio import Env
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    if text == NO_CRS:
        return "", ""
    try:
        with Env():
            return normal_form(CRS.from_user_input(text).to_wkt())
    except (CRSError, ValueError) as error:
        raise OptionError(f"crs={text} is not known", why=str(error), hint="EPSG:code, WKT, or none") from error


Crs = Annotated[str, when_read(_given)]


@map_stage("geospatial.frame")
def frame(headers: HeaderTable, *, resolution: Above0 = 1.0, crs: Crs | None = None) -> Frame:
    """Find the unit of a cloud, and check that its files fit together.

    Args:
        headers: The table of the source: one row per file.
        resolution: Edge of a cell in the unit of the coordinate system, above 0.
        crs: For files that name no coordinate system: EPSG:code or WKT; "none" for a cloud without one. With it, files
            that don't tell their unit of height are taken to have that of the others, or of a compound ``crs``.

    Raises:
        OptionError: ``crs`` is unknown.
        BadInput: files have different coordinate systems or units of height, or none; the system is no map, as that of
            degrees; or no unit fits them all.
    """
    rows = headers.root
    if not rows:
        raise BadInput("there is no point cloud", why="the source has no file", hint="")
    edge = Fraction(str(resolution))
    axes = [(Fraction(row.scale[n]), exact_offset(row.scale[n], row.offset[n])) for row in rows for n in (0, 1)]
    heights = [(Fraction(row.scale[2]), exact_offset(row.scale[2], row.offset[2])) for row in rows]
    unit = _common([edge, *(value for pair in axes for value in pair)])
    z_unit = _common([value for pair in heights for value in pair])
    cell = int(edge / unit)
    given = ("", "") if crs is None else _given(crs)
    system = _crs(rows, crs, given[0])
    _fits(axes, unit, cell, resolution)
    _fits(heights, z_unit, 1, resolution)
    height_unit = _height_unit(rows, unless=crs) or given[1]
    return Frame(
        crs=system,
        height_unit=height_unit,
        unit=(unit.numerator, unit.denominator),
        z_unit=(z_unit.numerator, z_unit.denominator),
        cell=cell,
        height_length=_height_length(system, height_unit),
    )


def _common(values: Iterable[Fraction]) -> Fraction:
    """Return the largest number of which all are multiples."""
    found = [value for value in values if value]
    below = lcm(*(value.denominator for value in found))
    return Fraction(gcd(*(int(value * below) for value in found)), below)


def _fits(axes: Sequence[tuple[Fraction, Fraction]], unit: Fraction, cell: int, resolution: float) -> None:
    largest = max(int(scale / unit) * 2**31 + abs(int(offset / unit)) for scale, offset in axes)
    if largest >= _MOST or cell > _MOST_CELL:
        scales = ", ".join(sorted({str(float(scale)) for scale, _ in axes}))
        why = f"the largest length of which all are multiples is {float(unit):g}"
        raise BadInput(
            f"points of scale {scales} can't be owned exactly by cells of {resolution}",
            why=f"{why}; a cell has {cell} of it, {_MOST_CELL} are the most" if cell > _MOST_CELL else why,
            hint="choose a resolution that is a multiple of the scale, or write the files with one decimal scale",
        )


def _crs(rows: Sequence[HeaderRow], given: str | None, wkt: str) -> str:
    """Return the system of a cloud; ``wkt`` is what ``given`` means."""
    missing = "; for files that name none say it: crs=EPSG:code" if any(not row.crs for row in rows) else ""
    hint = f"files of one cloud have one: bring them into it first, or run them apart{missing}"
    found = _one(rows, [(row.crs, _name(row.crs)) for row in rows], "coordinate systems", hint, unless=given)
    if given is None and not found:
        raise BadInput(
            "the point cloud names no coordinate system",
            why="without it nobody knows where the products lie",
            hint="say it: crs=EPSG:code, or crs=none for a cloud that has none",
            file=rows[0].file,
        )
    if given == NO_CRS:
        return ""
    if given is not None and found and not _same(found, wkt):
        what = f"the file names another coordinate system than {given}"
        raise BadInput(what, why=_name(found), hint="leave crs out: points are not reprojected", file=rows[0].file)
    system = found or wkt
    if _globe(system):
        raise BadInput(
            "the points lie on the globe, not on a map",
            why=f"their coordinates are {_globe(system)} ({_name(system)}); cells, triangles and slopes need lengths",
            hint="reproject it first: pdal translate in.laz out.laz reprojection "
            "--filters.reprojection.out_srs=EPSG:n; crs=none takes the numbers as they are",
            file=rows[0].file,
        )
    return system


def _height_unit(rows: Sequence[HeaderRow], unless: str | None) -> str:
    told = [(row.height_unit, UNIT_NAMES.get(row.height_unit, f"{row.height_unit} m")) for row in rows]
    missing = "; with crs=EPSG:code files that tell none have that of the others" if not all(u for u, _ in told) else ""
    hint = f"convert the heights of some, or run them apart{missing}"
    return _one(rows, [(unit, name if unit else "") for unit, name in told], "units of height", hint, unless=unless)


def _one(
    rows: Sequence[HeaderRow], values: Sequence[tuple[str, str]], what: str, hint: str, unless: str | None = None
) -> str:
    """Return the one value that all files have, given with its name; with ``unless``, files without are passed over."""
    told = [(row.file, *value) for row, value in zip(rows, values, strict=True) if value[0] or unless is None]
    for file, value, name in told:
        if value != told[0][1]:
            why = f"{file}: {name or 'none'}; {told[0][0]}: {told[0][2] or 'none'}"
            raise BadInput(f"the files of the cloud have different {what}", why=why, hint=hint, file=file)
    return told[0][1] if told else ""


def _name(wkt: str) -> str:
    return wkt.split('"')[1] if wkt.count('"') > 1 else wkt


def _globe(wkt: str) -> str:
    """Return what coordinates are that lie on the globe, "" for those of a map."""
    from rasterio import Env
    from rasterio.crs import CRS

    with Env():
        if CRS.from_wkt(wkt).is_geographic:
            return "degrees of longitude and latitude"
    return "metres from the middle of the earth" if wkt.startswith("GEOCCS") else ""


def _height_length(wkt: str, height_unit: str) -> float:
    from rasterio import Env
    from rasterio.crs import CRS

    if not height_unit or not wkt:
        return 1.0
    with Env():
        system = CRS.from_wkt(wkt)
        metres = system.linear_units_factor[1] if system.is_projected else 1.0
    ratio = float(height_unit) / float(metres)
    return 1.0 if abs(ratio - 1) < _SAME_UNIT else ratio


def _same(one: str, other: str) -> bool:
    from rasterio import Env
    from rasterio.crs import CRS

    with Env():
        return bool(CRS.from_wkt(one) == CRS.from_wkt(other))
