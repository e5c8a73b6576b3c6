"""The octree of a COPC: which of its nodes may have points within some limits, found by ranges.

A node is a chunk of the LAZ file that a COPC is. Pages of the hierarchy are read only where they lead to such nodes.
Here: the hierarchy. Not here: who owns a node's points (`lidar_area`). Format: Hobu, COPC 1.0.
Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from flowbutton.model.errors import BadInput
from flowbutton.partitioners.area import Area
from flowbutton.partitioners.las_chunks import CHUNK, Chunks
from flowbutton.partitioners.las_header import LasHeader, Read

_INFO = struct.Struct("<4d8xQQ")  # middle of the cube, half its edge; place and bytes of the root page
_ENTRY = np.dtype([("key", "<i4", 4), ("at", "<u8"), ("bytes", "<i4"), ("points", "<i4")])
_PAGE = -1  # "points" of an entry that names a further page
_MOST_PAGES = 1 << 20


def is_copc(header: LasHeader) -> bool:
    """Return whether a file says that it is a COPC."""
    return header.packing is not None and header.vlr("copc", 1) is not None


def find_nodes(header: LasHeader, read: Read, area: Area, *, file: str) -> Chunks:
    """Return the nodes of a COPC that may have points in an area, as chunks by place in the file.

    Raises:
        BadInput: the hierarchy is damaged.
    """
    info = header.vlr("copc", 1) or b""
    if len(info) < _INFO.size:
        raise _damaged("its info record is cut short", file)
    x, y, _, half, root, size = _INFO.unpack_from(info)
    corner, edge = np.array([x - half, y - half]), 2.0 * half
    found = [_chunks(page) for page in _pages(header, read, (root, size), area, corner, edge, file)]
    chunks = np.concatenate([np.empty(0, CHUNK), *found])
    outside = (chunks["at"] < header.points_at) | (chunks["at"] + chunks["bytes"] > header.size) | (chunks["bytes"] < 0)
    if outside.any():
        raise _damaged(f"a node begins at byte {chunks['at'][outside][0]}, the file has {header.size}", file)
    return np.sort(chunks, order="at")


def _pages(
    header: LasHeader, read: Read, root: tuple[int, int], area: Area, corner: Any, edge: float, file: str
) -> Iterator[Any]:
    """Yield the entries of each page that may lie in the area; a page is read once."""
    wanted: list[tuple[int, int]] = [root]
    seen: set[int] = set()
    while wanted:
        at, size = wanted.pop()
        if at in seen or len(seen) > _MOST_PAGES or at + size > header.size or size < 0 or size % _ENTRY.itemsize:
            raise _damaged(f"a page of {size} bytes at byte {at} can't be right", file)
        seen.add(at)
        entries = np.frombuffer(read(at, at + size), _ENTRY)
        entries = entries[_meets(entries, area, corner, edge, header)]
        further = entries[entries["points"] == _PAGE]
        wanted += [(int(row["at"]), int(row["bytes"])) for row in further]
        yield entries[entries["points"] > 0]


def _meets(entries: Any, area: Area, corner: Any, edge: float, header: LasHeader) -> Any:
    """Return which nodes come near the area: corners are rounded, so each may reach two units of the file further."""
    size = edge / 2.0 ** entries["key"][:, 0]
    found = np.ones(len(entries), np.bool_)
    for axis, low, high in ((0, area.west, area.east), (1, area.south, area.north)):
        start = corner[axis] + entries["key"][:, 1 + axis] * size
        slack = 2 * header.scale[axis] + 1e-9 * edge
        found &= (start - slack < high) & (start + size + slack >= low)
    return found


def _chunks(entries: Any) -> Chunks:
    rows = np.empty(len(entries), CHUNK)
    for name in ("at", "bytes", "points"):
        rows[name] = entries[name]
    return rows


def _damaged(why: str, file: str) -> BadInput:
    hint = "compare its size with the sender's and fetch it again"
    return BadInput("the hierarchy of a COPC is damaged", why=why, hint=hint, file=file)
