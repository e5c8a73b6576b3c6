"""What a file is, by its first bytes: so that a wrong file is told by its name, and not by what it lacks.

Imports nothing of flowbutton.
"""

from __future__ import annotations

import zlib

ZIP = "a ZIP archive (an Excel or Word file, say)"
_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"%PDF-", "a PDF"),
    (b"PK\x03\x04", ZIP),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file"),
    (b"CRAM", "CRAM"),
    (b"NCBI.sra", "an SRA archive"),
    (b"BAM\x01", "BAM"),
    (b"BCF\x02", "BCF"),
    (b"@HD\t", "SAM"),
    (b"@SQ\t", "SAM"),
    (b"##fileformat=VCF", "VCF"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"\x89HDF\r\n\x1a\n", "HDF5"),
    (b"PAR1", "Parquet"),
    (b"\x7fELF", "a program"),
    (b"\xff\xfe", "text in UTF-16"),
    (b"\xfe\xff", "text in UTF-16"),
    (b"<!DOCTYPE html", "a web page"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
)
PACKED = {"a gzip file", "a bzip2 file", "an xz file", "a zstd file", "an SRA archive", ZIP}
"""Kinds that may hold any other."""
_GZIP = b"\x1f\x8b"
HEAD_BYTES = 512
"""How many of a file's first bytes `kind_of` wants."""


def kind_of(head: bytes) -> str | None:
    """Return what a file is whose first bytes are ``head``; None for what is not known, and for plain text."""
    if head.startswith(_GZIP):
        return _known(_unpacked(head)) or "a gzip file"
    return _known(head)


def _known(head: bytes) -> str | None:
    return next((name for begin, name in _BEGINNINGS if head.startswith(begin)), None)


def _unpacked(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(head, 64)
    except zlib.error:
        return b""
