"""The reader of a piece of FASTQ: text in blocks of whole, checked records.

Here: `FastqReads`. Not here: what a record must look like (`fastq_records`), where pieces come from (`fastq_layout`).
Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from flowbutton.model.errors import TruncatedInput, UnpairedReads
from flowbutton.model.partitioner import Reader
from flowbutton.model.pieces import Piece, Scalar
from flowbutton.model.store import DataAccess
from flowbutton.partitioners import bgzf
from flowbutton.partitioners.fastq_index import check_unchanged
from flowbutton.partitioners.fastq_kept import read_kept
from flowbutton.partitioners.fastq_records import (
    Place,
    Places,
    check_records,
    headers_of,
    line_ends,
    names_of,
    same_names,
)
from flowbutton.partitioners.text_buffer import TextBuffer

_STEP = 1 << 20
LINES = 4


@dataclass(frozen=True, slots=True)
class _Part:
    """The part of one file that a piece owns; ``text`` is the byte of the whole text where the extents begin."""

    file: str
    identity: str
    extents: tuple[tuple[str, int, int, str], ...]
    text: int
    skip: int
    first: int
    records: int

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> _Part:
        extents = tuple((uri, start, stop, coding) for uri, start, stop, coding in value["extents"])
        return cls(**{**value, "extents": extents})


class FastqReads(Reader):
    """Reads of one piece, of one file or of two files in step.

    Text comes as it is stored, line ends too; a last record without a newline gets one. Every record is checked before
    it is handed out, and the names of pairs as soon as both mates have been read.
    """

    def __init__(self, piece: Piece, data: DataAccess) -> None:
        body = cast(Mapping[str, Any], piece.body)
        self._key = dict(piece.key)
        self._data = data
        self._parts = [_Part.of(value) for value in body["files"]]
        self._handed_out = [0] * len(self._parts)
        self._interleaved = body["paired"] and len(self._parts) == 1
        self._mates = _Mates(self._parts[-1].file, self._parts[0].first, 2 if self._interleaved else 1)
        self.sample: str = body["sample"]
        self.read_group: str = body["read_group"]
        self.paired: bool = body["paired"]

    @property
    def key(self) -> Mapping[str, Scalar]:
        """Sample, lane, ordinal."""
        return self._key

    @property
    def consumed(self) -> int:
        """Reads handed out so far; a file that is read twice counts once."""
        return sum(self._handed_out)

    @property
    def files(self) -> int:
        """1, or 2 for pairs in two files."""
        return len(self._parts)

    def text(self, file: int = 0) -> Iterator[bytes]:
        """Yield the text of file 0 or 1, in blocks of whole records (of whole pairs, when interleaved).

        Raises:
            MalformedRecord, TruncatedInput, UnpairedReads, ChangedInput: with file, record and byte.
        """
        part = self._parts[file]
        record, unit = part.first, 2 if self._interleaved else 1
        for block, ends in _records(self._stream(part), part, unit):
            count = len(ends) // LINES
            if self.paired and record - part.first + count > self._handed_out[file]:
                self._check_names(file, block, ends)
            record += count
            self._handed_out[file] = max(self._handed_out[file], record - part.first)
            yield block

    def write(self, folder: Path) -> tuple[Path, ...]:
        """Write the reads as plain text, a file for each of the source's; return the files' paths."""
        paths = tuple(folder / f"reads_{number}.fastq" for number in range(1, self.files + 1))
        for number, path in enumerate(paths):
            with path.open("wb") as target:
                for block in self.text(number):
                    target.write(block)
        return paths

    def as_files(self, folder: Path) -> Mapping[str, Path]:
        """Write the reads as plain text: one file, or ``r1`` and ``r2`` of pairs in two files."""
        paths = self.write(folder)
        return {"": paths[0]} if len(paths) == 1 else {"r1": paths[0], "r2": paths[1]}

    def _check_names(self, file: int, block: bytes, ends: Places) -> None:
        if self._interleaved:
            for mate in (0, 1):
                self._mates.add(mate, headers_of(block, ends, first=mate, step=2))
        else:
            self._mates.add(file, headers_of(block, ends))

    def _stream(self, part: _Part) -> Iterator[bytes | memoryview]:
        """Yield the text that covers a part; each step is valid until the next."""
        check_unchanged(part.file, part.identity, self._data)
        for uri, start, stop, coding in part.extents:
            if coding == "bgzf":
                yield from self._inflated(uri, start, stop)
            elif coding == "kept":
                yield from read_kept(uri, start, stop, self._data, step=_STEP)
            else:
                for at in range(start, stop, _STEP):
                    yield self._data.read(uri, at, min(at + _STEP, stop))
        check_unchanged(part.file, part.identity, self._data)

    def _inflated(self, uri: str, start: int, stop: int) -> Iterator[memoryview]:
        def read(begin: int, end: int) -> bytes:
            return self._data.read(uri, begin, min(end, stop))

        texts = TextBuffer(_STEP + bgzf.MAX_BLOCK)
        for byte, block in bgzf.walk(read, start, stop):
            texts.add(bgzf.inflate(block, file=uri, byte=byte))
            if texts.size >= _STEP:
                yield texts.take()
        yield texts.take()


class _Mates:
    """Compares the names of first and second reads, as far as both have been read.

    ``file`` holds the second reads, the first of them has the number ``record``, the next one a number ``step`` higher.
    """

    def __init__(self, file: str, first: int, step: int) -> None:
        self._file, self._record, self._step = file, first + step - 1, step
        self._ahead = [bytearray(), bytearray()]

    def add(self, mate: int, headers: bytes) -> None:
        """Take the next header lines of the first reads (``mate`` 0) or the second ones (1), whole."""
        self._ahead[mate] += headers
        left, right = self._ahead
        stop = left.rfind(b"\n", 0, min(len(left), len(right))) + 1
        stops, count = (stop, stop), left.count(b"\n", 0, stop)
        if not same_names(bytes(left[:stop]), bytes(right[:stop])):
            count = min(left.count(b"\n"), right.count(b"\n"))
            stops = (_end_of_line(left, count), _end_of_line(right, count))
            self._compare(names_of(bytes(left[: stops[0]])), names_of(bytes(right[: stops[1]])))
        self._record += count * self._step
        del left[: stops[0]], right[: stops[1]]

    def _compare(self, left: list[bytes], right: list[bytes]) -> None:
        for number, names in enumerate(zip(left, right, strict=True)):
            if names[0] == names[1]:
                continue
            first, second = (name.decode("ascii", "backslashreplace") for name in names)
            raise UnpairedReads(
                "two reads of a pair have different names",
                why=f"the first read is '{first}', the second '{second}'",
                hint="both must be the same reads in the same order, as the sequencer wrote them",
                file=self._file,
                record=self._record + number * self._step,
            )


def _end_of_line(text: bytearray, count: int) -> int:
    """Return the byte after the first ``count`` lines."""
    return int(line_ends(text)[count - 1]) + 1 if count else 0


class _Held:
    """Text of a record that is not whole yet, in the steps that it came in, and the places of its newlines."""

    def __init__(self, text: bytes = b"", ends: Places | None = None) -> None:
        self._parts, self.size = [text], len(text)
        self.ends = np.zeros(0, np.intp) if ends is None else ends

    def add(self, step: bytes | memoryview, ends: Places) -> None:
        self._parts.append(bytes(step))
        self.size += len(step)
        self.ends = ends

    def join(self, tail: bytes | memoryview) -> bytes:
        return b"".join((*self._parts, tail))


def _records(stream: Iterator[bytes | memoryview], part: _Part, unit: int) -> Iterator[tuple[bytes, Places]]:
    """Yield the owned records of a stream in checked blocks of whole units, each with the places of its newlines."""
    skip, byte, left = part.skip, part.text, part.records
    held = _Held()
    for step in stream:
        if skip:
            step, skip, passed = _skip_lines(step, skip)
            byte += passed
        if not left or not step:
            continue
        ends = np.concatenate((held.ends, line_ends(step) + held.size))
        count = min(len(ends) // (LINES * unit) * unit, left)
        if not count:
            held.add(step, ends)
            continue
        ends, rest = ends[: count * LINES], ends[count * LINES :]
        stop = int(ends[-1]) + 1
        cut = stop - held.size
        block, held = held.join(memoryview(step)[:cut]), _Held(bytes(step[cut:]), rest - stop)
        check_records(block, ends, _place(part, left, byte))
        byte, left = byte + stop, left - count
        yield block, ends
    if left:
        yield _last(held.join(b"\n"), part, left, byte)


def _skip_lines(text: bytes | memoryview, skip: int) -> tuple[bytes | memoryview, int, int]:
    """Return the text after ``skip`` newlines, how many are still to be skipped, and the bytes passed."""
    ends = line_ends(text)
    if len(ends) < skip:
        return b"", skip - len(ends), len(text)
    at = int(ends[skip - 1]) + 1
    return text[at:], 0, at


def _place(part: _Part, left: int, byte: int) -> Place:
    return Place(part.file, part.first + part.records - left, byte)


def _last(block: bytes, part: _Part, left: int, byte: int) -> tuple[bytes, Places]:
    """Return what is left at the end of the file: the last record, whose last newline may be missing; one was added."""
    ends, place = line_ends(block), _place(part, left, byte)
    if len(ends) != left * LINES:
        raise TruncatedInput(
            "a FASTQ file ends inside a record",
            why=f"{left} more records should follow",
            hint="it may have changed while the run was reading it: run again",
            file=place.file,
            record=place.record,
            byte=place.byte,
        )
    check_records(block, ends, place)
    return block, ends
