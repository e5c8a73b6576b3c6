"""BAM records in batches, from one virtual offset to another, and what their fixed fields say.

Here: the header, and the chain of records over BGZF blocks; arrays, not objects, as there are many.
Not here: what a record's bytes say (`bam_layout`), what is indexed (`bam_index`), cut and handed out (`bam`).
Format: SAM/BAM specification (samtools/hts-specs), sections 4.1 and 4.2. Imports `flowbutton.model`, numpy.

A virtual offset is ``block << 16 | byte``: where a block begins in the file, and a byte of its inflated text.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowbutton.model.errors import BadInput, MalformedRecord, TruncatedInput
from flowbutton.partitioners.bam_layout import SMALLEST, UNMAPPED, Ints, fixed_fields, reference_spans
from flowbutton.partitioners.bgzf import Read, inflate, walk

RECORD_LIMIT = 1 << 28
"""No record may say that it is longer: the longest reads known make records of 10 MiB."""

_BATCH_BYTES = 1 << 22
_MAGIC = b"BAM\1"
_INT = struct.Struct("<i")
_SECOND: int = _INT.unpack(_MAGIC)[0]  # what the head of another BAM looks like as a record's size: 21,840,194 bytes


@dataclass(frozen=True, slots=True)
class Header:
    """A BAM's header: its inflated bytes, the contigs it lists, and the virtual offset of the first record."""

    raw: bytes
    names: tuple[str, ...]
    lengths: tuple[int, ...]
    end: int

    @property
    def text(self) -> str:
        """The header as SAM text."""
        (length,) = _INT.unpack_from(self.raw, 4)
        return self.raw[8 : 8 + length].rstrip(b"\0").decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Batch:
    """Whole records that follow each other in ``text``; record n begins at ``starts[n]`` and at ``offsets[n]``.

    ``offsets`` are virtual, ``first`` counts the records before, ``fields`` holds the fixed fields of each.
    """

    text: bytes
    starts: Ints
    offsets: Ints
    first: int
    fields: npt.NDArray[np.void]

    def records(self, chosen: Ints) -> Iterator[bytes]:
        """Yield the bytes of the chosen records, each with the four that say its size."""
        starts = self.starts[chosen]
        stops = starts + 4 + self.fields["size"][chosen]
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            yield self.text[start:stop]

    def spans(self) -> Ints:
        """Return how many bases of the reference each record spans, at least 1, as htslib's ``bam_endpos`` has it."""
        spans = reference_spans(self.text, self.starts, self.fields)
        return np.where(self.fields["flag"] & UNMAPPED, 1, np.maximum(spans, 1))


def read_header(read: Read, size: int, file: str) -> Header:
    """Read the header of a BAM of ``size`` stored bytes.

    Raises:
        BadInput: it is BGZF, but not a BAM.
        TruncatedInput: the file ends inside its header.
    """
    text, parse = bytearray(), _HeaderParse(file)
    for byte, block in walk(read, 0, size):
        before = len(text)
        text += inflate(block, file=file, byte=byte)
        if parse.advance(text):
            at = parse.at
            end = (byte + len(block)) << 16 if at == len(text) else byte << 16 | (at - before)
            return Header(bytes(text[:at]), tuple(parse.names), tuple(parse.lengths), end)
    raise TruncatedInput("a BAM ends inside its header", why="", hint="fetch it again", file=file, byte=size)


class _HeaderParse:
    """Parses a header as far as its text is there; ``at`` is the byte behind what was parsed."""

    def __init__(self, file: str) -> None:
        self.names: list[str] = []
        self.lengths: list[int] = []
        self.at, self._contigs, self._file = 0, -1, file

    def advance(self, text: bytearray) -> bool:
        """Parse on; return whether the whole header is there."""
        if not text.startswith(_MAGIC) and not _MAGIC.startswith(text[:4]):
            raise _not_bam(self._file, "its text does not begin with 'BAM' and a byte of 1")
        if self._contigs < 0:
            if len(text) < 8 or len(text) < 12 + self._length(text, 4):
                return False
            self.at = 8 + self._length(text, 4)
            self._contigs, self.at = self._length(text, self.at), self.at + 4
        while len(self.names) < self._contigs and len(text) >= self.at + 4:
            end = self.at + 4 + self._length(text, self.at)
            if len(text) < end + 4:
                return False
            self.names.append(text[self.at + 4 : end - 1].decode("utf-8", "replace"))
            self.lengths.append(self._length(text, end))
            self.at = end + 4
        return len(self.names) == self._contigs

    def _length(self, text: bytearray, at: int) -> int:
        (length,) = _INT.unpack_from(text, at)
        if length < 0:
            raise _not_bam(self._file, f"its header gives a length of {length}")
        return int(length)


