"""Packs: the task records of a batch in one object, written by the worker, put if absent.

Layout: 10 digits and a blank (the bytes of the head's line), the head (a sealed line of JSON: fingerprint, digest,
offset from the head's end, length per record), then the records as `TaskRecord.encode` gives them. So heads are read
by range, and a record by the range of its row.
A pack is named by the digest of its fingerprints, so a retry of the same batch meets its first attempt.
Imports `model`, `stores.layout`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from itertools import accumulate, count
from typing import Any

from flowbutton.model.canonical import Json, canonical, digest_bytes, digest_json
from flowbutton.model.errors import CorruptObject
from flowbutton.model.outlines import Outline, Outlined
from flowbutton.model.records import Row, TaskRecord
from flowbutton.model.store import Store
from flowbutton.stores.layout import pack_key

_LENGTH = 11
_HEAD = 64 * 1024
"""What is read at first: the heads of 256 records fit."""


def seal(value: Json) -> bytes:
    """Return a line of JSON closed by its digest."""
    return sealed(canonical(value))


def sealed(*parts: bytes) -> bytes:
    """Return JSON that is written already, in parts, as a line closed by its digest."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return b"".join([*parts, b" ", digest.hexdigest().encode(), b"\n"])


def unseal(line: bytes, key: str) -> Any:
    """Read what `seal` wrote.

    Raises:
        CorruptObject: the line is torn or altered.
    """
    body, _, found = line.removesuffix(b"\n").rpartition(b" ")
    if digest_bytes(body).encode() != found:
        raise CorruptObject(
            "a line of the store is damaged",
            why="its digest does not fit its text",
            hint="it counts as absent: what it named is done again",
            key=key,
        )
    return json.loads(body)


def write_pack(store: Store, stage_digest: str, records: Sequence[TaskRecord]) -> list[Outlined]:
    """Write the records of a batch as one object; return their rows with outlines, in order.

    Where another attempt wrote this batch before, its records stay and its rows are returned: measures differ between
    attempts, and with them offsets. Where what stands there is damaged, the next name is taken, since nobody may
    replace what a row may name.

    Raises:
        ValueError: there is no record, or two have one fingerprint.
    """
    fingerprints = [record.fingerprint for record in records]
    if not records or len(set(fingerprints)) != len(records):
        raise ValueError(f"a pack needs records of distinct fingerprints, got {fingerprints}")
    name = digest_json("pack", sorted(fingerprints))
    lines = [record.encode() for record in records]
    for attempt in count():
        pack = f"{name}-{attempt}" if attempt else name
        data, rows = _encode(pack, fingerprints, lines)
        # Put if absent, not put: a straggler of an earlier attempt may have written, and its rows may be named.
        if store.put_if_absent(pack_key(stage_digest, pack), data):
            return [Outlined.of(row, Outline.of(record)) for row, record in zip(rows, records, strict=True)]
        theirs = _whole(store, stage_digest, pack)
        if theirs is not None and theirs.keys() >= set(fingerprints):
            return [theirs[fingerprint] for fingerprint in fingerprints]
    raise AssertionError("unreachable: count() does not end")


def read_head(store: Store, stage_digest: str, pack: str) -> list[Row]:
    """Return the rows of a pack by reading its head.

    Raises:
        CorruptObject: the head is torn.
        NotInStore: there is no such pack.
    """
    key = pack_key(stage_digest, pack)
    start = store.get(key, 0, _HEAD)
    length = start[:_LENGTH].rstrip()
    stop = _LENGTH + (int(length) if length.isdigit() else 0)
    line = start[_LENGTH:stop] if stop <= len(start) else store.get(key, _LENGTH, stop)
    return [
        Row(fingerprint, digest, pack, stop + offset, size) for fingerprint, digest, offset, size in unseal(line, key)
    ]


def _encode(pack: str, fingerprints: Sequence[str], lines: Sequence[bytes]) -> tuple[bytes, list[Row]]:
    offsets = [0, *accumulate(len(line) for line in lines)]
    heads = [
        (fingerprint, digest_bytes(line), offset, len(line))
        for fingerprint, line, offset in zip(fingerprints, lines, offsets, strict=False)
    ]
    head = seal(heads)
    stop = _LENGTH + len(head)
    rows = [Row(fingerprint, digest, pack, stop + offset, size) for fingerprint, digest, offset, size in heads]
    return b"%010d " % len(head) + head + b"".join(lines), rows


def read_sound(store: Store, stage_digest: str, pack: str) -> tuple[list[Outlined], bool]:
    """Return the rows and outlines of a pack's sound records, and whether these are all.

    Raises:
        CorruptObject: the head is torn.
        NotInStore: there is no such pack.
    """
    rows = read_head(store, stage_digest, pack)
    data = store.get(pack_key(stage_digest, pack))
    lines = [data[row.offset : row.offset + row.length] for row in rows]
    sound = [(row, line) for row, line in zip(rows, lines, strict=True) if digest_bytes(line) == row.digest]
    records = TaskRecord.read_many([line for _, line in sound])
    found = [Outlined.of(row, Outline.of(record)) for (row, _), record in zip(sound, records, strict=True)]
    return found, len(found) == len(rows)


def _whole(store: Store, stage_digest: str, pack: str) -> dict[str, Outlined] | None:
    """Return the rows of a pack by fingerprint if all that it holds is sound."""
    try:
        found, is_whole = read_sound(store, stage_digest, pack)
    except CorruptObject:
        return None
    return {one.fingerprint: one for one in found} if is_whole else None
