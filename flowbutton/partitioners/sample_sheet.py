"""Sample sheets: a table that says which FASTQ files belong to which sample and lane.

Columns: ``sample``, ``r1``, ``r2`` (or nf-core's ``fastq_1``, ``fastq_2``); optional ``lane``, ``ploidy``,
``read_group``, ``interleaved``; others are for people, unless their name is nearly one of these. Commas, tabs or
semicolons; a byte order mark, CRLF, blank lines and lines with '#' are fine.

Here: text in, `Lane` out. Not here: whether the files exist (`fastq`). Imports `flowbutton.model`.
"""

from __future__ import annotations

import csv
import io
import posixpath
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from flowbutton.model.errors import BadInput
from flowbutton.partitioners.files import file_name
from flowbutton.partitioners.read_pairs import Lane, ends_like_fastq

_ALIASES = {"fastq_1": "r1", "fastq_2": "r2"}
_NEEDED = ("sample", "r1")
_KNOWN = (*_NEEDED, "r2", "lane", "ploidy", "read_group", "interleaved")
_COLUMNS = f"columns: {', '.join(_KNOWN)}; fastq_1 and fastq_2 are r1 and r2; commas, tabs or semicolons between"
_YES_NO = {"": False, "no": False, "false": False, "0": False, "yes": True, "true": True, "1": True}


def is_sheet(uri: str) -> bool:
    """Return whether a name is that of a sample sheet."""
    return file_name(uri).lower().endswith((".csv", ".tsv"))


def parse_sheet(content: bytes, uri: str) -> list[Lane]:
    """Read a sample sheet.

    Args:
        content: The sheet's bytes.
        uri: Where it is: relative paths in it are relative to its folder.

    Raises:
        BadInput: with file and line; a column is missing, doubled or nearly a known one, or a row can't be used.
    """
    rows = sheet_rows(content, uri)
    if not rows:
        raise _problem(uri, 1, "the sample sheet is empty", hint=_COLUMNS)
    number, header = rows[0]
    columns = _columns(header, uri, number)
    lanes: list[Lane] = []
    lines: dict[tuple[str, str], int] = {}
    files: dict[str, int] = {}
    for number, row in rows[1:]:
        if len(row) > len(columns):
            raise _problem(uri, number, f"a row has {len(row)} fields, the header has {len(columns)}")
        values = dict(zip(columns, row + [""] * (len(columns) - len(row)), strict=True))
        _check_other_columns(values, uri, number)
        lane = _lane(values, uri, number, lanes)
        _claim(lines, (lane.sample, lane.lane), uri, number, f"sample '{lane.sample}', lane '{lane.lane}'")
        for file in lane.files:
            _claim(files, posixpath.normpath(file), uri, number, f"the file '{file}'")
        lanes.append(lane)
    if not lanes:
        raise _problem(uri, rows[0][0], "the sample sheet has no rows below its header")
    _check_ploidy(lanes, uri)
    return lanes


def resolve(path: str, sheet: str) -> str:
    """Return the URI of a path in a sheet: itself if it is absolute or a URI, else relative to the sheet's folder.

    Raises:
        BadInput: it begins with '~', which a shell would make a home folder.
    """
    if path.startswith("~"):
        hint = "write the whole path, or one that is relative to the sheet"
        raise BadInput(
            f"the path '{path}' in a sheet begins with '~'", why="only a shell knows it", hint=hint, file=sheet
        )
    if path.startswith("/") or "://" in path:
        return path
    folder, slash, _ = sheet.rpartition("/")
    return f"{folder}{slash}{path.removeprefix('./')}"


