"""What a sorted BAM holds, in few numbers: flags, and depth along the contigs.

Depth counts, for each base of the reference, the primary and supplementary alignments that reach over it (deletions
included), without those marked as duplicates or as failed. Here: the stage and its figures. Not here: how they are
shown (`report`). Imports `flowbutton.model`, numpy; isal only inside functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from pydantic import BaseModel, ConfigDict, computed_field

from flowbutton.model.errors import BadInput, TruncatedInput
from flowbutton.model.stage import Resources
from flowbutton.partitioners.bam_layout import (
    DUPLICATE,
    FAILED,
    PAIRED,
    PROPER,
    SECONDARY,
    SUPPLEMENTARY,
    UNMAPPED,
    Ints,
)
from flowbutton.stages.define import map_stage
from flowbutton.stages.genomics.alignments import Records, header_size

DEEPEST = 1000
"""Depths above count as this one in the histogram."""

_WINDOWS, _SHORTEST_WINDOW = 400, 50
_BLOCK = 1 << 23


class ContigDepth(BaseModel):
    """Depth on one contig: bases aligned in each window of ``window`` bases (the last is shorter), and a histogram."""

    model_config = ConfigDict(frozen=True)

    name: str
    length: int
    window: int
    aligned: tuple[int, ...]
    histogram: dict[int, int]
    """Depth → bases of the contig that have it."""


class AlignmentSummary(BaseModel):
    """One sample's alignments. ``reads`` are primary records, each read once; the others stand beside."""

    model_config = ConfigDict(frozen=True)

    sample: str
    reads: int
    mapped: int
    paired: int
    properly_paired: int
    marked_duplicates: int
    secondary: int
    supplementary: int
    contigs: tuple[ContigDepth, ...]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def mean_depth(self) -> float:
        """Mean over all bases of the reference."""
        length = sum(contig.length for contig in self.contigs)
        return sum(sum(contig.aligned) for contig in self.contigs) / length if length else 0.0

    def share_at_least(self, depth: int) -> float:
        """Return the share of the reference's bases with ``depth`` or more (at most `DEEPEST`)."""
        length = sum(contig.length for contig in self.contigs)
        covered = sum(bases for contig in self.contigs for found, bases in contig.histogram.items() if found >= depth)
        return covered / length if length else 0.0


@map_stage("genomics.alignment_summary", version=1, resources=Resources(memory_base_bytes=512 << 20))
def alignment_summary(bam: Path) -> AlignmentSummary:
    """Count the flags of a sample's alignments and their depth along the reference.

    Args:
        bam: Sorted by coordinate, of one sample, which its read groups name.
    Raises:
        BadInput: not a BAM, or its read groups name no sample, or several.
    """
    from isal import igzip

    opened: Any = igzip  # the library has no types
    flags = np.zeros(1 << 12, np.int64)
    with opened.open(bam, "rb") as file:
        header, data = _read_header(file, shown=bam.name)
        depths = [_ContigCounter(name, length) for name, length in _contigs_of(header)]
        for records in _records(file, data, shown=bam.name):
            flags += np.bincount(records.flag & 0xFFF, minlength=len(flags))
            _count_depth(depths, records)
    return AlignmentSummary(
        sample=_sample_of(header, shown=bam.name),
        contigs=tuple(depth.result() for depth in depths),
        **_of_flags(flags),
    )


def _count_depth(depths: Sequence[_ContigCounter], records: Records) -> None:
    counted = (records.flag & (UNMAPPED | SECONDARY | FAILED | DUPLICATE) == 0) & (records.contig >= 0)
    for contig in np.unique(records.contig[counted]).tolist():
        here = counted & (records.contig == contig)
        depths[contig].add(records.position[here], records.span[here])


