"""Whole files: each file of a source is one piece, whatever is in it.

Here: naming a file by its content, in ranges and in bounded memory; the reader that hands out the file.
Not here: any format. Imports `flowbutton.model`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

from flowbutton.model.canonical import Json, digest_json
from flowbutton.model.partitioner import Partitioner, Reader
from flowbutton.model.pieces import Group, IndexPart, Layout, ObjectInfo, Piece, Place, Source
from flowbutton.model.store import DataAccess
from flowbutton.partitioners.files import check_unchanged, file_groups, file_name, file_suffix

PART_BYTES = 256 * 1024**2
"""What one indexing task digests. It is in the content's name of larger files, so it never changes."""
READ_BYTES = 8 * 1024**2


class WholeFile(Reader):
    """One file, as it is: as a path for tools that need one, or as bytes."""

    def __init__(self, piece: Piece, data: DataAccess) -> None:
        self._key, self._bytes, self._data = dict(piece.key), piece.bytes, data
        body = cast(Mapping[str, Any], piece.body)
        self._uri, self._identity = str(body["uri"]), str(body["identity"])
        self._consumed = 0

    @property
    def key(self) -> Mapping[str, str | int]:
        """Columns ``file`` (its name without directories) and ``ordinal`` (from 0)."""
        return self._key

    @property
    def consumed(self) -> int:
        """1 once the file was asked for, however often."""
        return self._consumed

    @property
    def suffix(self) -> str:
        """The file's extension, ``.fa`` or ``.vcf.gz``: a path from a cache may lack it."""
        return file_suffix(str(self._key["file"]))

    def path(self) -> Path:
        """Return a local file with the bytes; never write to it. Raises `ChangedInput`."""
        self._take()
        return self._data.fetch(self._uri)

    def read(self) -> bytes:
        """Return all bytes of the file. Raises `ChangedInput`."""
        found = self._data.read(self._uri, 0, self._bytes)
        self._take()
        return found

    def as_files(self, folder: Path) -> Mapping[str, Path]:
        """Link the file, under its own name."""
        place = folder / str(self._key["file"])
        place.symlink_to(self.path().absolute())
        return {"": place}

    def _take(self) -> None:
        check_unchanged(self._uri, self._identity, self._data)
        self._consumed = 1


class Whole(Partitioner):
    """Takes one file, a glob or a list of them, and cuts none: a piece per file, in the list's order.

    Cost of the index: each file is read once, to name its content.
    """

    name: ClassVar[str] = "whole"
    version: ClassVar[int] = 1
    reader: ClassVar[type[Reader]] = WholeFile
    unit: ClassVar[str] = "files"
    columns: ClassVar[tuple[str, ...]] = ("file", "ordinal")

    def probe(self, source: Source, data: DataAccess) -> Sequence[Group]:
        """Find the files; each is a group."""
        return file_groups(source, data)

    def index_parts(self, group: Group) -> Sequence[IndexPart]:
        """Return a task per 256 MiB of the file; one for an empty file."""
        info = group.objects[0]
        return [_digest_task(group.ordinal, info, start) for start in range(0, max(info.size, 1), PART_BYTES)]

    def index(self, part: IndexPart, data: DataAccess) -> bytes:
        """Return the sha256 of the part's bytes, as hexadecimal digits."""
        body = cast(Mapping[str, Any], part.body)
        digest = hashlib.sha256()
        for start in range(body["start"], body["stop"], READ_BYTES):
            digest.update(data.read(body["uri"], start, min(start + READ_BYTES, body["stop"])))
        check_unchanged(body["uri"], body["identity"], data)
        return digest.hexdigest().encode()

    def layout(self, group: Group, indexes: Sequence[bytes]) -> Layout:
        """Name the content by the digests of its parts and by the file's name, which the reader's key shows."""
        name = file_name(group.objects[0].uri)
        digests: list[Json] = [index.decode() for index in indexes]
        return Layout(group, 1, group.objects[0].size, digest_json("whole", [name, digests]))

    def cut(self, layout: Layout) -> Sequence[Piece]:
        """Return the file as one piece."""
        info = layout.group.objects[0]
        body: Json = {"uri": info.uri, "identity": info.identity}
        return [Piece(self.name, layout.group.key, str(layout.body), 1, info.size, body)]

    def open(self, piece: Piece, data: DataAccess) -> WholeFile:
        """Open the file of a piece."""
        return WholeFile(piece, data)

    def places(self, piece: Piece) -> Sequence[Place]:
        """Return the file, all its bytes."""
        return [Place(cast(Mapping[str, Any], piece.body)["uri"], (0, piece.bytes))]


def _digest_task(group: int, info: ObjectInfo, start: int) -> IndexPart:
    stop = min(start + PART_BYTES, info.size)
    body: Json = {"uri": info.uri, "identity": info.identity, "start": start, "stop": stop}
    return IndexPart(group, f"{info.identity}:{start}-{stop}", stop - start, body)
