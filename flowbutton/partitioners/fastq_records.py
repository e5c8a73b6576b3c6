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

_AT, _PLUS, _RETURN = b"@+\r"
_BASES = re.compile(rb"[A-Za-z.*~-]+\r?")
WRAPPED = "'seqtk seq -l0' writes four lines to a record"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a block of text begins: the file, the number of its first record (from 1), its byte in the whole text."""

    file: str
    record: int
    byte: int


def line_ends(text: bytes) -> npt.NDArray[np.intp]:
    """Return where the newlines are."""
    return np.flatnonzero(np.frombuffer(text, np.uint8) == 10)


def check_records(text: bytes, ends: npt.NDArray[np.intp], place: Place) -> None:
    """Check the records whose newlines are at ``ends`` (four to each), all at once.

    Raises:
        MalformedRecord: the first record that is not one.
    """
    if not len(ends):
        return
    array = np.frombuffer(text, np.uint8)[: ends[-1] + 1]
    lines = ends.reshape(-1, 4)
    starts = np.concatenate(([0], ends[:-1] + 1)).reshape(-1, 4)
    good = (array[starts[:, 0]] == _AT) & (array[starts[:, 2]] == _PLUS)
    sizes = lines - starts
    lengths = sizes[:, 1::2]
    returns = (lengths > 0) & (array[lines[:, 1::2] - 1] == _RETURN)
    lengths = lengths - returns
    good &= lengths[:, 0] == lengths[:, 1]
    if good.all() and text.find(b"\0", 0, len(array)) < 0:
        return
    nul = text.find(b"\0", 0, len(array))
    wrong = int(np.argmin(good)) if not good.all() else len(good)
    if nul >= 0:
        wrong = min(wrong, int(np.searchsorted(lines[:, 3], nul)))
    start = int(starts[wrong, 0])
    raise _malformed(
        text[start : int(lines[wrong, 3])].split(b"\n"), Place(place.file, place.record + wrong, place.byte + start)
    )


def names_of(text: bytes) -> bytes:
    """Return the reads' names, one a line: without '@', comment and a trailing ``/1`` or ``/2``."""
    names = [(line.split(None, 1) or (b"",))[0] for line in text.split(b"\n")[0:-1:4]]
    return b"".join([(name[1:-2] if name.endswith((b"/1", b"/2")) else name[1:]) + b"\n" for name in names])


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
