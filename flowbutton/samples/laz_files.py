"""Point clouds written as LAZ and as COPC, for samples and tests.

Here: LAS 1.4, point format 6, the octree of a COPC with its pages. Not here: what is in a cloud
(`samples.geospatial_points`), other versions and formats: laspy writes those.
Format: ASPRS LAS 1.4 R15; Hobu, COPC 1.0. Imports numpy; lazrs only inside functions.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_PLACE = [("X", "<i4"), ("Y", "<i4"), ("Z", "<i4"), ("intensity", "<u2"), ("bit_fields", "u1"), ("flags", "u1")]
_KIND = [
    ("classification", "u1"),
    ("user_data", "u1"),
    ("scan_angle", "<i2"),
    ("source_id", "<u2"),
    ("gps_time", "<f8"),
]
POINT = np.dtype([*_PLACE, *_KIND])
"""A record of point format 6. ``bit_fields``: number of returns above the return number; ``flags``: 4 is withheld."""

CloudPoints = npt.NDArray[Any]
"""Records of `POINT`."""

_HEADER_BYTES = 375
_FORMAT = 6
_INFO_BYTES = 160
_NODE = struct.Struct("<iiiiQii")
_NodeKey = tuple[int, int, int, int]
"""Level, x, y, z, as COPC has it."""


@dataclass(frozen=True, slots=True)
class CloudLayout:
    """Scale (for all axes) and offset of the stored integers, the coordinate system as WKT, points per chunk or node.

    ``page_level``: nodes from this level on are listed in hierarchy pages of their own; None for one page.
    """

    wkt: str
    scale: float = 0.01
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    chunk: int = 50_000
    page_level: int | None = None


def write_laz(path: Path, points: CloudPoints, layout: CloudLayout) -> Path:
    """Write points in their order, in chunks of equal size."""
    bounds = range(0, len(points), layout.chunk)
    chunks = [points[start : start + layout.chunk] for start in bounds]
    packed, record, _ = _packed(chunks, layout.chunk)
    path.write_bytes(_assembled(points, layout, _vlrs(record, layout), packed, b""))
    return path


def write_copc(path: Path, points: CloudPoints, layout: CloudLayout) -> Path:
    """Write points as a COPC: node by node, upper levels first."""
    corner, bits = _cube(points)
    nodes = dict(sorted(_nodes(points, corner, bits, layout.chunk)))
    packed, record, sizes = _packed(list(nodes.values()), None)
    vlrs = _vlr("copc", 1, bytes(_INFO_BYTES)) + _vlrs(record, layout)
    points_at = _HEADER_BYTES + len(vlrs)
    entries = _entries(nodes, sizes, points_at + 8)
    evlr_at = points_at + len(packed)
    pages, root_bytes = _pages(entries, layout.page_level, evlr_at + 60)
    info = _info(points, layout, corner, bits, evlr_at + 60, root_bytes)
    vlrs = _vlr("copc", 1, info) + vlrs[54 + _INFO_BYTES :]
    evlr = struct.pack("<2x16sHQ32s", b"copc", 1000, len(pages), b"EPT hierarchy") + pages
    path.write_bytes(_assembled(points, layout, vlrs, packed, evlr, evlrs=1))
    return path


def _packed(chunks: Sequence[CloudPoints], chunk: int | None) -> tuple[bytes, bytes, list[int]]:
    """Return the packed points behind a place of 0 for their table, LASzip's record, the bytes of each chunk."""
    import lazrs

    record = bytearray(lazrs.LazVlr.new_for_compression(_FORMAT, 0, chunk is None).record_data())
    if chunk is not None:
        record[12:16] = chunk.to_bytes(4, "little")
    file = io.BytesIO()
    packer = lazrs.LasZipCompressor(file, lazrs.LazVlr(bytes(record)))
    arrays = [np.frombuffer(one.tobytes(), np.uint8) for one in chunks]
    if chunk is None:
        packer.compress_chunks(arrays)
    else:
        for array in arrays:
            packer.compress_many(array)
    packer.done()
    packed = file.getvalue()
    (table_at,) = struct.unpack_from("<q", packed)
    table = lazrs.read_chunk_table_only(io.BytesIO(packed[table_at:]), lazrs.LazVlr(bytes(record)))
    return packed, bytes(record), [size for _, size in table]


def _vlr(user: str, number: int, data: bytes) -> bytes:
    return struct.pack("<2x16sHH32x", user.encode(), number, len(data)) + data


def _vlrs(record: bytes, layout: CloudLayout) -> bytes:
    wkt = _vlr("LASF_Projection", 2112, layout.wkt.encode() + b"\0") if layout.wkt else b""
    return _vlr("laszip encoded", 22204, record) + wkt


