"""The index of a point cloud's file: which chunks it has, and their digests.

Here: the pass over the stored bytes, which unpacks nothing; what is kept of it. Not here: the head (`las_header`), the
chunk table (`las_chunks`), cutting (`lidar`). Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from flowbutton.model.canonical import Json
from flowbutton.model.errors import TruncatedInput
from flowbutton.model.store import DataAccess
from flowbutton.partitioners.las_chunks import CHUNK, Chunks, find_chunks
from flowbutton.partitioners.las_crs import crs_of
from flowbutton.partitioners.las_header import LasHeader, Read, read_evlrs, read_header

_LENGTH = struct.Struct("<I")
_DIGEST_BYTES = 32
_WINDOW_BYTES = 8 * 1024**2
_GAP_BYTES = 64 * 1024

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class PointHeader:
    """What the head of a file says about its points.

    Attributes:
        file: Its name without directories.
        points: Their number.
        version: "1.2".
        point_format: 0 to 10.
        scale: Of X, Y and Z: decimal texts that are exactly what was meant, the shortest that make the stored doubles.
        offset: Likewise.
        crs: The horizontal coordinate system as WKT, as EPSG has it where EPSG has it; "" where the file names none.
        height_unit: In metres: "1", "0.3048"; "" where the file does not tell.
        minimum: Of X, Y and Z, as the header has it: good for choosing files, never for owning points.
        maximum: Likewise.
    """

    file: str
    points: int
    version: str
    point_format: int
    scale: tuple[str, str, str]
    offset: tuple[str, str, str]
    crs: str
    height_unit: str
    minimum: Triple
    maximum: Triple

    def to_json(self) -> dict[str, Json]:
        """Return the JSON form: a row of the source's table."""
        return {name: [*value] if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> PointHeader:
        """Read what `to_json` wrote."""
        fields: Any = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class KeptHead:
    """The head of a file as readers need it: what it says in words, and what it says of its bytes."""

    described: PointHeader
    header: LasHeader

    def encode(self) -> bytes:
        """Return it as bytes; the inverse of `decode`."""
        text = json.dumps([self.described.to_json(), self.header.size], separators=(",", ":")).encode()
        return _LENGTH.pack(len(text)) + text + self.header.head

    @classmethod
    def decode(cls, data: bytes, *, file: str) -> KeptHead:
        """Read what `encode` wrote."""
        (length,) = _LENGTH.unpack_from(data)
        at = _LENGTH.size + length
        described, size = json.loads(data[_LENGTH.size : at])
        header = read_header(lambda start, stop: data[at + start : at + stop], size, file=file)
        return cls(PointHeader.from_json(described), header)


@dataclass(frozen=True, slots=True)
class Kept:
    """Of an index that is confined to an area: where its chunks are kept, and how many points of each lie inside."""

    pack: str
    inside: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LidarIndex:
    """Chunks of a part of a file, their digests, and where the head of the file and the rows of the chunks are kept.

    With ``kept`` the rows are places in its pack.
    """

    head: str
    table: str
    described: str
    chunks: Chunks
    digests: tuple[str, ...]
    kept: Kept | None = None

    @property
    def owned(self) -> list[int]:
        """Points that each chunk gives."""
        return self.chunks["points"].tolist() if self.kept is None else [*self.kept.inside]

    def encode(self) -> bytes:
        """Return the index as bytes; the inverse of `decode`."""
        told: dict[str, Json] = {"head": self.head, "table": self.table, "described": self.described}
        told["chunks"] = len(self.chunks)
        if self.kept is not None:
            told["pack"], told["inside"] = self.kept.pack, [*self.kept.inside]
        text = json.dumps(told, separators=(",", ":")).encode()
        return b"".join([_LENGTH.pack(len(text)), text, self.chunks.tobytes(), bytes.fromhex("".join(self.digests))])

    @classmethod
    def decode(cls, data: bytes) -> LidarIndex:
        """Read what `encode` wrote."""
        (length,) = _LENGTH.unpack_from(data)
        at = _LENGTH.size + length
        head = json.loads(data[_LENGTH.size : at])
        chunks = np.frombuffer(data, CHUNK, head["chunks"], at)
        rest = data[at + chunks.nbytes :]
        digests = (rest[start : start + _DIGEST_BYTES] for start in range(0, len(rest), _DIGEST_BYTES))
        kept = Kept(head["pack"], tuple(head["inside"])) if "pack" in head else None
        hexadecimal = tuple(digest.hex() for digest in digests)
        return cls(head["head"], head["table"], head["described"], chunks, hexadecimal, kept)


def describe(read: Read, size: int, *, name: str, file: str) -> PointHeader:
    """Read the head of a file, and of its extended records what may name a coordinate system.

    Args:
        read: Returns ranges of the file.
        size: Its bytes.
        name: What the header calls the file.
        file: For errors.
    Raises:
        BadInput, TruncatedInput: as `las_header.read_header`, `las_crs.crs_of`.
    """
    header = read_header(read, size, file=file)
    crs, unit = crs_of(header, read_evlrs(header, read, file=file), file=file)
    low, high = header.limits[::2], header.limits[1::2]
    return PointHeader(
        file=name,
        points=header.points,
        version=header.version,
        point_format=header.point_format,
        scale=_texts(header.scale),
        offset=_texts(header.offset),
        crs=crs,
        height_unit=unit,
        minimum=_finite(low),
        maximum=_finite(high),
    )


def walk(data: DataAccess, uri: str, described: PointHeader, size: int, span: tuple[int, int]) -> LidarIndex:
    """Pass over the chunks of a file that begin in the bytes of ``span``, once.

    Raises:
        BadInput, TruncatedInput: as `las_header.read_header`, `las_chunks.find_chunks`.
    """
    read = partial(data.read, uri)
    header = read_header(read, size, file=uri)
    chunks = find_chunks(header, read, file=uri)
    chunks = chunks[(chunks["at"] >= span[0]) & (chunks["at"] < span[1])]
    digests = tuple(hashlib.sha256(stored).hexdigest() for _, stored in stored_chunks(read, chunks, file=uri))
    kept = data.keep(KeptHead(described, header).encode())
    return LidarIndex(kept, data.keep(chunks.tobytes()), hashlib.sha256(header.head).hexdigest(), chunks, digests)


def stored_chunks(read: Read, chunks: Chunks, *, file: str, gap: int = _GAP_BYTES) -> Iterator[tuple[Any, memoryview]]:
    """Yield each chunk's row and its stored bytes; neighbours at most ``gap`` bytes apart are fetched together.

    Raises:
        TruncatedInput: the file ends before a chunk does.
    """
    first = 0
    while first < len(chunks):
        last = first + 1
        start, stop = int(chunks[first]["at"]), int(chunks[first]["at"] + chunks[first]["bytes"])
        while last < len(chunks):
            begins, ends = int(chunks[last]["at"]), int(chunks[last]["at"] + chunks[last]["bytes"])
            if begins - stop > gap or ends - start > _WINDOW_BYTES:
                break
            stop, last = ends, last + 1
        block = memoryview(read(start, stop))
        if len(block) < stop - start:
            why = f"a chunk goes on to byte {stop}"
            hint = "compare its size with the sender's and fetch it again"
            raise TruncatedInput("a LAS file ends inside its points", why=why, hint=hint, file=file, byte=start)
        for row in chunks[first:last]:
            place = int(row["at"]) - start
            yield row, block[place : place + int(row["bytes"])]
        first = last


def _texts(values: Triple) -> tuple[str, str, str]:
    x, y, z = (repr(value + 0.0) for value in values)  # -0.0 is zero
    return x, y, z


def _finite(values: tuple[float, ...]) -> Triple:
    """Return limits that JSON can hold: an empty file may have infinite ones."""
    x, y, z = (value if np.isfinite(value) else 0.0 for value in values)
    return x, y, z
