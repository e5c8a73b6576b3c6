"""The points of a stored chunk, as arrays.

Here: the layout of point records with their extra bytes, unpacking, flags and classes out of their bits.
Not here: where chunks lie (`las_chunks`). Format: ASPRS LAS 1.4 R15, sections 2.6 and 3.4.
Imports `flowbutton.model`, numpy; lazrs only inside functions.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flowbutton.model.errors import BadInput, MalformedRecord
from flowbutton.partitioners.las_header import FORMAT_BYTES, LasHeader

Ints = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]
Records = npt.NDArray[Any]
"""Point records as stored: X, Y, Z, intensity, ... as laspy names them, then extra bytes by the names of the file."""

Stored = bytes | memoryview

_Fields = list[tuple[str, str]]
_PLACE: _Fields = [("X", "<i4"), ("Y", "<i4"), ("Z", "<i4"), ("intensity", "<u2"), ("bit_fields", "u1")]
_OLD: _Fields = [*_PLACE, ("raw_classification", "u1"), ("scan_angle_rank", "i1"), ("user_data", "u1")]
_OLD += [("point_source_id", "<u2")]
_NEW: _Fields = [*_PLACE, ("classification_flags", "u1"), ("classification", "u1"), ("user_data", "u1")]
_NEW += [("scan_angle", "<i2"), ("point_source_id", "<u2"), ("gps_time", "<f8")]
_TIME: _Fields = [("gps_time", "<f8")]
_COLOUR: _Fields = [("red", "<u2"), ("green", "<u2"), ("blue", "<u2")]
_NIR: _Fields = [("nir", "<u2")]
_WAVE: _Fields = [("wavepacket_index", "u1"), ("wavepacket_offset", "<u8"), ("wavepacket_size", "<u4")]
_WAVE += [("return_point_wave_location", "<f4"), ("x_t", "<f4"), ("y_t", "<f4"), ("z_t", "<f4")]
_FORMATS: tuple[_Fields, ...] = (
    _OLD,
    [*_OLD, *_TIME],
    [*_OLD, *_COLOUR],
    [*_OLD, *_TIME, *_COLOUR],
    [*_OLD, *_TIME, *_WAVE],
    [*_OLD, *_TIME, *_COLOUR, *_WAVE],
    _NEW,
    [*_NEW, *_COLOUR],
    [*_NEW, *_COLOUR, *_NIR],
    [*_NEW, *_WAVE],
    [*_NEW, *_COLOUR, *_NIR, *_WAVE],
)
_EXTRA = ("LASF_Spec", 4)
_EXTRA_RECORD = struct.Struct("<2xBB32s156x")
_EXTRA_TYPES = ("u1", "i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f4", "<f8")
_UNNAMED = "extra_bytes"


@dataclass(frozen=True, slots=True)
class Points:
    """Points in stored order; arrays of equal length.

    ``x``, ``y``, ``z`` are the stored integers: a coordinate is ``x * scale + offset`` by the file's header.
    ``gps_time`` is zero where the point format has none. ``record`` holds all that is stored, extra bytes too.
    """

    x: Ints
    y: Ints
    z: Ints
    gps_time: npt.NDArray[np.float64]
    intensity: npt.NDArray[np.uint16]
    return_number: Bytes
    number_of_returns: Bytes
    classification: Bytes
    withheld: npt.NDArray[np.bool_]
    source_id: npt.NDArray[np.uint16]
    record: Records

    def __len__(self) -> int:
        return len(self.record)


def record_type(header: LasHeader, *, file: str) -> np.dtype[Any]:
    """Return the type of a file's point records.

    Raises:
        BadInput: the file describes more extra bytes than its records have.
    """
    fields = [*_FORMATS[header.point_format]]
    room = header.record_bytes - FORMAT_BYTES[header.point_format]
    taken = {name for name, _ in fields}
    for name, kind in _extra_fields(header.vlr(*_EXTRA) or b""):
        room -= np.dtype(kind).itemsize
        free = name if name and name not in taken else f"{_UNNAMED}_{len(fields)}"
        fields.append((free, kind))
        taken.add(free)
    if room < 0:
        raise BadInput(
            "the extra bytes of a LAS file are not those that it describes",
            why=f"its records of {header.record_bytes} bytes are {-room} short of them",
            hint="write the file again",
            file=file,
        )
    return np.dtype([*fields, (_UNNAMED, f"V{room}")] if room else fields)


def unpack(header: LasHeader, kind: np.dtype[Any], stored: Stored, points: int, **where: str | int) -> Records:
    """Return the records of a stored chunk.

    Raises:
        MalformedRecord: the chunk is damaged, or does not hold that many points. What stands in ``where`` says which.
    """
    if header.packing is None:
        return np.frombuffer(stored, kind, points)
    if header.packing.layered and (told := _points_told(header, stored)) != points:
        raise _damaged(f"it says that it has {told} points, the chunk table says {points}", where)
    return np.frombuffer(_inflated(header, stored, points, where), kind)


def check_full(header: LasHeader, stored: Stored, points: int, *, file: str) -> None:
    """Check that the last chunk of a pointwise file holds no more than ``points``, as far as that can be known.

    Such a chunk does not say how many it has, and a few more can always be drawn from its last bytes; as many again
    can't. Only the last chunk of a file may hold another number than the others.

    Raises:
        BadInput: there are more.
    """
    packing = header.packing
    if packing is None or packing.layered or not packing.chunk_points:
        return
    try:
        _inflated(header, stored, 2 * points + 1024, {})
    except MalformedRecord:
        return
    raise BadInput(
        f"the header counts {header.points} points, which the file has not: there are more",
        why="behind the last of them its last chunk goes on",
        hint="the file was not closed by its writer, or was damaged: write it again",
        file=file,
        byte=247 if header.version == "1.4" else 107,
    )


def as_points(record: Records) -> Points:
    """Return the arrays that stages ask for; views where nothing has to be worked out."""
    names = record.dtype.names or ()
    bits: Bytes = record["bit_fields"]
    new = "classification_flags" in names
    classes: Bytes = record["classification" if new else "raw_classification"]
    return Points(
        x=record["X"],
        y=record["Y"],
        z=record["Z"],
        gps_time=record["gps_time"] if "gps_time" in names else np.zeros(len(record)),
        intensity=record["intensity"],
        return_number=bits & np.uint8(15 if new else 7),
        number_of_returns=bits >> np.uint8(4) if new else bits >> np.uint8(3) & np.uint8(7),
        classification=classes if new else classes & np.uint8(31),
        withheld=(record["classification_flags"] & 4 if new else classes & 128) != 0,
        source_id=record["point_source_id"],
        record=record,
    )


def _extra_fields(described: bytes) -> Iterator[tuple[str, str]]:
    whole = len(described) // _EXTRA_RECORD.size * _EXTRA_RECORD.size
    for kind, options, name in _EXTRA_RECORD.iter_unpack(described[:whole]):
        text = name.split(b"\0")[0].decode("latin-1")
        if kind == 0:
            yield text, f"V{options}"
        else:  # types 11 to 30 are arrays of 2 and 3, deprecated
            count, base = divmod(kind - 1, 10)
            plain = _EXTRA_TYPES[base]
            yield text, plain if not count else f"{min(count, 2) + 1}{plain}"


def _points_told(header: LasHeader, stored: Stored) -> int:
    """Return the count that a layered chunk has behind its first point."""
    told = stored[header.record_bytes : header.record_bytes + 4]
    return int.from_bytes(told, "little") if len(told) == 4 else 0


def _inflated(header: LasHeader, stored: Stored, points: int, where: dict[str, str | int]) -> Bytes:
    import lazrs

    assert header.packing is not None
    plain = np.empty(points * header.record_bytes, np.uint8)
    table = [(points, len(stored))]
    try:
        lazrs.decompress_points_with_chunk_table(stored, header.packing.record, plain, table, None)
    except (lazrs.LazrsError, ValueError) as error:
        raise _damaged(str(error), where) from error
    return plain


def _damaged(why: str, where: dict[str, str | int]) -> MalformedRecord:
    hint = "compare the file with the sender's and fetch it again"
    return MalformedRecord("a chunk of a LAZ file is damaged", why=why, hint=hint, **where)
