"""What the points of cells say without looking at their neighbours: surface, lowest points, counts, density.

Here: the stage `geospatial.surface`. Not here: the terrain between ground points (`terrain`).
Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from flowbutton.model.bundle import Parts
from flowbutton.model.stage import Resources, Scratch
from flowbutton.stages.bundles import Bundle
from flowbutton.stages.define import gather_stage
from flowbutton.stages.geospatial.cells import GROUND, CellGrids, Ints, grids
from flowbutton.stages.geospatial.ground_points import places
from flowbutton.stages.geospatial.parts import part_bundle
from flowbutton.stages.geospatial.survey import Cloud
from flowbutton.stages.geospatial.terrain import NO_PARTS
from flowbutton.stages.geospatial.tiles import Tile
from flowbutton.stages.geospatial.triangles import Window

NO_CLASS = 255
"""Of cells without points."""


class TileFacts(BaseModel):
    """A tile: its place on the grid, its points and ground points, and how many of its cells have a point."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    row: int
    column: int
    rows: int
    columns: int
    points: int
    ground_points: int
    occupied: int


class Surface(NamedTuple):
    """Parts of products. Cells without points are NaN, or 0 in counts and density.

    dsm: the highest point, float32. zmin: the lowest. counts: points and ground points, uint32. density:
    points per square unit, float32. intensity: the mean, float32. classes: points of each of `Cloud.classes`, uint32.
    kind: the class that most points of a cell have (of equals the lowest), uint8, `NO_CLASS` without points.
    facts: what is counted in the tile.
    """

    dsm: Bundle
    zmin: Bundle
    counts: Bundle
    density: Bundle
    intensity: Bundle
    classes: Bundle
    kind: Bundle
    facts: TileFacts


@gather_stage("geospatial.surface", resources=Resources(memory_base_bytes=512 << 20, memory_per_input_byte=4.0))
def surface(tile: Tile, cloud: Cloud, cells: Parts, scratch: Scratch, filtered: Parts = NO_PARTS) -> Surface:
    """Make the products of a tile that its own points decide.

    Args:
        tile: Of `geospatial.plan_tiles`.
        cloud: By `geospatial.survey`.
        cells: By `geospatial.scatter`, those that meet ``tile.cells``.
        scratch: Where the parts are written.
        filtered: By `geospatial.filter_ground`, those that meet ``tile.bins``: these are then the ground points.
    """
    classes = tuple(sorted({*cloud.classes, GROUND}))
    window = cloud.window(*tile.ranges())
    found = grids(cells, window, classes=classes)
    ground = found.by_class[GROUND] if filtered.schema is None else _counted(filtered, window, cloud.frame.cell)
    bands: dict[str, list[npt.NDArray[Any]]] = {
        "dsm": [heights_of(found, found.highest, cloud).astype(np.float32)],
        "zmin": [heights_of(found, found.lowest, cloud).astype(np.float32)],
        "counts": [found.count.astype(np.uint32), ground.astype(np.uint32)],
        "density": [(found.count / cloud.frame.resolution**2).astype(np.float32)],
        "intensity": [_mean(found)],
        "kind": [_most_frequent(found, cloud.classes)],
        "classes": [found.by_class[kind].astype(np.uint32) for kind in cloud.classes],
    }
    made = {name: product(Path(scratch), name, tile, values) for name, values in bands.items()}
    facts = TileFacts(
        **{name: getattr(tile, name) for name in ("row", "column", "rows", "columns")},
        points=int(found.count.sum()),
        ground_points=int(ground.sum()),
        occupied=int(np.count_nonzero(found.count)),
    )
    return Surface(**made, facts=facts)


def _most_frequent(found: CellGrids, classes: Sequence[int]) -> npt.NDArray[np.uint8]:
    most = np.argmax(np.stack([found.by_class[kind] for kind in classes]), axis=0)
    return np.where(found.count > 0, np.array(classes)[most], NO_CLASS).astype(np.uint8)


def _counted(points: Parts, window: Window, cell: int) -> Ints:
    """Count points by cell."""
    found = places(points, window, cell)
    place = (found.y // cell - window.row) * window.columns + found.x // cell - window.column
    return np.bincount(place, minlength=window.rows * window.columns).reshape(window.rows, window.columns)


def product(folder: Path, name: str, tile: Tile, bands: list[npt.NDArray[Any]]) -> Bundle:
    """Return the parts of a tile's product; its bands come southmost row first, as the lattice has them."""
    return part_bundle(folder / f"{name}.bundle", tile.row, tile.column, np.stack(bands)[:, ::-1])


def heights_of(found: CellGrids, values: npt.NDArray[np.int64], cloud: Cloud) -> npt.NDArray[np.float64]:
    """Return ``lowest`` or ``highest`` of some cells as heights, NaN where there are no points."""
    some = found.count > 0
    return np.where(some, cloud.frame.heights(np.where(some, values, 0)), np.nan)


def _mean(found: CellGrids) -> npt.NDArray[np.float32]:
    some = found.count > 0
    return np.where(some, found.intensity / np.maximum(found.count, 1), np.nan).astype(np.float32)
