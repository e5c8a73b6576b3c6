"""Points become cells, and the ground points bins: all that later stages need of a piece of a cloud.

Here: the stage `geospatial.scatter`. Not here: the facts of all pieces together (`survey`). Imports `flowbutton.model`,
the reader of point clouds, numpy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from flowbutton.model.stage import Resources, Scratch, Tally, conserves
from flowbutton.partitioners.las_points import Points
from flowbutton.partitioners.lidar import LidarPoints
from flowbutton.stages.bundles import Bundle
from flowbutton.stages.columns import write
from flowbutton.stages.define import map_stage
from flowbutton.stages.geospatial.cells import CELL_SCHEMA, GROUND, CellRows, Ints, tabulate
from flowbutton.stages.geospatial.frame import Frame
from flowbutton.stages.geospatial.ground_points import BIN, BIN_SCHEMA, Places
from flowbutton.stages.geospatial.limits import PointClass

NOISE = (7, 18)
"""Classes of ASPRS for low and high noise."""


class Scattered(NamedTuple):
    """Rows of cells, the points that may be ground, and facts of the piece."""

    cells: Bundle
    ground: Bundle
    facts: Path


@map_stage(
    "geospatial.scatter",
    ledger=conserves("points"),
    resources=Resources(memory_base_bytes=256 << 20, memory_per_input_byte=30.0),
)
def scatter(
    points: LidarPoints,
    frame: Frame,
    scratch: Scratch,
    tally: Tally,
    *,
    drop_classes: Sequence[PointClass] = NOISE,
    drop_withheld: bool = True,
    ground: Literal["filter"] | None = None,
    tolerance: float = 0.5,
) -> Scattered:
    """Count the points of a piece by cell and class, and put its ground points into bins.

    Args:
        points: A piece of a cloud.
        frame: By `geospatial.frame`.
        scratch: Where the results are written.
        tally: Counts points in, and points that are kept.
        drop_classes: Classes that are left out of everything.
        drop_withheld: Leave out the points that are marked as withheld.
        ground: Where ground points come from: class 2 if None, or `geospatial.filter_ground`, which then gets all
            points that are at most ``tolerance`` above the lowest of their cell.
        tolerance: In units of height, at least 0.
    """
    kept = _Kept(frame, points, [*drop_classes], drop_withheld=drop_withheld)
    for chunk in points.chunks():
        kept.add(chunk, tally)
    places, kind, intensity = kept.points()
    rows = _tabulated(places, kind, intensity, frame.cell)
    above = tolerance * frame.z_unit[1] / frame.z_unit[0]
    chosen = places.take(kind == GROUND if ground is None else _near_lowest(places, frame.cell, above))
    cells = Bundle(Path(scratch) / "cells.bundle", CELL_SCHEMA)
    for key, data in rows.blocks() if rows is not None else ():
        cells.add(key, data)
    bins = Bundle(Path(scratch) / "ground.bundle", BIN_SCHEMA)
    for key, part in chosen.bins(frame.cell):
        bins.add(key, part.encode())
    tally.out(len(places))
    return Scattered(cells, bins, _write_facts(Path(scratch) / "facts.table", rows, chosen, frame.cell))


class _Kept:
    """Collects what is kept of chunks, in the frame's units."""

    def __init__(self, frame: Frame, reader: LidarPoints, dropped: list[int], *, drop_withheld: bool) -> None:
        self._axes = frame.axes(reader.header.scale, reader.header.offset)
        self._dropped = np.isin(np.arange(256), dropped)
        self._drop_withheld = drop_withheld
        self._stored: list[tuple[npt.NDArray[Any], ...]] = []

    def add(self, chunk: Points, tally: Tally) -> None:
        """Keep the points of a chunk that are not left out."""
        withheld = chunk.withheld if self._drop_withheld else np.zeros(len(chunk), np.bool_)
        dropped = self._dropped[chunk.classification] & ~withheld
        tally.filtered("withheld", int(withheld.sum()))
        for kind, count in sorted(Counter(chunk.classification[dropped].tolist()).items()):
            tally.filtered(f"class {kind}", count)
        kept = ~(withheld | dropped)
        columns = (chunk.x, chunk.y, chunk.z, chunk.classification, chunk.intensity)
        self._stored.append(tuple(column[kept] for column in columns))

    def points(self) -> tuple[Places, npt.NDArray[np.uint8], npt.NDArray[np.uint16]]:
        """Return places, classes and intensities."""
        if not self._stored:
            return Places(*(np.zeros(0, np.int64),) * 3), np.zeros(0, np.uint8), np.zeros(0, np.uint16)
        *xyz, kind, intensity = (np.concatenate(column) for column in zip(*self._stored, strict=True))
        self._stored.clear()
        axes = [
            column.astype(np.int64) * scale + offset for column, (scale, offset) in zip(xyz, self._axes, strict=True)
        ]
        return Places(*axes), kind, intensity


