"""JSON lines: a JSON object per line, cut at the ends of lines.

A newline can't stand inside a JSON value, so every newline is a seam, whatever the quotes around it do. Empty lines are
no records. Here: the index, the cut, the reader. Not here: what the objects mean (`earthquakes.stages`).
Format: https://jsonlines.org. Imports `flowbutton.model` and what all partitioners of files share.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

from flowbutton.model.canonical import Json, digest_json
from flowbutton.model.errors import MalformedRecord, OptionError, UncuttableSource
from flowbutton.model.partitioner import Partitioner, Reader
from flowbutton.model.pieces import Group, IndexPart, Layout, Piece, Place, Source
from flowbutton.model.stage import Tally
from flowbutton.model.store import DataAccess
from flowbutton.partitioners.files import file_groups, unchanged

MIB = 1024**2
_STEP = 256 * 1024


class JsonLinesReader(Reader):
    """The objects of a piece, in the order of the file, each read when it is asked for."""

    def __init__(self, piece: Piece, data: DataAccess) -> None:
        self._key, self._data = dict(piece.key), data
        body = cast(Mapping[str, Any], piece.body)
        self._uri, self._identity = str(body["uri"]), str(body["identity"])
        self._start, self._stop, self._before = int(body["start"]), int(body["stop"]), int(body["before"])
        self._consumed = 0
        self._tally: Tally | None = None
        self._aside: set[int] = set()

    @property
    def key(self) -> Mapping[str, str | int]:
        """Columns ``file``, ``ordinal`` (of the file) and ``part``."""
        return self._key

    @property
    def consumed(self) -> int:
        """The lines handed out or set aside so far."""
        return self._consumed

    def tolerate(self, tally: Tally) -> None:
        """Set aside lines that hold no JSON object."""
        self._tally = tally

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the objects.

        Raises:
            MalformedRecord: a line is no JSON object; its number in the file and its first byte are named.
        """
        for number, (line, byte) in enumerate(self._lines(), start=1):
            self._consumed = max(self._consumed, number)
            try:
                yield self._object(line, byte, self._before + number)
            except MalformedRecord as error:
                self._leave_out(error, byte, line)

    def as_files(self, folder: Path) -> Mapping[str, Path]:
        """Write the piece's lines as a file, for programs."""
        path = folder / "lines.jsonl"
        with path.open("wb") as file:
            for number, (line, _) in enumerate(self._lines(), start=1):
                self._consumed = max(self._consumed, number)
                file.write(line.rstrip(b"\r\n") + b"\n")
        return {"": path}

    def _leave_out(self, error: MalformedRecord, byte: int, line: bytes) -> None:
        """Set a bad line aside, once however often the piece is read; raise where that is not allowed."""
        if self._tally is None:
            raise error
        if byte not in self._aside:
            self._aside.add(byte)
            record = f"{self._key['file']}, record {error.where['record']}"
            self._tally.set_aside(error.what, record, line=line.decode("utf-8", "backslashreplace"))

    def _object(self, line: bytes, byte: int, record: int) -> dict[str, Any]:
        try:
            found = json.loads(line)
        except ValueError as error:
            raise self._malformed("a line is not JSON", str(error), byte, record) from error
        if not isinstance(found, dict):
            raise self._malformed("a line is JSON, but no object", f"it is a {type(found).__name__}", byte, record)
        return found

    def _malformed(self, what: str, why: str, byte: int, record: int) -> MalformedRecord:
        hint = "correct the line; or let the stage tolerate some: 'tolerate: {records: 10}'"
        return MalformedRecord(what, why=why, hint=hint, file=self._uri, record=record, byte=byte)

    def _lines(self) -> Iterator[tuple[bytes, int]]:
        """Yield each line that is not empty, with its first byte in the file; no more than a step is in memory."""
        with unchanged(self._uri, self._identity, self._data):
            left, at = b"", self._start
            for start in range(self._start, self._stop, _STEP):
                *lines, left = (left + self._data.read(self._uri, start, min(start + _STEP, self._stop))).split(b"\n")
                for line in lines:
                    if line.strip():
                        yield line, at
                    at += len(line) + 1
            if left.strip():
                yield left, at


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines, bytes ``[start, stop)``: the least that can be cut off."""

    start: int
    stop: int
    records: int
    digest: str


class JsonLines(Partitioner):
    """Cuts JSON lines, plain text, between lines.

    Cost of the index: every file is read once, in parts side by side. A packed file is refused: unpack it first.
    """

    name: ClassVar[str] = "json_lines"
    version: ClassVar[int] = 1
    reader: ClassVar[type[Reader]] = JsonLinesReader
    unit: ClassVar[str] = "lines"
    columns: ClassVar[tuple[str, ...]] = ("file", "ordinal", "part")

    def __init__(self, *, part_bytes: int = 64 * MIB, block_bytes: int = 64 * 1024) -> None:
        self._part_bytes, self._block_bytes = part_bytes, block_bytes

    def probe(self, source: Source, data: DataAccess) -> Sequence[Group]:
        """Find the files; each is a group."""
        groups = file_groups(source, data)
        for group in groups:
            uri = group.objects[0].uri
            if data.read(uri, 0, 2) == b"\x1f\x8b":
                raise UncuttableSource("a packed file has no lines to cut at", why="", hint="run: gunzip", file=uri)
        return groups

    def index_parts(self, group: Group) -> Sequence[IndexPart]:
        """Return a task per part of the file; one for an empty file."""
        info = group.objects[0]
        parts = []
        for start in range(0, max(info.size, 1), self._part_bytes):
            stop = min(start + self._part_bytes, info.size)
            body: Json = {"uri": info.uri, "identity": info.identity, "start": start, "stop": stop, "size": info.size}
            parts.append(IndexPart(group.ordinal, f"{info.identity}:{start}-{stop}", stop - start, body))
        return parts

    def index(self, part: IndexPart, data: DataAccess) -> bytes:
        """Return the blocks of the lines that begin in the part."""
        body = cast(Mapping[str, Any], part.body)
        with unchanged(body["uri"], body["identity"], data):
            text, start = _lines_begun(data, body["uri"], body["start"], body["stop"], body["size"])
        blocks = []
        while text:
            stop = text.find(b"\n", self._block_bytes - 1) + 1 or len(text)
            block, text = text[:stop], text[stop:]
            records = sum(bool(line.strip()) for line in block.split(b"\n"))
            blocks.append([start, start + stop, records, hashlib.sha256(block).hexdigest()])
            start += stop
        return json.dumps(blocks).encode()

    def layout(self, group: Group, indexes: Sequence[bytes]) -> Layout:
        """Join the blocks of all parts."""
        blocks = tuple(Block(*row) for index in indexes for row in json.loads(index))
        return Layout(group, sum(block.records for block in blocks), group.objects[0].size, blocks)

    def cut(self, layout: Layout, *, size: int = 32 * MIB) -> Sequence[Piece]:
        """Divide a file into pieces of about ``size`` bytes, whole blocks of 64 KiB at least.

        Args:
            layout: What `layout` found.
            size: Wanted bytes per piece, at least 1.
        """
        if size < 1:
            raise OptionError(f"size is {size}", why="", hint="a piece has at least one byte; give 32MiB, say")
        pieces: list[Piece] = []
        before = 0
        for blocks in _joined(cast(Sequence[Block], layout.body), size):
            records = sum(block.records for block in blocks)
            pieces.append(self._piece(layout.group, blocks, len(pieces), before, records))
            before += records
        return pieces

    def _piece(self, group: Group, blocks: Sequence[Block], part: int, before: int, records: int) -> Piece:
        info, start, stop = group.objects[0], blocks[0].start, blocks[-1].stop
        body: Json = {"uri": info.uri, "identity": info.identity, "start": start, "stop": stop, "before": before}
        digests: list[Json] = [block.digest for block in blocks]
        content = digest_json("json_lines", [group.key[0][1], digests])
        return Piece(self.name, (*group.key, ("part", part)), content, records, stop - start, body)

    def open(self, piece: Piece, data: DataAccess) -> JsonLinesReader:
        """Open a reader on a piece."""
        return JsonLinesReader(piece, data)

    def places(self, piece: Piece) -> Sequence[Place]:
        """Return the bytes and the lines of a piece, for people who look for what is wrong with it."""
        body = cast(Mapping[str, Any], piece.body)
        first = body["before"] + 1
        return [Place(body["uri"], (body["start"], body["stop"]), (first, first + (piece.records or 0)))]


def _lines_begun(data: DataAccess, uri: str, start: int, stop: int, size: int) -> tuple[bytes, int]:
    """Return the lines that begin in ``[start, stop)``, whole, and the byte where the first one begins."""
    begin = max(start - 1, 0)  # a line begins at `start` only if a newline stands before it
    text = data.read(uri, begin, stop)
    while stop < size and not text.endswith(b"\n"):
        more = data.read(uri, stop, min(stop + _STEP, size))
        end = more.find(b"\n") + 1 or len(more)
        text, stop = text + more[:end], stop + end
    if start == 0:
        return text, 0
    first = text.find(b"\n") + 1 or len(text)
    return text[first:], begin + first


def _joined(blocks: Sequence[Block], size: int) -> Iterator[Sequence[Block]]:
    """Yield neighbours of ``size`` bytes together, or one larger block; blocks of empty lines alone are in none."""
    taken: list[Block] = []
    for block in blocks:
        if not block.records:
            continue
        if taken and block.stop - taken[0].start > size:
            yield taken
            taken = []
        taken.append(block)
    if taken:
        yield taken
