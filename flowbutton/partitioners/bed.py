"""BED: intervals on contigs, a line each.

Here: reading the lines. Not here: cutting the intervals (`regions`).
Format: samtools/hts-specs BEDv1. Imports `flowbutton.model`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from flowbutton.model.errors import BadInput, MalformedRecord

_DISPLAY = ("track", "browser")


@dataclass(frozen=True, slots=True)
class Interval:
    """Bases ``[start, stop)`` of a contig, counted from 0; ``line`` says where a file names them, from 1."""

    contig: str
    start: int
    stop: int
    line: int

    def __post_init__(self) -> None:
        if not self.contig or not 0 <= self.start <= self.stop:
            raise ValueError(f"{self.contig!r}:{self.start}-{self.stop} is not an interval")


def parse_bed(text: bytes, *, file: str) -> Iterator[Interval]:
    """Yield the intervals of a BED file in its order; columns behind the third may hold anything.

    Raises:
        MalformedRecord: a line has no three columns, or the last two of them are not whole numbers with start ≤ stop.
    """
    for number, raw in enumerate(text.split(b"\n"), start=1):
        line = raw.decode("utf-8", "backslashreplace").rstrip("\r")
        words = line.split()
        if not words or line.startswith("#") or words[0] in _DISPLAY:
            continue
        yield _interval(line.split("\t") if "\t" in line else words, line, number, file)


def check_disjoint(intervals: Sequence[Interval], *, file: str) -> None:
    """Raise `BadInput` if a base is in two intervals: then it would be owned twice."""
    rows = sorted((row for row in intervals if row.start < row.stop), key=lambda row: (row.contig, row.start, row.stop))
    for before, after in pairwise(rows):
        if before.contig == after.contig and after.start < before.stop:
            raise BadInput(
                "two intervals of a BED file overlap",
                why=f"lines {before.line} and {after.line} both hold {after.contig}:{after.start} (counted from 0), "
                "so what is found there would be counted twice",
                hint="merge them: bedtools merge -i (of the sorted file)",
                file=file,
                line=after.line,
            )


def _interval(fields: Sequence[str], line: str, number: int, file: str) -> Interval:
    try:
        contig, start, stop = fields[:3]
        return Interval(contig, int(start), int(stop), number)
    except ValueError as error:
        raise MalformedRecord(
            f"this is not a line of a BED file: {line[:60]!r}",
            why="it needs a contig, a start and a stop, whole numbers from 0 with start ≤ stop",
            hint="correct the line, or put '#' before it if it is a comment",
            file=file,
            line=number,
        ) from error
