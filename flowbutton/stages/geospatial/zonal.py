"""Zonal statistics: what zones cover of a product, summed up without rounding, block by block.

A zone covers pixels whose centre lies in it (``centre``), all that it touches (``all_touched``), both as GDAL decides,
or shares of pixels (``fraction``), as exactextract finds them on fixed blocks of the raster. Sums are exact, so that no
window and no order of tasks shows.

Here: the stages `geospatial.zonal` and `geospatial.zone_table`. Not here: shapes (`zones`), sums (`exact_sums`).
Imports `flowbutton.model`, numpy; rasterio, exactextract, shapely, pyarrow only inside functions.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from flowbutton.model.bundle import Parts
from flowbutton.model.canonical import Json, canonical
from flowbutton.model.errors import BadInput
from flowbutton.model.stage import Resources, Scratch
from flowbutton.stages.define import gather_stage
from flowbutton.stages.geospatial.exact_sums import MOST, UNIT_BITS, exact_total, product, rational
from flowbutton.stages.geospatial.grid import BLOCK, Grid, cut_axis
from flowbutton.stages.geospatial.parts import assemble
from flowbutton.stages.geospatial.zones import PlacedZone, Zone, ZoneWindow, load_zones, meeting, place_zones

Array = npt.NDArray[Any]
Rule = Literal["centre", "all_touched", "fraction"]
Covered = tuple[int, Array | slice, Array | None]
"""The number of a zone, the pixels of a block that it covers, counted by rows, and which share; None: all of each."""
_ALL = slice(None)


class ZoneTable(NamedTuple):
    """Statistics of all zones, a row per zone in the order of the file."""

    csv: Path
    parquet: Path


@dataclass(slots=True)
class Sums:
    """What is summed up of a zone: weights, weighted values and squares in 2**-1074, least and greatest value."""

    weight: int = 0
    total: int = 0
    squares: int = 0
    least: float | None = None
    greatest: float | None = None

    def add(self, values: Array) -> None:
        """Add pixels that are covered wholly."""
        if not len(values):
            return
        x = self._ranged(values)
        self.weight += len(x) << UNIT_BITS
        self.total += exact_total(x)
        # A float64 holds the square of a float32 whole.
        squares = (x * x,) if values.dtype == np.float32 else product(x, x)
        self.squares += sum(map(exact_total, squares))

    def add_parts(self, values: Array, weights: Array) -> None:
        """Add pixels of which a share is covered, more than nothing."""
        if not len(values):
            return
        x, w = self._ranged(values), weights.astype(np.float64)
        self.weight += exact_total(w)
        self.total += sum(exact_total(part) for part in product(w, x))
        self.squares += sum(exact_total(part) for square in product(x, x) for part in product(w, square))

    def _ranged(self, values: Array) -> Array:
        """Return pixels as float64, and keep the least and the greatest."""
        least, greatest = float(values.min()), float(values.max())
        if max(-least, greatest) > MOST:
            why = f"{max(-least, greatest):.3g} has a square that can't be summed up"
            raise BadInput("values are too large for zonal statistics", why=why, hint="scale them, or set their nodata")
        self.join(Sums(0, 0, 0, least, greatest))
        return values.astype(np.float64)

    def join(self, other: Sums) -> None:
        """Add what another has summed up."""
        self.weight += other.weight
        self.total += other.total
        self.squares += other.squares
        if other.least is not None and other.greatest is not None:
            self.least = other.least if self.least is None else min(self.least, other.least)
            self.greatest = other.greatest if self.greatest is None else max(self.greatest, other.greatest)

    def to_json(self) -> Json:
        """Return the sums as JSON."""
        return [f"{self.weight:x}", f"{self.total:x}", f"{self.squares:x}", self.least, self.greatest]

    @classmethod
    def from_json(cls, row: Sequence[Any]) -> Sums:
        """Read what `to_json` gave."""
        return cls(int(row[0], 16), int(row[1], 16), int(row[2], 16), row[3], row[4])


@gather_stage("geospatial.zonal", resources=Resources(memory_base_bytes=512 << 20, memory_per_input_byte=20.0))
def zonal(
    values: Parts,
    window: ZoneWindow,
    zones: Path,
    grid: Grid,
    scratch: Scratch,
    *,
    rule: Rule = "centre",
    nodata: float = -9999.0,
    dtype: Literal["float32", "float64"] = "float32",
) -> Path:
    """Sum up a one-band product in the zones, in one window.

    Args:
        values: The product's parts that meet the window.
        window: By `geospatial.zone_windows`.
        zones: By `geospatial.read_zones`.
        grid: The product's.
        scratch: Where the sums are written.
        rule: Which pixels a zone covers.
        nodata: What pixels without a value have; they and NaN are not counted.
        dtype: The product's type.

    Raises:
        BadInput: values are too large for their squares to be summed up.
    """
    rows, columns = range(*window.rows), range(*window.columns)
    window_values = assemble(values, rows, columns, bands=1, dtype=dtype, fill=nodata)[0]
    known = meeting(place_zones(load_zones(zones), grid), rows, columns)
    found: dict[int, Sums] = {}
    for block_rows in cut_axis(rows):
        for block_columns in cut_axis(columns):
            near = meeting(known, block_rows, block_columns)
            if not near:
                continue
            flat = window_values[
                block_rows.start - rows.start : block_rows.stop - rows.start,
                block_columns.start - columns.start : block_columns.stop - columns.start,
            ].ravel()
            valid = np.isfinite(flat)
            valid &= flat != np.dtype(dtype).type(nodata)
            for number, pixels, weights in _Block(block_rows, block_columns, grid).coverage(near, rule):
                _sum_up(found.setdefault(number, Sums()), flat[pixels], valid[pixels], weights)
    path = Path(scratch) / "sums.json"
    path.write_bytes(canonical([[number, found[number].to_json()] for number in sorted(found)]))
    return path


def _sum_up(sums: Sums, values: Array, valid: Array, weights: Array | None) -> None:
    """Add the pixels that a zone covers, those without a value apart."""
    if not valid.all():
        values, weights = values[valid], weights if weights is None else weights[valid]
    if weights is None:
        sums.add(values)
    else:
        whole = weights == 1
        sums.add(values[whole])
        sums.add_parts(values[~whole], weights[~whole])


@gather_stage("geospatial.zone_table")
def zone_table(parts: Sequence[Path], zones: Path, scratch: Scratch) -> ZoneTable:
    """Join the sums of all windows, and write a row per zone: count, sum, mean, min, max, variance, note.

    Sums and means are rounded once, correctly; the variance is that of the covered pixels (not of a sample). A zone
    without a pixel has count 0, sum 0, and nothing else; ``note`` says if a zone was repaired, or lies outside.

    Args:
        parts: By `geospatial.zonal`.
        zones: By `geospatial.read_zones`.
        scratch: Where the tables are written.
    """
    known = load_zones(zones)
    sums = [Sums() for _ in known]
    for part in parts:
        for number, row in json.loads(part.read_bytes()):
            sums[number].join(Sums.from_json(row))
    rows = [_row(zone, one) for zone, one in zip(known, sums, strict=True)]
    made = ZoneTable(Path(scratch) / "zones.csv", Path(scratch) / "zones.parquet")
    with made.csv.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows(rows)
    _write_parquet(made.parquet, rows)
    return made


_COLUMNS = ("zone", "count", "sum", "mean", "min", "max", "variance", "note")


def _row(zone: Zone, sums: Sums) -> tuple[Any, ...]:
    weight, total = rational(sums.weight), rational(sums.total)
    count: int | float = int(weight) if weight.denominator == 1 else float(weight)
    if not weight:
        return zone.id, 0, 0.0, None, None, None, None, zone.note
    mean = total / weight
    variance = max(rational(sums.squares) / weight - mean * mean, Fraction(0))
    return zone.id, count, float(total), float(mean), sums.least, sums.greatest, float(variance), zone.note


def _write_parquet(path: Path, rows: Sequence[tuple[Any, ...]]) -> None:
    import pyarrow
    import pyarrow.parquet

    ids, *numbers, notes = zip(*rows, strict=True) if rows else ((),) * len(_COLUMNS)
    kind = (
        pyarrow.int64()
        if all(isinstance(one, int) for one in ids)
        else pyarrow.float64()
        if all(isinstance(one, int | float) for one in ids)
        else pyarrow.string()
    )
    named = ids if kind != pyarrow.string() else [str(one) for one in ids]
    columns = [
        pyarrow.array(named, kind),
        *(pyarrow.array(map(_float, column), pyarrow.float64()) for column in numbers),
    ]
    pyarrow.parquet.write_table(
        pyarrow.table([*columns, pyarrow.array(notes, pyarrow.string())], names=list(_COLUMNS)), path
    )


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


class _Block:
    """What zones cover of a block; a window's block at the raster's edge may be smaller."""

    def __init__(self, rows: range, columns: range, grid: Grid) -> None:
        assert rows.start % BLOCK == columns.start % BLOCK == 0
        assert rows.stop in (rows.start + BLOCK, grid.rows)
        self._rows, self._columns = rows, columns
        self._grid = grid.transform

    def coverage(self, zones: Sequence[PlacedZone], rule: Rule) -> Iterator[Covered]:
        """Yield what each of the zones, which meet the block, covers of it."""
        near = []
        for zone in zones:
            if zone.surrounds(self._rows, self._columns):
                yield zone.number, _ALL, None
            else:
                near.append(zone)
        if rule == "fraction":
            yield from self._fractions(near)
            return
        for together in _apart(near, self._rows, self._columns):
            yield from self._touched(together, all_touched=rule == "all_touched")

    def _touched(self, zones: Sequence[PlacedZone], *, all_touched: bool) -> Iterator[Covered]:
        """Take the pixels by GDAL, which at a centre on a border goes by how rings turn: on the map, not in pixels.

        The boxes of the zones have no pixel in common.
        """
        import rasterio.features
        import shapely
        from rasterio.transform import Affine

        a, b, _, d, e, _ = self._grid
        up = -1 if a * e < b * d else 1
        turned = [shapely.transform(zone.pixels, lambda points: points * [1, up]) for zone in zones]
        found: Array = rasterio.features.rasterize(
            [(shape, place) for place, shape in enumerate(turned, start=1)],
            out_shape=(len(self._rows), len(self._columns)),
            transform=Affine(1, 0, self._columns.start, 0, up, up * self._rows.start),
            all_touched=all_touched,
            dtype="int32",
        ).ravel()
        pixels = np.flatnonzero(found)
        order = np.argsort(found[pixels], kind="stable")
        ends = np.searchsorted(found[pixels][order], np.arange(1, len(zones)), side="right")
        for zone, own in zip(zones, np.split(pixels[order], ends), strict=True):
            yield zone.number, own, None

    def _fractions(self, zones: Sequence[PlacedZone]) -> Iterator[Covered]:
        """Take the fractions by exactextract: on the map, where its roundings are those of the whole raster.

        It knows no rotated rasters; these are laid out in pixels. Its y grows upwards.
        """
        import shapely
        from exactextract import exact_extract
        from exactextract.raster import NumPyRasterSource

        if not zones:
            return
        a, b, c, d, e, f = self._grid
        rotated = not b == d == 0
        if rotated:
            a, c, e, f = 1.0, 0.0, -1.0, 0.0
        xs = sorted((c + a * self._columns.start, c + a * self._columns.stop))
        ys = sorted((f + e * self._rows.start, f + e * self._rows.stop))
        numbers = _pixel_numbers(len(self._rows), len(self._columns), north_up=e < 0, east_right=a > 0)
        raster = NumPyRasterSource(numbers, xmin=xs[0], xmax=xs[1], ymin=ys[0], ymax=ys[1])
        shapes = [
            shapely.transform(zone.pixels, lambda points: points * [1, -1]) if rotated else zone.shape for zone in zones
        ]
        features = _features([zone.number for zone in zones], shapes)
        # Pixels by their numbers as the raster's values: exactextract's own numbers of cells take it twice the time.
        found = exact_extract(raster, features, ["values", "coverage"], include_cols=["number"], output="geojson")
        for row in found:
            told = row["properties"]
            yield told["number"], np.asarray(told["values"], np.int32), np.asarray(told["coverage"])


def _apart(zones: Sequence[PlacedZone], rows: range, columns: range) -> list[list[PlacedZone]]:
    """Divide zones into sets whose boxes have no pixel of a block in common: GDAL is asked once for each set."""
    found: list[list[PlacedZone]] = []
    taken: list[npt.NDArray[np.bool_]] = []
    for zone in zones:
        top, bottom, left, right = zone.box
        box = np.s_[
            max(top - rows.start, 0) : bottom - rows.start, max(left - columns.start, 0) : right - columns.start
        ]
        place = next((place for place, pixels in enumerate(taken) if not pixels[box].any()), len(found))
        if place == len(found):
            found.append([])
            taken.append(np.zeros((len(rows), len(columns)), np.bool_))
        found[place].append(zone)
        taken[place][box] = True
    return found


@lru_cache(maxsize=8)
def _pixel_numbers(rows: int, columns: int, *, north_up: bool, east_right: bool) -> Array:
    """Return the numbers of a block's pixels, counted by its rows, where they lie on a map whose north is up."""
    numbers = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    return np.ascontiguousarray(numbers[:: 1 if north_up else -1, :: 1 if east_right else -1])


def _features(numbers: Sequence[int], shapes: Sequence[Any]) -> Any:
    """Return shapes as exactextract reads them: as WKB, which takes it less time than GeoJSON."""
    import shapely
    from exactextract.feature import JSONFeature, JSONFeatureSource

    class Shape(JSONFeature):  # type: ignore[misc, unused-ignore]
        def geometry(self) -> bytes:
            return bytes(shapely.to_wkb(self.feature["geometry"]))

    class Shapes(JSONFeatureSource):  # type: ignore[misc, unused-ignore]
        def __iter__(self) -> Iterator[Shape]:
            return map(Shape, self.src)

    return Shapes(
        [{"properties": {"number": number}, "geometry": shape} for number, shape in zip(numbers, shapes, strict=True)]
    )
