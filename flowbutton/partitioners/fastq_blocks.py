"""The text that a piece of FASTQ owns of one file, in blocks of whole records; they are not looked at any further here.

Here: `Part`, `Block`, `blocks_of`. Not here: what a record must look like (`fastq_records`), what stages get of a piece
(`fastq_reads`). Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flowbutton.model.errors import TruncatedInput
from flowbutton.model.store import DataAccess
from flowbutton.partitioners import bgzf
from flowbutton.partitioners.fastq_index import check_unchanged
from flowbutton.partitioners.fastq_kept import read_kept
from flowbutton.partitioners.fastq_records import (
    LINES,
    Fault,
    Place,
    Seams,
    bad_records,
    count_newlines,
    fault_of,
    line_ends,
)
from flowbutton.partitioners.lines import Places
from flowbutton.partitioners.text_buffer import TextBuffer

_STEP = 1 << 20
_NEAR = 1 << 14  # bytes at a step's end in which a record most likely ends


@dataclass(frozen=True, slots=True)
class Part:
    """The part of one file that a piece owns; ``text`` is the byte of the whole text where the extents begin.

    ``proven``: the extents are kept text that has good records only.
    """

    file: str
    identity: str
    extents: tuple[tuple[str, int, int, str], ...]
    text: int
    skip: int
    first: int
    records: int
    proven: bool

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Part:
        """Read what the layout wrote into a piece."""
        extents = tuple((uri, start, stop, coding) for uri, start, stop, coding in value["extents"])
        return cls(**{**value, "extents": extents})


@dataclass(frozen=True)
class Block:
    """Whole records: their text, where it begins, how many they are.

    ``is_cut``: the file's last newline was missing. ``is_proven``: all are known to be good.
    """

    text: bytes
    place: Place
    count: int
    is_cut: bool = False
    is_proven: bool = False

    @cached_property
    def ends(self) -> Places:
        """Where the newlines are."""
        return line_ends(self.text) if self.is_proven else self._seams.ends

    @cached_property
    def _seams(self) -> Seams:
        return Seams.of(self.text)

    def bad(self) -> list[int]:
        """Return the numbers, from 0, of the records that are bad in themselves."""
        return [] if self.is_proven else bad_records(self.text, self._seams).tolist()

    def range_of(self, record: int) -> range:
        """Return the bytes of a record in the block."""
        ends, first = self.ends, record * LINES
        return range(int(ends[first - 1]) + 1 if first else 0, int(ends[first + LINES - 1]) + 1)

    def text_of(self, record: int) -> bytes:
        """Return the text of a record, with its last newline if the file has it."""
        bytes_ = self.range_of(record)
        return self.text[bytes_.start : bytes_.stop - (self.is_cut and record == self.count - 1)]

    def place_of(self, record: int) -> Place:
        """Return where a record begins."""
        place = self.place
        return Place(place.file, place.record + record, place.byte + self.range_of(record).start)

    def fault_of(self, record: int) -> Fault:
        """Return what is wrong with a bad record."""
        bytes_ = self.range_of(record)
        lines = self.text[bytes_.start : bytes_.stop].split(b"\n")[:LINES]
        return fault_of(lines, is_cut=self.is_cut and record == self.count - 1)

    def without(self, records: list[int]) -> bytes:
        """Return the text of the others."""
        kept, at = [], 0
        for record in records:
            bytes_ = self.range_of(record)
            kept.append(self.text[at : bytes_.start])
            at = bytes_.stop
        return b"".join((*kept, self.text[at:]))


def blocks_of(part: Part, data: DataAccess, *, unit: int) -> Iterator[Block]:
    """Yield the records that a piece owns of one file, in blocks of whole units, each of ``unit`` records.

    Raises:
        TruncatedInput, ChangedInput, BadInput: the file is not what its index was made of, or is damaged.
    """
    skip, byte, left = part.skip, part.text, part.records
    held = _Held()
    for step in _stream(part, data):
        if skip:
            step, skip, passed = _skip_lines(step, skip)
            byte += passed
        if not left or not step:
            continue
        lines = held.lines + count_newlines(step)
        count = min(lines // (LINES * unit) * unit, left)
        if not count:
            held.add(step, lines)
            continue
        behind = lines - count * LINES
        cut = _end_of_line(step, behind)
        text, held = held.join(memoryview(step)[:cut]), _Held(bytes(step[cut:]), behind)
        yield Block(text, _place(part, left, byte), count, is_proven=part.proven)
        byte, left = byte + len(text), left - count
    if left:
        yield _last(held, part, left, byte)


def _stream(part: Part, data: DataAccess) -> Iterator[bytes | memoryview]:
    """Yield the text that covers a part; each step is valid until the next."""
    check_unchanged(part.file, part.identity, data)
    for uri, start, stop, coding in part.extents:
        if coding == "bgzf":
            yield from _inflated(uri, start, stop, data)
        elif coding == "kept":
            yield from read_kept(uri, start, stop, data, step=_STEP)
        else:
            for at in range(start, stop, _STEP):
                yield data.read(uri, at, min(at + _STEP, stop))
    check_unchanged(part.file, part.identity, data)


def _inflated(uri: str, start: int, stop: int, data: DataAccess) -> Iterator[memoryview]:
    def read(begin: int, end: int) -> bytes:
        return data.read(uri, begin, min(end, stop))

    texts = TextBuffer(_STEP + bgzf.MAX_BLOCK)
    for byte, block in bgzf.walk(read, start, stop):
        texts.add(bgzf.inflate(block, file=uri, byte=byte))
        if texts.size >= _STEP:
            yield texts.take()
    yield texts.take()


class _Held:
    """Text of a record that is not whole yet, in the steps that it came in, and its newlines."""

    def __init__(self, text: bytes = b"", lines: int = 0) -> None:
        self._parts, self.lines = [text], lines

    def add(self, step: bytes | memoryview, lines: int) -> None:
        self._parts.append(bytes(step))
        self.lines = lines

    def join(self, tail: bytes | memoryview) -> bytes:
        return b"".join((*self._parts, tail))


def _skip_lines(text: bytes | memoryview, skip: int) -> tuple[bytes | memoryview, int, int]:
    """Return the text after ``skip`` newlines, how many are still to be skipped, and the bytes passed."""
    ends = line_ends(text)
    if len(ends) < skip:
        return b"", skip - len(ends), len(text)
    at = int(ends[skip - 1]) + 1
    return text[at:], 0, at


def _end_of_line(text: bytes | memoryview, behind: int) -> int:
    """Return the byte after a line, behind which there are ``behind`` other newlines."""
    ends = line_ends(text[-_NEAR:])
    if len(ends) <= behind:
        return int(line_ends(text)[-1 - behind]) + 1
    return max(len(text) - _NEAR, 0) + int(ends[-1 - behind]) + 1


def _place(part: Part, left: int, byte: int) -> Place:
    return Place(part.file, part.first + part.records - left, byte)


def _last(held: _Held, part: Part, left: int, byte: int) -> Block:
    """Return what is left at the end of the file: the last record, whose last newline is missing; it gets one."""
    place = _place(part, left, byte)
    text = held.join(b"\n")
    if held.lines + 1 != left * LINES:
        raise TruncatedInput(
            "a FASTQ file ends inside a record",
            why=f"{left} more records should follow",
            hint="it may have changed while the run was reading it: run again",
            file=place.file,
            record=place.record,
            byte=place.byte,
        )
    return Block(text, place, left, is_cut=True, is_proven=part.proven)
