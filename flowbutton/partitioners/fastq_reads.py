"""The reader of a piece of FASTQ: text in blocks of whole, checked records.

Here: `FastqReads`. Not here: what a record must look like (`fastq_records`), where pieces come from (`fastq_layout`).
Imports `flowbutton.model`, numpy through its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from flowbutton.model.errors import TruncatedInput, UnpairedReads
from flowbutton.model.partitioner import Reader
from flowbutton.model.pieces import Piece, Scalar
from flowbutton.model.store import DataAccess
from flowbutton.partitioners import bgzf
from flowbutton.partitioners.fastq_index import check_unchanged
from flowbutton.partitioners.fastq_records import Place, check_records, line_ends, names_of

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
        for block, count in _records(self._stream(part), part, unit):
            self._check_names(file, block, record - part.first, count)
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

    def _check_names(self, file: int, block: bytes, done: int, count: int) -> None:
        if not self.paired or done + count <= self._handed_out[file]:
            return
        names = names_of(block)
        if self._interleaved:
            lines = names.splitlines(keepends=True)
            self._mates.add(0, b"".join(lines[0::2]))
            self._mates.add(1, b"".join(lines[1::2]))
        else:
            self._mates.add(file, names)

    def _stream(self, part: _Part) -> Iterator[bytes]:
        """Yield the text that covers a part."""
        check_unchanged(part.file, part.identity, self._data)
        for uri, start, stop, coding in part.extents:
            if coding == "bgzf":
                yield from self._inflated(uri, start, stop)
            else:
                for at in range(start, stop, _STEP):
                    yield self._data.read(uri, at, min(at + _STEP, stop))
        check_unchanged(part.file, part.identity, self._data)

    def _inflated(self, uri: str, start: int, stop: int) -> Iterator[bytes]:
        def read(begin: int, end: int) -> bytes:
            return self._data.read(uri, begin, min(end, stop))

        held: list[bytes] = []
        for byte, block in bgzf.walk(read, start, stop):
            held.append(bgzf.inflate(block, file=uri, byte=byte))
            if sum(map(len, held)) >= _STEP:
                yield b"".join(held)
                held = []
        yield b"".join(held)


class _Mates:
    """Compares the names of first and second reads, as far as both have been read.

    ``file`` holds the second reads, the first of them has the number ``record``, the next one a number ``step`` higher.
    """

    def __init__(self, file: str, first: int, step: int) -> None:
        self._file, self._record, self._step = file, first + step - 1, step
        self._ahead = [bytearray(), bytearray()]

    def add(self, mate: int, names: bytes) -> None:
        """Take the next names of the first reads (``mate`` 0) or the second ones (1), one a line."""
        self._ahead[mate] += names
        left, right = self._ahead
        common = min(len(left), len(right))
        if left[:common] != right[:common]:
            self._refuse(left, right)
        self._record += left.count(b"\n", 0, common) * self._step
        del left[:common], right[:common]

    def _refuse(self, left: bytearray, right: bytearray) -> None:
        pairs = zip(left.split(b"\n"), right.split(b"\n"), strict=False)
        number, names = next((number, names) for number, names in enumerate(pairs) if names[0] != names[1])
        first, second = (name.decode("ascii", "backslashreplace") for name in names)
        raise UnpairedReads(
            "two reads of a pair have different names",
            why=f"the first read is '{first}', the second '{second}'",
            hint="both must be the same reads in the same order, as the sequencer wrote them",
            file=self._file,
            record=self._record + number * self._step,
        )


def _records(stream: Iterator[bytes], part: _Part, unit: int) -> Iterator[tuple[bytes, int]]:
    """Yield the owned records of a stream in checked blocks of whole units, each with its number of records."""
    skip, byte, left = part.skip, part.text, part.records
    held = b""
    for step in stream:
        if skip:
            step, skip, passed = _skip_lines(step, skip)
            byte += passed
        if not left or not step:
            continue
        held += step
        ends = line_ends(held)
        count = min(len(ends) // (LINES * unit) * unit, left)
        if count:
            ends = ends[: count * LINES]
            block, held = held[: ends[-1] + 1], held[ends[-1] + 1 :]
            check_records(block, ends, _place(part, left, byte))
            byte, left = byte + len(block), left - count
            yield block, count
    if left:
        yield _last(held, part, left, byte), left


def _skip_lines(text: bytes, skip: int) -> tuple[bytes, int, int]:
    """Return the text after ``skip`` newlines, how many are still to be skipped, and the bytes passed."""
    ends = line_ends(text)
    if len(ends) < skip:
        return b"", skip - len(ends), len(text)
    at = int(ends[skip - 1]) + 1
    return text[at:], 0, at


def _place(part: _Part, left: int, byte: int) -> Place:
    return Place(part.file, part.first + part.records - left, byte)


def _last(held: bytes, part: _Part, left: int, byte: int) -> bytes:
    """Return what is left at the end of the file: the last record, whose last newline may be missing."""
    block = held + b"\n"
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
    return block
