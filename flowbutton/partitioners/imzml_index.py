"""The index of an imzML dataset: one pass over the XML, one over the `.ibd`, and what is kept of them.

Here: checking the two files against each other, digests, the seams to cut at. The table of spectra is kept in the
store, so that a piece names it and a range of its rows. Not here: the XML (`imzml_header`), cutting (`imzml`).
Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from flowbutton.model.canonical import Json
from flowbutton.model.errors import BadInput, MalformedRecord, TruncatedInput
from flowbutton.model.store import DataAccess
from flowbutton.partitioners.imzml_header import READ_BYTES, ROW, Header, Rows, read_header

MOST_SEAMS = 1 << 16
"""A dataset has about so many seams at most; a small one has a seam before each spectrum."""

Ints = npt.NDArray[np.int64]
_DIGEST_BYTES = 32
_UUID_BYTES = 16
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class ImzmlIndex:
    """What is known of a dataset after the pass.

    ``seams`` are numbers of spectra, the first is 0 and the last their count; between two of them lie ``peaks`` peaks
    and ``stored`` bytes (an m/z axis that spectra share counts once), named by ``digests``.
    """

    table: str
    profile: bool
    seams: Ints
    peaks: Ints
    stored: Ints
    digests: tuple[str, ...]

    @property
    def records(self) -> int:
        """The number of peaks."""
        return int(self.peaks.sum())

    def encode(self) -> bytes:
        """Return the index as bytes; the inverse of `decode`."""
        head: dict[str, Json] = {"table": self.table, "profile": self.profile, "seams": len(self.seams)}
        text = json.dumps(head, separators=(",", ":")).encode()
        arrays = [array.astype("<i8").tobytes() for array in (self.seams, self.peaks, self.stored)]
        return b"".join([_LENGTH.pack(len(text)), text, *arrays, bytes.fromhex("".join(self.digests))])

    @classmethod
    def decode(cls, data: bytes) -> ImzmlIndex:
        """Read what `encode` wrote."""
        (length,) = _LENGTH.unpack_from(data)
        at = _LENGTH.size + length
        head = json.loads(data[_LENGTH.size : at])
        count = head["seams"]
        numbers = np.frombuffer(data, "<i8", 3 * count - 2, at).astype(np.int64)
        seams, peaks, stored = np.split(numbers, [count, 2 * count - 1])
        rest = data[at + 8 * len(numbers) :].hex()
        width = 2 * _DIGEST_BYTES
        digests = tuple(rest[start : start + width] for start in range(0, len(rest), width))
        return cls(head["table"], head["profile"], seams, peaks, stored, digests)


def walk_imzml(data: DataAccess, imzml: str, imzml_size: int, ibd: str, ibd_size: int) -> ImzmlIndex:
    """Pass over both files once.

    Raises:
        BadInput, MalformedRecord, UncuttableSource: as `read_header`; the two files do not belong together, or all
            spectra are empty.
        TruncatedInput: the ``.ibd`` ends before an array does.
    """
    header = read_header(_blocks(data, imzml, imzml_size), file=imzml)
    rows = header.spectra
    _check_bounds(rows, imzml, ibd, ibd_size)
    if not rows["peaks"].any():
        raise BadInput(
            "all spectra of this dataset are empty",
            why=f"its {len(rows)} spectra have no peak",
            hint="check the export and its threshold",
            file=imzml,
        )
    _check_uuid(header, data.read(ibd, 0, _UUID_BYTES), ibd)
    pass_ = _Pass(rows, header.checksums)
    for block in _blocks(data, ibd, ibd_size):
        pass_.feed(block)
    _check_sums(header, pass_.sums(), ibd)
    return _indexed(header, pass_, data.keep(rows.tobytes()))


def _blocks(data: DataAccess, uri: str, size: int) -> Iterator[bytes]:
    return (data.read(uri, start, min(start + READ_BYTES, size)) for start in range(0, size, READ_BYTES))


class _Pass:
    """Digests each stored array, and the whole file by the header's algorithms, in one pass over its bytes."""

    def __init__(self, rows: Rows, checksums: Iterable[str]) -> None:
        ranges = np.empty((2 * len(rows), 2), np.uint64)
        ranges[::2] = np.column_stack((rows["mz_at"], rows["mz_bytes"]))
        ranges[1::2] = np.column_stack((rows["at"], rows["bytes"]))
        ranges[ranges[:, 1] == 0] = 0  # an empty array is nowhere
        self._ranges, self.place = np.unique(ranges, axis=0, return_inverse=True)
        self.place = self.place.reshape(-1, 2)
        self._digests = bytearray(_DIGEST_BYTES * len(self._ranges))
        self._next = self._at = 0
        self._open: list[tuple[int, int, Any]] = []  # number, end, hash of arrays that go on in the next block
        self._sums = {name: hashlib.new(name, usedforsecurity=False) for name in checksums}

    def feed(self, block: bytes) -> None:
        """Take the bytes that follow."""
        for total in self._sums.values():
            total.update(block)
        start, stop = self._at, self._at + len(block)
        view = memoryview(block)
        going = self._open
        while self._next < len(self._ranges) and int(self._ranges[self._next, 0]) < stop:
            at, size = self._ranges[self._next].tolist()
            going.append((self._next, at + size, hashlib.sha256(view[at - start : max(at + size - start, 0)])))
            self._next += 1
        self._open = []
        for number, end, digest in going:
            if int(self._ranges[number, 0]) < start:
                digest.update(view[: end - start])
            if end <= stop:
                self._digests[number * _DIGEST_BYTES : (number + 1) * _DIGEST_BYTES] = digest.digest()
            else:
                self._open.append((number, end, digest))
        self._at = stop

    def sums(self) -> dict[str, str]:
        """Return the file's checksums."""
        return {name: total.hexdigest() for name, total in self._sums.items()}

    def digests_of(self, spectrum: int) -> bytes:
        """Return the digests of a spectrum's two arrays."""
        return b"".join(
            self._digests[number * _DIGEST_BYTES : (number + 1) * _DIGEST_BYTES]
            for number in self.place[spectrum].tolist()
        )


