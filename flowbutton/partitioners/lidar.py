"""LiDAR point clouds: LAS, LAZ and COPC files, cut between the chunks that they are stored in.

Here: the files of a cloud, the cut, the reader that hands out points. Not here: heads (`las_header`), chunk tables
(`las_chunks`), digests (`lidar_index`), points (`las_points`). Format: ASPRS LAS 1.4 R15; LASzip: Isenburg 2013,
doi:10.14358/PERS.79.2.209. Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar, cast

import numpy as np

from flowbutton.model.canonical import Json, digest_json
from flowbutton.model.errors import BadInput, OptionError
from flowbutton.model.partitioner import Partitioner, Reader
from flowbutton.model.pieces import Group, IndexPart, Layout, ObjectInfo, Piece, Place, Source
from flowbutton.model.store import DataAccess
from flowbutton.partitioners.area import Area, Limits, area_of
from flowbutton.partitioners.file_sheet import listed_groups
from flowbutton.partitioners.files import file_name, unchanged
from flowbutton.partitioners.las_chunks import CHUNK
from flowbutton.partitioners.las_points import Points, Records, as_points, check_full, record_type, unpack
from flowbutton.partitioners.lidar_area import inside, walk_area
from flowbutton.partitioners.lidar_index import KeptHead, LidarIndex, PointHeader, describe, stored_chunks, walk

PART_BYTES = 256 * 1024**2
"""What one indexing task digests. No piece goes over its border, so it never changes."""


class LidarPoints(Reader):
    """The points of a piece, in the file's order."""

    def __init__(self, piece: Piece, data: DataAccess) -> None:
        self._key, self._data, self._consumed = dict(piece.key), data, 0
        body = cast(Mapping[str, Any], piece.body)
        self._uri, self._identity = body["uri"], body["identity"]
        self._head, self._table = body["head"], body["table"]
        self._start, self._stop, self._last = body["start"], body["stop"], body["last"]
        self._area = Area.from_json(body["area"]) if "area" in body else None

    @property
    def key(self) -> Mapping[str, str | int]:
        """Columns ``file`` and ``ordinal`` (of the file), then ``part`` (from 0)."""
        return self._key

    @property
    def consumed(self) -> int:
        """Points handed out; reading them again does not count again."""
        return self._consumed

    @property
    def header(self) -> PointHeader:
        """What the file's head says: scale, offset, coordinate system."""
        return self._kept().described

    def _kept(self) -> KeptHead:
        return KeptHead.decode(self._data.read(self._head), file=self._uri)

    def chunks(self) -> Iterator[Points]:
        """Yield the points a chunk at a time, in the file's order: 50,000 for most files, never none.

        Raises:
            MalformedRecord: a chunk is damaged, or does not have the points that the file counts.
            TruncatedInput: the file ends before its points do.
            ChangedInput: the file is not the planned one any more.
        """
        handed_out = 0
        with unchanged(self._uri, self._identity, self._data) if self._area is None else nullcontext():
            for records in self._records():
                handed_out += len(records)
                self._consumed = max(self._consumed, handed_out)
                yield as_points(records)

    def _records(self) -> Iterator[Records]:
        kept = self._kept()
        kind = record_type(kept.header, file=self._uri)
        rows = np.frombuffer(self._data.read(self._table, *row_range(self._start, self._stop)), CHUNK)
        for row, stored in stored_chunks(partial(self._data.read, self._uri), rows, file=self._uri):
            at, count = int(row["at"]), int(row["points"])
            records = unpack(kept.header, kind, stored, count, file=self._uri, byte=at)
            if self._area is not None:
                records = records[inside(records, kept.described, self._area)]
            elif self._last == at:
                check_full(kept.header, stored, count, file=self._uri)
            yield records


