"""Points of an area: the pass over a file that finds the chunks which have some, and keeps these.

Only what may lie in the area is read, once: of a COPC the nodes that its hierarchy names, of other files all chunks,
if the file's bounds meet the area. What has points there is kept in the store as it is packed, so that readers need not
read the file again. Here: the pass, which points are inside. Not here: the pass over whole files (`lidar_index`).
Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

import hashlib
from fractions import Fraction
from functools import partial
from math import ceil

import numpy as np
import numpy.typing as npt

from flowbutton.model.store import DataAccess
from flowbutton.partitioners.area import Area
from flowbutton.partitioners.copc_nodes import find_nodes, is_copc
from flowbutton.partitioners.las_chunks import CHUNK, find_chunks
from flowbutton.partitioners.las_header import LasHeader, Read, read_header
from flowbutton.partitioners.las_points import Records, as_points, check_full, record_type, unpack
from flowbutton.partitioners.lidar_index import Kept, KeptHead, LidarIndex, PointHeader, stored_chunks

_FINEST = 100
_GAP_BYTES = 4 * 1024


def exact_offset(scale: str, offset: str) -> Fraction:
    """Return the offset of a file on multiples of a hundredth of its scale: what is finer is noise of writers."""
    step = Fraction(scale) / _FINEST
    return round(Fraction(offset) / step) * step


def inside(records: Records, described: PointHeader, area: Area) -> npt.NDArray[np.bool_]:
    """Return which points lie in an area, by their stored integers: exactly."""
    west, south, east, north = area.exact()
    points = as_points(records)
    found = np.ones(len(records), np.bool_)
    for stored, axis, low, high in ((points.x, 0, west, east), (points.y, 1, south, north)):
        scale = Fraction(described.scale[axis])
        offset = exact_offset(described.scale[axis], described.offset[axis])
        first, end = (ceil((limit - offset) / scale) for limit in (low, high))
        wide = stored.astype(np.int64)
        found &= (wide >= max(first, -(1 << 40))) & (wide < min(max(end, -(1 << 40)), 1 << 40))
    return found


def walk_area(
    data: DataAccess, uri: str, described: PointHeader, size: int, span: tuple[int, int], area: Area
) -> LidarIndex:
    """Pass over the chunks that begin in the bytes of ``span`` and may have points in an area, once.

    Raises:
        BadInput, TruncatedInput: as `las_header.read_header`, `las_chunks.find_chunks`, `copc_nodes.find_nodes`.
        MalformedRecord: a chunk is damaged.
    """
    read = partial(data.read, uri)
    header = read_header(read, size, file=uri)
    chunks = _candidates(header, described, read, area, uri)
    last = int(chunks["at"][-1]) if len(chunks) and not is_copc(header) else -1
    chunks = chunks[(chunks["at"] >= span[0]) & (chunks["at"] < span[1])]
    kind = record_type(header, file=uri)
    rows, counts, digests, packed = [], [], [], bytearray()
    for row, stored in stored_chunks(read, chunks, file=uri, gap=_GAP_BYTES):
        at, points = int(row["at"]), int(row["points"])
        records = unpack(header, kind, stored, points, file=uri, byte=at)
        if at == last:
            check_full(header, stored, points, file=uri)
        if count := int(inside(records, described, area).sum()):
            rows.append((len(packed), len(stored), points))
            counts.append(count)
            digests.append(hashlib.sha256(stored).hexdigest())
            packed += stored
    kept = np.array(rows, CHUNK)
    told = Kept(data.keep(bytes(packed)), tuple(counts))
    names = data.keep(KeptHead(described, header).encode()), data.keep(kept.tobytes())
    return LidarIndex(*names, hashlib.sha256(header.head).hexdigest(), kept, tuple(digests), told)


def _candidates(header: LasHeader, described: PointHeader, read: Read, area: Area, file: str) -> npt.NDArray[np.void]:
    if is_copc(header):
        return find_nodes(header, read, area, file=file)
    return find_chunks(header, read, file=file) if may_meet(described, area) else np.empty(0, CHUNK)


def may_meet(described: PointHeader, area: Area) -> bool:
    """Return whether a file's own bounds come within a unit of an area; bounds without extent are none."""
    (west, south, _), (east, north, _) = described.minimum, described.maximum
    if west >= east and south >= north:
        return True
    beside = west > area.east + 1 or east < area.west - 1 or south > area.north + 1 or north < area.south - 1
    return not beside
