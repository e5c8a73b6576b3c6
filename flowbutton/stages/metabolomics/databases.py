"""Databases of molecules: tables with formulas, names and ids.

Here: the stage `metabolomics.read_database`. Not here: what is looked for (`ions`).
Imports `flowbutton.model`, the reader of whole files.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict

from flowbutton.model.errors import BadInput, MalformedRecord
from flowbutton.partitioners.whole import WholeFile
from flowbutton.stages.define import map_stage
from flowbutton.stages.metabolomics.formulas import parse_formula

# Names of columns, in small letters alone: 'Molecular Formula' is 'molecularformula'.
_FORMULA = ("formula", "sf", "sumformula", "molecularformula", "chemicalformula", "molformula")
_NAME = ("name", "moleculename", "molname", "compound", "compoundname", "commonname", "metabolite")
_ID = (
    "id",
    "moleculeid",
    "molid",
    "identifier",
    "compoundid",
    "accession",
    "hmdbid",
    "lmid",
    "chebiid",
    "keggid",
    "inchikey",
)
_SHOWN = 5


class Molecule(BaseModel):
    """One row of a database."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    formula: str
    name: str
    id: str


class BadFormula(BaseModel):
    """A row that was left out: its line (from 1), what it says, and why it can't be used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: int
    formula: str
    why: str


class Database(BaseModel):
    """A database's molecules, in the order of its rows, and the rows that were left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    molecules: tuple[Molecule, ...]
    left_out: tuple[BadFormula, ...]


@map_stage("metabolomics.read_database")
def read_database(file: WholeFile) -> Database:
    """Read a CSV or TSV with a column of formulas, and names and ids where it has them.

    Rows whose formula can't be used are listed, with their lines, and left out.

    Args:
        file: The table; its first line names the columns.

    Raises:
        BadInput: there is no column of formulas, no row, or no formula that can be used.
    """
    place = str(file.key["file"])
    molecules: list[Molecule] = []
    left_out: list[BadFormula] = []
    for line, formula, name, number in _rows(_text(file.read(), place), place):
        try:
            parse_formula(formula)
        except MalformedRecord as error:
            left_out.append(BadFormula(line=line, formula=formula, why=error.why or error.what))
        else:
            molecules.append(Molecule(formula=formula.strip(), name=name or formula, id=number))
    for bad in left_out:
        print(f"{place}, line {bad.line}: '{bad.formula}' is left out: {bad.why}")
    if not molecules:
        raise _nothing_left(left_out, place)
    return Database(name=place, molecules=tuple(molecules), left_out=tuple(left_out))


def _text(data: bytes, file: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(
            "a database is not text in UTF-8",
            why=str(error.reason),
            hint="save it as CSV or TSV in UTF-8",
            file=file,
            byte=error.start,
        ) from error


def _rows(text: str, file: str) -> Iterator[tuple[int, str, str, str]]:
    """Yield line number, formula, name and id of each row that is not blank."""
    records = _records(text, file)
    _, head = next(records, (1, []))
    names = [name.strip() for name in head]
    letters = ["".join(filter(str.isalpha, name.lower())) for name in names]
    formula, name, number = (_column(letters, known) for known in (_FORMULA, _NAME, _ID))
    if formula is None:
        raise BadInput(
            "a database has no column of formulas" if names else "a database is empty",
            why=f"its first line has: {', '.join(names)}" if names else "the file has no line",
            hint="name the columns in the first line: id, name, formula",
            file=file,
        )
    for line, row in records:
        yield line, _cell(row, formula), _cell(row, name), _cell(row, number)


def _records(text: str, file: str) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of each line that is not blank; a quoted cell may go on, and the last line counts.

    Raises:
        BadInput: a quotation mark is not closed, which would take all rows after it into one cell.
    """
    head = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = "\t" if "\t" in head else ";" if ";" in head else ","
    reader = csv.reader(io.StringIO(text, newline=None), delimiter=delimiter, strict=True)
    begins = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, row
            begins = reader.line_num + 1
    except csv.Error as error:
        raise BadInput(
            "a row of a database can't be read",
            why=str(error),
            hint="look for a quotation mark that is not closed; inside of quotes it is written twice",
            file=file,
            line=begins,
        ) from error


def _column(names: Sequence[str], known: Sequence[str]) -> int | None:
    return next((names.index(name) for name in known if name in names), None)


def _cell(row: Sequence[str], column: int | None) -> str:
    return row[column].strip() if column is not None and column < len(row) else ""


def _nothing_left(left_out: Sequence[BadFormula], file: str) -> BadInput:
    if not left_out:
        return BadInput("a database is empty", why="it has no row under its head", hint="check the file", file=file)
    shown = "; ".join(f"line {bad.line}: '{bad.formula}' ({bad.why})" for bad in left_out[:_SHOWN])
    more = f"; and {len(left_out) - _SHOWN} more" if len(left_out) > _SHOWN else ""
    return BadInput(
        "no formula of a database can be used", why=shown + more, hint="correct the formulas: C6H12O6", file=file
    )