def _indexed(header: Header, pass_: _Pass, table: str) -> ImzmlIndex:
    rows = header.spectra
    step = max(int(rows["peaks"].sum(dtype=np.int64)) // MOST_SEAMS, 1)
    ends = np.cumsum(rows["peaks"], dtype=np.int64)
    seams, held = [0], 0
    for number, end in enumerate(ends.tolist(), 1):
        if end - held >= step or number == len(rows):
            seams.append(number)
            held = end
    bounds = np.array(seams, np.int64)
    stored = rows["bytes"].astype(np.int64)
    _, first = np.unique(pass_.place[:, 0], return_index=True)  # an m/z axis that is shared counts where it is first
    stored[first] += rows["mz_bytes"][first].astype(np.int64)
    return ImzmlIndex(
        table=table,
        profile=header.profile,
        seams=bounds,
        peaks=np.add.reduceat(rows["peaks"], bounds[:-1], dtype=np.int64),
        stored=np.add.reduceat(stored, bounds[:-1]),
        digests=tuple(_digest(rows, pass_, start, stop) for start, stop in pairwise(seams)),
    )


def _digest(rows: Rows, pass_: _Pass, start: int, stop: int) -> str:
    """Return the digest of all that a reader shows of some spectra: pixels, number types, values."""
    total = hashlib.sha256(rows[["x", "y", "peaks", "mz_kind", "mz_packed", "kind", "packed"]][start:stop].tobytes())
    for spectrum in range(start, stop):
        total.update(pass_.digests_of(spectrum))
    return total.hexdigest()


def _check_bounds(rows: Rows, imzml: str, ibd: str, size: int) -> None:
    for at, stored, name in (("mz_at", "mz_bytes", "m/z array"), ("at", "bytes", "intensity array")):
        limit = np.uint64(size)
        beyond = np.flatnonzero((rows[at] > limit) | (rows[stored] > limit - np.minimum(rows[at], limit)))
        if not len(beyond):
            continue
        number = int(beyond[0])
        start, length = int(rows[at][number]), int(rows[stored][number])
        if start >= size:
            raise MalformedRecord(
                f"the {name} of a spectrum lies beyond the end of the .ibd",
                why=f"it begins at byte {start}, the file has {size} ({len(beyond)} spectra are like that)",
                hint="compare the size of the .ibd with the sender's; if it is right, the imzML is another dataset's",
                file=imzml,
                record=number + 1,
                byte=start,
            )
        raise TruncatedInput(
            f"the .ibd ends inside the {name} of a spectrum",
            why=f"the array ends at byte {start + length}, the file has {size}",
            hint="compare its size with the sender's and fetch it again",
            file=ibd,
            record=number + 1,
            byte=size,
        )


def _check_uuid(header: Header, head: bytes, ibd: str) -> None:
    if header.uuid and header.uuid != head.hex():
        raise BadInput(
            "the .ibd belongs to another imzML",
            why=f"its UUID is {head.hex()}, the imzML's is {header.uuid}",
            hint="put the two files of one export beside each other",
            file=ibd,
            byte=0,
        )


def _check_sums(header: Header, found: dict[str, str], ibd: str) -> None:
    for name, wanted in header.checksums.items():
        if wanted and wanted != found[name]:
            raise BadInput(
                f"the .ibd is not the one that was written: its {name.upper()} differs",
                why=f"the imzML says {wanted}, the file has {found[name]}",
                hint="fetch both files again; if the file was changed on purpose, correct the value in the imzML",
                file=ibd,
            )


def row_range(start: int, stop: int) -> tuple[int, int]:
    """Return the bytes of the kept table that hold the rows ``[start, stop)``."""
    return start * ROW.itemsize, stop * ROW.itemsize
