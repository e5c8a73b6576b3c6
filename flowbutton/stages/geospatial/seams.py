"""Whether tiles show: the terrain along their borders, computed again by tasks that have the border in their middle.

A cell that a tile computes with too few points around it would differ there. Cells are compared bit by bit, so this
tells of a halo that is too small, of points that are lost or given to two tiles, and of ties that tiles break
otherwise. Here: the stage `geospatial.check_seams`. Not here: which cells (`tiles`). Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from flowbutton.model.bundle import Parts
from flowbutton.model.stage import Resources
from flowbutton.stages.define import gather_stage
from flowbutton.stages.geospatial.parts import assemble
from flowbutton.stages.geospatial.survey import Cloud
from flowbutton.stages.geospatial.terrain import NO_PARTS, Corners
from flowbutton.stages.geospatial.tiles import Tile


class Seams(BaseModel):
    """Cells near the borders of tiles: how many were computed again, and how many of them differ."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cells: int
    differing: int


@gather_stage("geospatial.check_seams", resources=Resources(memory_base_bytes=256 << 20, memory_per_input_byte=60.0))
def check_seams(
    tile: Tile,
    cloud: Cloud,
    ground: Parts,
    terrain: Parts,
    filtered: Parts = NO_PARTS,
    *,
    method: Literal["tin", "idw"] = "tin",
    power: int = 2,
) -> Seams:
    """Compute the terrain of a strip across a border, and count the cells where the tiles' terrain is another.

    Args:
        tile: The strip, of `geospatial.plan_tiles` with ``of: seams``.
        cloud: By `geospatial.survey`.
        ground: As for `geospatial.terrain`, what meets ``tile.ground``.
        terrain: By `geospatial.terrain`, what meets ``tile.blocks``.
        filtered: As for `geospatial.terrain`.
        method: As there.
        power: As there.
    """
    rows, columns = tile.ranges()
    corners = Corners(filtered if filtered.schema is not None else ground, tile, cloud, method, power)
    again = corners.heights(rows)
    found = assemble(terrain, rows, columns, bands=1, dtype=np.float64, fill=np.nan)[0]
    same = (again.view(np.int64) == found.view(np.int64)) | (np.isnan(again) & np.isnan(found))
    return Seams(cells=same.size, differing=int(np.count_nonzero(~same)))
