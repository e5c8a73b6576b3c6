"""Packing text as BGZF and gzip by the standard library alone, so that tests of reading share no code with the reader.

Imports nothing of flowbutton.
"""

from __future__ import annotations

import gzip

_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def bgzip(text: bytes, *, block: int = 0xFF00, end: bool = True) -> bytes:
    """Pack ``text`` as BGZF with ``block`` bytes of text in each block; ``end`` adds the empty block that ends a file.

    Each block is a gzip member of Python's with the field added that says its size.
    """
    blocks = []
    for at in range(0, len(text), block):
        packed = gzip.compress(text[at : at + block], mtime=0)
        size = (len(packed) + 8 - 1).to_bytes(2, "little")
        blocks.append(packed[:3] + b"\x04" + packed[4:10] + b"\x06\x00BC\x02\x00" + size + packed[10:])
    return b"".join(blocks) + (_END if end else b"")


def gzip_members(*texts: bytes) -> bytes:
    """Pack each text as a gzip member of its own."""
    return b"".join(gzip.compress(text, mtime=0) for text in texts)