def batches(read: Read, start: int, stop: int, *, file: str, first: int) -> Iterator[Batch]:
    """Yield the records from virtual offset ``start`` to ``stop``, both of which are where a record begins or all end.

    Args:
        read: Returns stored bytes of the file.
        start: Where the first record begins.
        stop: Where the last one ends.
        file: The file's URI, for errors.
        first: How many records of the file come before ``start``.

    Raises:
        MalformedRecord: a record's sizes do not fit together.
        TruncatedInput: the bytes end inside a record.
        BadInput: a block is damaged, there are bytes between the blocks that are none, or another BAM follows.
    """
    text, blocks = b"", _Blocks()
    for portion in _portions(read, start, stop, file):
        text = blocks.add(text, portion)
        starts, used = _chain(text, blocks, file, first)
        if len(starts):
            fields = fixed_fields(text, starts)
            batch = Batch(text, starts, blocks.offsets(starts), first, fields)
            _check_sizes(batch, file)
            yield batch
            first += len(starts)
        text = text[used:]
        blocks.drop(used)
    if text:
        raise TruncatedInput(
            "a BAM ends inside a record",
            why=f"{len(text)} bytes of the record are there",
            hint="compare the file's size with the sender's and fetch it again",
            file=file,
            record=first + 1,
            byte=blocks.stored(0),
        )


class _Blocks:
    """Which stored block each byte of a running text is from."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stored: list[int] = []  # virtual offset of the text's byte at each start

    def add(self, text: bytes, portion: list[tuple[int, bytes]]) -> bytes:
        """Append blocks, each with the virtual offset of its first byte; return the longer text."""
        end = len(text)
        for offset, piece in portion:
            self._starts.append(end)
            self._stored.append(offset)
            end += len(piece)
        return b"".join([text, *(piece for _, piece in portion)])

    def drop(self, used: int) -> None:
        """Forget the first ``used`` bytes of the text."""
        keep = max(int(np.searchsorted(self._starts, used, side="right")) - 1, 0)
        self._stored = self._stored[keep:]
        begins = [start - used for start in self._starts[keep:]]
        self._starts = begins

    def offsets(self, at: Ints) -> Ints:
        """Return the virtual offsets of bytes of the text."""
        block = np.searchsorted(self._starts, at, side="right") - 1
        return np.asarray(np.array(self._stored)[block] + (at - np.array(self._starts)[block]), np.int64)

    def stored(self, at: int) -> int:
        """Return where in the file the block begins that holds a byte of the text."""
        return int(self.offsets(np.array([at]))[0]) >> 16


def _portions(read: Read, start: int, stop: int, file: str) -> Iterator[list[tuple[int, bytes]]]:
    """Yield blocks, some MiB at a time, cut to ``[start, stop)``, each with the virtual offset of its first byte."""
    portion: list[tuple[int, bytes]] = []
    held, end = 0, start >> 16
    last = (stop >> 16) + (1 if stop & 0xFFFF else 0)
    for byte, block in walk(read, end, last):
        text = inflate(block, file=file, byte=byte)
        end = byte + len(block)
        skip = start & 0xFFFF if byte == start >> 16 else 0
        text = text[skip : stop & 0xFFFF] if byte == stop >> 16 else text[skip:]
        portion.append((byte << 16 | skip, text))
        held += len(text)
        if held >= _BATCH_BYTES:
            yield portion
            portion, held = [], 0
    if portion:
        yield portion
    if end < last:
        raise BadInput(
            "a BAM holds bytes that are no BGZF block",
            why="it is damaged or cut short, or something was written between its blocks",
            hint="fetch the file again; 'samtools quickcheck' tests a file",
            file=file,
            byte=end,
        )


def _chain(text: bytes, blocks: _Blocks, file: str, first: int) -> tuple[Ints, int]:
    """Return where the whole records of ``text`` begin, and where the last of them ends."""
    starts: list[int] = []
    at, last, unpack = 0, len(text) - 4, _INT.unpack_from
    while at <= last:
        (size,) = unpack(text, at)
        if size == _SECOND:
            raise _appended(file, first + len(starts), blocks.stored(at))
        if not SMALLEST <= size <= RECORD_LIMIT:
            raise _malformed(f"it says that it has {size} bytes", file, first + len(starts), blocks.stored(at))
        if at + size > last:
            break
        starts.append(at)
        at += 4 + size
    return np.array(starts, np.int64), at


def _check_sizes(batch: Batch, file: str) -> None:
    fields = batch.fields
    bases = fields["bases"].astype(np.int64)
    needed = SMALLEST + fields["name_length"] + 4 * fields["cigar_length"].astype(np.int64) + (bases + 1) // 2 + bases
    bad = np.flatnonzero((needed > fields["size"]) | (bases < 0) | (fields["name_length"] < 1))
    if len(bad):
        number = int(bad[0])
        why = f"its name, CIGAR and bases need {needed[number]} bytes, but it has {fields['size'][number]}"
        raise _malformed(why, file, batch.first + number, int(batch.offsets[number]) >> 16)


def _appended(file: str, before: int, byte: int) -> BadInput:
    return BadInput(
        "a BAM has another BAM behind its last alignment",
        why="files were joined byte by byte, so the second one's header stands among the alignments",
        hint="join them anew: samtools cat, or samtools merge for sorted ones",
        file=file,
        record=before + 1,
        byte=byte,
    )


def _malformed(why: str, file: str, before: int, byte: int) -> MalformedRecord:
    return MalformedRecord(
        "an alignment record is malformed",
        why=why,
        hint="the file is damaged there; fetch it again, or make it again",
        file=file,
        record=before + 1,
        byte=byte,
    )


def _not_bam(file: str, why: str) -> BadInput:
    return BadInput("this is not a BAM file", why=why, hint="check which file is meant", file=file)
