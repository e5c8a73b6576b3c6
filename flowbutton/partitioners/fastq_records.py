"""Four-line records in a block of text: cutting off whole ones, checking them, naming them.

Here: pure functions on bytes. Not here: where the bytes come from (`fastq_reads`).
Format: Cock et al. 2010, doi:10.1093/nar/gkp1137, in its strict form of four lines to a record.
Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowbutton.model.errors import BadInput, MalformedRecord

_AT, _PLUS, _RETURN, _NEWLINE, _SLASH, _ONE, _TWO = b"@+\r\n/12"
_BLANK = np.isin(np.arange(256), list(b" \t\n\r\v\f"))  # what bytes.split takes for the end of a word
_BASES = re.compile(rb"[A-Za-z.*~-]+\r?")
Places = npt.NDArray[np.intp]
WRAPPED = "'seqtk seq -l0' writes four lines to a record"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a block of text begins: the file, the number of its first record (from 1), its byte in the whole text."""

    file: str
    record: int
    byte: int


def line_ends(text: bytes | bytearray | memoryview) -> Places:
    """Return where the newlines are."""
    return np.flatnonzero(np.frombuffer(text, np.uint8) == 10)


def line_starts(ends: Places) -> Places:
    """Return where the lines begin that end at ``ends``."""
    starts = np.empty_like(ends)
    starts[:1] = 0
    np.add(ends[:-1], 1, out=starts[1:])
    return starts


def check_records(text: bytes, ends: Places, place: Place) -> None:
    """Check the records whose newlines are at ``ends`` (four to each), all at once.

    Raises:
        MalformedRecord: the first record that is not one.
    """
    if not len(ends):
        return
    stop = int(ends[-1]) + 1
    array = np.frombuffer(text, np.uint8)[:stop]
    lines, starts = ends.reshape(-1, 4), line_starts(ends).reshape(-1, 4)
    good = array[starts[:, 0]] == _AT
    good &= array[starts[:, 2]] == _PLUS
    lengths = (lines - starts)[:, 1::2]
    if text.find(b"\r", 0, stop) >= 0:
        lengths = lengths - ((lengths > 0) & (array[lines[:, 1::2] - 1] == _RETURN))
    good &= lengths[:, 0] == lengths[:, 1]
    nul = text.find(b"\0", 0, stop)
    if nul < 0 and good.all():
        return
    wrong = int(np.argmin(good)) if not good.all() else len(good)
    if nul >= 0:
        wrong = min(wrong, int(np.searchsorted(lines[:, 3], nul)))
    start = int(starts[wrong, 0])
    raise _malformed(
        text[start : int(lines[wrong, 3])].split(b"\n"), Place(place.file, place.record + wrong, place.byte + start)
    )


def headers_of(text: bytes, ends: Places, *, first: int = 0, step: int = 1) -> bytes:
    """Return the header lines of record ``first`` and every ``step``-th after it, whole, with their newlines."""
    starts, stops = line_starts(ends)[4 * first :: 4 * step], ends[4 * first :: 4 * step] + 1
    # Measured: gathering the bytes by numpy takes twice as long.
    return b"".join([text[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)])


def names_of(headers: bytes) -> list[bytes]:
    """Return the names in header lines: without '@', comment and a trailing ``/1`` or ``/2``."""
    names = [line.split(None, 1)[0] for line in headers.split(b"\n")[:-1]]
    return [name[1:-2] if name.endswith((b"/1", b"/2")) else name[1:] for name in names]


def same_names(first: bytes, second: bytes) -> bool:
    """Tell whether header lines surely name the same reads. False: they differ in more than the usual, look closer.

    Usual is a last letter 1 of a name, and 2 in its mate's, after a slash; and the first letter of a comment.
    """
    if first == second:
        return True
    if len(first) != len(second):
        return False
    one, two = np.frombuffer(first, np.uint8), np.frombuffer(second, np.uint8)
    places = np.flatnonzero(one != two)
    lefts, rights = one[places], two[places]
    before, after = one[places - 1], one[np.minimum(places + 1, len(one) - 1)]
    # The byte before or after is the same in both: else it is a place too, and not a usual one.
    mate = (before == _SLASH) & (lefts == _ONE) & (rights == _TWO) & _BLANK[after]
    newline = (lefts == _NEWLINE) | (rights == _NEWLINE)
    return bool(np.all((_BLANK[before] | mate) & ~newline))


def check_start(text: bytes, file: str) -> None:
    """Look at the first lines of a file; refuse what is clearly not FASTQ of four lines to a record.

    Raises:
        BadInput: it is FASTA, something else, or its records are wrapped.
    """
    if not text:
        return
    lines = text.split(b"\n")
    if text[:1] != b"@":
        raise _malformed(lines[:4], Place(file, 1, 0))
    if len(lines) > 3 and lines[2][:1] != b"+":
        raise _malformed(lines[:4], Place(file, 1, 0))


def _malformed(lines: list[bytes], place: Place) -> BadInput:
    what, why, hint = _describe([*lines, *[b""] * (4 - len(lines))])
    return MalformedRecord(
        what,
        why=why,
        hint=f"{hint} (the byte is that of the text, uncompressed)",
        file=place.file,
        record=place.record,
        byte=place.byte,
    )


def _describe(lines: list[bytes]) -> tuple[str, str, str]:
    """Return what is wrong with a record, why, and what to do."""
    again = "if the file was cut or edited, fetch it again"
    head, bases, plus, qualities = (line.removesuffix(b"\r") for line in lines[:4])
    if any(b"\0" in line for line in lines):
        return "a FASTQ record holds a zero byte", "text has none; the file is damaged", again
    if head[:1] == b">":
        return "this is FASTA, not FASTQ", "a record begins with '>' and has no qualities", "give a FASTQ file"
    if head[:1] != b"@":
        return (
            "a FASTQ record does not begin with '@'",
            f"its first line is {_shown(head)}; a record before it may have a line too many or too few",
            again,
        )
    if plus[:1] != b"+":
        if _BASES.fullmatch(bases) and _BASES.fullmatch(plus):
            return "the sequence of a FASTQ record runs over several lines", "its third line has bases too", WRAPPED
        return "a FASTQ record has no '+' at the start of its third line", f"the line is {_shown(plus)}", again
    return (
        f"a read has {len(bases)} bases but {len(qualities)} qualities",
        f"the read is {_shown(head)}",
        again,
    )


def _shown(line: bytes) -> str:
    text = line[:60].decode("ascii", "backslashreplace")
    return f"'{text}…'" if len(line) > 60 else f"'{text}'"
