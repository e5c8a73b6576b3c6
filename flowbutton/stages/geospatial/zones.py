"""Zones: polygons with an identifier, brought onto the grid of a raster.

Here: the stages `geospatial.read_zones` and `geospatial.zone_windows`, zones in pixels. Not here: which pixels a zone
covers (`zonal`).
Imports `flowbutton.model`, the reader of vector files, numpy; shapely and rasterio only inside functions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from flowbutton.model.canonical import Json, canonical
from flowbutton.model.errors import BadInput, OptionError
from flowbutton.model.near import did_you_mean
from flowbutton.model.stage import Items, Scratch, Tally, conserves
from flowbutton.partitioners.vector import Feature, VectorFeatures
from flowbutton.stages.define import map_stage
from flowbutton.stages.geospatial.grid import BLOCK, Box, Grid, cut_axis

ZoneId = str | int | float

_WINDOW = 2048
_MOST_DEGREES = 720  # longitudes may go on behind the 180th meridian
OUTSIDE, REPAIRED = "outside of the raster", "repaired"


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone: its identifier, its shape on the raster's map (None where it has none), and what is to be told of it."""

    id: ZoneId
    shape: Any
    note: str


@dataclass(frozen=True, slots=True)
class PlacedZone:
    """A zone's shape on the map and in pixels of a grid (x is the column, y the row); its number is that in the file.

    ``box`` has the pixels that the shape may touch: rows ``[0], [1]`` and columns ``[2], [3]``, half-open.
    """

    number: int
    shape: Any
    pixels: Any
    box: tuple[int, int, int, int]

    def surrounds(self, rows: range, columns: range) -> bool:
        """Return whether a window and a pixel around it lie inside, so that each of its pixels is covered wholly."""
        import shapely

        if not (self.box[0] < rows.start and rows.stop < self.box[1]):
            return False
        if not (self.box[2] < columns.start and columns.stop < self.box[3]):
            return False
        around = shapely.box(columns.start - 1, rows.start - 1, columns.stop + 1, rows.stop + 1)
        shapely.prepare(self.pixels)
        return bool(shapely.contains_properly(self.pixels, around))


