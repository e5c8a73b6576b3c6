"""Ground points of a cloud that has none, or none to be trusted.

Here: the stage `geospatial.filter_ground`. Not here: which cells hold objects (`opening`). Imports `flowbutton.model`,
numpy.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from flowbutton.model.bundle import Parts
from flowbutton.model.stage import Resources, Scratch
from flowbutton.stages.bundles import Bundle
from flowbutton.stages.define import gather_stage
from flowbutton.stages.geospatial.cells import grids
from flowbutton.stages.geospatial.ground_points import BIN_SCHEMA, places
from flowbutton.stages.geospatial.limits import Above0, AtLeast0
from flowbutton.stages.geospatial.opening import halo_of, objects
from flowbutton.stages.geospatial.survey import Cloud
from flowbutton.stages.geospatial.tiles import Tile


@gather_stage("geospatial.filter_ground", resources=Resources(memory_base_bytes=512 << 20, memory_per_input_byte=30.0))
def filter_ground(
    tile: Tile,
    cloud: Cloud,
    cells: Parts,
    points: Parts,
    scratch: Scratch,
    *,
    filter_radius: Above0 = 18.0,
    slope: Above0 = 0.15,
    tolerance: AtLeast0 = 0.5,
) -> Bundle:
    """Choose the ground points of a tile: near the lowest of their cell, in cells that hold no object.

    Args:
        tile: Of `geospatial.plan_tiles` with the same ``filter_radius``.
        cloud: By `geospatial.survey`.
        cells: By `geospatial.scatter`, those that meet ``tile.wide``.
        points: By `geospatial.scatter` with ``ground: filter`` and the same ``tolerance``, those that meet
            ``tile.bins``.
        scratch: Where the points are written.
        filter_radius: Half the width of the largest object, in the unit of the coordinate system, above 0.
        slope: The steepest terrain, as a ratio, above 0.
        tolerance: How far above the lowest point of its cell a ground point may be, in units of height.
    """
    frame = cloud.frame
    window = cloud.window(*tile.ranges())
    halo = halo_of(filter_radius, frame.resolution)
    found = grids(cells, window.widened(halo))
    some = found.count > 0
    lowest = np.where(some, frame.heights(np.where(some, found.lowest, 0)), np.nan)
    held = objects(lowest, radius=filter_radius, resolution=frame.resolution, slope=slope / frame.height_length)
    candidates = places(points, window, frame.cell)
    row = candidates.y // frame.cell - window.row + halo
    column = candidates.x // frame.cell - window.column + halo
    above = candidates.z - found.lowest[row, column]
    chosen = candidates.take(~held[row, column] & (above <= tolerance * frame.z_unit[1] / frame.z_unit[0]))
    bundle = Bundle(Path(scratch) / "ground.bundle", BIN_SCHEMA)
    for key, part in chosen.bins(frame.cell):
        bundle.add(key, part.encode())
    return bundle
