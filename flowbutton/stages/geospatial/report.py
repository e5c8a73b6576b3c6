"""The report: one page with quick looks at the products, their histograms, tiles and zones, and how right they are.

The same inputs give the same bytes: no time, no path, no host. Here: the stages `geospatial.report` and
`geospatial.report_images`, what is told. Not here: pictures (`quick_look`), the page (`stages.page`). Imports
`flowbutton.model`, its neighbours.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from html import escape
from math import floor, isfinite, log10
from pathlib import Path
from typing import NamedTuple

from flowbutton.model.composite import Stored
from flowbutton.model.stage import Resources, Scratch
from flowbutton.stages.define import gather_stage, map_stage
from flowbutton.stages.geospatial.evaluate import Evaluation, told
from flowbutton.stages.geospatial.grid import Grid
from flowbutton.stages.geospatial.map_scale import height_unit, length_unit, scale_bar
from flowbutton.stages.geospatial.quick_look import LOOKS, Look, histogram, picture, read_overview
from flowbutton.stages.geospatial.surface import TileFacts
from flowbutton.stages.geospatial.survey import Cloud
from flowbutton.stages.page import facts, figures, good, page, table
from flowbutton.stages.pictures import colour_scale, viridis

_ZONES_SHOWN = 200
_TILES_DRAWN = 2500
_MAP_WIDTH = 640
_LEAST_COVERED = 0.5
# Table 17 of the LAS specification 1.4, R15.
_CLASSES = {
    0: "never classified", 1: "unclassified", 2: "ground", 3: "low vegetation", 4: "medium vegetation",
    5: "high vegetation", 6: "building", 7: "low noise", 9: "water", 10: "rail", 11: "road surface",
    13: "wire guard", 14: "wire conductor", 15: "transmission tower", 16: "wire connector", 17: "bridge deck",
    18: "high noise", 19: "overhead structure", 20: "ignored ground", 21: "snow",
}  # fmt: skip

_MEMORY = Resources(memory_base_bytes=768 << 20, memory_per_input_byte=0.0)


@gather_stage("geospatial.report", resources=_MEMORY)
def report(
    tiles: Sequence[TileFacts],
    cloud: Cloud,
    hillshade: Stored,
    dtm: Stored,
    chm: Stored,
    scratch: Scratch,
    raster: Grid | None = None,
    ndvi: Stored | None = None,
    ndvi_change: Stored | None = None,
    index: Stored | None = None,
    zones: Path | None = None,
    canopy_zones: Path | None = None,
    evaluation: Evaluation | None = None,
) -> Path:
    """Write one HTML page about the products of points, and of images if there are any.

    Args:
        tiles: Points of the tiles, by `geospatial.surface`.
        cloud: By `geospatial.survey`.
        hillshade: The product, as all that follow.
        dtm: The terrain.
        chm: The canopy.
        scratch: Where the page is written.
        raster: The grid of the images.
        ndvi: The NDVI.
        ndvi_change: Its change.
        index: Any other expression of bands.
        zones: By `geospatial.zone_table`, CSV.
        canopy_zones: Likewise, of the canopy.
        evaluation: How right products are.
    """
    looks = _looks_of(cloud)
    shown = [
        _Shown(looks[name], file, cloud.grid) for name, file in (("hillshade", hillshade), ("dtm", dtm), ("chm", chm))
    ]
    shown += _shown_images(raster, ndvi=ndvi, ndvi_change=ndvi_change, index=index)
    sections = {"data": ("Data", [*_data(cloud), *_images(raster)]), **_sections(shown, evaluation)}
    if tiles:
        sections["tiles"] = ("Tiles", [_tile_map(tiles, cloud.grid)])
    sections |= _zone_sections({"of the images": zones, "of the canopy's heights": canopy_zones})
    lead = f"{cloud.points:,} points on {cloud.grid.columns:,} × {cloud.grid.rows:,} cells."
    return _written(scratch, lead, sections, [*_warnings(tiles, evaluation)])


@map_stage("geospatial.report_images", resources=_MEMORY)
def report_images(
    raster: Grid,
    ndvi: Stored,
    scratch: Scratch,
    ndvi_change: Stored | None = None,
    index: Stored | None = None,
    zones: Path | None = None,
    evaluation: Evaluation | None = None,
) -> Path:
    """Write one HTML page about the products of images alone.

    Args:
        raster: The grid of the images.
        ndvi: The NDVI.
        scratch: Where the page is written.
        ndvi_change: Its change.
        index: Any other expression of bands.
        zones: By `geospatial.zone_table`, CSV.
        evaluation: How right products are.
    """
    shown = _shown_images(raster, ndvi=ndvi, ndvi_change=ndvi_change, index=index)
    sections = {"data": ("Data", [*_images(raster)]), **_sections(shown, evaluation)}
    sections |= _zone_sections({"of the images": zones})
    return _written(scratch, f"Images of {raster.columns:,} × {raster.rows:,} pixels.", sections, [])


Sections = dict[str, tuple[str, list[str]]]


class _Shown(NamedTuple):
    """A product, how it is shown, and where it lies."""

    look: Look
    file: Stored
    grid: Grid


def _looks_of(cloud: Cloud) -> dict[str, Look]:
    """Return how products of points are shown, with the unit of heights where the files tell it."""
    unit = height_unit(cloud.frame)
    named = {name: f"{LOOKS[name].unit} ({unit})" if unit else LOOKS[name].unit for name in ("dtm", "chm")}
    return {"hillshade": LOOKS["hillshade"]} | {name: replace(LOOKS[name], unit=text) for name, text in named.items()}


def _shown_images(raster: Grid | None, **files: Stored | None) -> list[_Shown]:
    found = ((LOOKS[name], file) for name, file in files.items() if file is not None)
    return [_Shown(look, file, raster) for look, file in found] if raster is not None else []


def _sections(shown: Sequence[_Shown], evaluation: Evaluation | None) -> Sections:
    seen = [(one.look, read_overview(one.file), scale_bar(one.grid)) for one in shown]
    charts = [histogram(look, overview) for look, overview, _ in seen if look is not LOOKS["hillshade"]]
    pictures = "".join(picture(look, overview, bar) for look, overview, bar in seen)
    found: Sections = {}
    if evaluation is not None:
        lines = "".join(f"<li>{escape(line)}</li>" for line in told(evaluation))
        found["truth"] = ("How right it is", [f"<ul>{lines}</ul>"])
    found["pictures"] = ("Quick looks", [f'<div class="pictures">{pictures}</div>'])
    found["values"] = ("Values", [figures([chart for chart in charts if chart is not None])])
    return found


def _zone_sections(tables: Mapping[str, Path | None]) -> Sections:
    found = [_zones(name, path) for name, path in tables.items() if path is not None]
    return {"zones": ("Zones", found)} if found else {}


def _written(scratch: Scratch, lead: str, sections: Sections, warnings: Sequence[str]) -> Path:
    path = Path(scratch) / "report.html"
    path.write_text(page("Geospatial report", lead, sections, warnings), encoding="utf-8", newline="\n")
    return path


def _warnings(tiles: Sequence[TileFacts], evaluation: Evaluation | None) -> Iterator[str]:
    if evaluation is not None and evaluation.seams is not None and evaluation.seams.differing:
        yield f"{evaluation.seams.differing:,} cells near the borders of tiles differ from the untiled terrain."
    cells, valued = sum(one.rows * one.columns for one in tiles), sum(one.occupied for one in tiles)
    if tiles and valued < _LEAST_COVERED * cells:
        yield f"Only {100 * valued / cells:.0f} % of the cells have a point: a coarser resolution would fit better."


def _data(cloud: Cloud) -> Iterator[str]:
    length, height = length_unit(cloud.grid), height_unit(cloud.frame)
    radius = "none" if cloud.max_radius is None else _with_unit(f"{cloud.max_radius:g}", length)
    rows = [
        ("points", f"{cloud.points:,}"),
        (
            "points that may be ground",
            f"{cloud.ground_points:,}, about {_with_unit(f'{cloud.spacing:.3g}', length)} apart",
        ),
        (
            "heights",
            f"{cloud.lowest:.2f} to {_with_unit(f'{cloud.highest:.2f}', height or '(the files tell no unit)')}",
        ),
        ("largest circumradius of a triangle", radius),
        ("classes", ", ".join(_class_name(number) for number in cloud.classes)),
        *_grid_rows(cloud.grid),
    ]
    yield facts("Point cloud", rows)


def _images(raster: Grid | None) -> Iterator[str]:
    if raster is not None:
        yield facts("Images", _grid_rows(raster))


def _grid_rows(grid: Grid) -> list[tuple[str, str]]:
    a, b, c, d, e, f = grid.transform
    cell = _with_unit(f"{(a * a + d * d) ** 0.5:g} × {(b * b + e * e) ** 0.5:g}", length_unit(grid))
    name = grid.crs.split('"')[1] if grid.crs.count('"') > 1 else "none"
    return [
        ("grid", f"{grid.columns:,} × {grid.rows:,} cells of {cell}"),
        ("upper left corner", f"{c:.3f}, {f:.3f}"),
        ("coordinate system", name),
    ]


def _class_name(number: int) -> str:
    return f"{number} ({_CLASSES[number]})" if number in _CLASSES else str(number)


def _with_unit(text: str, unit: str) -> str:
    return f"{text} {unit}" if unit else text


def _tile_map(tiles: Sequence[TileFacts], grid: Grid) -> str:
    """Return the tiles on the grid, coloured by the points that each holds: what one task has to do."""
    points = sorted(one.points for one in tiles)
    about = (
        f"{len(tiles):,} tiles with {points[0]:,} to {points[-1]:,} points, in the median {points[len(points) // 2]:,}"
    )
    if len(tiles) > _TILES_DRAWN:
        return good(f"{about}; too many to be drawn.")
    scale, palette, most = _MAP_WIDTH / grid.columns, viridis(), max(points[-1], 1)
    boxes = []
    for one in tiles:
        colour = palette[3 * (255 * one.points // most) :][:3].hex()
        name = f"row {one.row}, column {one.column}: {one.points:,} points, {one.ground_points:,} ground"
        boxes.append(
            f'<rect x="{one.column * scale:.1f}" y="{one.row * scale:.1f}" width="{one.columns * scale:.1f}" '
            f'height="{one.rows * scale:.1f}" fill="#{colour}" stroke="#fff" stroke-width="0.7">'
            f"<title>{name}</title></rect>"
        )
    ends = ("0", f"{most // 2:,}", f"{most:,} points")
    return (
        f'<div class="figures"><figure><figcaption>Points per tile</figcaption>'
        f'<svg viewBox="0 0 {_MAP_WIDTH} {grid.rows * scale:.1f}" '
        f'role="img" aria-label="{about}">{"".join(boxes)}</svg>'
        f"{colour_scale(palette, ends, f'colours from 0 to {most:,} points')}"
        f'<p class="good">{about}; bright tiles have most. Good: about equal, so that no worker waits; '
        "tile_points divides by points instead of cells.</p></figure></div>"
    )


def _zones(name: str, path: Path) -> str:
    with path.open(newline="", encoding="utf-8") as file:
        rows = [*csv.DictReader(file)]
    head = ("zone", "cells", "mean", "min", "max", "standard deviation", "note")
    places = _places(float(row[name]) for row in rows for name in ("min", "max") if row[name])
    columns = len(head) if any(row["note"] for row in rows) else len(head) - 1
    shown = table(f"Zones {name}", head[:columns], (_zone_row(row, places)[:columns] for row in rows[:_ZONES_SHOWN]))
    more = len(rows) - _ZONES_SHOWN
    return shown + (good(f"{more:,} more are in the table.") if more > 0 else "")


def _places(values: Iterable[float]) -> int:
    """Return how many decimal places give the largest of some values four significant digits."""
    most = max((abs(value) for value in values if isfinite(value)), default=0.0)
    return min(max(3 - floor(log10(most)), 0), 12) if most else 0


def _zone_row(row: Mapping[str, str], places: int) -> tuple[str, ...]:
    count = float(row["count"])
    numbers = [f"{float(row[name]):,.{places}f}" if row[name] else "–" for name in ("mean", "min", "max")]
    deviation = f"{float(row['variance']) ** 0.5:,.{places}f}" if row["variance"] else "–"
    return (row["zone"], f"{count:,.0f}" if count.is_integer() else f"{count:,.1f}", *numbers, deviation, row["note"])
