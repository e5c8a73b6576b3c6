"""Pieces and items: what a stage fans out over.

Here: descriptions only; small, JSON, without data.
Not here: how a format is cut (`partitioners`), how tasks are made from items (`engine`).
Intervals are half-open integers everywhere. Imports `model.canonical`, `model.errors`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flowbutton.model.canonical import Json
from flowbutton.model.errors import BadInput

Scalar = str | int
Key = tuple[tuple[str, Scalar], ...]
"""Key columns in order: ``(("sample", "NA12878"), ("lane", "L1"), ("ordinal", 3))``."""


def split_query(uri: str) -> tuple[str, str]:
    """Return what names a file, and the query of an address on the web with its ``?``: it may be a signature."""
    if not uri.lower().startswith(("http://", "https://")):
        return uri, ""
    path, mark, query = uri.partition("?")
    return path, mark + query


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What the head of an object says: its size in bytes and what tells its present content from another."""

    uri: str
    size: int
    identity: str  # ETag, or size and mtime in ns; equal identity means: not changed, as far as a head can tell


@dataclass(frozen=True, slots=True)
class Source:
    """A source of the pipeline: its name in the YAML, the URI after substitution, and the partitioner's options."""

    name: str
    uri: str
    options: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Group:
    """A part of a source that is cut by itself, in source order: a lane, a file, a pair of files.

    ``key`` holds the columns that all its pieces share; ``body`` is the partitioner's own JSON.
    """

    ordinal: int
    key: Key
    objects: tuple[ObjectInfo, ...]
    body: Json = None


@dataclass(frozen=True, slots=True)
class IndexPart:
    """One indexing task: a byte range of an object that a worker passes over once.

    ``identity`` names the content (an object's identity and the range), ``body`` all that `Partitioner.index` needs.
    """

    group: int
    identity: str
    bytes: int
    body: Json


@dataclass(frozen=True, slots=True)
class Layout:
    """What is known of a group after its indexing: how many records it owns, its bytes, and the seams.

    ``records`` comes from the index, never from the pieces: the ledger compares the two (law 1).
    ``body`` is the partitioner's own value, in memory only. ``fault``: the index saw a bad record, which readers can
    leave out; the run ends with it at once unless all stages that read the source tolerate some.
    """

    group: Group
    records: int | None
    bytes: int
    body: object
    fault: BadInput | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A description of a part of a source.

    ``content`` names everything that a reader opened on the piece can show (bytes, sample, read group) and nothing
    else: not the URI, not the ordinal, not the piece size. It goes into fingerprints.
    ``records`` are the owned records; halo is not counted. ``bytes`` are the owned bytes as stored.
    """

    partitioner: str
    key: Key
    content: str
    records: int | None
    bytes: int
    body: Json


@dataclass(frozen=True, slots=True)
class Item:
    """A row of a table made by a stage: key columns and a small JSON value."""

    key: Key
    value: Json


@dataclass(frozen=True, slots=True)
class Place:
    """Where in one file a piece lies, for people. Ranges are half-open; None where it can't be told.

    ``bytes`` are of the file as stored, from 0; ``records`` are numbers of records, the first is 1.
    """

    file: str
    bytes: tuple[int, int] | None = None
    records: tuple[int, int] | None = None

    def to_json(self) -> dict[str, Json]:
        """Return the JSON form."""
        return {
            "file": self.file,
            "bytes": self.bytes and [*self.bytes],
            "records": self.records and [*self.records],
        }


def files_in(body: Json) -> tuple[str, ...]:
    """Return the files that a piece's or an indexing task's body names under ``uri`` or ``file``, each once."""
    found: dict[str, None] = {}
    if isinstance(body, Mapping):
        named = [value for name in ("uri", "file") if isinstance(value := body.get(name), str)]
        found |= dict.fromkeys(named)
    inner = body.values() if isinstance(body, Mapping) else body if isinstance(body, list | tuple) else ()
    for value in inner:
        found |= dict.fromkeys(files_in(value))
    return tuple(found)
