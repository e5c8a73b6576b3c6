"""Four-line records in a block of text: finding their lines, the bad ones among them, and their names.

Here: pure functions on bytes. Not here: where the bytes come from (`fastq_reads`).
Format: Cock et al. 2010, doi:10.1093/nar/gkp1137, in its strict form of four lines to a record.
Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from flowbutton.model.errors import BadInput, MalformedRecord
from flowbutton.partitioners.lines import Places

_AT, _PLUS, _RETURN, _NEWLINE, _SLASH, _ONE, _TWO = b"@+\r\n/12"
_BLANK = np.isin(np.arange(256), list(b" \t\n\r\v\f"))  # what bytes.split takes for the end of a word
_BASES = re.compile(rb"[A-Za-z.*~-]+\r?")
_LOWEST, _HIGHEST = 33, 126  # what can be printed and is no blank
_NOT_PRINTED = re.compile(rb"[^!-~]")
_BOM = b"\xef\xbb\xbf"
_LOOSE = 4  # a table of lines may be so many times as large as the lines
LINES = 4
"""Lines of a record."""
WRAPPED = "'seqtk seq -l0' writes four lines to a record"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a block of text begins: the file, the number of its first record (from 1), its byte in the whole text."""

    file: str
    record: int
    byte: int


@dataclass(frozen=True, slots=True)
class Seams:
    """What stands out in a text: its newlines, and the other bytes that are blanks, control characters or no ASCII.

    ``odd_lines`` says of each odd byte in which line it is, from 0.
    """

    ends: Places
    odd: Places
    odd_lines: Places

    @classmethod
    def of(cls, text: bytes | memoryview) -> Seams:
        """Look through a text."""
        array = np.frombuffer(text, np.uint8)
        # Numbers below wrap around: one comparison finds what is too low and what is too high.
        above = array - np.uint8(_LOWEST)
        places = np.flatnonzero(np.greater(above, _HIGHEST - _LOWEST, out=above.view(np.bool_)))
        newline = array[places] == _NEWLINE
        odd = np.flatnonzero(~newline)
        # All that is found before an odd byte and is none itself is a newline.
        return cls(places[newline], places[odd], odd - np.arange(len(odd)))

    def split(self, lines: int) -> tuple[Seams, Seams]:
        """Return the seams of the first ``lines`` lines, one or more, and of what follows."""
        stop = self.ends[lines - 1] + 1
        few = int(np.searchsorted(self.odd, stop))
        return (
            Seams(self.ends[:lines], self.odd[:few], self.odd_lines[:few]),
            Seams(self.ends[lines:] - stop, self.odd[few:] - stop, self.odd_lines[few:] - lines),
        )


def line_ends(text: bytes | bytearray | memoryview) -> Places:
    """Return where the newlines are."""
    return np.flatnonzero(np.frombuffer(text, np.uint8) == _NEWLINE)


def count_newlines(text: bytes | memoryview) -> int:
    """Return how many newlines there are. Measured: a quarter of the time of finding where they are."""
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == _NEWLINE))


def line_starts(ends: Places) -> Places:
    """Return where the lines begin that end at ``ends``."""
    starts = np.empty_like(ends)
    starts[:1] = 0
    np.add(ends[:-1], 1, out=starts[1:])
    return starts


def bad_records(text: bytes | memoryview, seams: Seams) -> Places:
    """Return the numbers (from 0) of those records of a text that are none; the text has whole records only."""
    ends = seams.ends
    array = np.frombuffer(text, np.uint8)
    lines, starts = ends.reshape(-1, 4), line_starts(ends).reshape(-1, 4)
    bad = array[starts[:, 0]] != _AT
    bad |= array[starts[:, 2]] != _PLUS
    lengths = (lines - starts)[:, 1::2]
    if len(seams.odd):
        odd, of_letters = array[seams.odd], (seams.odd_lines & 1) == 1
        returns = (odd == _RETURN) & (array[seams.odd + 1] == _NEWLINE)
        bad[seams.odd_lines[(of_letters & ~returns) | (odd == 0)] >> 2] = True
        shorter = seams.odd_lines[of_letters & returns]
        lengths[shorter >> 2, (shorter & 3) >> 1] -= 1
    bad |= lengths[:, 0] != lengths[:, 1]
    return np.flatnonzero(bad)


def headers_of(text: bytes, ends: Places, *, first: int = 0, step: int = 1) -> bytes:
    """Return the header lines of record ``first`` and every ``step``-th after it, whole, with their newlines."""
    starts, stops = line_starts(ends)[4 * first :: 4 * step], ends[4 * first :: 4 * step] + 1
    if not len(starts):
        return b""
    lengths = stops - starts
    width = int(lengths.max())
    rows = int(np.searchsorted(starts, len(text) - width, "right"))
    if rows * width > _LOOSE * int(lengths.sum()):
        rows = 0
    alone = [text[start:stop] for start, stop in zip(starts[rows:].tolist(), stops[rows:].tolist(), strict=True)]
    return b"".join((_rows_of(text, starts[:rows], lengths[:rows], width), *alone))


