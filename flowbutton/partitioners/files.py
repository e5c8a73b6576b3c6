"""The files that a source's URI names: one file, a glob, or a list of them with commas between.

Here: finding them all, their names, and whether one is still what it was.
Not here: what is in them (each format's module). Imports `flowbutton.model`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

from flowbutton.model.errors import BadInput, ChangedInput, MissingInput
from flowbutton.model.pieces import Group, ObjectInfo, Source, split_query
from flowbutton.model.store import DataAccess

_WILD = frozenset("*?[")
_PACKED = frozenset((".gz", ".bgz", ".bz2", ".xz", ".zst"))


def find_files(source: Source, data: DataAccess) -> list[ObjectInfo]:
    """Return the files of a source: in the order of the list, those of a glob sorted.

    A name that exists is taken literally, also when it holds a comma or a wildcard.

    Raises:
        MissingInput: a file is missing or a glob matches none; ``why`` counts the others that are missing.
    """
    found: list[ObjectInfo] = []
    missing: list[MissingInput] = []
    # A list of addresses is no name: a server may refuse what it would not list.
    one = None if "://" in source.uri.partition(",")[2] else _head(source.uri, data)
    for name in [] if isinstance(one, ObjectInfo) else source.uri.split(","):
        for head in _heads(name.strip(), data):
            if isinstance(head, ObjectInfo):
                found.append(head)
            else:
                missing.append(head)
    if missing:
        raise files_missing(source, missing)
    return [one] if isinstance(one, ObjectInfo) else found


def exists(uri: str, data: DataAccess) -> bool:
    """Tell whether there is a file of this very name."""
    return isinstance(_head(uri, data), ObjectInfo)


def file_groups(source: Source, data: DataAccess) -> list[Group]:
    """Return a group per file of a source, with the key columns ``file`` (no directories) and ``ordinal`` (from 0)."""
    return [
        Group(ordinal, (("file", file_name(info.uri)), ("ordinal", ordinal)), (info,))
        for ordinal, info in enumerate(find_files(source, data))
    ]


def file_name(uri: str) -> str:
    """Return the last segment of a URI: ``ref.fa`` of ``file:///data/ref.fa`` and ``https://lab/ref.fa?signature=1``."""
    return PurePosixPath(split_query(uri)[0]).name


def file_suffix(uri: str) -> str:
    """Return the extension that tools look at: ``.fa``; ``.vcf.gz`` where a packed file says what is packed."""
    suffixes = PurePosixPath(file_name(uri)).suffixes
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


@contextmanager
def unchanged(uri: str, identity: str, data: DataAccess) -> Iterator[None]:
    """Read a file in this block: at its end the file must be the planned one, also when what was read is no good."""
    try:
        yield
    except BadInput:
        check_unchanged(uri, identity, data)
        raise
    check_unchanged(uri, identity, data)


def _heads(name: str, data: DataAccess) -> list[ObjectInfo | MissingInput]:
    head = _head(name, data)
    if isinstance(head, ObjectInfo) or not _WILD & set(name):
        return [head]
    found = [_head(uri, data) for uri in data.glob(name)]
    return found or [_no_file(f"no file matches '{name}'", name)]


def _head(name: str, data: DataAccess) -> ObjectInfo | MissingInput:
    if not name:
        return _no_file("a file has no name", name)
    try:
        return data.head(name)
    except MissingInput as error:
        return error


def _no_file(what: str, name: str) -> MissingInput:
    return MissingInput(what, why="", hint="check the path and what may be read from here", file=name)


def files_missing(source: Source, missing: list[MissingInput]) -> MissingInput:
    """Return the first problem, with the source that names the file and the count of the others."""
    first, others = missing[0], len(missing) - 1
    why = [first.why, f"source '{source.name}' names it"]
    why += [f"{others} more of its files {'is' if others == 1 else 'are'} missing"] if others else []
    return MissingInput(first.what, why="; ".join(part for part in why if part), hint=first.hint, **first.where)
