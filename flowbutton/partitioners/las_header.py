"""The head of a LAS or LAZ file: public header block and variable length records.

Here: versions 1.0 to 1.4, point formats 0 to 10, what LASzip says of itself, the extended records behind the points.
Not here: coordinate systems (`las_crs`), where the points lie (`las_chunks`), the points (`las_points`).
Format: ASPRS LAS 1.4 R15; LASzip: Isenburg 2013, doi:10.14358/PERS.79.2.209. Imports `flowbutton.model`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from flowbutton.model.errors import BadInput, TruncatedInput

HEAD_BYTES = 64 * 1024
"""What is read of a file at first; nearly all heads are shorter."""

FORMAT_BYTES = (20, 28, 26, 34, 57, 63, 30, 36, 38, 59, 67)
"""Bytes of a point record by point format, without extra bytes (LAS 1.4 R15, section 2.6)."""

_HEADER_BYTES = {0: 227, 1: 227, 2: 227, 3: 235, 4: 375}
_VLR = struct.Struct("<2x16sHH32x")
_EVLR = struct.Struct("<2x16sHQ32x")
_LASZIP = ("laszip encoded", 22204)
_LASZIP_BYTES = 34
_ITEM_TYPES = frozenset(range(15))
_POINTWISE, _LAYERED = 2, 3
_VARIABLE = 0xFFFF_FFFF
_NOT_LAS_HINT = "give a LAS, LAZ or COPC file; other point clouds have to be converted first"
_FETCH_HINT = "compare its size with the sender's and fetch it again"

Read = Callable[[int, int], bytes]
"""Returns bytes ``[start, stop)`` of a file, fewer where it ends before."""


@dataclass(frozen=True, slots=True)
class Vlr:
    """A variable length record: whose it is, which of theirs, its bytes."""

    user: str
    number: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Packing:
    """What LASzip's record says: the record itself, points per chunk (0: each has its own number), layers or not."""

    record: bytes
    chunk_points: int
    layered: bool


@dataclass(frozen=True, slots=True)
class LasHeader:
    """The head of a file as it is written. ``limits`` are minimum and maximum of X, of Y, of Z.

    Attributes:
        head: Its bytes up to the first point.
        points_at: Where the points (of LAZ: the place of the chunk table) begin, in bytes.
        points_end: Where what lies behind the points begins at the latest: extended records, waveforms, or the end.
        packing: None for LAS.
    """

    head: bytes
    size: int
    version: str
    point_format: int
    record_bytes: int
    points: int
    scale: tuple[float, float, float]
    offset: tuple[float, float, float]
    limits: tuple[float, ...]
    points_at: int
    points_end: int
    evlrs_at: int
    evlrs: int
    vlrs: tuple[Vlr, ...]
    packing: Packing | None

    def vlr(self, user: str, number: int) -> bytes | None:
        """Return the bytes of the first variable length record of that name."""
        return next((vlr.data for vlr in self.vlrs if (vlr.user, vlr.number) == (user, number)), None)


def read_header(read: Read, size: int, *, file: str) -> LasHeader:
    """Read the head of a file of ``size`` bytes: one range, two where it is long.

    Raises:
        BadInput: this is not LAS, or is of a version, point format or packing that is not known.
        TruncatedInput: the file ends inside its head.
    """
    head = read(0, min(HEAD_BYTES, size))
    if head[:4] != b"LASF":
        why = "it is empty" if not head else f"it begins with {head[:4]!r}, LAS begins with b'LASF'"
        _refuse("this is not a LAS or LAZ file", why, file, 0, hint=_NOT_LAS_HINT)
    _whole(head, 227, file)
    major, minor = head[24], head[25]
    if major != 1 or minor not in _HEADER_BYTES:
        _refuse(f"LAS version {major}.{minor} is not known", "1.0 to 1.4 are read", file, 24, hint=_NOT_LAS_HINT)
    _whole(head, _HEADER_BYTES[minor], file)
    header_bytes, points_at, vlrs = struct.unpack_from("<HII", head, 94)
    if not _HEADER_BYTES[minor] <= header_bytes <= points_at:
        why = f"the header says that it has {header_bytes} bytes and that the points begin at byte {points_at}"
        _refuse("the header of a LAS file can't be right", why, file, 94)
    if points_at > size:
        _whole(b"", points_at, file, at=size)
    if points_at > len(head):
        head += read(len(head), points_at)
    head = head[:points_at]
    _whole(head, points_at, file)
    return _header(head, size, tuple(_vlrs(head, header_bytes, vlrs, file)), file)


def read_evlrs(header: LasHeader, read: Read, *, file: str) -> Iterator[Vlr]:
    """Yield the extended records behind the points that are small enough to describe something: 1 MiB at most.

    Raises:
        TruncatedInput: the file ends before they do.
    """
    at = header.evlrs_at
    for _ in range(header.evlrs):
        if at + _EVLR.size > header.size:
            _whole(b"", at + _EVLR.size, file, at=header.size)
        user, number, length = _EVLR.unpack(read(at, at + _EVLR.size))
        start, at = at + _EVLR.size, at + _EVLR.size + length
        if at > header.size:
            _whole(b"", at, file, at=header.size)
        if length <= 1 << 20:
            yield Vlr(_text(user), number, read(start, at))


