"""Counting a piece's reads: lengths, qualities and bases per cycle, GC, adapters, starts.

Here: FASTQ text to counts, vectorised over blocks of reads. Not here: the table and its merging (`quality_table`).
Imports `flowbutton.model`, `partitioners.fastq`, numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flowbutton.model.errors import OptionError
from flowbutton.model.stage import reduces
from flowbutton.partitioners.fastq import FastqReads
from flowbutton.partitioners.fastq_records import line_ends
from flowbutton.stages.define import map_stage
from flowbutton.stages.genomics.quality_table import (
    CYCLES,
    SKETCH_SIZE,
    FileQuality,
    QualityTable,
    SampleQuality,
    Sketch,
)

TRUSEQ, NEXTERA = "AGATCGGAAGAG", "CTGTCTCTTATA"
_START = 56  # bytes hashed of a read: its first 50 bases, padded to whole words
_START_BASES = 50
_OFFSET, _LOWEST, _HIGHEST = 33, 33, 126
_BATCH = 4096  # reads looked at together: keeps the matrices in the cache
_LETTERS = "ACGTN"
_N, _PAD = 4, 5  # the codes of no base, and of what lies behind the end of a shorter read
_CODE = np.full(256, _N, np.uint8)  # anything but the four bases counts as N
for _code, _letter in enumerate("ACGT"):
    _CODE[[ord(_letter), ord(_letter.lower())]] = _code
_CODE[0] = _PAD

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Words = NDArray[np.uint64]


@map_stage("genomics.read_quality", version=1, ledger=reduces("reads"))
def read_quality(reads: FastqReads, *, adapters: Sequence[str] = (TRUSEQ, NEXTERA)) -> QualityTable:
    """Count lengths, qualities and bases per cycle, GC and adapters, and estimate duplicates.

    Args:
        reads: Reads of one sample; qualities are Phred+33.
        adapters: What is looked for inside reads, as written there: the first bases of an adapter, ten or more.
            The default finds Illumina's TruSeq and Nextera.
    Raises:
        OptionError: an adapter is empty or has other letters than A, C, G, T.
        BadInput: the reads are malformed.
    """
    for adapter in adapters:
        if not adapter or set(adapter) - set("ACGT"):
            raise OptionError(f"'{adapter}' is no adapter", why="", hint="write it in the letters A, C, G, T")
    counters = [_Counter(tuple(adapters)) for _ in range(2 if reads.paired else 1)]
    for file in range(reads.files):
        here = counters[file : file + 1] if reads.files == len(counters) else counters  # two: interleaved
        for text in reads.text(file):
            for first, counter in enumerate(here):
                counter.count(text, first=first, step=len(here))
    files = {f"R{number}": counter.result() for number, counter in enumerate(counters, start=1)}
    starts = _sketch([np.concatenate([np.zeros(0, np.uint64), *counter.starts]) for counter in counters])
    return QualityTable(samples={reads.sample: SampleQuality(files=files, starts=starts)})


@dataclass(slots=True)
class _Counter:
    """Counts of the first or the second mates; grows by blocks of text."""

    adapters: tuple[str, ...]
    reads: int = 0
    bases: int = 0
    lengths: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    quality: Ints = field(default_factory=lambda: np.zeros((CYCLES, 128), np.int64))
    content: Ints = field(default_factory=lambda: np.zeros((CYCLES, 8), np.int64))
    mean_quality: Ints = field(default_factory=lambda: np.zeros(128, np.int64))
    gc: Ints = field(default_factory=lambda: np.zeros(101, np.int64))
    found: dict[str, Ints] = field(default_factory=dict)
    starts: list[Words] = field(default_factory=list)

    def count(self, text: bytes, *, first: int, step: int) -> None:
        """Count a block of whole records: those with the numbers ``first``, ``first + step``, ..."""
        # Room behind the end: a window of a row's width is taken at every line's start.
        block = np.frombuffer(text + bytes(CYCLES), np.uint8)
        ends = line_ends(text)
        starts = np.concatenate([[0], ends[:-1] + 1])
        lengths = ends - starts - (block[ends - 1] == ord("\r"))
        for at in range(4 * first, len(ends), 4 * step * _BATCH):
            bases, marks = (slice(line, at + 4 * step * _BATCH, 4 * step) for line in (at + 1, at + 3))
            mark_rows = _rows(block, starts[marks], lengths[marks])
            self._count_batch(_rows(block, starts[bases], lengths[bases]), mark_rows, lengths[bases])

    def result(self) -> FileQuality:
        """Return what was counted."""
        return FileQuality(
            reads=self.reads,
            bases=self.bases,
            lengths=_histogram(self.lengths),
            quality={value - _OFFSET: cycles for value, cycles in _columns(self.quality[:, : _HIGHEST + 1], _LOWEST)},
            content={_LETTERS[code]: cycles for code, cycles in _columns(self.content[:, : len(_LETTERS)], 0)},
            mean_quality=_histogram(self.mean_quality),
            gc=_histogram(self.gc),
            adapters={adapter: _until_last(cycles) for adapter, cycles in sorted(self.found.items())},
        )

    def _count_batch(self, bases: Bytes, marks: Bytes, lengths: Ints) -> None:
        width = bases.shape[1]
        codes = _CODE.take(bases)
        self.lengths = _longer(self.lengths, np.bincount(lengths))
        self.content[:width] += _per_cycle(codes, 8)
        self.quality[:width] += _per_cycle(marks, 128)
        some = lengths.clip(1, CYCLES)
        mean = marks.sum(axis=1, dtype=np.int64) // some - _OFFSET
        self.mean_quality += np.bincount(mean[lengths > 0], minlength=128)
        called = (codes < _N).sum(axis=1)
        percent = 100 * ((codes == 1) | (codes == 2)).sum(axis=1) // called.clip(1)
        self.gc += np.bincount(percent[called > 0], minlength=101)
        for adapter in self.adapters:
            self._find(adapter, bases)
        self.starts.append(_hashes(bases))
        self.reads += len(lengths)
        self.bases += int(lengths.sum())

    def _find(self, adapter: str, bases: Bytes) -> None:
        """Count the cycle at which the adapter first occurs whole within a read."""
        counts = self.found.setdefault(adapter, np.zeros(CYCLES, np.int64))
        text, wanted, width = bases.tobytes(), adapter.encode(), bases.shape[1]
        place = text.find(wanted)
        while place >= 0:
            read, cycle = divmod(place, width)
            within = cycle + len(wanted) <= width
            counts[cycle] += within
            place = text.find(wanted, (read + 1) * width if within else place + 1)


def _rows(block: Bytes, starts: Ints, lengths: Ints) -> Bytes:
    """Lay lines under each other, cut at `CYCLES`; behind the end of a shorter one stand zeros."""
    width = max(1, min(int(lengths.max()), CYCLES))
    rows = np.lib.stride_tricks.sliding_window_view(block, width)[starts]
    if lengths.min() < width:
        rows[np.arange(width) >= lengths[:, None]] = 0
    return rows


def _hashes(bases: Bytes) -> Words:
    """Hash the first `_START_BASES` bases of each read to 64 bits."""
    padded = np.zeros((len(bases), _START), np.uint8)
    part = bases[:, :_START_BASES]
    padded[:, : part.shape[1]] = part
    result = np.zeros(len(bases), np.uint64)
    for column in padded.view("<u8").T:
        result = _mixed(result ^ column)
    return result


def _mixed(words: Words) -> Words:
    """One round of splitmix64 (Steele et al. 2014, doi:10.1145/2660193.2660195)."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _sketch(files: Sequence[Words]) -> Sketch:
    """Keep the smallest hashes of reads, or of pairs where there are two files."""
    joined = files[0]
    for other in files[1:]:
        joined = _mixed(joined) ^ other
    # 53 bits: what every JSON reader takes for an integer.
    hashes, counts = np.unique(_mixed(joined) >> np.uint64(11), return_counts=True)
    return Sketch(hashes=tuple(hashes[:SKETCH_SIZE].tolist()), counts=tuple(counts[:SKETCH_SIZE].tolist()))


def _per_cycle(rows: Bytes, kinds: int) -> Ints:
    """Count each value below ``kinds`` per column; the result has a row per cycle."""
    width = rows.shape[1]
    cells = rows + np.arange(0, width * kinds, kinds)
    return np.bincount(cells.ravel(), minlength=width * kinds).reshape(width, kinds)


def _longer(one: Ints, two: Ints) -> Ints:
    total = np.zeros(max(len(one), len(two)), np.int64)
    total[: len(one)] += one
    total[: len(two)] += two
    return total


def _histogram(counts: Ints) -> dict[int, int]:
    return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}


def _columns(counts: Ints, lowest: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    for value in range(lowest, counts.shape[1]):
        if counts[:, value].any():
            yield value, _until_last(counts[:, value])


def _until_last(cycles: Ints) -> tuple[int, ...]:
    """Drop the zeros at the end: how long other reads are must not show."""
    return tuple(np.trim_zeros(cycles, "b").tolist())