def sheet_rows(content: bytes, uri: str, what: str = "sample sheet") -> list[tuple[int, list[str]]]:
    """Return the rows that are not blank with their line numbers, fields without blanks around them.

    Raises:
        BadInput: ``what`` this is called can't be read.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        hint = "save it as UTF-8; a spreadsheet offers that as 'CSV UTF-8'"
        raise _problem(uri, 1, f"the {what} is not UTF-8 text", why=str(error), hint=hint) from error
    lines = io.StringIO(text, newline=None)  # not splitlines, which parts lines at separators that names may hold
    head = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    lines.seek(0)
    delimiter = next((letter for letter in "\t,;" if letter in head), ",")
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    rows = []
    try:
        for row in reader:
            fields = [field.strip() for field in row]
            if any(fields) and not fields[0].startswith("#"):
                rows.append((reader.line_num, fields))
    except csv.Error as error:
        raise _problem(uri, reader.line_num, f"a row of the {what} can't be read", why=str(error)) from error
    return rows


def _columns(header: Sequence[str], uri: str, number: int) -> list[str]:
    columns = [_ALIASES.get(name.lower(), name.lower()) for name in header]
    for name, given in zip(columns, header, strict=True):
        near = get_close_matches(name, [*_KNOWN, *_ALIASES], n=1, cutoff=0.75)
        if name not in _KNOWN and near:
            raise _problem(uri, number, f"the sample sheet has a column '{given}': is it '{near[0]}'?", hint=_COLUMNS)
        if name in _KNOWN and columns.count(name) > 1:
            raise _problem(uri, number, f"the sample sheet has the column '{name}' twice", hint=_COLUMNS)
    for name in _NEEDED:
        if name not in columns:
            raise _problem(uri, number, f"the sample sheet has no column '{name}'", hint=_COLUMNS)
    return columns


def _check_other_columns(values: Mapping[str, str], uri: str, number: int) -> None:
    """Refuse reads in a column that nobody would look at."""
    for name, value in values.items():
        if name not in _KNOWN and ends_like_fastq(value):
            what = f"the sample sheet names reads in a column '{name}': '{value}'"
            raise _problem(uri, number, what, why="reads are named in r1 and r2 only", hint=_COLUMNS)


def _lane(values: Mapping[str, str], uri: str, number: int, before: Sequence[Lane]) -> Lane:
    for name in _NEEDED:
        if not values[name]:
            raise _problem(uri, number, f"a row of the sample sheet has no '{name}'")
    sample, ploidy, interleaved = values["sample"], values.get("ploidy", ""), values.get("interleaved", "").lower()
    if ploidy and not (ploidy.isdecimal() and int(ploidy) > 0):
        raise _problem(uri, number, f"ploidy '{ploidy}' is not a whole number above 0")
    if interleaved not in _YES_NO:
        raise _problem(uri, number, f"'{interleaved}' in the column 'interleaved' is neither yes nor no")
    if values.get("r2") == values["r1"]:
        raise _problem(uri, number, f"the sample sheet has the file '{values['r1']}' twice", why="as r1 and as r2")
    if _YES_NO[interleaved] and values.get("r2"):
        raise _problem(uri, number, "an interleaved row has an r2 as well")
    earlier = sum(lane.sample == sample for lane in before)
    return Lane(
        sample=sample,
        lane=values.get("lane") or f"L{earlier + 1}",
        files=tuple(resolve(values[name], uri) for name in ("r1", "r2") if values.get(name)),
        read_group=values.get("read_group") or sample,
        ploidy=int(ploidy) if ploidy else None,
        interleaved=_YES_NO[interleaved],
    )


def _claim(seen: dict[Any, int], key: object, uri: str, number: int, what: str) -> None:
    first = seen.setdefault(key, number)
    if first != number:
        raise _problem(uri, number, f"the sample sheet has {what} twice", why=f"first on line {first}")


def _check_ploidy(lanes: Sequence[Lane], uri: str) -> None:
    known: dict[str, int | None] = {}
    for lane in lanes:
        if known.setdefault(lane.sample, lane.ploidy) != lane.ploidy:
            raise BadInput(
                f"sample '{lane.sample}' has two ploidies",
                why=f"{known[lane.sample]} and {lane.ploidy} in different rows",
                hint="give all rows of a sample the same ploidy, or none",
                file=uri,
            )


def _problem(
    uri: str, line: int, what: str, *, why: str = "", hint: str = "correct the sheet and run again"
) -> BadInput:
    return BadInput(what, why=why, hint=hint, file=uri, line=line)