class Lidar(Partitioner):
    """Cuts point clouds in LAS, LAZ and COPC files between their chunks, into pieces of about as many points.

    LAS 1.0 to 1.4, point formats 0 to 10, extra bytes, chunks of any size, files that were written as a stream. The
    files of a source, or of a sheet (.csv, .tsv) whose column ``file`` names them, are one cloud: each is read for
    itself; whether they agree in their coordinate system is left to the stages. LAS is cut between runs of 50,000
    records. A chunk is never divided.

    Cost of the index: each file is read once, side by side in parts, and nothing is unpacked: a second for about 1 GB.
    With an ``area`` only what may lie in it is read and unpacked: of a COPC the nodes that meet it. Chunks with points
    in it are kept in the store, and a file that does not meet it is not read beyond its head.
    """

    name: ClassVar[str] = "lidar"
    version: ClassVar[int] = 1
    reader: ClassVar[type[Reader]] = LidarPoints
    unit: ClassVar[str] = "points"
    columns: ClassVar[tuple[str, ...]] = ("file", "ordinal", "part")

    def __init__(self, part_bytes: int = PART_BYTES) -> None:
        self._part_bytes = part_bytes

    def probe(self, source: Source, data: DataAccess) -> Sequence[Group]:
        """Read the head of each file."""
        area = area_of(source.options)
        more: dict[str, Json] = {} if area is None else {"area": area.to_json()}
        found: list[Group] = []
        faults: list[BadInput] = []
        for group in listed_groups(source, data):
            try:
                found.append(replace(group, body=_described(group.objects[0], data).to_json() | more))
            except BadInput as fault:
                faults.append(fault)
        if faults:
            raise _first(faults)
        return found

    def index_parts(self, group: Group) -> Sequence[IndexPart]:
        """Return a task per 256 MiB of the file."""
        info = group.objects[0]
        step = self._part_bytes
        return [_part(group, info, start, min(start + step, info.size)) for start in range(0, info.size, step)]

    def index(self, part: IndexPart, data: DataAccess) -> bytes:
        """Pass over the stored chunks that begin in a part."""
        body = cast(Mapping[str, Any], part.body)
        with unchanged(body["uri"], body["identity"], data):
            described, area = _told(body["header"])
            what = (data, body["uri"], described, body["size"], (body["start"], body["stop"]))
            return (walk(*what) if area is None else walk_area(*what, area)).encode()

    def layout(self, group: Group, indexes: Sequence[bytes]) -> Layout:
        """Join the parts; the count is the header's, or what the pass found in the area."""
        parts = [LidarIndex.decode(index) for index in indexes]
        described, area = _told(group.body)
        points = described.points if area is None else sum(sum(part.owned) for part in parts)
        return Layout(group, points, sum(int(part.chunks["bytes"].sum()) for part in parts), tuple(parts))

    def cut(self, layout: Layout, *, size: int = 1_000_000, area: Limits | None = None) -> Sequence[Piece]:
        """Divide a file between its chunks.

        Args:
            layout: What `layout` found.
            size: Points per piece, at least 1; a chunk of more makes a larger piece.
            area: xmin, ymin, xmax, ymax in the unit of the coordinate system: only points in it, half-open.
        """
        del area  # `probe` has used it
        if size < 1:
            raise OptionError(f"size is {size}", why="", hint="size is at least 1 point")
        parts = cast(tuple[LidarIndex, ...], layout.body)
        last = max((int(part.chunks["at"][-1]) for part in parts if len(part.chunks)), default=0)
        spans = [(part, span) for part in parts for span in pairwise(_bounds(part.owned, size))]
        return [_piece(layout.group, part, number, span, last) for number, (part, span) in enumerate(spans)]

    def open(self, piece: Piece, data: DataAccess) -> LidarPoints:
        """Open a reader on a piece."""
        return LidarPoints(piece, data)

    def places(self, piece: Piece) -> Sequence[Place]:
        """Return the bytes between the first and the last chunk of a piece."""
        body = cast(Mapping[str, Any], piece.body)
        return [Place(body["file"], None if "area" in body else tuple(body["span"]))]

    def table(self, groups: Sequence[Group]) -> Json:
        """Return a row per file: the fields of `PointHeader`."""
        return [_told(group.body)[0].to_json() for group in groups]


def row_range(start: int, stop: int) -> tuple[int, int]:
    """Return the bytes of the kept table that hold the rows ``[start, stop)``."""
    return start * CHUNK.itemsize, stop * CHUNK.itemsize


def _told(body: Json) -> tuple[PointHeader, Area | None]:
    """Return what a group knows of its file, and the area that its source is confined to."""
    header = dict(cast(Mapping[str, Any], body))
    area = header.pop("area", None)
    return PointHeader.from_json(header), None if area is None else Area.from_json(area)


def _described(info: ObjectInfo, data: DataAccess) -> PointHeader:
    return describe(partial(data.read, info.uri), info.size, name=file_name(info.uri), file=info.uri)


def _first(faults: Sequence[BadInput]) -> BadInput:
    first, others = faults[0], len(faults) - 1
    why = first.why + (f"; {others} more of the files can't be used" if others else "")
    return type(first)(first.what, why=why, hint=first.hint, **first.where)


def _part(group: Group, info: ObjectInfo, start: int, stop: int) -> IndexPart:
    body: dict[str, Json] = {
        "uri": info.uri,
        "identity": info.identity,
        "size": info.size,
        "start": start,
        "stop": stop,
    }
    body["header"] = group.body
    _, area = _told(group.body)
    where = f"{start}-{stop}" if area is None else f"{start}-{stop} in {area}"
    return IndexPart(group.ordinal, f"{info.identity}:{where}", stop - start, body)


def _bounds(points: Sequence[int], size: int) -> list[int]:
    """Return the numbers of the chunks at which pieces begin, and that of the end; only 0 if there are no chunks."""
    bounds, held = [0], 0
    for number, count in enumerate(points):
        if held and held + count > size:
            bounds.append(number)
            held = 0
        held += count
    return [*bounds, len(points)] if points else bounds


def _piece(group: Group, index: LidarIndex, number: int, span: tuple[int, int], last: int) -> Piece:
    first, stop = span
    rows, info = index.chunks[first:stop], group.objects[0]
    body: dict[str, Json] = {"file": info.uri, "uri": info.uri, "identity": info.identity}
    body |= {"head": index.head, "table": index.table, "start": first, "stop": stop, "last": last}
    if index.kept is not None:
        body |= {"uri": index.kept.pack, "area": cast(Mapping[str, Json], group.body)["area"]}
    body["span"] = [int(rows["at"][0]), int(rows["at"][-1] + rows["bytes"][-1])]
    content: Json = [group.body, index.described, list(index.digests[first:stop])]
    points, stored = sum(index.owned[first:stop]), int(rows["bytes"].sum())
    return Piece(Lidar.name, (*group.key, ("part", number)), digest_json("lidar", content), points, stored, body)