def _header(head: bytes, size: int, vlrs: tuple[Vlr, ...], file: str) -> LasHeader:
    minor, stored_format = head[25], head[104]
    (points_at,) = struct.unpack_from("<I", head, 96)
    record_bytes, points = struct.unpack_from("<HI", head, 105)
    waveforms = evlrs_at = evlrs = 0
    if minor >= 3:
        (waveforms,) = struct.unpack_from("<Q", head, 227)
    if minor >= 4:
        evlrs_at, evlrs, points = struct.unpack_from("<QIQ", head, 235)
    point_format = stored_format & 0x3F
    if point_format >= len(FORMAT_BYTES):
        _refuse(f"point format {point_format} is not known", "0 to 10 are read", file, 104)
    if record_bytes < FORMAT_BYTES[point_format]:
        why = f"the header says {record_bytes} bytes per point, format {point_format} has {FORMAT_BYTES[point_format]}"
        _refuse("the point records of a LAS file are too short", why, file, 105)
    scale, offset = struct.unpack_from("<3d", head, 131), struct.unpack_from("<3d", head, 155)
    high_low = struct.unpack_from("<6d", head, 179)
    if not all(map(math.isfinite, (*scale, *offset))) or min(scale) <= 0:
        _refuse("the scale of a LAS file can't be used", f"scale is {scale}, offset {offset}", file, 131)
    behind = [at for at in (waveforms, evlrs_at if evlrs else 0) if points_at <= at <= size]
    return LasHeader(
        head=head,
        size=size,
        version=f"1.{minor}",
        point_format=point_format,
        record_bytes=record_bytes,
        points=points,
        scale=scale,
        offset=offset,
        limits=tuple(high_low[place] for place in (1, 0, 3, 2, 5, 4)),
        points_at=points_at,
        points_end=min([size, *behind]),
        evlrs_at=evlrs_at,
        evlrs=evlrs,
        vlrs=vlrs,
        packing=_packing(vlrs, record_bytes, file) if stored_format & 0x80 else None,
    )


def _vlrs(head: bytes, at: int, count: int, file: str) -> Iterator[Vlr]:
    for _ in range(count):
        if at + _VLR.size > len(head):
            break  # some writers count more than they write; what is needed is looked for by name
        user, number, length = _VLR.unpack_from(head, at)
        start, at = at + _VLR.size, at + _VLR.size + length
        if at > len(head):
            why = f"a variable length record ends at byte {at}, the points begin at {len(head)}"
            _refuse("the head of a LAS file is damaged", why, file, start)
        yield Vlr(_text(user), number, head[start:at])


def _packing(vlrs: tuple[Vlr, ...], record_bytes: int, file: str) -> Packing:
    """Check LASzip's record: the decoder ends the process at some that are damaged."""
    record = next((vlr.data for vlr in vlrs if (vlr.user, vlr.number) == _LASZIP), None)
    if record is None or len(record) < _LASZIP_BYTES:
        _refuse("a LAZ file has no LASzip record", "nothing says how its points are packed", file, 0, hint=_FETCH_HINT)
    compressor, chunk_points, count = *struct.unpack_from("<H10xI", record), *struct.unpack_from("<H", record, 32)
    if compressor not in (_POINTWISE, _LAYERED):
        why = f"its LASzip record names compressor {compressor}; 2 and 3, in chunks, are read"
        _refuse(
            "this LAZ file is packed in a way that can't be cut", why, file, 0, hint="write it again with LASzip 2+"
        )
    if len(record) < _LASZIP_BYTES + 6 * count:
        _refuse("the LASzip record of a LAZ file is cut short", f"it names {count} items", file, 0, hint=_FETCH_HINT)
    items = list(struct.iter_unpack("<HHH", record[_LASZIP_BYTES : _LASZIP_BYTES + 6 * count]))
    if sum(item[1] for item in items) != record_bytes or not {item[0] for item in items} <= _ITEM_TYPES:
        why = f"its items are {items}, a point has {record_bytes} bytes"
        _refuse("the LASzip record of a LAZ file does not fit its points", why, file, 0, hint=_FETCH_HINT)
    if not chunk_points:
        _refuse("a LAZ file has chunks of no points", "its LASzip record says so", file, 0, hint=_FETCH_HINT)
    return Packing(record, 0 if chunk_points == _VARIABLE else chunk_points, compressor == _LAYERED)


def _text(name: bytes) -> str:
    return name.split(b"\0")[0].decode("latin-1").strip()


def _whole(found: bytes, wanted: int, file: str, *, at: int | None = None) -> None:
    end = len(found) if at is None else at
    if end < wanted:
        why = f"it goes on to byte {wanted} at least, the file has {end}"
        raise TruncatedInput("a LAS file ends inside its head", why=why, hint=_FETCH_HINT, file=file, byte=end)


def _refuse(what: str, why: str, file: str, byte: int, *, hint: str = "write the file again") -> NoReturn:
    raise BadInput(what, why=why, hint=hint, file=file, byte=byte)
