"""Parts of products: values that lie within one block of a grid, as bytes of a bundle.

A stage that makes a product of tiles or windows of any shape cuts what it made by blocks; who needs a window of the
product gathers the blocks that it touches. Every cell is given once: the cut never shows.

Here: cutting and putting together. Not here: the grid (`grid`), compression (`compress`). Imports numpy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flowbutton.model.bundle import BundleKey, BundleSink, KeySchema, Parts
from flowbutton.model.errors import Bug
from flowbutton.stages.bundles import Bundle
from flowbutton.stages.columns import pack, unpack
from flowbutton.stages.geospatial.grid import BLOCK, cut_axis

PART_SCHEMA = KeySchema(("row", "column"), width=BLOCK)
"""Parts are kept by the number of their block's row, 0 at the top, and the column, in cells, where the block starts."""

Array = npt.NDArray[Any]


def cut_part(row: int, column: int, values: Array) -> Iterator[tuple[BundleKey, bytes]]:
    """Cut values into parts, each within one block.

    Args:
        row: Where on the product's grid the first row of the values lies, at least 0.
        column: Where the first column lies, at least 0.
        values: Bands, rows, columns.
    """
    _, height, width = values.shape
    for rows in cut_axis(range(row, row + height)):
        for columns in cut_axis(range(column, column + width)):
            inside = values[:, rows.start - row : rows.stop - row, columns.start - column : columns.stop - column]
            key = (rows.start // BLOCK, columns.start // BLOCK * BLOCK)
            yield key, pack({"values": inside}, {"row": rows.start, "column": columns.start})


def add_part(sink: BundleSink, row: int, column: int, values: Array) -> None:
    """Cut values as `cut_part` does, and add them to a bundle of `PART_SCHEMA`."""
    for key, data in cut_part(row, column, values):
        sink.add(key, data)


def part_bundle(place: Path, row: int, column: int, values: Array) -> Bundle:
    """Cut values as `cut_part` does, into a bundle of their own: the new file ``place``."""
    bundle = Bundle(place, PART_SCHEMA)
    add_part(bundle, row, column, values)
    return bundle


def assembled_rows(
    parts: Parts, rows: range, columns: range, *, bands: int, dtype: npt.DTypeLike, fill: float | int
) -> Iterator[Array]:
    """Put a window together as `assemble` does, and yield it by rows of blocks: one is held at a time."""
    by_row = groupby(parts, key=lambda found: found[0][0])
    row, group = next(by_row, (None, iter(())))
    for span in cut_axis(rows):
        number = span.start // BLOCK
        while isinstance(row, int) and row < number:
            row, group = next(by_row, (None, iter(())))
        here = group if row == number else ()
        yield assemble(here, span, columns, bands=bands, dtype=dtype, fill=fill)


def assemble(
    parts: Iterable[tuple[BundleKey, list[bytes]]],
    rows: range,
    columns: range,
    *,
    bands: int,
    dtype: npt.DTypeLike,
    fill: float | int,
) -> Array:
    """Put a window of a product together from the parts that touch it.

    Args:
        parts: The product, or what of it meets the window.
        rows: Of the window, on the product's grid.
        columns: Of the window.
        bands: How many bands the product has.
        dtype: The type of its values.
        fill: What cells get that no part has.

    Returns:
        Values of shape (bands, rows, columns).

    Raises:
        Bug: a cell is given twice, or a part has another type or number of bands: the stage that made it is wrong.
    """
    found = np.full((bands, len(rows), len(columns)), fill, dtype)
    given = np.zeros((len(rows), len(columns)), np.bool_)
    for key, group in parts:
        for data in group:
            arrays, head = unpack(data)
            values = arrays["values"]
            if values.dtype != found.dtype or len(values) != bands:
                why = f"it has {len(values)} bands of {values.dtype}, the product {bands} of {found.dtype}"
                raise Bug(f"the part of a product at block {key} is of another kind", why=why, hint="")
            here, there = _common(rows, head["row"], values.shape[1]), _common(columns, head["column"], values.shape[2])
            target = np.s_[here[0], there[0]]
            if given[target].any():
                why = "tiles own their cells half-open, so no cell has two"
                raise Bug(f"cells of the block at {key} are given twice", why=why, hint="")
            found[:, here[0], there[0]] = values[:, here[1], there[1]]
            given[target] = True
    return found


def _common(wanted: range, start: int, length: int) -> tuple[slice, slice]:
    """Return where cells ``[start, start + length)`` and a window meet: in the window, and in these cells."""
    first, last = max(wanted.start, start), min(wanted.stop, start + length)
    last = max(first, last)
    return slice(first - wanted.start, last - wanted.start), slice(first - start, last - start)
