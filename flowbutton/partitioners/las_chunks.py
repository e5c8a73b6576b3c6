"""Where the points of a LAS or LAZ file lie: runs of records, or LASzip's chunks.

Here: runs, the chunk table, and what must be true of both. Not here: the head (`las_header`), points (`las_points`).
Imports `flowbutton.model`, numpy; lazrs only inside functions.
"""

from __future__ import annotations

import io
import struct
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from flowbutton.model.errors import BadInput, TruncatedInput
from flowbutton.partitioners.las_header import LasHeader, Packing, Read

RUN_POINTS = 50_000
"""Points of a run of LAS records, as many as LASzip puts into a chunk. In the pieces' names, so it never changes."""

CHUNK = np.dtype([("at", "<i8"), ("bytes", "<i8"), ("points", "<i8")])
"""A chunk: where it begins in the file, its length as stored, its number of points."""

Chunks = npt.NDArray[Any]
"""Rows of `CHUNK`, by place in the file, none without points."""

_TABLE_HEAD = 8
_ENTRY_BYTES = 24  # more than the arithmetic coder ever needs for an entry of two 32-bit numbers
_LEAST_CHUNK_BYTES = 20  # a chunk begins with a whole point
_FETCH_HINT = "compare its size with the sender's and fetch it again"


def find_chunks(header: LasHeader, read: Read, *, file: str) -> Chunks:
    """Return the chunks of a file; for LAZ its table is read, in two or three ranges.

    Raises:
        TruncatedInput: the file ends before its points or its chunk table do.
        BadInput: the header's count of points is not that of the file, or the chunk table is damaged.
    """
    if header.packing is None:
        return _runs(header, file)
    if not header.points:
        return np.empty(0, CHUNK)
    table_at, streamed = _table_place(header, read, file)
    sizes = _read_table(header, header.packing, table_at, streamed, read, file)
    return _checked(header, header.packing, sizes, table_at, file)


def _runs(header: LasHeader, file: str) -> Chunks:
    end = header.points_at + header.points * header.record_bytes
    if end > header.points_end:
        _truncated("a LAS file ends inside its points", f"they go on to byte {end}", file, header.points_end)
    left = (header.points_end - end) // header.record_bytes
    if left and header.points_end == header.size:
        _wrong_count(header, header.points + left, "more records lie behind those that the header counts", file)
    starts = np.arange(0, header.points, RUN_POINTS)
    rows = np.empty(len(starts), CHUNK)
    rows["points"] = np.minimum(RUN_POINTS, header.points - starts)
    rows["at"] = header.points_at + starts * header.record_bytes
    rows["bytes"] = rows["points"] * header.record_bytes
    return rows


def _table_place(header: LasHeader, read: Read, file: str) -> tuple[int, bool]:
    """Return where the chunk table is, and whether the place was written at the end: the writer could not go back."""
    first = header.points_at + 8
    if header.size < first + 8:
        _truncated("a LAZ file ends before its points", "its chunk table is missing", file, header.size)
    (place,) = struct.unpack("<q", read(header.points_at, first))
    streamed = place == -1
    if streamed:
        (place,) = struct.unpack("<q", read(header.size - 8, header.size))
    if not streamed and place + _TABLE_HEAD > header.size > first:
        _truncated("a LAZ file ends before its chunk table", f"the table is at byte {place}", file, header.size)
    if not first <= place <= header.size - _TABLE_HEAD:
        why = f"the place of its chunk table is byte {place}; the points begin at {first}, the file has {header.size}"
        hint = "the file was not closed by its writer, or is cut short: fetch it again or write it again"
        raise BadInput("a LAZ file has no chunk table", why=why, hint=hint, file=file, byte=header.points_at)
    return int(place), streamed


def _read_table(
    header: LasHeader, packing: Packing, at: int, streamed: bool, read: Read, file: str
) -> list[tuple[int, int]]:
    import lazrs

    version, count = struct.unpack("<II", read(at, at + _TABLE_HEAD))
    # Checked before lazrs sees it: it makes room for as many chunks as are told, and dies if there is none.
    if version or count > (at - header.points_at) // _LEAST_CHUNK_BYTES:
        _bad_table(f"its version is {version} and it has {count} chunks for {header.points} points", file, at)
    if not count:
        return []
    end = header.size - 8 if streamed else header.size
    stored = read(at, min(end, at + _TABLE_HEAD + _ENTRY_BYTES * (count + 2)))
    try:
        return list(lazrs.read_chunk_table_only(io.BytesIO(stored + bytes(8)), lazrs.LazVlr(packing.record)))
    except lazrs.LazrsError as error:
        _bad_table(str(error), file, at, error)


def _checked(header: LasHeader, packing: Packing, sizes: list[tuple[int, int]], table_at: int, file: str) -> Chunks:
    rows = np.zeros(len(sizes), CHUNK)
    room = table_at - header.points_at - 8
    if any(size > room for _, size in sizes) or sum(size for _, size in sizes) != room:
        why = f"its {len(sizes)} chunks do not fill the {room} bytes between the first point and the table"
        _bad_table(why, file, table_at)
    rows["bytes"] = [size for _, size in sizes]
    rows["at"] = header.points_at + 8 + np.cumsum(rows["bytes"]) - rows["bytes"]
    if not packing.chunk_points:
        if any(points > header.points for points, _ in sizes):
            _wrong_count(header, max(points for points, _ in sizes), "a chunk has more points than the header", file)
        rows["points"] = [points for points, _ in sizes]
        if (counted := int(rows["points"].sum())) != header.points:
            _wrong_count(header, counted, "the chunk table counts others", file)
        return rows[rows["points"] > 0]
    last = header.points - (len(sizes) - 1) * packing.chunk_points
    if not 0 < last <= packing.chunk_points:
        why = f"there are {len(sizes)} chunks of {packing.chunk_points}, the last may be smaller"
        _wrong_count(header, None, why, file)
    rows["points"] = packing.chunk_points
    rows["points"][-1] = last
    return rows


def _wrong_count(header: LasHeader, found: int | None, why: str, file: str) -> NoReturn:
    counted = "" if found is None else f": {found} are there"
    raise BadInput(
        f"the header counts {header.points} points, which the file has not{counted}",
        why=why,
        hint="the file was not closed by its writer, or was damaged: write it again",
        file=file,
        byte=247 if header.version == "1.4" else 107,
    )


def _truncated(what: str, why: str, file: str, size: int) -> NoReturn:
    raise TruncatedInput(what, why=f"{why}, the file has {size} bytes", hint=_FETCH_HINT, file=file, byte=size)


def _bad_table(why: str, file: str, at: int, cause: Exception | None = None) -> NoReturn:
    raise BadInput("the chunk table of a LAZ file is damaged", why=why, hint=_FETCH_HINT, file=file, byte=at) from cause
