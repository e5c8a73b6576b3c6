"""The binning index of sorted records, from parts of the file: each part is indexed alone, the whole by what they say.

BAM and VCF have it in common: bins, chunks and a linear index of each contig, as htslib makes them.
Here: what a part contributes, and a contig's bytes. Not here: files (`alignment_index`, `variant_index`).
Format: SAM/BAM specification (samtools/hts-specs), sections 4.2.1 and 5; CSIv1 specification. The joining of small bins
is htslib's (Li 2011, doi:10.1093/bioinformatics/btq671, section 2.2, and the code of hts.c).
Imports `partitioners`; numpy.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from flowbutton.partitioners.bam_layout import Ints

SHORT_LIMIT = 1 << 29
"""An index without a CSI's header (``.bai``, ``.tbi``) reaches this many bases of a contig."""

MIN_SHIFT, SHORT_DEPTH = 14, 5
"""The smallest bin has 2^14 bases; five levels of bins lie below the first one in a ``.bai`` and a ``.tbi``."""

_SMALL = 1 << 16  # a bin whose chunks lie within this many stored bytes goes into the one above it
_CSI_SLACK = 256  # bases that samtools adds to the longest contig
_CHUNK = struct.Struct("<QQ")


def depth_of(longest: int) -> int:
    """Return how many levels of bins lie below the first, for contigs of up to ``longest`` bases; 5 is a ``.bai``."""
    if longest < SHORT_LIMIT:
        return SHORT_DEPTH
    depth = 0
    while longest + _CSI_SLACK > 1 << (MIN_SHIFT + 3 * depth):
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


class PartIndexer:
    """Takes in the records of a part, batch by batch, and says what they contribute."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._runs: list[tuple[int, int, int]] = []  # contig, bin, begin; up to the next one
        self._intervals: dict[tuple[int, int], int] = {}
        self._contigs: dict[int, list[int]] = {}  # begin, aligned, unaligned
        self._unplaced = 0
        self._unplaced_at: int | None = None

    def add(self, contig: Ints, start: Ints, stop: Ints, offsets: Ints, unaligned: npt.NDArray[np.bool_]) -> None:
        """Add records that follow those before: half-open ranges on contigs, and virtual offsets from the part's start.

        ``unaligned``: reads that have a place, and are not aligned.
        """
        self._add_runs(contig, bins_of(start, stop, self._depth), offsets)
        self._add_intervals(contig, start >> MIN_SHIFT, (stop - 1) >> MIN_SHIFT, offsets)
        for number in np.unique(contig).tolist():
            here = contig == number
            counts = self._contigs.setdefault(number, [int(offsets[np.argmax(here)]), 0, 0])
            counts[1] += int((here & ~unaligned).sum())
            counts[2] += int((here & unaligned).sum())

    def add_unplaced(self, offsets: Ints) -> None:
        """Add records without a contig, which come last."""
        if len(offsets) and self._unplaced_at is None:
            self._unplaced_at = int(offsets[0])
        self._unplaced += len(offsets)

    def index(self, end: int) -> PartIndex:
        """Return what was added; ``end`` is the virtual offset after the last record."""
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
        shift = MIN_SHIFT + 3 * (depth - level)
        fits = start >> shift == (stop - 1) >> shift
        found[fits] = _first_bin(level) + (start[fits] >> shift)
    return found


def contig_indexes(parts: Iterable[tuple[int, PartIndex]], contigs: int) -> list[ContigIndex]:
    """Return the index of each contig of a file.

    Args:
        parts: In order, each with the byte of the file where its first block begins.
        contigs: How many there are.
    """
    found = [ContigIndex() for _ in range(contigs)]
    for base, part in parts:
        _take_in(found, part, base << 16)
    return found


@dataclass(slots=True)
class ContigIndex:
    """What is known of one contig. ``bins`` holds chunks, ``offsets`` the linear index as far as it is known."""

    bins: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    offsets: dict[int, int] = field(default_factory=dict)
    begin: int | None = None
    end: int = 0
    aligned: int = 0
    unaligned: int = 0

    @property
    def records(self) -> int:
        """How many records it has."""
        return self.aligned + self.unaligned

    def short(self, depth: int) -> bytes:
        """Return its bytes in a ``.bai`` or a ``.tbi``."""
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
            return count(0)
        summary = [(self.begin, self.end), (self.aligned, self.unaligned)]
        bins = [*sorted(compressed(self.bins, depth).items()), (_last_bin(depth) + 2, summary)]
        pieces = [count(len(bins))]
        for number, chunks in bins:
            pieces += [struct.pack("<I", number), told(number), count(len(chunks))]
            pieces += [_CHUNK.pack(*chunk) for chunk in chunks]
        return b"".join(pieces)

    def _linear(self) -> list[int]:
        """Return an offset per interval; one without a record has that of the next."""
        known = sorted(self.offsets)
        return [self.offsets[known[bisect_left(known, n)]] for n in range(known[-1] + 1)] if known else []


def _take_in(found: Sequence[ContigIndex], part: PartIndex, shift: int) -> None:
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


def count(value: int) -> bytes:
    """Return a number as an index holds it."""
    return struct.pack("<i", value)
