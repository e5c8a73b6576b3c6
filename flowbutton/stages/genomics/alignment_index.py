"""The index of a sorted BAM, from parts of it: each part is indexed alone, the whole by what its parts say.

Here: what a part contributes, read from its blocks as they are written; the whole's ``.bai`` or ``.csi``, with the
bins, chunks and linear index that ``samtools index`` finds. Not here: the BAM itself (`sorted_bam`).
Format: SAM/BAM specification (samtools/hts-specs), sections 4.2.1 and 5; CSIv1 specification. The joining of small bins
is htslib's (Li 2011, doi:10.1093/bioinformatics/btq671, section 2.2, and the code of hts.c).
Imports `flowbutton.model`, `partitioners`; numpy.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from flowbutton.partitioners.bam_layout import UNMAPPED, Ints
from flowbutton.partitioners.bam_records import Batch, batches
from flowbutton.stages.genomics.deflate import BgzfWriter

BAI_LIMIT = 1 << 29
"""A ``.bai`` reaches this many bases of a contig."""

_SHIFT, _BAI_DEPTH = 14, 5
_SMALL = 1 << 16  # a bin whose chunks lie within this many stored bytes goes into the one above it
_CSI_SLACK = 256  # bases that samtools adds to the longest contig
_CHUNK = struct.Struct("<QQ")


def depth_of(longest: int) -> int:
    """Return how many levels of bins lie below the first, for contigs of up to ``longest`` bases; 5 is a ``.bai``."""
    if longest < BAI_LIMIT:
        return _BAI_DEPTH
    depth = 0
    while longest + _CSI_SLACK > 1 << (_SHIFT + 3 * depth):
        depth += 1
    return depth


class PartIndex(BaseModel):
    """What a run of sorted records contributes to an index. Offsets are virtual, from the part's first byte.

    ``chunks``: (contig, bin, begin, end) of records that follow each other and share a bin. ``intervals``: (contig,
    number, offset), of each 16,384 bases the first record that reaches over them. ``contigs``: (contig, begin, end,
    aligned, unaligned) with the numbers of records. ``unplaced``: records without a contig.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    chunks: tuple[tuple[int, int, int, int], ...] = ()
    intervals: tuple[tuple[int, int, int], ...] = ()
    contigs: tuple[tuple[int, int, int, int, int], ...] = ()
    unplaced: int = 0

    @property
    def records(self) -> int:
        """How many records there are."""
        return self.unplaced + sum(aligned + unaligned for *_, aligned, unaligned in self.contigs)


def index_part(path: Path, depth: int) -> PartIndex:
    """Index the BGZF blocks of a file that holds records only, in the order of a sorted BAM. Memory: some MiB.

    Raises:
        BadInput, MalformedRecord, TruncatedInput: the file is not that.
    """
    size, found = path.stat().st_size, _Part(depth)
    with path.open("rb") as file:

        def read(start: int, stop: int) -> bytes:
            file.seek(start)
            return file.read(stop - start)

        for batch in batches(read, 0, size << 16, file=path.name, first=0):
            found.add(batch)
    return found.index(size << 16)