class _ContigCounter:
    """Depth of one contig, from reads sorted by position: what lies before the last read's start is final."""

    def __init__(self, name: str, length: int) -> None:
        self._name, self._length = name, length
        self._window = max(_SHORTEST_WINDOW, -(-length // _WINDOWS))
        self._aligned = np.zeros(-(-length // self._window), np.int64)
        self._histogram = np.zeros(DEEPEST + 1, np.int64)
        self._done, self._level = 0, 0
        self._changes = np.zeros(1, np.int64)  # of the depth, from `_done` on

    def add(self, position: Ints, span: Ints) -> None:
        """Count reads that follow those counted before."""
        ends = np.minimum(position + span, self._length)
        size = int(ends.max()) - self._done + 1
        changes = np.zeros(max(size, len(self._changes)), np.int64)
        changes[: len(self._changes)] = self._changes
        changes += np.bincount(position - self._done, minlength=len(changes))
        changes -= np.bincount(ends - self._done, minlength=len(changes))
        self._changes = changes
        self._finish(int(position[-1]))

    def result(self) -> ContigDepth:
        """Return the depth of the whole contig."""
        self._finish(self._length)
        return ContigDepth(
            name=self._name,
            length=self._length,
            window=self._window,
            aligned=tuple(self._aligned.tolist()),
            histogram={int(depth): int(self._histogram[depth]) for depth in np.flatnonzero(self._histogram)},
        )

    def _finish(self, stop: int) -> None:
        count = stop - self._done
        if count <= 0:
            return
        known = min(count, len(self._changes))
        depth = self._level + np.cumsum(self._changes[:known])
        self._level = int(depth[-1])
        windows = (self._done + np.arange(known)) // self._window
        sums = np.bincount(windows - windows[0], weights=depth).astype(np.int64)
        self._aligned[windows[0] : windows[0] + len(sums)] += sums
        self._histogram += np.bincount(depth.clip(0, DEEPEST), minlength=DEEPEST + 1)
        self._histogram[0] += count - known  # no read reaches there
        self._changes = self._changes[known:] if known < len(self._changes) else np.zeros(1, np.int64)
        self._done = stop


def _of_flags(flags: Ints) -> dict[str, int]:
    value = np.arange(len(flags))
    primary = value & (SECONDARY | SUPPLEMENTARY) == 0
    mapped = primary & (value & UNMAPPED == 0)
    chosen = {
        "reads": primary,
        "mapped": mapped,
        "paired": primary & (value & PAIRED != 0),
        "properly_paired": mapped & (value & PROPER != 0) & (value & PAIRED != 0),
        "marked_duplicates": primary & (value & DUPLICATE != 0),
        "secondary": value & SECONDARY != 0,
        "supplementary": (value & SUPPLEMENTARY != 0) & (value & SECONDARY == 0),
    }
    return {name: int(flags[which].sum()) for name, which in chosen.items()}


def _read_header(file: BinaryIO, *, shown: str) -> tuple[bytes, bytes]:
    """Return a BAM's header, and what was read of the records behind it."""
    data = file.read(_BLOCK)
    while (size := header_size(data)) is None:
        more = file.read(_BLOCK)
        if not more:
            raise BadInput("this is not a BAM", why="its header ends early", hint="give a BAM file", file=shown)
        data += more
    if not data.startswith(b"BAM\1"):
        raise BadInput("this is not a BAM", why="it does not begin with 'BAM'", hint="give a BAM file", file=shown)
    return data[:size], data[size:]


def _records(file: BinaryIO, data: bytes, *, shown: str) -> Iterator[Records]:
    """Yield blocks of whole records: those in ``data``, then those of the file."""
    more = file.read(_BLOCK)
    while data or more:
        records = Records.of(data)
        if len(records):
            yield records
        elif not more:
            raise TruncatedInput("the BAM ends inside a record", why="", hint="fetch or make it again", file=shown)
        data = data[records.size :] + more
        more = file.read(_BLOCK)


def _sample_of(header: bytes, *, shown: str) -> str:
    text = header[8 : 8 + int.from_bytes(header[4:8], "little")].decode()
    groups = [line.split("\t") for line in text.split("\n") if line.startswith("@RG\t")]
    samples = sorted({field[3:] for group in groups for field in group if field.startswith("SM:")})
    if len(samples) != 1:
        why = f"samples of its read groups: {', '.join(samples) or 'none'}"
        raise BadInput("the BAM is not of one sample", why=why, hint="give one BAM per sample", file=shown)
    return samples[0]


def _contigs_of(header: bytes) -> Iterator[tuple[str, int]]:
    at = 12 + int.from_bytes(header[4:8], "little")
    while at < len(header):
        size = int.from_bytes(header[at : at + 4], "little")
        name = header[at + 4 : at + 4 + size - 1].decode()
        yield name, int.from_bytes(header[at + 4 + size : at + 8 + size], "little")
        at += 8 + size
