"""BGZF blocks, written fast: libdeflate packs several times faster than zlib.

Here: `BgzfWriter`. Not here: reading BGZF (`partitioners.bgzf`).
Format: SAM/BAM specification (samtools/hts-specs), section 4.1. Imports `partitioners`, `stages.packing`.
"""

from __future__ import annotations

import io
import struct
import zlib
from types import TracebackType
from typing import BinaryIO

from flowbutton.partitioners.bgzf import EOF_BLOCK
from flowbutton.stages.packing import deflated

BLOCK_TEXT = 0xFF00
"""Bytes of text per block, as bgzip cuts: deflated they fit 64 KiB even if they do not shrink."""

_HEAD = bytes.fromhex("1f8b08040000000000ff0600424302 00")
_TRAILER = struct.Struct("<II")
_SIZE = struct.Struct("<H")


class BgzfWriter:
    """Writes text as BGZF blocks into ``file``; leaving it writes what is held and the block that ends the file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._held = b""

    def write(self, text: bytes) -> None:
        """Add ``text``; whole blocks are written at once."""
        text = self._held + text
        whole = len(text) - len(text) % BLOCK_TEXT
        for start in range(0, whole, BLOCK_TEXT):
            self._file.write(block(text[start : start + BLOCK_TEXT]))
        self._held = text[whole:]

    def flush(self) -> None:
        """Write what is held as a block of its own."""
        if self._held:
            self._file.write(block(self._held))
        self._held = b""

    def __enter__(self) -> BgzfWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.flush()
            self._file.write(EOF_BLOCK)


def blocks_of(text: bytes) -> bytes:
    """Return ``text`` as blocks."""
    file = io.BytesIO()
    out = BgzfWriter(file)
    out.write(text)
    out.flush()
    return file.getvalue()


def block(text: bytes) -> bytes:
    """Return ``text``, at most 65,280 bytes, as one block."""
    body = deflated(text)
    size = len(_HEAD) + _SIZE.size + len(body) + _TRAILER.size
    return b"".join((_HEAD, _SIZE.pack(size - 1), body, _TRAILER.pack(zlib.crc32(text), len(text))))
