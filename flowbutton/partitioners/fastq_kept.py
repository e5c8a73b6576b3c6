"""Text that can't be entered in its file (plain gzip), kept in the run's store: objects of one size and a list of them.

The list is an object too, with rows of one width, so that a piece names it and a range of the text, however many
objects that is, and a reader reads only its own rows.

Here: writing the list, reading a range of the text. Not here: inflating (`gzip_members`), marks (`fastq_index`).
Imports `flowbutton.model`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from flowbutton.model.store import DataAccess

_HEAD = struct.Struct("<QQ")  # bytes of text in each object (the last one may have fewer), width of a row


def keep_list(uris: Sequence[str], object_bytes: int, data: DataAccess) -> str:
    """Keep the list of the objects that hold a text in turn, one or more; return its URI."""
    rows = [uri.encode() + b"\n" for uri in uris]
    return data.keep(_HEAD.pack(object_bytes, len(rows[0])) + b"".join(rows))


def read_kept(uri: str, start: int, stop: int, data: DataAccess, *, step: int) -> Iterator[memoryview]:
    """Yield bytes ``[start, stop)`` of the text whose list is ``uri``, at most ``step`` at once.

    Each object is asked for once: the store reads all of it anyhow, to check it.
    """
    size, width = _HEAD.unpack(data.read(uri, 0, _HEAD.size))
    first, last = start // size, -(-stop // size)
    rows = data.read(uri, _HEAD.size + first * width, _HEAD.size + last * width)
    for number, row in enumerate(rows.splitlines(), first):
        begin, end = max(start - number * size, 0), min(stop - number * size, size)
        text = memoryview(data.read(row.decode(), begin, end))
        yield from (text[at : at + step] for at in range(0, len(text), step))
