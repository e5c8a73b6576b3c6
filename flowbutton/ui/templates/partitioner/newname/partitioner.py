"""Text files whose records are lines, cut at the ends of lines.

Here: the index, the cut, the reader. Not here: what is done with the lines (`newname.stages`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, cast

from flowbutton import OptionError
from flowbutton.model.canonical import Json, digest_json
from flowbutton.model.partitioner import Partitioner, Reader
from flowbutton.model.pieces import Group, IndexPart, Layout, Piece, Source
from flowbutton.model.store import DataAccess
from flowbutton.partitioners.files import file_groups, unchanged

_STEP = 256 * 1024  # bytes that are read at once


class NewNameReader(Reader):
    """The lines of a piece, without their ends."""

    def __init__(self, piece: Piece, data: DataAccess) -> None:
        self._key, self._data, self._consumed = dict(piece.key), data, 0
        self._body = cast(Mapping[str, Any], piece.body)

    @property
    def key(self) -> Mapping[str, str | int]:
        """Columns ``file``, ``ordinal`` (of the file) and ``part``."""
        return self._key

    @property
    def consumed(self) -> int:
        """The lines handed out so far."""
        return self._consumed

    def __iter__(self) -> Iterator[bytes]:
        """Yield the lines."""
        body = self._body
        with unchanged(body["uri"], body["identity"], self._data):
            for number, line in enumerate(_lines(self._data, body["uri"], body["start"], body["stop"]), start=1):
                self._consumed = max(self._consumed, number)  # who reads twice consumes once
                yield line.rstrip(b"\r\n")


class NewName(Partitioner):
    """Cuts text files between lines. Cost of the index: every file is read once, by one task."""

    name: ClassVar[str] = "newname"
    version: ClassVar[int] = 1
    reader: ClassVar[type[Reader]] = NewNameReader
    unit: ClassVar[str] = "lines"
    columns: ClassVar[tuple[str, ...]] = ("file", "ordinal", "part")

    def __init__(self, *, block_bytes: int = 64 * 1024) -> None:
        self._block_bytes = block_bytes

    def probe(self, source: Source, data: DataAccess) -> Sequence[Group]:
        """Find the files; each is a group."""
        return file_groups(source, data)

    def index_parts(self, group: Group) -> Sequence[IndexPart]:
        """Return one task per file."""
        info = group.objects[0]
        body: Json = {"uri": info.uri, "identity": info.identity, "size": info.size}
        return [IndexPart(group.ordinal, info.identity, info.size, body)]

    def index(self, part: IndexPart, data: DataAccess) -> bytes:
        """Return blocks of whole lines, the least that can be cut off: where each ends, its lines, its digest."""
        body = cast(Mapping[str, Any], part.body)
        blocks: list[list[int | str]] = []
        stop, lines, size, digest = 0, 0, 0, hashlib.sha256()
        with unchanged(body["uri"], body["identity"], data):
            for line in _lines(data, body["uri"], 0, body["size"]):
                stop, lines, size = stop + len(line), lines + 1, size + len(line)
                digest.update(line)
                if size >= self._block_bytes or stop == body["size"]:
                    blocks.append([stop, lines, digest.hexdigest()])
                    lines, size, digest = 0, 0, hashlib.sha256()
        return json.dumps(blocks).encode()

    def layout(self, group: Group, indexes: Sequence[bytes]) -> Layout:
        """Take the blocks of the file."""
        blocks = json.loads(indexes[0])
        return Layout(group, sum(lines for _, lines, _ in blocks), group.objects[0].size, blocks)

    def cut(self, layout: Layout, *, size: int = 32 * 1024**2) -> Sequence[Piece]:
        """Divide a file into pieces of about ``size`` bytes, whole blocks of 64 KiB at least.

        Args:
            layout: What `layout` found.
            size: Wanted bytes per piece, at least 1.
        """
        if size < 1:
            raise OptionError(f"size is {size}", why="", hint="a piece has at least one byte; give 32MiB, say")
        pieces: list[Piece] = []
        digests: list[Json] = []
        start, lines = 0, 0
        for stop, count, digest in cast(Sequence[tuple[int, int, str]], layout.body):
            lines += count
            digests.append(digest)
            if stop - start >= size or stop == layout.bytes:
                pieces.append(_piece(layout.group, len(pieces), start, stop, lines, digests))
                start, lines, digests = stop, 0, []
        return pieces

    def open(self, piece: Piece, data: DataAccess) -> NewNameReader:
        """Open a reader on a piece."""
        return NewNameReader(piece, data)


def _piece(group: Group, part: int, start: int, stop: int, lines: int, digests: Sequence[Json]) -> Piece:
    info = group.objects[0]
    body: Json = {"uri": info.uri, "identity": info.identity, "start": start, "stop": stop}
    content = digest_json("newname", [group.key[0][1], digests])
    return Piece(NewName.name, (*group.key, ("part", part)), content, lines, stop - start, body)


def _lines(data: DataAccess, uri: str, start: int, stop: int) -> Iterator[bytes]:
    """Yield the lines of bytes ``[start, stop)`` with their ends; no more than a step is in memory."""
    left = b""
    for at in range(start, stop, _STEP):
        *lines, left = (left + data.read(uri, at, min(at + _STEP, stop))).split(b"\n")
        yield from (line + b"\n" for line in lines)
    if left:
        yield left
