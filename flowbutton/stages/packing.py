"""Deflate whose bytes are those of the data alone, on any processor: libdeflate, at its fastest level.

igzip (isal) packs twice as fast, but not always alike: above level 0 it reads memory that nobody has written, and about
one block in twenty thousand came out as other bytes, right ones, but others (decision 0016). It still unpacks.
Formats: RFC 1950 (zlib), RFC 1951 (deflate). Imports deflate only inside functions.
"""

from __future__ import annotations

_LEVEL = 1


def zlib_packed(data: bytes) -> bytes:
    """Return ``data`` as a zlib stream."""
    import deflate

    return bytes(deflate.zlib_compress(data, _LEVEL))


def deflated(data: bytes) -> bytes:
    """Return ``data`` as a deflate stream without head and checksum."""
    import deflate

    return bytes(deflate.deflate_compress(data, _LEVEL))
