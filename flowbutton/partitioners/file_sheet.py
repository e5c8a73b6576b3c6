"""Sheets of files: a table whose column ``file`` names the files of a source, as a catalogue of tiles does.

Commas or tabs, as sample sheets; other columns are for people. Here: text in, URIs out. Not here: whether the files
exist (`files`). Imports `flowbutton.model`.
"""

from __future__ import annotations

from dataclasses import replace

from flowbutton.model.errors import BadInput, MissingInput
from flowbutton.model.pieces import Group, Source
from flowbutton.model.store import DataAccess
from flowbutton.partitioners.files import file_groups, files_missing
from flowbutton.partitioners.sample_sheet import is_sheet, resolve, sheet_rows

_COLUMN = "file"


def listed_groups(source: Source, data: DataAccess) -> list[Group]:
    """Return a group per file of a source, as `file_groups` does; of a sheet (.csv, .tsv) those that it names.

    Raises:
        BadInput: the sheet has no column ``file``, a row without a file, or a file twice.
        MissingInput: a file is missing.
    """
    if not is_sheet(source.uri):
        return file_groups(source, data)
    found: list[Group] = []
    missing: list[MissingInput] = []
    for name in sheet_files(data.read(source.uri), source.uri):
        try:
            found += file_groups(replace(source, uri=name), data)
        except MissingInput as error:
            missing.append(error)
    if missing:
        raise files_missing(source, missing)
    return [Group(ordinal, (group.key[0], ("ordinal", ordinal)), group.objects) for ordinal, group in enumerate(found)]


def sheet_files(content: bytes, uri: str) -> list[str]:
    """Return the files that a sheet names, in its order; relative paths are relative to its folder.

    Raises:
        BadInput: with file and line.
    """
    rows = sheet_rows(content, uri, "sheet of files")
    if len(rows) < 2:
        raise _problem(uri, 1, "the sheet of files names no file")
    header = [name.lower() for name in rows[0][1]]
    if header.count(_COLUMN) != 1:
        raise _problem(uri, rows[0][0], f"the sheet of files has {header.count(_COLUMN) or 'no'} columns '{_COLUMN}'")
    place, lines = header.index(_COLUMN), dict[str, int]()
    for number, row in rows[1:]:
        name = resolve(row[place], uri) if place < len(row) and row[place] else ""
        if not name:
            raise _problem(uri, number, "a row of the sheet of files names no file")
        if name in lines:
            raise _problem(uri, number, f"the sheet of files has '{name}' twice, first on line {lines[name]}")
        lines[name] = number
    return [*lines]


def _problem(uri: str, line: int, what: str) -> BadInput:
    hint = f"its first line names the columns, one is '{_COLUMN}'; each other line names one file"
    return BadInput(what, why="", hint=hint, file=uri, line=line)
