"""Indexes of BAM and VCF, read as their specifications say. Shares no code with flowbutton."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any


def read_index(path: Path) -> tuple[bytes, list[tuple[dict[int, Any], Any]], int]:
    """Read a ``.bai``, ``.tbi`` or ``.csi``.

    Returns:
        What stands before the contigs, of each contig its bins and its linear index (of a .csi in the bins), and the
        number of records without a place.
    """
    data, at = path.read_bytes(), 4
    data = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
    is_csi = data.startswith(b"CSI\1")

    def take(form: str) -> tuple[int, ...]:
        nonlocal at
        at += struct.calcsize(form)
        return struct.unpack_from(form, data, at - struct.calcsize(form))

    if is_csi:
        *_, size = take("<iii")
        at += size
        (count,) = take("<i")
    else:
        (count,) = take("<i")
        if data.startswith(b"TBI\1"):
            *_, size = take("<7i")
            at += size
    head = data[:at]
    found: list[tuple[dict[int, Any], Any]] = []
    for _ in range(count):
        bins: dict[int, Any] = {}
        for _ in range(*take("<i")):
            number, *offset, chunks = take("<IQi" if is_csi else "<Ii")
            bins[number] = offset, [take("<QQ") for _ in range(chunks)]
        linear = () if is_csi else take(f"<{take('<i')[0]}Q")
        found.append((bins, linear))
    return head, found, *take("<Q")