def _tabulated(
    points: Places, kind: npt.NDArray[np.uint8], intensity: npt.NDArray[np.uint16], cell: int
) -> CellRows | None:
    if not len(points):
        return None
    return tabulate(points.y // cell, points.x // cell, kind, points.z, intensity)


def _near_lowest(points: Places, cell: int, above: float) -> npt.NDArray[np.bool_]:
    """Return which points are at most so much above the lowest point of their cell, of those of this piece."""
    order = np.lexsort((points.x // cell, points.y // cell))
    row, column = points.y[order] // cell, points.x[order] // cell
    starts = np.flatnonzero(np.append(True, (np.diff(row) != 0) | (np.diff(column) != 0))) if len(order) else order
    found = np.zeros(len(points), np.bool_)
    if len(order):
        z = points.z[order]
        lowest = np.repeat(np.minimum.reduceat(z, starts), np.diff(np.append(starts, len(z))))
        found[order] = z - lowest <= above
    return found


def _write_facts(path: Path, rows: CellRows | None, ground: Places, cell: int) -> Path:
    """Write bounds, counts by class, and counts by bin."""
    bins: Ints = np.zeros((0, 4), np.int64)
    classes: Ints = np.zeros((0, 2), np.int64)
    limits: Ints = np.zeros((0, 6), np.int64)
    if rows is not None:
        kinds = np.bincount(rows.kind, weights=rows.count, minlength=256).astype(np.int64)
        classes = np.column_stack((np.flatnonzero(kinds), kinds[kinds > 0]))
        low, high = int(rows.lowest.min()), int(rows.highest.max())
        edges = [int(f(axis)) for axis in (rows.row, rows.column) for f in (np.min, np.max)]
        limits = np.array([[*edges, low, high]], np.int64)
        bins = _counted(rows, ground, cell)
    return write(path, {"bins": bins, "classes": classes, "limits": limits})


def _counted(rows: CellRows, ground: Places, cell: int) -> Ints:
    """Return (row, column, points, ground points) of each bin; row and column are bin numbers."""
    places = [(rows.row // BIN, rows.column // BIN), (ground.y // (cell * BIN), ground.x // (cell * BIN))]
    row, column = (np.concatenate([place[axis] for place in places]) for axis in (0, 1))
    points = np.concatenate((rows.count, np.zeros(len(ground), np.int64)))
    grounds = np.concatenate((np.zeros(len(rows), np.int64), np.ones(len(ground), np.int64)))
    low, left, across = int(row.min()), int(column.min()), int(column.max() - column.min()) + 1
    keys, place = np.unique((row - low) * across + column - left, return_inverse=True)
    sums = [np.bincount(place, weights=w, minlength=len(keys)).astype(np.int64) for w in (points, grounds)]
    return np.column_stack((keys // across + low, keys % across + left, *sums))
