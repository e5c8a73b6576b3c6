"""The files that a source's URI names: one file, a glob, or a list of them with commas between.

Here: finding them all, their names, and whether one is still what it was.
Not here: what is in them (each format's module). Imports `flowbutton.model`.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from flowbutton.model.errors import ChangedInput, MissingInput
from flowbutton.model.pieces import Group, ObjectInfo, Source
from flowbutton.model.store import DataAccess

_WILD = frozenset("*?[")
_PACKED = frozenset((".gz", ".bgz", ".bz2", ".xz", ".zst"))


def find_files(source: Source, data: DataAccess) -> list[ObjectInfo]:
    """Return the files of a source: in the order of the list, those of a glob sorted.

    A name that exists is taken literally, also when it holds a comma or a wildcard.

    Raises:
        MissingInput: a file is missing or a glob matches none; ``why`` counts the others that are missing.
    """
    literal = _head(source.uri, data)
    if literal is not None:
        return [literal]
    found: list[ObjectInfo] = []
    missing: list[str] = []
    for name in (part.strip() for part in source.uri.split(",")):
        uris = data.glob(name) if _WILD & set(name) and _head(name, data) is None else [name]
        heads = [_head(uri, data) for uri in uris if uri]
        found += [head for head in heads if head is not None]
        if not heads or None in heads:
            missing.append(name)
    if missing:
        raise _missing(source, missing)
    return found


def file_groups(source: Source, data: DataAccess) -> list[Group]:
    """Return a group per file of a source, with the key columns ``file`` (no directories) and ``ordinal`` (from 0)."""
    return [
        Group(ordinal, (("file", file_name(info.uri)), ("ordinal", ordinal)), (info,))
        for ordinal, info in enumerate(find_files(source, data))
    ]


def file_name(uri: str) -> str:
    """Return the last segment of a URI: ``ref.fa`` of ``file:///data/ref.fa``."""
    return PurePosixPath(uri).name


def file_suffix(uri: str) -> str:
    """Return the extension that tools look at: ``.fa``; ``.vcf.gz`` where a packed file says what is packed."""
    suffixes = PurePosixPath(uri).suffixes
    return "".join(suffixes[-2:] if suffixes and suffixes[-1].lower() in _PACKED else suffixes[-1:])


def check_unchanged(uri: str, identity: str, data: DataAccess) -> None:
    """Raise `ChangedInput` if the file at ``uri`` is not the one that was planned with."""
    if data.head(uri).identity != identity:
        raise ChangedInput(
            "a file of the source changed while the run was using it",
            why="its size, time or ETag is not the one that the plan was made with",
            hint="run again when nothing writes to it any more; finished tasks on unchanged parts are kept",
            file=uri,
        )


def _head(uri: str, data: DataAccess) -> ObjectInfo | None:
    try:
        return data.head(uri)
    except MissingInput:
        return None


def _missing(source: Source, missing: list[str]) -> MissingInput:
    first, others = missing[0], len(missing) - 1
    kind = "no file matches" if _WILD & set(first) else "there is no file"
    return MissingInput(
        f"{kind} '{first}'",
        why=f"source '{source.name}' names it" + (f"; {others} more of its names are missing too" if others else ""),
        hint="check the path and what may be read from here",
        file=first,
    )
