"""What files are, by the first bytes that real programs write."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile

import pytest

from flowbutton.model.kinds import HEAD_BYTES, kind_of


def zipped() -> bytes:
    """Return a ZIP archive."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("sheet.xml", "x" * 2000)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (gzip.compress(b"@read\nACGT\n+\nIIII\n"), "a gzip file"),
        (gzip.compress(b"BAM\x01" + bytes(2000)), "BAM"),
        (gzip.compress(b"##fileformat=VCFv4.2\n" * 400), "VCF"),
        (b"\x1f\x8b\x08 cut", "a gzip file"),
        (bz2.compress(b"x"), "a bzip2 file"),
        (lzma.compress(b"x"), "an xz file"),
        (zipped(), "a ZIP archive (an Excel or Word file, say)"),
        ("name: x".encode("utf-16"), "text in UTF-16"),
        (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
        (b"@read 1\nACGT\n+\nIIII\n", None),
        (b"", None),
    ],
    ids=lambda value: "bytes" if isinstance(value, bytes) else str(value),  # some bytes tell the time
)
def test_a_file_is_known_by_its_first_bytes(data: bytes, kind: str | None) -> None:
    assert kind_of(data[:HEAD_BYTES]) == kind
