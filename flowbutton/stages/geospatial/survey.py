"""What is known of a whole cloud: its grid, counts, spacing of ground points, and the largest triangle allowed.

Here: the stage `geospatial.survey`, `Cloud`. Not here: facts of a piece (`scatter`), tiles (`tiles`).
Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from flowbutton.model.errors import BadInput, OptionError
from flowbutton.model.stage import Scratch
from flowbutton.stages.columns import Array, read, write
from flowbutton.stages.define import gather_stage
from flowbutton.stages.geospatial.cells import Ints
from flowbutton.stages.geospatial.frame import Frame, scaled
from flowbutton.stages.geospatial.grid import Grid
from flowbutton.stages.geospatial.ground_points import BIN
from flowbutton.stages.geospatial.limits import when_read
from flowbutton.stages.geospatial.triangles import Window

SPACINGS = 5
"""``max_radius: auto`` is about as many spacings of ground points."""
_STEPS = (1.0, 2.0, 5.0, 10.0)
_MOST_CELLS = 1 << 40
_SOME_CELLS, _MOST_PER_POINT = 1 << 28, 1000


class Cloud(BaseModel):
    """Facts of a cloud.

    Row 0 of the grid is row ``north - 1`` of the lattice, column 0 is column ``west``. ``max_radius`` is a length, None
    where triangles of any size are wanted. ``spacing`` of the ground points is the root of the area per point.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    frame: Frame
    grid: Grid
    north: int
    west: int
    points: int
    ground_points: int
    classes: tuple[int, ...]
    lowest: float
    highest: float
    spacing: float
    max_radius: float | None

    @property
    def radius(self) -> float:
        """`max_radius` in the frame's units; infinite where there is none."""
        return math.inf if self.max_radius is None else self.frame.length(self.max_radius)

    def window(self, rows: range, columns: range) -> Window:
        """Return the lattice's cells that some rows and columns of the grid are."""
        return Window(self.north - rows.stop, self.west + columns.start, len(rows), len(columns))


class Surveyed(NamedTuple):
    """Facts, and a table of points and ground points per bin."""

    cloud: Cloud
    bins: Path


def _radius(wanted: str) -> float | None:
    """Return the length that a text is, None for any; so also for auto, which the cloud decides."""
    text = wanted.strip().lower()
    if text in ("auto", "none"):
        return None
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        what = f"max_radius is '{wanted}'"
        raise OptionError(what, why="", hint="it is a length above 0, auto, or none")
    return found


Radius = Annotated[str, when_read(_radius)]


@gather_stage("geospatial.survey")
def survey(facts: Sequence[Path], frame: Frame, scratch: Scratch, *, max_radius: Radius = "auto") -> Surveyed:
    """Join the facts of all pieces.

    Args:
        facts: By `geospatial.scatter`.
        frame: By `geospatial.frame`.
        scratch: Where the table of bins is written.
        max_radius: The largest circumradius of a triangle of the terrain: a length in the coordinate system's unit;
            auto, five spacings of the ground points rounded to 1, 2 or 5 times a power of ten; none, any, which one
            task has to compute.

    Raises:
        BadInput: no point or no ground point is left.
        OptionError: ``max_radius`` is none of these.
    """
    tables = [read(path)[0] for path in facts]
    limits = _joined(tables, "limits", 6)
    if not len(limits):
        raise BadInput(
            "the point cloud has no point",
            why="its files are empty, or all points are withheld, of classes that are left out, or not in the area",
            hint="see what was filtered, drop_classes, and area",
        )
    bins = _summed(_joined(tables, "bins", 4), keys=2)
    classes = _summed(_joined(tables, "classes", 2), keys=1)
    if not bins[:, 3].sum():
        found = ", ".join(f"{kind} ({count} points)" for kind, count in classes.tolist())
        raise BadInput(
            "the point cloud has no ground points",
            why=f"none is of class 2; its classes are {found}",
            hint="classify them first, or let them be found: ground=filter",
        )
    south, west = int(limits[:, 0].min()), int(limits[:, 2].min())
    north, east = int(limits[:, 1].max()) + 1, int(limits[:, 3].max()) + 1
    spacing = _spacing(bins, (south, north, west, east), frame)
    low, high = frame.heights(np.array([limits[:, 4].min(), limits[:, 5].max()])).tolist()
    cloud = Cloud(
        frame=frame,
        grid=_grid(frame, (south, north, west, east), int(bins[:, 2].sum())),
        north=north,
        west=west,
        points=int(bins[:, 2].sum()),
        ground_points=int(bins[:, 3].sum()),
        classes=tuple(classes[:, 0].tolist()),
        lowest=low,
        highest=high,
        spacing=spacing,
        max_radius=rounded(SPACINGS * spacing) if max_radius.strip().lower() == "auto" else _radius(max_radius),
    )
    return Surveyed(cloud, write(Path(scratch) / "bins.table", {"bins": bins}))


def _joined(tables: Sequence[dict[str, Array]], name: str, width: int) -> Ints:
    return np.concatenate([np.zeros((0, width), np.int64), *(table[name] for table in tables)])


def _summed(rows: Ints, *, keys: int) -> Ints:
    """Add the last columns of rows that have equal first ``keys`` columns; sorted by these."""
    found, place = np.unique(rows[:, :keys], axis=0, return_inverse=True)
    sums = np.zeros((len(found), rows.shape[1] - keys), np.int64)
    np.add.at(sums, place.ravel(), rows[:, keys:])
    return np.column_stack((found, sums))


def _grid(frame: Frame, limits: tuple[int, int, int, int], points: int) -> Grid:
    """Return the grid that is tight around some cells of the lattice, north up."""
    south, north, west, east = limits
    cells = (north - south) * (east - west)
    if cells > _MOST_CELLS or (cells > _SOME_CELLS and cells > _MOST_PER_POINT * points):
        raise BadInput(
            f"the grid of the cloud has {north - south} x {east - west} cells for {points} points",
            why="nearly all would be empty: a point far from the others is enough"
            if cells <= _MOST_CELLS
            else f"{_MOST_CELLS} are the most",
            hint="look at the bounds of the files; leave such points out by area, or choose a larger resolution",
        )
    left, top = scaled(np.array([west, north]) * frame.cell, frame.unit).tolist()
    size = frame.resolution
    return Grid(crs=frame.crs, transform=(size, 0.0, left, 0.0, -size, top), rows=north - south, columns=east - west)


def _spacing(bins: Ints, limits: tuple[int, int, int, int], frame: Frame) -> float:
    """Return the spacing of ground points where half of them are denser: by bins, cut at the grid's edges."""
    south, north, west, east = limits
    row, column, ground = bins[:, 0] * BIN, bins[:, 1] * BIN, bins[:, 3]
    high = np.minimum(row + BIN, north) - np.maximum(row, south)
    wide = np.minimum(column + BIN, east) - np.maximum(column, west)
    area = np.maximum(high * wide, 1) / np.maximum(ground, 1)
    order = np.argsort(area[ground > 0], kind="stable")
    heaped = np.cumsum(ground[ground > 0][order])
    middle = int(np.searchsorted(heaped, heaped[-1] / 2))
    return float(np.sqrt(area[ground > 0][order][middle])) * frame.resolution


def rounded(length: float) -> float:
    """Return the number 1, 2 or 5 times a power of ten that is nearest to a length, by their ratio."""
    power = math.floor(math.log10(length))
    step = min(_STEPS, key=lambda one: abs(math.log(length / 10.0**power / one)))
    return float(f"{step * 10:.0f}e{power - 1}")
