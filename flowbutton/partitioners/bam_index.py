"""The index of a BAM: one walk over all its records, and what is kept of it.

Here: checkpoints to cut at, digests, the count that the ledger trusts, and for sorted files where each window of the
reference begins. Kept as a JSON head and packed arrays.
Not here: reading records (`bam_records`), cutting (`bam`). Imports `flowbutton.model`, numpy.

Why not the .bai: it has no digests and no count that is of the very bytes, so the walk is needed anyhow, and gives the
same windows by the way.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from flowbutton.model.canonical import Json, digest_bytes
from flowbutton.model.errors import MalformedRecord
from flowbutton.model.store import DataAccess
from flowbutton.partitioners.bam_layout import Ints
from flowbutton.partitioners.bam_records import Batch, Header, batches, read_header

WINDOW_BITS = 14
CHECKPOINT_BYTES = 256 * 1024
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class BamIndex:
    """What is known of a BAM after the walk. All offsets are virtual.

    ``checkpoints`` are where a record begins, the first record of the file first; ``before`` counts the records before
    each; ``digests`` name the records from each to the next. For a sorted file, by window key (`window_key`), sorted:
    ``starts`` has the first record that begins in a window, ``reaches`` the first that spans any of its bases.
    ``unsorted`` is the number (from 1) of the first record out of order, ``tail`` the first without a contig.
    """

    names: tuple[str, ...]
    lengths: tuple[int, ...]
    header_digest: str
    header_end: int
    records: int
    end: int
    checkpoints: Ints
    before: Ints
    digests: tuple[str, ...]
    unsorted: int | None
    tail: int | None
    tail_records: int
    starts: tuple[Ints, Ints]
    reaches: tuple[Ints, Ints]

    def encode(self) -> bytes:
        """Return the index as bytes; the inverse of `decode`."""
        arrays = [self.checkpoints, self.before, *self.starts, *self.reaches]
        head: dict[str, Json] = {
            "names": self.names,
            "lengths": self.lengths,
            "header": [self.header_digest, self.header_end],
            "records": self.records,
            "end": self.end,
            "digests": self.digests,
            "order": [self.unsorted, self.tail, self.tail_records],
            "arrays": [len(array) for array in arrays],
        }
        text = json.dumps(head, separators=(",", ":")).encode()
        return b"".join([_LENGTH.pack(len(text)), text, *(array.astype("<i8").tobytes() for array in arrays)])

    @classmethod
    def decode(cls, data: bytes) -> BamIndex:
        """Read what `encode` wrote."""
        (length,) = _LENGTH.unpack_from(data)
        at = _LENGTH.size + length
        head = json.loads(data[_LENGTH.size : at])
        arrays: list[Ints] = []
        for count in head["arrays"]:
            arrays.append(np.frombuffer(data, "<i8", count, at).astype(np.int64))
            at += 8 * count
        checkpoints, before, start_keys, starts, reach_keys, reaches = arrays
        header_digest, header_end = head["header"]
        unsorted, tail, tail_records = head["order"]
        return cls(
            names=tuple(head["names"]),
            lengths=tuple(head["lengths"]),
            header_digest=header_digest,
            header_end=header_end,
            records=head["records"],
            end=head["end"],
            checkpoints=checkpoints,
            before=before,
            digests=tuple(head["digests"]),
            unsorted=unsorted,
            tail=tail,
            tail_records=tail_records,
            starts=(start_keys, starts),
            reaches=(reach_keys, reaches),
        )

    def digests_of(self, start: int, stop: int) -> list[Json]:
        """Return the digests of all records from ``start`` to ``stop``, and of some around where those are no seams."""
        first = int(np.searchsorted(self.checkpoints, start, side="right")) - 1
        last = int(np.searchsorted(self.checkpoints, stop, side="left"))
        return list(self.digests[max(first, 0) : last])


def window_key(contig: Any, position: Any) -> Any:
    """Return the sort key of the window that holds a position: integers or arrays of them."""
    return (contig << 32) | (position >> WINDOW_BITS)


def walk_bam(data: DataAccess, uri: str, size: int, *, checkpoint_bytes: int = CHECKPOINT_BYTES) -> BamIndex:
    """Pass over a BAM of ``size`` bytes once, record by record.

    Raises:
        BadInput, MalformedRecord, TruncatedInput: as `bam_records.batches`, or a record lies outside the reference.
    """
    read = partial(data.read, uri)
    header = read_header(read, size, uri)
    walk = _Walk(header, uri, checkpoint_bytes)
    for batch in batches(read, header.end, size << 16, file=uri, first=0):
        walk.add(batch)
    return walk.index(size)


class _Walk:
    def __init__(self, header: Header, file: str, checkpoint_bytes: int) -> None:
        self._header, self._file, self._step = header, file, checkpoint_bytes
        self._lengths = np.array([*header.lengths, 0], np.int64)  # the last is for records without a contig: index -1
        self._records = 0
        self._checkpoints: list[int] = []
        self._before: list[int] = []
        self._digests: list[str] = []
        self._digest = hashlib.sha256()
        self._order = -1  # order key of the record before
        self._unsorted: int | None = None
        self._tail: int | None = None
        self._tail_records = 0
        self._starts: dict[int, int] = {}
        self._reaches: dict[int, int] = {}

    def add(self, batch: Batch) -> None:
        contig = batch.fields["contig"].astype(np.int64)
        position = batch.fields["position"].astype(np.int64)
        self._check_place(batch, contig, position)
        self._check_order(contig, position)
        self._note_checkpoints(batch)
        placed = np.flatnonzero(contig >= 0)
        if len(placed) < len(contig) and self._tail is None:
            self._tail = int(batch.offsets[np.argmax(contig < 0)])
        self._tail_records += len(contig) - len(placed)
        if self._unsorted is None and len(placed):
            self._note_windows(batch, placed, contig[placed], np.maximum(position[placed], 0))
        self._records += len(contig)

    def index(self, size: int) -> BamIndex:
        self._seal()
        return BamIndex(
            names=self._header.names,
            lengths=self._header.lengths,
            header_digest=digest_bytes(self._header.raw),
            header_end=self._header.end,
            records=self._records,
            end=size << 16,
            checkpoints=np.array(self._checkpoints, np.int64),
            before=np.array(self._before, np.int64),
            digests=tuple(self._digests),
            unsorted=self._unsorted,
            tail=self._tail,
            tail_records=self._tail_records,
            starts=_table(self._starts),
            reaches=_table(self._reaches),
        )

    def _check_place(self, batch: Batch, contig: Ints, position: Ints) -> None:
        known = (contig >= -1) & (contig < len(self._header.names))
        length = self._lengths[np.where(known, contig, -1)]
        bad = np.flatnonzero(~known | (position < -1) | ((contig >= 0) & (position >= length)))
        if len(bad):
            number = int(bad[0])
            raise MalformedRecord(
                "an alignment lies outside the reference",
                why=f"contig {contig[number]}, position {position[number]} (both from 0) is not in the file's header, "
                f"which lists {len(self._header.names)} contigs",
                hint="the file is damaged, or its header belongs to another reference",
                file=self._file,
                record=batch.first + number + 1,
                byte=int(batch.offsets[number]) >> 16,
            )

    def _check_order(self, contig: Ints, position: Ints) -> None:
        if self._unsorted is not None:
            return
        last = len(self._header.names)
        order = np.where(contig < 0, last << 32, (contig << 32) + position + 1)
        wrong = np.flatnonzero(np.diff(order, prepend=self._order) < 0)
        if len(wrong):
            self._unsorted = self._records + int(wrong[0]) + 1
        self._order = int(order[-1])

    def _note_checkpoints(self, batch: Batch) -> None:
        blocks = batch.offsets >> 16
        hashed = int(batch.starts[0])
        while True:
            due = self._checkpoints[-1] // (1 << 16) + self._step if self._checkpoints else 0
            number = int(np.searchsorted(blocks, due, side="left"))
            if number == len(blocks):
                break
            start = int(batch.starts[number])
            self._digest.update(memoryview(batch.text)[hashed:start])
            self._seal()
            self._checkpoints.append(int(batch.offsets[number]))
            self._before.append(batch.first + number)
            hashed = start
        end = int(batch.starts[-1]) + 4 + int(batch.fields["size"][-1])
        self._digest.update(memoryview(batch.text)[hashed:end])

    def _seal(self) -> None:
        if self._checkpoints:
            self._digests.append(self._digest.hexdigest()[:32])
            self._digest = hashlib.sha256()

    def _note_windows(self, batch: Batch, placed: Ints, contig: Ints, position: Ints) -> None:
        offsets = batch.offsets[placed]
        first = window_key(contig, position)
        last = window_key(contig, position + batch.spans()[placed] - 1)
        counts = last - first + 1
        reached = np.repeat(first - (np.cumsum(counts) - counts), counts) + np.arange(int(counts.sum()))
        _note(self._starts, first, offsets)
        _note(self._reaches, reached, np.repeat(offsets, counts))


def _note(table: dict[int, int], keys: Ints, offsets: Ints) -> None:
    """Keep the first offset of each key; offsets come in order."""
    found, at = np.unique(keys, return_index=True)
    for key, offset in zip(found.tolist(), offsets[at].tolist(), strict=True):
        table.setdefault(key, offset)


def _table(found: dict[int, int]) -> tuple[Ints, Ints]:
    rows: Sequence[tuple[int, int]] = sorted(found.items())
    return np.array([key for key, _ in rows], np.int64), np.array([offset for _, offset in rows], np.int64)
