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

import numpy as np

from flowbutton.model.bundle import Parts
from flowbutton.model.errors import BadInput, OptionError
from flowbutton.model.stage import Resources, Scratch
from flowbutton.stages.bundles import Bundle, MemoryParts
from flowbutton.stages.define import gather_stage
from flowbutton.stages.geospatial.delaunay import REACH, sorted_points, triangulate
from flowbutton.stages.geospatial.frame import Floats
from flowbutton.stages.geospatial.grid import BLOCK
from flowbutton.stages.geospatial.ground_points import Places, places
from flowbutton.stages.geospatial.mesh import Numbers, curve_order
from flowbutton.stages.geospatial.parts import PART_SCHEMA, add_part
from flowbutton.stages.geospatial.survey import Cloud
from flowbutton.stages.geospatial.tiles import Tile, ground_halo
from flowbutton.stages.geospatial.triangles import heights
from flowbutton.stages.geospatial.weights import weighted_heights

_STRIP = 4 * BLOCK  # rows whose heights are computed at once
NO_PARTS: Parts = MemoryParts([])


@gather_stage("geospatial.terrain", resources=Resources(memory_base_bytes=256 << 20, memory_per_input_byte=60.0))
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
    rows, columns = tile.ranges()
    corners = Corners(filtered if filtered.schema is not None else ground, tile, cloud, method, power)
    bundle = Bundle(Path(scratch) / "terrain.bundle", PART_SCHEMA)
    for start in range(rows.start, rows.stop, _STRIP):
        strip = range(start, min(start + _STRIP, rows.stop))
        add_part(bundle, start, columns.start, corners.heights(strip)[None])
    return bundle


class Corners:
    """The ground points that decide on the terrain of a tile, and the triangles between them.

    Raises:
        OptionError, BadInput: as `terrain`.
    """

    def __init__(self, ground: Parts, tile: Tile, cloud: Cloud, method: str, power: int) -> None:
        if method == "idw" and (cloud.max_radius is None or not 1 <= power <= 4):
            what = f"idw can't be computed with max_radius={cloud.max_radius}, power={power}"
            hint = "it needs a max_radius, and a power from 1 to 4"
            raise OptionError(what.replace("None", "none"), why="", hint=hint)
        self._tile, self._cloud, self._power = tile, cloud, power
        window = cloud.window(*tile.ranges())
        seen = None if cloud.max_radius is None else window.widened(ground_halo(cloud))
        found = places(ground, seen, cloud.frame.cell)
        points = Places(*sorted_points(found.x, found.y, found.z))
        _reachable(points)
        self._triangles: Numbers | None = None
        if method == "tin":
            points = points.take(curve_order(points.x, points.y))
            self._triangles = triangulate(points.x, points.y, cloud.radius)
        self._points, self._z = points, cloud.frame.heights(points.z)

    def heights(self, rows: range) -> Floats:
        """Return the heights of some rows of the tile, northmost first; NaN where there is none."""
        points, cell, radius = self._points, self._cloud.frame.cell, self._cloud.radius
        window = self._cloud.window(rows, self._tile.ranges()[1])
        if self._triangles is None:
            found = weighted_heights(points.x, points.y, self._z, window, cell=cell, radius=radius, power=self._power)
        else:
            found = heights(points.x, points.y, self._z, self._triangles, window, cell=cell, radius=radius)
        return np.ascontiguousarray(found[::-1])


def _reachable(points: Places) -> None:
    for axis in (points.x, points.y):
        if len(axis) and int(axis.max()) - int(axis.min()) >= REACH:
            raise BadInput(
                "the ground points of a tile lie too far apart for one exact triangulation",
                why=f"they span {int(axis.max()) - int(axis.min())} units of the cloud, {REACH} are the most",
                hint="choose smaller tiles or a max_radius, or write the files with a coarser scale",
            )