class ZoneWindow(BaseModel):
    """Pixels in which zones are summed up in one task: whole blocks of the grid.

    ``window`` has the blocks among them that zones meet: what is needed of a product.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: tuple[int, int]
    columns: tuple[int, int]
    window: tuple[Box, ...]


@map_stage("geospatial.read_zones", ledger=conserves("zones"))
def read_zones(
    zones: VectorFeatures, grid: Grid, scratch: Scratch, tally: Tally, *, zone_id: str | None = None
) -> Path:
    """Bring zones onto the map of a raster: reprojected where needed, repaired where polygons cross themselves.

    A zone without a shape, or outside of the raster, stays: its row of results is empty, and says so.

    Args:
        zones: A file of polygons.
        grid: The raster's.
        scratch: Where the zones are written.
        tally: Counts zones.
        zone_id: The column that names zones; without it ``zone`` if there is one, else the first.

    Raises:
        BadInput: there is no such column, a zone has no identifier or that of another, or a shape is no polygon; the
            file does not say in which reference system its coordinates are.
    """
    if not zones.crs:
        hint = "say it: ogr2ogr -a_srs EPSG:n out.gpkg in"
        raise BadInput("zones have no coordinate reference system", why="", hint=hint, file=str(zones.key["file"]))
    if not grid.crs:
        hint = "say it with crs=EPSG:code, or leave the zones out"
        raise BadInput("zones can't be laid over a product without a coordinate reference system", why="", hint=hint)
    features = list(zones.features())
    ids = _identifiers(features, zone_id, str(zones.key["file"]))
    shapes = _on_map([feature.shape for feature in features], zones.crs, grid)
    rows: list[Json] = []
    for feature, name, shape in zip(features, ids, shapes, strict=True):
        kept, note = _polygon(shape, grid, f"{zones.key['file']}, feature {feature.number}")
        rows.append({"id": name, "note": note, "shape": kept.wkb_hex if kept is not None else None})
    tally.out(len(rows))
    path = Path(scratch) / "zones.json"
    path.write_bytes(canonical(rows))
    return path


def load_zones(path: Path) -> list[Zone]:
    """Read what `read_zones` wrote."""
    import shapely

    return [
        Zone(row["id"], shapely.from_wkb(row["shape"]) if row["shape"] else None, row["note"])
        for row in json.loads(path.read_bytes())
    ]


@map_stage("geospatial.zone_windows")
def zone_windows(zones: Path, grid: Grid, *, window: int | None = None) -> Items[ZoneWindow]:
    """Divide the pixels that zones touch into windows of whole blocks; results do not depend on their size.

    Args:
        zones: By `geospatial.read_zones`.
        grid: The raster's.
        window: Pixels per side, at least 1; rounded up to blocks of 256. Without it 2048.

    Raises:
        OptionError: ``window`` is below 1.
    """
    window = _WINDOW if window is None else window
    if window < 1:
        raise OptionError(f"window is {window}", why="", hint="it is at least 1 pixel")
    step = -(-window // BLOCK) * BLOCK
    known = place_zones(load_zones(zones), grid)
    found: list[tuple[dict[str, int], ZoneWindow]] = []
    for rows, columns in _windows(grid, step):
        near = meeting(known, rows, columns)
        if near:
            item = ZoneWindow(
                rows=(rows.start, rows.stop),
                columns=(columns.start, columns.stop),
                window=tuple(_blocks(near, rows, columns)),
            )
            found.append(({"row": rows.start, "column": columns.start}, item))
    return Items(tuple(found))


def _blocks(zones: Sequence[PlacedZone], rows: range, columns: range) -> Iterator[Box]:
    """Yield the blocks of a window that zones meet, those beside each other as one box."""
    for down in cut_axis(rows):
        known = meeting(zones, down, columns)
        spans = [(across, bool(meeting(known, down, across))) for across in cut_axis(columns)]
        for met, together in groupby(spans, key=itemgetter(1)):
            if met:
                some = [across for across, _ in together]
                yield Box(row=down.start // BLOCK, start=some[0].start, stop=some[-1].stop)


def place_zones(zones: Sequence[Zone], grid: Grid) -> list[PlacedZone]:
    """Return the zones that have a shape, in pixels too, rounded as by GDAL (``GDALInvGeoTransform``).

    The centre of a pixel may lie on the border of a zone. Where it does by these roundings, it does in GDAL's answer.
    """
    import shapely

    column, row = _to_pixels(grid)

    def placed(points: Any) -> Any:
        x, y = points[:, 0], points[:, 1]
        return np.column_stack([start + x * of_x + y * of_y for start, of_x, of_y in (column, row)])

    shapes = [
        (number, zone.shape, shapely.transform(zone.shape, placed))
        for number, zone in enumerate(zones)
        if zone.shape is not None
    ]
    return [PlacedZone(number, shape, pixels, _box(pixels)) for number, shape, pixels in shapes]


def _to_pixels(grid: Grid) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Return the coefficients of column and row: the one alone, that of x, that of y."""
    a, b, c, d, e, f = grid.transform
    if b == d == 0:
        return (-c / a, 1 / a, 0.0), (-f / e, 0.0, 1 / e)
    inverse = 1 / (a * e - b * d)
    return (
        ((b * f - c * e) * inverse, e * inverse, -b * inverse),
        ((c * d - a * f) * inverse, -d * inverse, a * inverse),
    )


def _box(pixels: Any) -> tuple[int, int, int, int]:
    left, top, right, bottom = pixels.bounds
    low, high = np.floor([top, left]).astype(int) - 1, np.ceil([bottom, right]).astype(int) + 1
    return int(low[0]), int(high[0]), int(low[1]), int(high[1])


def meeting(zones: Sequence[PlacedZone], rows: range, columns: range) -> list[PlacedZone]:
    """Return the zones whose box has a pixel in common with a window."""
    return [zone for zone in zones if _meets(zone.box, rows, columns)]


def _meets(box: tuple[int, int, int, int], rows: range, columns: range) -> bool:
    return box[0] < rows.stop and rows.start < box[1] and box[2] < columns.stop and columns.start < box[3]


def _windows(grid: Grid, step: int) -> Iterator[tuple[range, range]]:
    for row in range(0, grid.rows, step):
        for column in range(0, grid.columns, step):
            yield range(row, min(row + step, grid.rows)), range(column, min(column + step, grid.columns))


def _identifiers(features: Sequence[Feature], wanted: str | None, file: str) -> list[ZoneId]:
    columns = list(features[0].attributes) if features else []
    name = wanted or ("zone" if "zone" in columns else columns[0] if columns else None)
    if name is None or name not in columns:
        why = did_you_mean(name or "zone", columns, listed="columns") if columns else "the features have no attributes"
        hint = "name it with zone_id" if columns else "give each feature an attribute that names it"
        raise BadInput(f"zones have no column '{name or 'zone'}'", why=why, hint=hint, file=file)
    found: dict[ZoneId, int] = {}
    for feature in features:
        value = feature.attributes[name]
        if value is None or isinstance(value, bool) or value in found:
            why = f"the one before is feature {found[value]}" if value in found and value is not None else ""
            what = f"zone '{value}' comes twice" if value in found else "a zone has no identifier"
            if isinstance(value, bool):
                what = f"'{name}' is {str(value).lower()}, which names no zone"
            hint = f"give each an own value in '{name}', or name another column with zone_id"
            raise BadInput(what, why=why, hint=hint, file=file, record=feature.number)
        found[int(value) if isinstance(value, float) and value.is_integer() else value] = feature.number
    return list(found)