def _rows_of(text: bytes, starts: Places, lengths: Places, width: int) -> bytes:
    """Return bytes of equal width from each of ``starts``, less what exceeds each of ``lengths``.

    Measured: a third of the time of slicing each line.
    """
    if not len(starts):
        return b""
    windows = np.ndarray((len(text) - width + 1,), np.dtype((np.void, width)), text, strides=(1,))
    table = windows[starts].view(np.uint8).reshape(-1, width)
    return table[np.arange(width) < lengths[:, None]].tobytes()


def names_of(headers: bytes) -> list[bytes]:
    """Return the names in header lines: without '@', comment and a trailing ``/1`` or ``/2``."""
    names = [(line.split(None, 1) or [b""])[0] for line in headers.split(b"\n")[:-1]]
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
    """Look at the first two records of a file; refuse what is clearly not FASTQ of four lines to a record.

    A first record that is bad in itself, and followed by a good one, is left to the readers.

    Raises:
        BadInput: it is FASTA, something else, its records are wrapped, or an editor has changed its beginning or lines.
    """
    if not text:
        return
    if text.startswith(_BOM):
        raise _bad_start(
            "a byte-order mark stands before its first record", "leave its first three bytes out: tail -c +4", file
        )
    if b"\n" not in text and text.count(b"\r") > 1:
        raise _bad_start("its lines end with '\\r' alone", "write line feeds: tr '\\r' '\\n'", file)
    lines = [*text.split(b"\n", 8), *[b""] * 8]
    begins, goes_on = lines[0][:1] == b"@", lines[2][:1] in (b"+", b"")
    follows = not lines[4] or lines[4][:1] == b"@" or lines[6][:1] == b"+"
    if not (begins and goes_on) and not (begins | (lines[2][:1] == b"+") and follows):
        raise fault_of(lines[:4]).error(Place(file, 1, 0))


def _bad_start(why: str, hint: str, file: str) -> BadInput:
    return BadInput("this is not FASTQ of four lines to a record", why=why, hint=f"{hint} OLD > NEW", file=file, byte=0)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a record: in words that all records with the same fault share, and in those of its own.

    ``keeps_frame``: it has four lines of its own, as far as can be told, so the next record begins where it ends.
    """

    reason: str
    what: str
    why: str
    hint: str = "if the file was cut or edited, fetch it again"
    keeps_frame: bool = True

    def error(self, place: Place) -> MalformedRecord:
        """Return the error that says so."""
        aside = ", or leave bad records out: -p max_bad_reads=N of 'genomics', 'tolerate: {records: N}' in a stage"
        return MalformedRecord(
            self.what,
            why=self.why,
            hint=f"{self.hint}{aside if self.keeps_frame else ''} (the byte is that of the text, uncompressed)",
            file=place.file,
            record=place.record,
            byte=place.byte,
        )


def fault_of(lines: list[bytes], *, is_cut: bool = False) -> Fault:
    """Return what is wrong with a record, whose four lines are given without their newlines.

    ``is_cut``: the file ends with it, and without a newline.
    """
    head, bases, plus, qualities = (line.removesuffix(b"\r") for line in lines)
    framed = head[:1] == b"@" or plus[:1] == b"+"
    if any(b"\0" in line for line in lines):
        what, why = "a FASTQ record holds a zero byte", "text has none; the file is damaged"
        return Fault("with a zero byte", what, why, keeps_frame=framed)
    if head[:1] == b">" and not framed:
        why = "a record begins with '>' and has no qualities"
        return Fault("FASTA", "this is FASTA, not FASTQ", why, "give a FASTQ file", keeps_frame=False)
    if head[:1] != b"@":
        why = f"its first line is {_shown(head)}; a record before it may have a line too many or too few"
        return Fault("without '@'", "a FASTQ record does not begin with '@'", why, keeps_frame=framed)
    if plus[:1] != b"+" and _BASES.fullmatch(bases) and _BASES.fullmatch(plus):
        what, why = "the sequence of a FASTQ record runs over several lines", "its third line has bases too"
        return Fault("without '+'", what, why, WRAPPED)
    if plus[:1] != b"+":
        what = "a FASTQ record has no '+' at the start of its third line"
        return Fault("without '+'", what, f"the line is {_shown(plus)}")
    # Where the file ends too early for the qualities, this may be a part of a record and no more.
    return _fault_of_letters(head, bases, qualities, framed=not (is_cut and len(qualities) < len(bases)))


def _fault_of_letters(head: bytes, bases: bytes, qualities: bytes, *, framed: bool) -> Fault:
    name = _shown(head)
    for line, kind in ((bases, "base"), (qualities, "quality")):
        found = _NOT_PRINTED.search(line)
        if found is not None:
            return Fault(
                f"with an impossible {kind}",
                f"the read {name} has an impossible {kind}",
                f"byte {found[0][0]} is outside {_LOWEST}..{_HIGHEST}, the characters that can be printed",
                "the file is damaged, or of another kind; convert it or fetch it again",
                keeps_frame=framed,
            )
    return Fault(
        "with unequal bases and qualities",
        f"a read has {len(bases)} bases but {len(qualities)} qualities",
        f"the read is {name}",
        keeps_frame=framed,
    )


def _shown(line: bytes) -> str:
    text = line[:60].decode("ascii", "backslashreplace")
    return f"'{text}…'" if len(line) > 60 else f"'{text}'"
