"""Depth profiles: how many reads touch each block of the reference, and how far the reads reach.

A profile is a bundle file keyed by (sample, contig). It counts every aligned read, so it never shows less than the
depth that a caller sees: intervals that it calls deep hold all that are. Profiles are joined by adding, so it does not
matter in which order or in how many steps.

Here: counting, joining, the profile's bytes. Not here: what follows from it (`survey`).
Imports `flowbutton.model`; isal only inside functions.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from flowbutton.model.bundle import BundleKey, KeySchema
from flowbutton.partitioners.bam_layout import UNMAPPED, Ints
from flowbutton.stages.bundles import Bundle, Footer
from flowbutton.stages.genomics.alignments import Records
from flowbutton.stages.packing import zlib_packed

BLOCK = 16
"""Bases per block of the depth."""

TILE = 16_384
"""Bases per tile of the longest spans."""

SCHEMA = KeySchema(("sample", "contig"))

_COUNTS = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class Profile:
    """The depth of one sample on one contig, as the blocks where it changes; the longest span of reads per tile.

    ``at`` are block numbers, ascending; ``by`` is what the depth changes by there, never 0. ``tiles`` are numbers of
    tiles, ascending, ``spans`` the longest span of a read that begins there, in bases.
    """

    at: Ints
    by: Ints
    tiles: Ints
    spans: Ints

    @classmethod
    def counted(cls, position: Ints, span: Ints) -> Profile:
        """Count reads that begin at ``position`` and reach over ``span`` bases.

        A read counts in the block after its last base too: mpileup forgets a read one column late, and its depth cap
        counts what it has not forgotten.
        """
        changes = np.concatenate((position // BLOCK, (position + span) // BLOCK + 1))
        ones = np.ones(len(position), dtype=np.int64)
        return cls(*_summed(changes, np.concatenate((ones, -ones))), *_highest(position // TILE, span))

    @classmethod
    def joined(cls, profiles: Sequence[Profile]) -> Profile:
        """Return the profile of all reads of ``profiles``, at least one."""
        return cls(
            *_summed(np.concatenate([p.at for p in profiles]), np.concatenate([p.by for p in profiles])),
            *_highest(np.concatenate([p.tiles for p in profiles]), np.concatenate([p.spans for p in profiles])),
        )

    def depth(self, blocks: int) -> Ints:
        """Return how many reads touch each of the first ``blocks`` blocks."""
        changes = np.zeros(blocks + 1, dtype=np.int64)
        changes[np.minimum(self.at, blocks)] += self.by  # `at` is distinct below `blocks`; what is beyond is not read
        return np.cumsum(changes)[:blocks]

    def encode(self) -> bytes:
        """Return the bytes; the inverse of `decode`."""
        columns = (np.diff(self.at, prepend=0), self.by, np.diff(self.tiles, prepend=0), self.spans)
        body = b"".join([column.astype("<i4").tobytes() for column in columns])
        return zlib_packed(_COUNTS.pack(len(self.at), len(self.tiles)) + body)

    @classmethod
    def decode(cls, data: bytes) -> Profile:
        """Read what `encode` wrote."""
        from isal import isal_zlib

        text = isal_zlib.decompress(data)
        changes, tiles = _COUNTS.unpack_from(text)
        values = np.frombuffer(text, dtype="<i4", offset=_COUNTS.size).astype(np.int64)
        at, by, tile, span = np.split(values, np.cumsum([changes, changes, tiles]))
        return cls(np.cumsum(at), by, np.cumsum(tile), span)


class DepthCounter:
    """Counts the reads of one sample, block of records by block, and writes the profile."""

    def __init__(self, sample: str) -> None:
        self._sample = sample
        self._found: dict[int, list[Profile]] = {}

    def add(self, records: Records) -> None:
        """Count the aligned reads among ``records``."""
        aligned = (records.flag & UNMAPPED == 0) & (records.contig >= 0)
        for contig in np.unique(records.contig[aligned]).tolist():
            here = aligned & (records.contig == contig)
            profile = Profile.counted(records.position[here], records.span[here])
            self._found.setdefault(contig, []).append(profile)

    def write(self, path: Path) -> Path:
        """Write the profile of all that was counted."""
        return write_profiles(
            path, (((self._sample, contig), Profile.joined(found)) for contig, found in sorted(self._found.items()))
        )


class ProfileFile:
    """A profile on disk: its keys, and one of its entries at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            footer = Footer.read(path.stat().st_size, lambda start, stop: _range(file, start, stop))
        self._places = {row.key: (row.offset, row.length) for row in footer.rows}

    @property
    def keys(self) -> Iterable[BundleKey]:
        """The (sample, contig) that reads were counted for."""
        return self._places.keys()

    def get(self, key: BundleKey) -> Profile | None:
        """Return the profile under ``key``, None if there is none."""
        if key not in self._places:
            return None
        offset, length = self._places[key]
        with self._path.open("rb") as file:
            return Profile.decode(_range(file, offset, offset + length))


def joined_under(files: Sequence[ProfileFile], key: BundleKey) -> Profile:
    """Return the profile of all reads that ``files`` counted under ``key``; one of them did."""
    return Profile.joined([profile for file in files if (profile := file.get(key)) is not None])


def write_profiles(path: Path, profiles: Iterable[tuple[BundleKey, Profile]]) -> Path:
    """Write profiles under their keys, (sample, contig), into one file."""
    bundle = Bundle(path, SCHEMA)
    for key, profile in profiles:
        bundle.add(key, profile.encode())
    return bundle.close()


def _range(file: BinaryIO, start: int, stop: int) -> bytes:
    file.seek(start)
    return file.read(stop - start)


def _summed(keys: Ints, values: Ints) -> tuple[Ints, Ints]:
    """Return the distinct keys, sorted, with the sum of their values; those of sum 0 are left out."""
    keys, firsts, values = _grouped(keys, values)
    sums = np.add.reduceat(values, firsts) if len(firsts) else values
    return keys[firsts][sums != 0], sums[sums != 0]


def _highest(keys: Ints, values: Ints) -> tuple[Ints, Ints]:
    """Return the distinct keys, sorted, with the highest of their values."""
    keys, firsts, values = _grouped(keys, values)
    return keys[firsts], np.maximum.reduceat(values, firsts) if len(firsts) else values


def _grouped(keys: Ints, values: Ints) -> tuple[Ints, npt.NDArray[np.intp], Ints]:
    """Sort by key; return keys, where each distinct key begins, and values."""
    order = np.argsort(keys, kind="stable")
    keys, values = keys[order], values[order]
    firsts = np.flatnonzero(np.diff(keys, prepend=-1))  # keys are 0 or more
    return keys, firsts, values
