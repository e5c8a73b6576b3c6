"""A gzip member of more than 4 GiB: its trailer has the length modulo 2**32, which nothing may take for the length."""

from __future__ import annotations

import struct
import zlib

import pytest

from flowbutton.model.errors import BadInput
from flowbutton.partitioners.gzip_members import inflate_members

pytestmark = pytest.mark.slow

UNIT = (b"@r\n" + b"A" * 100 + b"\n+\n" + b"F" * 100 + b"\n") * (1 << 12)
TIMES = (1 << 32) // len(UNIT) + 2


def _member(length: int) -> bytes:
    """Return UNIT, TIMES over, packed; the trailer says that the text has ``length`` bytes modulo 2**32."""
    pack = zlib.compressobj(6, zlib.DEFLATED, -15)
    part = pack.compress(UNIT) + pack.flush(zlib.Z_FULL_FLUSH)  # a full flush lets the part stand anywhere
    checksum = 0
    for _ in range(TIMES):
        checksum = zlib.crc32(UNIT, checksum)
    end = zlib.compressobj(6, zlib.DEFLATED, -15).flush()
    trailer = struct.pack("<II", checksum, length % (1 << 32))
    return b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + part * TIMES + end + trailer


def test_a_length_that_wraps_is_right() -> None:
    total = TIMES * len(UNIT)
    data = _member(total)
    assert total > 1 << 32
    assert sum(map(len, inflate_members(lambda a, b: data[a:b], 0, len(data), file="x.gz"))) == total


def test_a_length_that_does_not_fit_is_refused() -> None:
    data = _member(TIMES * len(UNIT) - 1)
    with pytest.raises(BadInput, match="a gzip file is damaged"):
        sum(map(len, inflate_members(lambda a, b: data[a:b], 0, len(data), file="x.gz")))
