"""The index of a FASTQ file: one pass that counts lines, names the content and, for plain gzip, keeps the text.

A part's index is a table of *marks*, one per about 256 KiB of text: where the bytes lie, how many newlines and bytes of
text they hold, and a digest. A record is then found by its line number: one mark to enter at, lines to skip.

Plain text and BGZF are indexed in parts, in parallel; a mark of a BGZF part spans whole blocks, and a block belongs to
the part in which it begins. Marks begin where the *stride* says, counted from the start of the file, and parts at
multiples of it: so the marks, and what they name, do not depend on the size of parts. Where the chain of blocks ends
before the file does (plain gzip from its first byte; lanes of both kinds concatenated), the part goes on to the end of
the file in one pass, and keeps the text in objects of the run's store: such text can't be entered anywhere later.

Here: making, encoding and reading indexes. Not here: joining them (`fastq_layout`), kept objects (`fastq_kept`).
Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field

import numpy as np
import numpy.typing as npt

from flowbutton.model.errors import BadInput, ChangedInput, TruncatedInput
from flowbutton.model.store import DataAccess
from flowbutton.partitioners import bgzf, gzip_members
from flowbutton.partitioners.bgzf import Read
from flowbutton.partitioners.fastq_kept import keep_list
from flowbutton.partitioners.fastq_proof import Proof
from flowbutton.partitioners.lines import LineScan, PartLines
from flowbutton.partitioners.text_buffer import TextBuffer

MARK = np.dtype(
    [("object", "<u4"), ("start", "<u8"), ("stop", "<u8"), ("newlines", "<u8"), ("text", "<u8"), ("digest", "V16")]
)
"""``object`` 0 is the file itself, 1 the kept text; ``[start, stop)`` are bytes of it as stored."""

Marks = npt.NDArray[np.void]

_READ = 4 << 20
_SCAN = 1 << 20  # measured: counting more at once is not faster, less at once is slower
_AHEAD = 2  # objects of text that may wait for being kept and counted


@dataclass(frozen=True, slots=True)
class Extent:
    """Which part of a file an index is about: bytes ``[start, stop)`` of ``size``, and how the file is coded."""

    uri: str
    identity: str
    size: int
    start: int
    stop: int
    coding: str


@dataclass(frozen=True, slots=True)
class PartIndex:
    """What is known of a part after its pass.

    Marks and kept objects cover the stored bytes ``[begin, end)``; those of a BGZF file begin and end with a block, so
    ``begin`` may lie after the part's start, ``end`` after its stop. ``begin`` is None if no block begins in the part.
    ``kept_from`` is the byte from which on the text is kept, ``kept`` the list of the objects that hold it; None if
    there is no such text. ``ends_whole``: the file's last block is the empty one that closes a BGZF file, or the part
    does not reach the file's end in blocks. ``proven``: all of the file's text is kept, and has good records only.
    """

    begin: int | None
    end: int
    kept: str | None
    kept_from: int | None
    ends_whole: bool
    lines: PartLines
    marks: Marks
    proven: bool = False

    def encode(self) -> bytes:
        """Return a line of JSON and the marks as packed little-endian rows."""
        head = {
            "begin": self.begin,
            "end": self.end,
            "kept": self.kept,
            "kept_from": self.kept_from,
            "ends_whole": self.ends_whole,
            "lines": asdict(self.lines),
            "proven": self.proven,
        }
        return json.dumps(head, separators=(",", ":")).encode() + b"\n" + self.marks.tobytes()

    @classmethod
    def decode(cls, data: bytes) -> PartIndex:
        """Read what `encode` wrote."""
        text, _, rows = data.partition(b"\n")
        head = json.loads(text)
        lines = head["lines"]
        lines["bad"] = tuple((line, byte) for line, byte in lines["bad"])
        return cls(
            begin=head["begin"],
            end=head["end"],
            kept=head["kept"],
            kept_from=head["kept_from"],
            ends_whole=head["ends_whole"],
            lines=PartLines(**lines),
            marks=np.frombuffer(rows, MARK),
            proven=head["proven"],
        )


def index_extent(extent: Extent, data: DataAccess, *, block_bytes: int, object_bytes: int) -> PartIndex:
    """Pass over a part of a file, once.

    Args:
        extent: The part.
        data: Where the file is read and derived text is kept.
        block_bytes: Bytes of text that a mark spans, about.
        object_bytes: Bytes of text in one kept object.

    Raises:
        ChangedInput, TruncatedInput, BadInput: the file changed, ends too early or is damaged.
    """
    check_unchanged(extent.uri, extent.identity, data)

    def read(start: int, stop: int) -> bytes:
        return data.read(extent.uri, start, stop)

    table = _Table(block_bytes)
    if extent.coding == "plain":
        index = _index_plain(extent, read, table)
    else:
        index = _index_blocks(extent, read, data, table, object_bytes)
    check_unchanged(extent.uri, extent.identity, data)
    return index


def check_unchanged(uri: str, identity: str, data: DataAccess) -> None:
    """Raise `ChangedInput` if a file is not the one that was found when the run began."""
    if data.head(uri).identity != identity:
        raise ChangedInput(
            "a FASTQ file changed while the run was reading it",
            why="its size or time of change is not what it was when the run began",
            hint="run again when nobody writes to it; what was finished from unchanged files is kept",
            file=uri,
        )


def stride_of(coding: str, block_bytes: int) -> int:
    """Return the stored bytes after which a mark begins anew: a part must begin at a multiple of them.

    A BGZF file of reads has about a quarter of its text's size.
    """
    return block_bytes if coding == "plain" else max(block_bytes // 4, 1)


@dataclass(slots=True)
class _Table:
    """Marks being made, with the lines of all of them; ``proof`` where records are looked at too."""

    block_bytes: int
    rows: list[tuple[int, int, int, int, int, bytes]] = field(default_factory=list)
    scan: LineScan = field(default_factory=LineScan)
    proof: Proof | None = None

    def count(self, text: bytes) -> list[tuple[int, int, int]]:
        """Divide the next bytes of text into marks; return where in them each lies, and its newlines."""
        view, found = memoryview(text), []
        step = max(_SCAN // self.block_bytes, 1) * self.block_bytes
        for start in range(0, len(text), step):
            part = view[start : start + step]
            stops = [min(stop + self.block_bytes, len(part)) for stop in range(0, len(part), self.block_bytes)]
            begins = [0, *stops[:-1]]
            ends = None if self.proof is None else self.proof.feed(part).ends
            for begin, stop, newlines in zip(begins, stops, self.scan.feed(part, stops, ends), strict=True):
                found.append((start + begin, start + stop, newlines))
        return found

    def index(self, begin: int | None, end: int, whole: bool = True) -> PartIndex:
        """Return the index of a part without kept text."""
        return PartIndex(begin, end, None, None, whole, self.scan.result(), self.marks())

    def marks(self) -> Marks:
        return np.array(self.rows, MARK)


def _digest(data: bytes | memoryview) -> bytes:
    return hashlib.sha256(data).digest()[:16]


def _index_plain(extent: Extent, read: Read, table: _Table) -> PartIndex:
    at, most = extent.start, max(_READ // table.block_bytes, 1) * table.block_bytes
    while at < extent.stop:
        step = read(at, min(at + most, extent.stop))
        if not step:
            raise _shrunk(extent, at)
        view = memoryview(step)
        for start, stop, newlines in table.count(step):
            table.rows.append((0, at + start, at + stop, newlines, stop - start, _digest(view[start:stop])))
        at += len(step)
    return table.index(extent.start, extent.stop)


def _index_blocks(extent: Extent, read: Read, data: DataAccess, table: _Table, object_bytes: int) -> PartIndex:
    begin: int | None = 0
    if extent.start:
        begin = bgzf.find_block(read, extent.start, extent.stop, extent.size)
    if begin is None:
        return table.index(None, extent.stop)
    end, last = _add_blocks(extent, read, table, begin)
    if end == extent.size or (end >= extent.stop and bgzf.block_size(read(end, end + bgzf.HEADER)) is not None):
        return table.index(begin, end, end < extent.size or last == bgzf.EOF_BLOCK)
    # A proof is of the whole file: text of blocks is not kept, and behind blocks no record need begin.
    table.proof = Proof() if end == 0 else None
    kept = _keep_text(extent, read, data, table, end, object_bytes)
    proven = table.proof is not None and table.proof.holds()
    return PartIndex(begin, extent.size, kept, end, True, table.scan.result(), table.marks(), proven)


class _BlockMark:
    """Whole BGZF blocks that become one mark."""

    def __init__(self, start: int) -> None:
        self.start = self.stop = start
        self.text = 0
        self._digest = hashlib.sha256()

    def add(self, block: bytes, text: bytes) -> None:
        self.stop += len(block)
        self.text += len(text)
        self._digest.update(block)

    def row(self, newlines: int) -> tuple[int, int, int, int, int, bytes]:
        return 0, self.start, self.stop, newlines, self.text, self._digest.digest()[:16]


def _add_blocks(extent: Extent, read: Read, table: _Table, begin: int) -> tuple[int, bytes]:
    """Add marks of whole BGZF blocks; return where the chain ends and the last block."""
    stride = stride_of("bgzf", table.block_bytes)
    marks: list[_BlockMark] = []
    texts = TextBuffer(_SCAN)
    end, block = begin, b""
    for at, block in bgzf.walk(read, begin, extent.stop):
        text = bgzf.inflate(block, file=extent.uri, byte=at)
        # Text that packs very well must not make a mark too long to be entered.
        if not marks or at // stride != marks[-1].start // stride or marks[-1].text >= 4 * table.block_bytes:
            if texts.size >= _SCAN:
                _count_blocks(table, marks, texts.take())
                marks = []
            marks.append(_BlockMark(at))
        marks[-1].add(block, text)
        texts.add(text)
        end = at + len(block)
    _count_blocks(table, marks, texts.take())
    return end, block


def _count_blocks(table: _Table, marks: list[_BlockMark], text: memoryview) -> None:
    stops = [int(stop) for stop in np.cumsum([mark.text for mark in marks])]
    newlines = table.scan.feed(text, stops)
    table.rows += [mark.row(count) for mark, count in zip(marks, newlines, strict=True)]


def _keep_text(
    extent: Extent, read: Read, data: DataAccess, table: _Table, start: int, object_bytes: int
) -> str | None:
    """Inflate from byte ``start`` to the file's end and keep the text; return the URI of its list, None if it is empty.

    One thread inflates the next object, one digests and writes the last, one counts its lines: isal, hashlib, numpy
    and files let go of the interpreter.
    """
    uris: list[str] = []
    waiting: deque[tuple[Future[str], Future[list[tuple[int, int, int]]]]] = deque()

    def take() -> None:
        kept, counted = waiting.popleft()
        uri, base = kept.result(), len(uris) * object_bytes
        for begin, stop, newlines in counted.result():
            digest = _digest(f"{uri}[{begin},{stop})".encode())
            table.rows.append((1, base + begin, base + stop, newlines, stop - begin, digest))
        uris.append(uri)

    if start < extent.size:
        _expect_member(read(start, start + 2), extent, start)
    with ThreadPoolExecutor(1) as keeper, ThreadPoolExecutor(1) as counter:
        for text in _batches(gzip_members.inflate_members(read, start, extent.size, file=extent.uri), object_bytes):
            if len(waiting) == _AHEAD:
                take()
            waiting.append((keeper.submit(data.keep, text), counter.submit(table.count, text)))
        while waiting:
            take()
    return keep_list(uris, object_bytes, data) if uris else None


def _batches(steps: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Join and split steps of text so that each has ``size`` bytes, the last one fewer."""
    held: list[bytes | memoryview] = []
    missing = size
    for step in steps:
        rest = memoryview(step)
        while len(rest) >= missing:
            held.append(rest[:missing])
            yield b"".join(held)
            rest, held, missing = rest[missing:], [], size
        if rest:
            held.append(rest)
            missing -= len(rest)
    if held:
        yield b"".join(held)


def _expect_member(head: bytes, extent: Extent, start: int) -> None:
    if head[:2] == gzip_members.MAGIC[: len(head)] or not head.strip(b"\0"):
        return
    raise BadInput(
        "a BGZF file is damaged",
        why=f"at byte {start}, where a block should begin, there is neither a block nor a gzip member",
        hint="fetch the file again; 'bgzip -t' tests a whole file",
        file=extent.uri,
        byte=start,
    )


def _shrunk(extent: Extent, at: int) -> TruncatedInput:
    return TruncatedInput(
        "a FASTQ file is shorter than it was when the run began",
        why=f"it had {extent.size} bytes, and nothing is left at byte {at}",
        hint="run again when nobody writes to it",
        file=extent.uri,
        byte=at,
    )
