"""The terrain: heights between ground points, at the centres of cells.

A triangle counts if its circumradius is at most R. All points that decide on a triangle over a cell lie within 2 R of
the cell's centre: a tile that sees these makes the terrain that the whole makes, bit for bit. Where no such triangle is
there is no value: at the rim of the cloud, and in wide holes. Without a limit no halo suffices, and one task sees all
ground points. Here: the stage `geospatial.terrain`. Not here: triangles (`delaunay`), heights on them (`triangles`),
weights (`weights`). Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from flowbutton.model.bundle import Parts
from flowbutton.model.errors import BadInput, OptionError
from flowbutton.model.stage import Resources, Scratch
from flowbutton.stages.bundles import Bundle, MemoryParts
from flowbutton.stages.define import gather_stage
from flowbutton.stages.geospatial.delaunay import REACH, sorted_points, triangulate
from flowbutton.stages.geospatial.frame import Floats, Ints
from flowbutton.stages.geospatial.grid import BLOCK
from flowbutton.stages.geospatial.ground_points import Places, places
from flowbutton.stages.geospatial.parts import PART_SCHEMA, add_part
from flowbutton.stages.geospatial.survey import Cloud
from flowbutton.stages.geospatial.tiles import Tile, ground_halo
from flowbutton.stages.geospatial.triangles import Window, heights
from flowbutton.stages.geospatial.weights import weighted_heights

_STRIP = 4 * BLOCK  # rows whose heights are computed at once
NO_PARTS: Parts = MemoryParts([])


@gather_stage("geospatial.terrain", resources=Resources(memory_base_bytes=512 << 20, memory_per_input_byte=60.0))
def terrain(
    tile: Tile,
    cloud: Cloud,
    ground: Parts,
    scratch: Scratch,
    filtered: Parts = NO_PARTS,
    *,
    method: Literal["tin", "idw"] = "tin",
    power: int = 2,
) -> Bundle:
    """Make the parts of a tile's terrain: one band, float64, NaN where there is no value.

    Args:
        tile: Of `geospatial.plan_tiles` with ``of: terrain``.
        cloud: By `geospatial.survey`.
        ground: By `geospatial.scatter`, those that meet ``tile.ground``.
        scratch: Where the parts are written.
        filtered: By `geospatial.filter_ground`, likewise; taken instead of ``ground`` where there are any.
        method: tin, linear on Delaunay triangles; idw, the mean of all points within ``max_radius``, weighted by
            inverse distance.
        power: Of the distance, for idw: 1 to 4.

    Raises:
        OptionError: idw without a ``max_radius``, or another power.
        BadInput: the points lie too far apart for their unit to be computed exactly.
    """
    if method == "idw" and (cloud.max_radius is None or not 1 <= power <= 4):
        what = f"idw can't be computed with max_radius={cloud.max_radius}, power={power}"
        raise OptionError(what.replace("None", "none"), why="", hint="it needs a max_radius, and a power from 1 to 4")
    rows, columns = tile.ranges()
    window = cloud.window(rows, columns)
    seen = None if cloud.max_radius is None else window.widened(ground_halo(cloud))
    found = places(filtered if filtered.schema is not None else ground, seen, cloud.frame.cell)
    corners = Places(*sorted_points(found.x, found.y, found.z))
    _reachable(corners)
    z = cloud.frame.heights(corners.z)
    triangles = triangulate(corners.x, corners.y, cloud.radius) if method == "tin" else None
    bundle = Bundle(Path(scratch) / "terrain.bundle", PART_SCHEMA)
    for start in range(rows.start, rows.stop, _STRIP):
        strip = cloud.window(range(start, min(start + _STRIP, rows.stop)), columns)
        add_part(bundle, start, columns.start, _heights(corners, z, triangles, strip, cloud, power)[None, ::-1])
    return bundle


def _heights(points: Places, z: Floats, triangles: Ints | None, window: Window, cloud: Cloud, power: int) -> Floats:
    cell, radius = cloud.frame.cell, cloud.radius
    if triangles is None:
        return weighted_heights(points.x, points.y, z, window, cell=cell, radius=radius, power=power)
    return heights(points.x, points.y, z, triangles, window, cell=cell, radius=radius)


def _reachable(points: Places) -> None:
    for axis in (points.x, points.y):
        if len(axis) and int(axis.max()) - int(axis.min()) >= REACH:
            raise BadInput(
                "the ground points of a tile lie too far apart for one exact triangulation",
                why=f"they span {int(axis.max()) - int(axis.min())} units of the cloud, {REACH} are the most",
                hint="choose smaller tiles or a max_radius, or write the files with a coarser scale",
            )