def _on_map(shapes: Sequence[bytes | None], crs: str, grid: Grid) -> list[Any]:
    """Return shapes in the coordinates of the grid's map; infinite ones where it does not have a place."""
    import shapely
    from rasterio._err import CPLE_BaseError
    from rasterio.crs import CRS
    from rasterio.warp import transform

    here, there = CRS.from_wkt(crs), CRS.from_wkt(grid.crs)

    def moved(points: Any) -> Any:
        try:
            return np.column_stack(transform(here, there, points[:, 0], points[:, 1])) if len(points) else points
        except CPLE_BaseError:  # a place that the map does not have
            return np.full(points.shape, np.inf)

    found = [None if shape is None else _readable(shape, number + 1) for number, shape in enumerate(shapes)]
    if here.is_geographic:
        _check_degrees(found)
    return found if here == there else [None if one is None else shapely.transform(one, moved) for one in found]


def _check_degrees(shapes: Sequence[Any]) -> None:
    """Raise `BadInput` where shapes that are said to be in degrees can't be."""
    for number, shape in enumerate(shapes):
        bounds = np.abs(np.array([0.0] if shape is None or shape.is_empty else shape.bounds))
        if np.isfinite(bounds).all() and bounds.max() > _MOST_DEGREES:
            raise BadInput(
                "the coordinates of zones are not degrees, as the file says",
                why=f"one of them is {bounds.max():.10g}; a GeoJSON that names no system is in degrees",
                hint="say in which system they are: ogr2ogr -a_srs EPSG:n out.gpkg in",
                record=number + 1,
            )


def _readable(shape: bytes, record: int) -> Any:
    import shapely

    try:
        return shapely.from_wkb(shape)
    except shapely.errors.GEOSException as error:
        why = str(error).strip().splitlines()[0]
        hint = "a ring has four points or more; curves become lines by: ogr2ogr -nlt CONVERT_TO_LINEAR out.gpkg in"
        raise BadInput("the shape of a zone can't be read", why=why, hint=hint, record=record) from error


def _polygon(shape: Any, grid: Grid, place: str) -> tuple[Any, str]:
    """Return the polygonal part of a shape as valid, and what is to be told of it."""
    import shapely

    if shape is None or shape.is_empty:
        return None, "no shape"
    others = {part.geom_type for part in _parts(shape)} - {"Polygon"}
    if others:
        hint = "give polygons; lines and points become some by ST_Buffer, or a buffer in a GIS"
        raise BadInput("a zone is no polygon", why=f"{place} is a {_kind(shape, others)}", hint=hint)
    if not np.isfinite(shape.bounds).all():
        why = f"{place} can't be reprojected into the raster's reference system"
        raise BadInput("a zone lies where the raster's map does not reach", why=why, hint="cut it off, or leave it out")
    shape, note = shapely.force_2d(shape), ""
    if shape.geom_type == "GeometryCollection":
        shape = shapely.MultiPolygon(_parts(shape))
    if not shape.is_valid:
        note = f"{REPAIRED}: {shapely.is_valid_reason(shape).split('[')[0].strip()}"
        shape = _areas(shapely.make_valid(shape))
    if shape.is_empty:
        return None, f"{note}; no area"
    if not shape.intersects(shapely.Polygon(grid.corners())):
        note = f"{note}; {OUTSIDE}" if note else OUTSIDE
    return shape, note


def _parts(shape: Any) -> list[Any]:
    """Return what a shape consists of, collections in collections taken apart."""
    if not hasattr(shape, "geoms"):
        return [shape]
    return [part for one in shape.geoms for part in _parts(one)]


def _kind(shape: Any, others: set[str]) -> str:
    inside = f" with a {min(others)}" if shape.geom_type == "GeometryCollection" else ""
    return f"{shape.geom_type}{inside}"


def _areas(shape: Any) -> Any:
    import shapely

    parts = [part for part in _parts(shape) if part.geom_type == "Polygon"]
    return shapely.union_all(parts) if parts else shapely.Polygon()
