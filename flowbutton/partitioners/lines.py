"""Lines of four-line records: counting them part by part, and finding the first record that is out of step.

A part of a text does not know how many lines stand before it, so it looks at its lines in all four phases; when the
parts are joined, the right phase is known and with it the first record whose '@' or '+' is not where it should be.

Here: pure counting on bytes. Not here: where bytes come from (`fastq_index`), whole records (`fastq_records`).
Imports numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_AT, _PLUS, _NEWLINE = b"@+\n"
NOWHERE = (-1, -1)

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class PartLines:
    """What the lines of one part of a text are like; ``text`` is the part's length in bytes.

    ``first`` is its first byte (-1: it is empty), ``ends_line`` whether its last byte is a newline. ``run`` counts the
    newlines of the carriage returns and newlines at its end, ``blank`` says that there is nothing else in it.
    ``bad[p]``: if line numbers of the part (from 0) with remainder ``p`` by 4 were headers, the first line that would
    be wrong, and the byte where it begins in the part; `NOWHERE` if none. The part's line 0 is not looked at.
    """

    text: int
    newlines: int
    first: int
    ends_line: bool
    run: int
    blank: bool
    bad: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class BadLine:
    """The first line out of step in a whole text: its number and its byte, both from 0."""

    line: int
    byte: int


class LineScan:
    """Looks at a part of a text, block by block."""

    def __init__(self) -> None:
        self._text = self._newlines = self._run = 0
        self._first, self._last = -1, -1
        self._blank = True
        self._bad = [NOWHERE] * 4

    def feed(self, block: bytes | memoryview, stops: Sequence[int], ends: Places | None = None) -> list[int]:
        """Take the next block; return how many newlines there are up to each of ``stops``, from the one before on.

        ``ends``: where its newlines are, if that is known.
        """
        if not block:
            return [0] * len(stops)
        array = np.frombuffer(block, np.uint8)
        ends = np.flatnonzero(array == _NEWLINE) if ends is None else ends
        starts = ends + 1 if array[-1] != _NEWLINE else ends[:-1] + 1
        line = self._newlines + 1
        if self._last == _NEWLINE:
            starts, line = np.concatenate(([0], starts)), self._newlines
        self._check(array[starts], starts, line)
        self._note_end(block, len(ends))
        self._first = int(array[0]) if self._first < 0 else self._first
        self._last = int(array[-1])
        self._text += len(block)
        self._newlines += len(ends)
        return [int(count) for count in np.diff(np.searchsorted(ends, stops), prepend=0)]

    def result(self) -> PartLines:
        """Return what was seen."""
        return PartLines(
            text=self._text,
            newlines=self._newlines,
            first=self._first,
            ends_line=self._last == _NEWLINE,
            run=self._run,
            blank=self._blank,
            bad=tuple(self._bad),
        )

    def _check(self, firsts: Bytes, starts: Places, line: int) -> None:
        for phase in range(4):
            if self._bad[phase] != NOWHERE:
                continue
            wrong = []
            for step, wanted in ((0, _AT), (2, _PLUS)):
                skip = (phase + step - line) % 4
                at = np.flatnonzero(firsts[skip::4] != wanted)
                wrong += [skip + 4 * int(at[0])] if len(at) else []
            if wrong:
                self._bad[phase] = (line + min(wrong), self._text + int(starts[min(wrong)]))

    def _note_end(self, block: bytes | memoryview, newlines: int) -> None:
        tail = bytes(block[-64:])
        kept = tail.rstrip(b"\r\n")
        if not kept and len(block) > len(tail):
            tail = bytes(block)
            kept = tail.rstrip(b"\r\n")
        if kept:
            self._run, self._blank = tail.count(b"\n", len(kept)), False
        else:
            self._run += newlines


def count_lines(parts: Sequence[PartLines]) -> int:
    """Return the number of lines of the records in a whole text: empty lines after the last record don't count.

    The last record may end with an empty line, if it has no bases and so no qualities, and that line's own newline may
    be missing as any last newline may.
    """
    full = [part for part in parts if part.text]
    if not full:
        return 0
    newlines = sum(part.newlines for part in full)
    run = 0
    for part in reversed(full):
        run += part.run
        if not part.blank:
            break
    else:
        return 0
    lines = newlines - run + 1
    return lines + 1 if lines % 4 == 3 and run else lines


def lacks_last_line(parts: Sequence[PartLines], lines: int) -> bool:
    """Tell whether `count_lines` took an empty last line for granted: if any line is out of step, one is missing."""
    full = [part for part in parts if part.text]
    return bool(full) and full[-1].ends_line and sum(part.newlines for part in full) < lines


def first_bad_line(parts: Sequence[PartLines], lines: int) -> BadLine | None:
    """Return the first of the first ``lines`` lines that is a header without '@' or a third line without '+'."""
    newlines = text = 0
    line_begins = True
    for part in parts:
        if not part.text:
            continue
        wanted = {0: _AT, 2: _PLUS}.get(newlines % 4)
        if line_begins and wanted is not None and part.first != wanted and newlines < lines:
            return BadLine(newlines, text)
        line, byte = part.bad[-newlines % 4]
        if (line, byte) != NOWHERE and newlines + line < lines:
            return BadLine(newlines + line, text + byte)
        newlines += part.newlines
        text += part.text
        line_begins = part.ends_line
    return None
