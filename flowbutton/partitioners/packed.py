"""How a file is packed, by its first bytes, and whether a packed one is whole, by its last.

Not here: BGZF's blocks (`bgzf`), what is inside (each format's module). Imports `flowbutton.model`.
"""

from __future__ import annotations

from enum import StrEnum

from flowbutton.model.errors import TruncatedInput
from flowbutton.model.pieces import ObjectInfo
from flowbutton.model.store import DataAccess
from flowbutton.partitioners.bgzf import EOF_BLOCK, block_size


class Packing(StrEnum):
    """How the bytes of a file are packed."""

    PLAIN = "plain"
    GZIP = "gzip"
    BGZF = "bgzf"


def packing_of(head: bytes) -> Packing:
    """Return the packing that a file's first bytes (some hundred) show."""
    if not head.startswith(b"\x1f\x8b"):
        return Packing.PLAIN
    return Packing.GZIP if block_size(head) is None else Packing.BGZF


def check_end(info: ObjectInfo, data: DataAccess) -> None:
    """Raise `TruncatedInput` unless a BGZF file ends with the empty block that says that it is whole."""
    if data.read(info.uri, max(info.size - len(EOF_BLOCK), 0), info.size) != EOF_BLOCK:
        raise TruncatedInput(
            "a BGZF file has no end",
            why="its last bytes are not the empty block that closes every whole file, so it was cut short",
            hint="compare its size with the sender's and fetch it again, or write it again",
            file=info.uri,
            byte=info.size,
        )
