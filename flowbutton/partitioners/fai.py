"""Where the bases of a sequence lie in a FASTA file: the rows of a .fai.

Here: the row, base to byte, reading a .fai that lies beside a file.
Not here: making the rows from the FASTA itself (`fasta_scan`). Format: man page faidx(5) of samtools.
Imports `flowbutton.model`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowbutton.model.errors import BadInput, MalformedRecord

_COLUMNS = 5


@dataclass(frozen=True, slots=True)
class Contig:
    """A sequence of ``length`` bases from byte ``offset`` of the text on, in lines of ``line_bases``.

    A line takes ``line_width`` bytes, its end included. An empty sequence has no lines: both are 0.
    """

    name: str
    length: int
    offset: int
    line_bases: int
    line_width: int

    def byte(self, base: int) -> int:
        """Return the byte of the text that holds base ``base``, counted from 0, below ``length``."""
        line, column = divmod(base, self.line_bases)
        return self.offset + line * self.line_width + column

    def span(self, start: int, stop: int) -> tuple[int, int]:
        """Return the bytes ``[first, last)`` that hold the bases ``[start, stop)``, line ends between them included."""
        return (self.byte(start), self.byte(stop - 1) + 1) if start < stop else (self.offset, self.offset)

    def agrees(self, other: Contig) -> bool:
        """Return whether both find the same bases; the width of the only line of a sequence finds nothing."""
        if (self.name, self.length, self.offset) != (other.name, other.length, other.offset):
            return False
        one_line = self.line_bases >= self.length and other.line_bases >= other.length
        return one_line or (self.line_bases, self.line_width) == (other.line_bases, other.line_width)


def parse_fai(text: bytes, *, file: str) -> list[Contig]:
    """Read the rows of a .fai.

    Raises:
        MalformedRecord: a line has no five columns, or they are not a name and four numbers that fit together.
        BadInput: there are no rows, or a name comes twice.
    """
    rows = [_row(line, number, file) for number, line in enumerate(text.splitlines(), start=1) if line]
    check_names([row.name for row in rows], file=file)
    return rows


def check_names(names: Sequence[str], *, file: str) -> None:
    """Raise `BadInput` if there are no sequences or if two have one name."""
    if not names:
        raise BadInput(
            "this is a reference without contigs", why="it holds no sequence", hint="check the file", file=file
        )
    if len(set(names)) == len(names):
        return
    seen: set[str] = set()
    for record, name in enumerate(names, start=1):
        if name in seen:
            raise BadInput(
                f"two sequences are called '{name}'",
                why="a region of it could mean either",
                hint="give each sequence a name of its own; the name ends at the first blank",
                file=file,
                record=record,
            )
        seen.add(name)


def _row(line: bytes, number: int, file: str) -> Contig:
    fields = line.split(b"\t")
    try:
        length, offset, line_bases, line_width = (int(field) for field in fields[1:_COLUMNS])
        contig = Contig(fields[0].decode(), length, offset, line_bases, line_width)
    except ValueError as error:
        raise _malformed(line, number, file, "it needs a name and four whole numbers, with tabs between") from error
    if not contig.name or min(length, offset) < 0 or (length and not 0 < line_bases <= line_width):
        raise _malformed(line, number, file, "its numbers do not describe lines of bases")
    return contig


def _malformed(line: bytes, number: int, file: str, why: str) -> MalformedRecord:
    return MalformedRecord(
        f"this is not a line of a .fai: {line[:60].decode('utf-8', 'replace')!r}",
        why=why,
        hint="make the index again: samtools faidx",
        file=file,
        line=number,
    )
