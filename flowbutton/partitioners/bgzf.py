"""BGZF: gzip in blocks of at most 64 KiB, each of which says its own size, so that a file can be entered anywhere.

Here: recognising a block, finding the first one from any byte, walking over blocks by ranges, inflating one.
Not here: what the text inside means (`fastq`, `bam`), gzip files without blocks (`gzip_members`).
Format: SAM/BAM specification (samtools/hts-specs), section 4.1. Imports `flowbutton.model`; isal only inside functions.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from flowbutton.model.errors import BadInput, TruncatedInput

Read = Callable[[int, int], bytes]
"""``read(start, stop)`` returns bytes ``[start, stop)`` of one object, fewer where it ends before."""

EOF_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty block that ends every whole BGZF file."""

MAX_BLOCK = 1 << 16
"""No block is longer than this, neither stored nor inflated."""

HEADER = 268
"""This many bytes from a block's start are enough for `block_size`, unless a writer adds odd fields of its own."""

_MAGIC = b"\x1f\x8b\x08\x04"
_USUAL = b"\x06\0BC\x02\0"  # XLEN and the field's head, where a writer adds no others: bgzip, samtools, bcl2fastq
_USUAL_HEADER = 18
_FIXED = 12  # bytes of a gzip header up to and with XLEN
_TRAILER = struct.Struct("<II")
_CHAIN = 4  # links that must fit before a block start that was searched for is believed
STEP = 1 << 20
"""Bytes asked for at once."""


def block_size(data: bytes, at: int = 0) -> int | None:
    """Return the stored size of the block whose header starts at ``at``; None if no BGZF header is there.

    A header that ``data`` holds only in part counts as none.
    """
    if data[at : at + 4] != _MAGIC or len(data) < at + _FIXED:
        return None
    if data[at + 10 : at + 16] == _USUAL and len(data) >= at + _USUAL_HEADER:
        size = int.from_bytes(data[at + 16 : at + _USUAL_HEADER], "little") + 1
        return size if size >= _USUAL_HEADER + _TRAILER.size else None
    extra = at + _FIXED
    end = extra + int.from_bytes(data[extra - 2 : extra], "little")
    while extra + 4 <= min(end, len(data)):
        length = int.from_bytes(data[extra + 2 : extra + 4], "little")
        if data[extra : extra + 2] == b"BC" and length == 2 and extra + 6 <= len(data):
            size = int.from_bytes(data[extra + 4 : extra + 6], "little") + 1
            return size if size >= end - at + _TRAILER.size else None
        extra += 4 + length
    return None


def text_size(block: bytes) -> int:
    """Return how many bytes a whole block holds when inflated, as its last four bytes say."""
    return int.from_bytes(block[-4:], "little")


def find_block(read: Read, start: int, stop: int, size: int) -> int | None:
    """Return where the first block begins at or after byte ``start`` and before ``stop``; None if none does.

    The header's bytes may also stand inside compressed data by chance, so a candidate counts only if the next blocks
    begin where it says: four links in a row, or up to the end of the object (of ``size`` bytes) or of its blocks.
    """
    for base in range(start, stop, STEP):
        data = read(base, min(base + STEP + len(_MAGIC) - 1, size))
        at = data.find(_MAGIC)
        while at >= 0 and base + at < stop:
            if _chain_holds(read, base + at, size):
                return base + at
            at = data.find(_MAGIC, at + 1)
    return None


def _chain_holds(read: Read, at: int, size: int) -> bool:
    for link in range(_CHAIN):
        head = read(at, min(at + HEADER, size))
        length = block_size(head)
        if length is None:
            # A gzip member without blocks, or zeros as padding, may follow a block: that is for the caller of `walk`.
            return link > 0 and (head[:3] == _MAGIC[: min(3, len(head))] or not head.strip(b"\0"))
        at += length
        if at >= size:
            return True
    return True


def walk(read: Read, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
    """Yield the blocks that begin in ``[start, stop)``, each with its byte in the object, as stored.

    ``start`` must be where a block begins. Ends early, without an error, at bytes that are not a BGZF header: who
    calls sees where the last block ended. A last block that the object holds only in part is yielded as far as it is.
    """
    data, base = b"", start
    at = 0
    while base + at < stop:
        length = block_size(data, at)
        if length is None or at + length > len(data):
            base, at, data = base + at, 0, read(base + at, base + at + max(STEP, MAX_BLOCK))
            length = block_size(data)
            if length is None:
                return
        yield base + at, data[at : at + length]
        at += length


def inflate(block: bytes, *, file: str, byte: int) -> bytes:
    """Return the text of one whole block; its checksum and length are verified.

    Args:
        block: The block as stored.
        file: Where it is from, for errors.
        byte: Where it begins in the file, for errors.

    Raises:
        TruncatedInput: the file ends inside the block.
        BadInput: the block is damaged.
    """
    from isal import igzip_lib

    damage: type[Exception] = igzip_lib.error  # type: ignore[assignment]  # isal's stub takes the class for an instance
    if len(block) != block_size(block):
        raise TruncatedInput(
            "a BGZF file ends inside a block",
            why=f"the block has {block_size(block)} bytes, {len(block)} of them are there",
            hint="compare the file's size with the sender's and fetch it again",
            file=file,
            byte=byte,
        )
    try:
        # Measured: a buffer of the right size at once saves a tenth of the time, since isal begins with a small one.
        room = min(max(text_size(block), 1), MAX_BLOCK)
        text = bytes(igzip_lib.decompress(block, flag=igzip_lib.DECOMP_GZIP, bufsize=room))
    except damage as error:
        raise _damaged(str(error), file=file, byte=byte) from error
    if len(text) != text_size(block):
        raise _damaged(f"it should hold {text_size(block)} bytes and holds {len(text)}", file=file, byte=byte)
    return text


def _damaged(why: str, *, file: str, byte: int) -> BadInput:
    return BadInput(
        "a block of a BGZF file is damaged",
        why=why,
        hint="fetch the file again; 'bgzip -t' tests a whole file",
        file=file,
        byte=byte,
    )
