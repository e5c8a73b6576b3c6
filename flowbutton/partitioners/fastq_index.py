"""The index of a FASTQ file: one pass that counts lines, names the content and, for plain gzip, keeps the text.

A part's index is a table of *marks*, one per about 256 KiB of text: where the bytes lie, how many newlines and bytes of
text they hold, and a digest. A record is then found by its line number: one mark to enter at, lines to skip.

Plain text and BGZF are indexed in parts, in parallel; a mark of a BGZF part spans whole blocks, and a block belongs to
the part in which it begins. Where the chain of blocks ends before the file does (plain gzip from its first byte; lanes
of both kinds concatenated), the part goes on to the end of the file in one pass, and keeps the text in objects of the
run's store: such text can't be entered anywhere later.

Here: making, encoding and reading indexes. Not here: joining them (`fastq_layout`).
Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from flowbutton.model.errors import BadInput, ChangedInput, TruncatedInput
from flowbutton.model.store import DataAccess
from flowbutton.partitioners import bgzf, gzip_members
from flowbutton.partitioners.bgzf import Read
from flowbutton.partitioners.lines import LineScan, PartLines

MARK = np.dtype(
    [("object", "<u4"), ("start", "<u8"), ("stop", "<u8"), ("newlines", "<u8"), ("text", "<u8"), ("digest", "V16")]
)
"""``object`` 0 is the file itself, n the n-th kept object; ``[start, stop)`` are bytes of it as stored."""

Marks = npt.NDArray[np.void]

_READ = 4 << 20


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
    ``kept_from`` is the byte from which on the text is in ``kept`` objects. ``ends_whole``: the file's last block is
    the empty one that closes a BGZF file, or the part does not reach the file's end in blocks.
    """

    begin: int | None
    end: int
    kept: tuple[str, ...]
    kept_from: int | None
    ends_whole: bool
    lines: PartLines
    marks: Marks

    def encode(self) -> bytes:
        """Return a line of JSON and the marks as packed little-endian rows."""
        head = {
            "begin": self.begin,
            "end": self.end,
            "kept": self.kept,
            "kept_from": self.kept_from,
            "ends_whole": self.ends_whole,
            "lines": asdict(self.lines),
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
            kept=tuple(head["kept"]),
            kept_from=head["kept_from"],
            ends_whole=head["ends_whole"],
            lines=PartLines(**lines),
            marks=np.frombuffer(rows, MARK),
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

    table = _Table()
    if extent.coding == "plain":
        index = _index_plain(extent, read, table, block_bytes)
    else:
        index = _index_blocks(extent, read, data, table, block_bytes, object_bytes)
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


class _Table:
    """Marks being made, with the lines of all of them."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, int, int, int, bytes]] = []
        self.scan = LineScan()

    def add(self, number: int, start: int, stop: int, text: bytes | memoryview, digest: bytes) -> None:
        newlines = self.scan.feed(text)
        self.rows.append((number, start, stop, newlines, len(text), digest))

    def marks(self) -> Marks:
        return np.array(self.rows, MARK)


def _digest(*parts: bytes | memoryview) -> bytes:
    value = hashlib.sha256()
    for part in parts:
        value.update(part)
    return value.digest()[:16]


def _index_plain(extent: Extent, read: Read, table: _Table, block_bytes: int) -> PartIndex:
    at = extent.start
    while at < extent.stop:
        step = read(at, min(at + max(block_bytes, _READ // block_bytes * block_bytes), extent.stop))
        if not step:
            raise _shrunk(extent, at)
        for offset in range(0, len(step), block_bytes):
            block = memoryview(step)[offset : offset + block_bytes]
            table.add(0, at + offset, at + offset + len(block), block, _digest(block))
        at += len(step)
    return PartIndex(extent.start, extent.stop, (), None, True, table.scan.result(), table.marks())


def _index_blocks(
    extent: Extent, read: Read, data: DataAccess, table: _Table, block_bytes: int, object_bytes: int
) -> PartIndex:
    begin: int | None = 0
    if extent.start:
        begin = bgzf.find_block(read, extent.start, extent.stop, extent.size)
    if begin is None:
        return PartIndex(None, extent.stop, (), None, True, table.scan.result(), table.marks())
    end, last = _add_blocks(extent, read, table, begin, block_bytes)
    if end == extent.size or (end >= extent.stop and bgzf.block_size(read(end, end + bgzf.HEADER)) is not None):
        whole = end < extent.size or last == bgzf.EOF_BLOCK
        return PartIndex(begin, end, (), None, whole, table.scan.result(), table.marks())
    kept = _keep_text(extent, read, data, table, end, block_bytes, object_bytes)
    return PartIndex(begin, extent.size, kept, end, True, table.scan.result(), table.marks())


def _add_blocks(extent: Extent, read: Read, table: _Table, begin: int, block_bytes: int) -> tuple[int, bytes]:
    """Add marks of whole BGZF blocks; return where the chain ends and the last block."""
    texts: list[bytes] = []
    stored: list[bytes] = []
    start = end = begin
    block = b""

    def flush() -> None:
        if stored:
            table.add(0, start, end, b"".join(texts), _digest(*stored))
            texts.clear()
            stored.clear()

    for at, block in bgzf.walk(read, begin, extent.stop):
        texts.append(bgzf.inflate(block, file=extent.uri, byte=at))
        stored.append(block)
        end = at + len(block)
        if sum(map(len, texts)) >= block_bytes:
            flush()
            start = end
    flush()
    return end, block


def _keep_text(
    extent: Extent, read: Read, data: DataAccess, table: _Table, start: int, block_bytes: int, object_bytes: int
) -> tuple[str, ...]:
    """Inflate from byte ``start`` to the file's end, keep the text; return the objects' URIs.

    One thread inflates the next object while another one digests, counts and keeps the last: isal, numpy and hashlib
    let go of the interpreter.
    """
    uris: list[str] = []

    def keep(text: bytes) -> None:
        uri = data.keep(text)
        uris.append(uri)
        view = memoryview(text)
        for offset in range(0, len(text), block_bytes):
            block = view[offset : offset + block_bytes]
            name = f"{uri}[{offset},{offset + len(block)})"
            table.add(len(uris), offset, offset + len(block), block, _digest(name.encode()))

    if start < extent.size:
        _expect_member(read(start, start + 2), extent, start)
    with ThreadPoolExecutor(1) as thread:
        waiting: Future[None] | None = None
        for text in _batches(gzip_members.inflate_members(read, start, extent.size, file=extent.uri), object_bytes):
            if waiting is not None:
                waiting.result()
            waiting = thread.submit(keep, text)
        if waiting is not None:
            waiting.result()
    return tuple(uris)


def _batches(steps: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Join and split steps of text so that each has ``size`` bytes, the last one fewer."""
    held: list[bytes] = []
    count = 0
    for step in steps:
        while count + len(step) >= size:
            yield b"".join([*held, step[: size - count]])
            step = step[size - count :]
            held, count = [], 0
        if step:
            held.append(step)
            count += len(step)
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