class _Part:
    """Takes in the records of a part, batch by batch."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._runs: list[tuple[int, int, int]] = []  # contig, bin, begin; up to the next one
        self._intervals: dict[tuple[int, int], int] = {}
        self._contigs: dict[int, list[int]] = {}  # begin, aligned, unaligned
        self._unplaced = 0
        self._unplaced_at: int | None = None

    def add(self, batch: Batch) -> None:
        contig = batch.fields["contig"].astype(np.int64)
        placed = np.flatnonzero(contig >= 0)
        if len(placed) < len(contig) and self._unplaced_at is None:
            self._unplaced_at = int(batch.offsets[len(placed)])
        self._unplaced += len(contig) - len(placed)
        if not len(placed):
            return
        contig, offsets = contig[placed], batch.offsets[placed]
        start = np.maximum(batch.fields["position"][placed].astype(np.int64), 0)
        stop = np.maximum(start + batch.spans()[placed], 1)
        bins = bins_of(start, stop, self._depth)
        self._add_runs(contig, bins, offsets)
        self._add_intervals(contig, start >> _SHIFT, (stop - 1) >> _SHIFT, offsets)
        unaligned = batch.fields["flag"][placed] & UNMAPPED != 0
        for number in np.unique(contig).tolist():
            here = contig == number
            counts = self._contigs.setdefault(number, [int(offsets[np.argmax(here)]), 0, 0])
            counts[1] += int((here & ~unaligned).sum())
            counts[2] += int((here & unaligned).sum())

    def index(self, end: int) -> PartIndex:
        end = end if self._unplaced_at is None else self._unplaced_at
        ends = [*(begin for _, _, begin in self._runs[1:]), end]
        begins = [begin for begin, _, _ in self._contigs.values()]
        return PartIndex(
            chunks=tuple((*run, stop) for run, stop in zip(self._runs, ends, strict=False)),
            intervals=tuple((contig, number, at) for (contig, number), at in sorted(self._intervals.items())),
            contigs=tuple(
                (contig, begin, stop, aligned, unaligned)
                for (contig, (begin, aligned, unaligned)), stop in zip(
                    self._contigs.items(), [*begins[1:], end], strict=False
                )
            ),
            unplaced=self._unplaced,
        )

    def _add_runs(self, contig: Ints, bins: Ints, offsets: Ints) -> None:
        last_contig, last_bin, _ = self._runs[-1] if self._runs else (-1, -1, 0)
        changes = (np.diff(contig, prepend=last_contig) != 0) | (np.diff(bins, prepend=last_bin) != 0)
        for first in np.flatnonzero(changes).tolist():
            self._runs.append((int(contig[first]), int(bins[first]), int(offsets[first])))

    def _add_intervals(self, contig: Ints, first: Ints, last: Ints, offsets: Ints) -> None:
        counts = last - first + 1
        reached = np.repeat(first - (np.cumsum(counts) - counts), counts) + np.arange(int(counts.sum()))
        keys = np.repeat(contig, counts) << 32 | reached
        found, at = np.unique(keys, return_index=True)
        for key, offset in zip(found.tolist(), np.repeat(offsets, counts)[at].tolist(), strict=True):
            self._intervals.setdefault((key >> 32, key & 0xFFFFFFFF), offset)


def bins_of(start: Ints, stop: Ints, depth: int) -> Ints:
    """Return the smallest bin that holds each half-open range ``[start, stop)``."""
    found = np.zeros(len(start), np.int64)
    for level in range(1, depth + 1):
        shift = _SHIFT + 3 * (depth - level)
        fits = start >> shift == (stop - 1) >> shift
        found[fits] = _first_bin(level) + (start[fits] >> shift)
    return found


def write_index(path: Path, parts: Iterable[tuple[int, PartIndex]], contigs: int, depth: int) -> int:
    """Write the index of a BAM; return how many records it counts.

    Args:
        path: Where it is written: a ``.bai`` if ``depth`` is 5, else a ``.csi``.
        parts: In order, each with the byte of the file where its first block begins.
        contigs: How many the BAM has.
        depth: By `depth_of`, as the parts were indexed.
    """
    found = [_Contig() for _ in range(contigs)]
    unplaced = 0
    for base, part in parts:
        _take_in(found, part, base << 16)
        unplaced += part.unplaced
    records = unplaced + sum(one.aligned + one.unaligned for one in found)
    if depth == _BAI_DEPTH:
        pieces = [b"BAI\1", _int(contigs), *(one.bai(depth) for one in found), struct.pack("<Q", unplaced)]
        path.write_bytes(b"".join(pieces))
        return records
    with path.open("wb") as file, BgzfWriter(file) as out:
        out.write(b"CSI\1" + struct.pack("<iiii", _SHIFT, depth, 0, contigs))
        for one in found:
            out.write(one.csi(depth))
        out.write(struct.pack("<Q", unplaced))
    return records


@dataclass(slots=True)
class _Contig:
    """What is known of one contig. ``bins`` holds chunks, ``offsets`` the linear index as far as it is known."""

    bins: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    offsets: dict[int, int] = field(default_factory=dict)
    begin: int | None = None
    end: int = 0
    aligned: int = 0
    unaligned: int = 0

    def bai(self, depth: int) -> bytes:
        """Return its bytes in a ``.bai``."""
        linear = self._linear()
        offsets = struct.pack(f"<i{len(linear)}Q", len(linear), *linear)
        return self._binned(depth, lambda _: b"") + offsets

    def csi(self, depth: int) -> bytes:
        """Return its bytes in a ``.csi``: each bin says where the first record of its first interval is."""
        linear = self._linear()

        def offset(number: int) -> bytes:
            lowest = _lowest(number, depth) if number <= _last_bin(depth) else len(linear)
            return struct.pack("<Q", linear[lowest] if lowest < len(linear) else 0)

        return self._binned(depth, offset)

    def _binned(self, depth: int, told: Callable[[int], bytes]) -> bytes:
        if self.begin is None:
            return _int(0)
        summary = [(self.begin, self.end), (self.aligned, self.unaligned)]
        bins = [*sorted(compressed(self.bins, depth).items()), (_last_bin(depth) + 2, summary)]
        pieces = [_int(len(bins))]
        for number, chunks in bins:
            pieces += [struct.pack("<I", number), told(number), _int(len(chunks))]
            pieces += [_CHUNK.pack(*chunk) for chunk in chunks]
        return b"".join(pieces)

    def _linear(self) -> list[int]:
        """Return an offset per interval; one without a record has that of the next."""
        known = sorted(self.offsets)
        return [self.offsets[known[bisect_left(known, n)]] for n in range(known[-1] + 1)] if known else []


def _take_in(found: Sequence[_Contig], part: PartIndex, shift: int) -> None:
    for number, bin_, begin, end in part.chunks:
        found[number].bins.setdefault(bin_, []).append((begin + shift, end + shift))
    for number, interval, offset in part.intervals:
        found[number].offsets.setdefault(interval, offset + shift)  # parts come in order: the first is the lowest
    for number, begin, end, aligned, unaligned in part.contigs:
        contig = found[number]
        contig.begin = begin + shift if contig.begin is None else contig.begin
        contig.end = end + shift
        contig.aligned += aligned
        contig.unaligned += unaligned


def compressed(bins: dict[int, list[tuple[int, int]]], depth: int) -> dict[int, list[tuple[int, int]]]:
    """Return bins as samtools keeps them: small ones are in the one above, and chunks that touch a block are one."""
    left = {number: [*chunks] for number, chunks in bins.items()}
    for level in range(depth, 0, -1):
        for number in [one for one in left if _first_bin(level) <= one < _first_bin(level + 1)]:
            chunks = sorted(left[number])
            above = (number - 1) >> 3
            if above in left and (chunks[-1][1] >> 16) - (chunks[0][0] >> 16) < _SMALL:
                left[above] += left.pop(number)
    return {number: list(_joined(sorted(chunks))) for number, chunks in left.items()}


def _joined(chunks: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    begin, end = chunks[0]
    for low, high in chunks[1:]:
        if end >> 16 >= low >> 16:
            end = max(end, high)
        else:
            yield begin, end
            begin, end = low, high
    yield begin, end


def _first_bin(level: int) -> int:
    return ((1 << 3 * level) - 1) // 7


def _last_bin(depth: int) -> int:
    return _first_bin(depth + 1) - 1


def _lowest(number: int, depth: int) -> int:
    """Return the number of the first interval of 16,384 bases that a bin holds."""
    level = 0
    while _first_bin(level + 1) <= number:
        level += 1
    return (number - _first_bin(level)) << 3 * (depth - level)


def _int(value: int) -> bytes:
    return struct.pack("<i", value)