def _assembled(
    points: CloudPoints, layout: CloudLayout, vlrs: bytes, packed: bytes, evlr: bytes, *, evlrs: int = 0
) -> bytes:
    at = _HEADER_BYTES + len(vlrs)
    (table_at,) = struct.unpack_from("<q", packed)
    count = (b"laszip encoded" in vlrs) + (b"LASF_Projection" in vlrs) + vlrs.startswith(b"\0\0copc")
    header = bytearray(_HEADER_BYTES)
    struct.pack_into("<4sHH", header, 0, b"LASF", 0, 17)  # GPS time is standard, the coordinate system is WKT
    struct.pack_into(
        "<BB32s32sHHHIIBH", header, 24, 1, 4, b"flowbutton", b"flowbutton", 1, 2026, 375, at, count, 134, 30
    )
    struct.pack_into("<3d3d", header, 131, *[layout.scale] * 3, *layout.offset)
    limits = [places * layout.scale + offset for places, offset in zip(_limits(points), layout.offset, strict=True)]
    struct.pack_into("<6d", header, 179, *(value for low, high in limits for value in (high, low)))
    struct.pack_into("<QIQ", header, 235, at + len(packed) if evlr else 0, evlrs, len(points))
    by_return = np.bincount(points["bit_fields"] & 15, minlength=16)[1:]
    struct.pack_into("<15Q", header, 255, *by_return.tolist())
    return b"".join([header, vlrs, struct.pack("<q", table_at + at), packed[8:], evlr])


def _limits(points: CloudPoints) -> npt.NDArray[np.int64]:
    """Return the lowest and highest stored X, Y, Z."""
    if not len(points):
        return np.zeros((3, 2), np.int64)
    return np.array([[points[axis].min(), points[axis].max()] for axis in "XYZ"], np.int64)


def _cube(points: CloudPoints) -> tuple[npt.NDArray[np.int64], int]:
    """Return the corner of the octree's cube in stored integers, and the power of two that is its side."""
    limits = _limits(points)
    return limits[:, 0], int((limits[:, 1] - limits[:, 0]).max()).bit_length()


def _nodes(
    points: CloudPoints, corner: npt.NDArray[np.int64], bits: int, most: int
) -> Iterator[tuple[_NodeKey, CloudPoints]]:
    """Yield nodes: each takes about ``most`` points, evenly from the order of what is left; the rest go below."""
    waiting: list[tuple[_NodeKey, CloudPoints]] = [((0, 0, 0, 0), points)]
    while waiting:
        (level, *key), left = waiting.pop()
        taken = np.ones(len(left), bool)
        if len(left) > most and level < bits:
            taken[:] = np.arange(len(left)) % -(-len(left) // most) == 0
        yield (level, key[0], key[1], key[2]), left[taken]
        rest = left[~taken]
        places = [
            (rest[axis].astype(np.int64) - low) >> max(bits - level - 1, 0)
            for axis, low in zip("XYZ", corner, strict=True)
        ]
        octant = (places[0] & 1) | (places[1] & 1) << 1 | (places[2] & 1) << 2
        for number in np.unique(octant).tolist():
            below = (level + 1, *(2 * key[axis] + (number >> axis & 1) for axis in range(3)))
            waiting.append(((below[0], below[1], below[2], below[3]), rest[octant == number]))


def _entries(
    nodes: Mapping[_NodeKey, CloudPoints], sizes: Sequence[int], at: int
) -> dict[_NodeKey, tuple[int, int, int]]:
    starts = (at + np.cumsum([0, *sizes])).tolist()
    return {
        key: (start, size, len(some)) for (key, some), start, size in zip(nodes.items(), starts, sizes, strict=False)
    }


def _pages(entries: Mapping[_NodeKey, tuple[int, int, int]], level: int | None, at: int) -> tuple[bytes, int]:
    """Return all hierarchy pages, the root's first, and its bytes; ``at`` is where they will lie."""
    below: dict[_NodeKey, list[bytes]] = {}
    root: list[bytes] = []
    for key, entry in entries.items():
        up = key[0] - level if level is not None else -1
        page = root if up < 0 or level is None else below.setdefault((level, *(place >> up for place in key[1:])), [])  # type: ignore[arg-type]
        page.append(_NODE.pack(*key, *entry))
    root_bytes = (len(root) + len(below)) * _NODE.size
    place = at + root_bytes
    for key, page in below.items():
        root.append(_NODE.pack(*key, place, len(page) * _NODE.size, -1))
        place += len(page) * _NODE.size
    return b"".join([*root, *(entry for page in below.values() for entry in page)]), root_bytes


def _info(
    points: CloudPoints, layout: CloudLayout, corner: npt.NDArray[np.int64], bits: int, root_at: int, root_bytes: int
) -> bytes:
    half = (1 << bits) * layout.scale / 2
    centre = [low * layout.scale + offset + half for low, offset in zip(corner.tolist(), layout.offset, strict=True)]
    times = (float(points["gps_time"].min()), float(points["gps_time"].max())) if len(points) else (0.0, 0.0)
    return struct.pack("<3d2d2Q2d88x", *centre, half, half / 64, root_at, root_bytes, *times)
