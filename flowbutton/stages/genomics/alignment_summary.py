"""What a sorted BAM holds, in few numbers: flags, and depth along the contigs; counted window by window, then added.

Depth counts, for each base of the reference, the primary and supplementary alignments that reach over it (deletions
included), without those marked as duplicates or as failed. A window counts the bases of its own ranges, so it must see
the alignments that reach into them from the left. Here: counting, the stage that adds, its figures. Not here: what
windows are (`sorted_bam`), how figures are shown (`report`). Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, computed_field

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
from flowbutton.stages.define import gather_stage
from flowbutton.stages.genomics.alignments import Records
from flowbutton.stages.genomics.reference import contigs

DEEPEST = 1000
"""Depths above count as this one in the histogram."""

_STEPS, _SHORTEST_STEP = 400, 50


class ContigDepth(BaseModel):
    """Depth on one contig: bases aligned in each window of ``window`` bases (the last is shorter), and a histogram."""

    model_config = ConfigDict(frozen=True)

    name: str
    length: int
    window: int
    aligned: tuple[int, ...]
    histogram: dict[int, int]
    """Depth → bases of the contig that have it."""


class RangeDepth(BaseModel):
    """Depth on a range of a contig, by its number: bases aligned from step ``first`` on, and a histogram."""

    model_config = ConfigDict(frozen=True)

    contig: int
    first: int
    aligned: tuple[int, ...]
    histogram: dict[int, int]


class WindowSummary(BaseModel):
    """Of the alignments that begin in one window how many have each flag, and the depth of its ranges."""

    model_config = ConfigDict(frozen=True)

    flags: dict[int, int]
    depths: tuple[RangeDepth, ...]


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


@gather_stage("genomics.alignment_summary", version=2)
def alignment_summary(sample: str, windows: Sequence[WindowSummary], fai: Path) -> AlignmentSummary:
    """Add up what was counted in the windows of a sample's alignments: their flags, their depth along the reference.

    Args:
        sample: The sample.
        windows: Its windows; together their ranges hold each base of the contigs with reads once.
        fai: The reference's contigs (faidx).
    """
    flags = Counter[int]()
    found: dict[int, list[RangeDepth]] = {}
    for window in windows:
        flags.update(window.flags)
        for depth in window.depths:
            found.setdefault(depth.contig, []).append(depth)
    return AlignmentSummary(
        sample=sample,
        contigs=tuple(
            _contig(contig.name, contig.length, found.get(number, ())) for number, contig in enumerate(contigs(fai))
        ),
        **_of_flags(flags),
    )


def step_of(length: int) -> int:
    """Return how many bases of a contig are one step of its depth."""
    return max(_SHORTEST_STEP, -(-length // _STEPS))


def _contig(name: str, length: int, ranges: Iterable[RangeDepth]) -> ContigDepth:
    step = step_of(length)
    aligned, histogram = [0] * -(-length // step), Counter[int]()
    for depth in ranges:
        for number, bases in enumerate(depth.aligned, depth.first):
            aligned[number] += bases
        histogram.update(depth.histogram)
    bare = length - histogram.total()  # of a contig without reads: no window holds it
    if bare:
        histogram[0] += bare
    return ContigDepth(
        name=name, length=length, window=step, aligned=tuple(aligned), histogram=dict(sorted(histogram.items()))
    )


class WindowCounter:
    """Counts the alignments of one window, given in the order of a sorted BAM.

    ``ranges`` are (contig, start, stop), half-open, in bases; ``lengths`` are those of all contigs.
    """

    def __init__(self, ranges: Iterable[tuple[int, int, int]], lengths: Sequence[int]) -> None:
        self._flags = np.zeros(1 << 12, np.int64)
        self._depths = {
            contig: _RangeCounter(contig, start, min(stop, lengths[contig]), step_of(lengths[contig]))
            for contig, start, stop in ranges
        }

    def add(self, records: Records, *, is_own: bool) -> None:
        """Count records; of those that are not the window's own only what reaches into its ranges."""
        if is_own:
            self._flags += np.bincount(records.flag & 0xFFF, minlength=len(self._flags))
        counted = (records.flag & (UNMAPPED | SECONDARY | FAILED | DUPLICATE) == 0) & (records.contig >= 0)
        for contig in np.unique(records.contig[counted]).tolist():
            here = counted & (records.contig == contig)
            self._depths[contig].add(records.position[here], records.span[here])

    def summary(self) -> WindowSummary:
        """Return what was counted."""
        flags = {int(flag): int(self._flags[flag]) for flag in np.flatnonzero(self._flags)}
        return WindowSummary(flags=flags, depths=tuple(depth.result() for depth in self._depths.values()))


class _RangeCounter:
    """Depth of one range, from reads sorted by position: what lies before the last read's start is final."""

    def __init__(self, contig: int, start: int, stop: int, step: int) -> None:
        self._contig, self._stop, self._step = contig, stop, step
        self._first = start // step
        self._aligned = np.zeros(-(-stop // step) - self._first, np.int64)
        self._histogram = np.zeros(DEEPEST + 1, np.int64)
        self._done, self._level = start, 0
        self._changes = np.zeros(1, np.int64)  # of the depth, from `_done` on

    def add(self, position: Ints, span: Ints) -> None:
        """Count what lies in the range of reads that follow those counted before."""
        ends = np.minimum(position + span, self._stop)
        reaching = ends > self._done
        if not reaching.any():
            return
        position, ends = np.maximum(position[reaching], self._done), ends[reaching]
        self._finish(int(position[0]))  # however far away: nothing is held for bases without reads
        size = int(ends.max()) - self._done + 1
        changes = np.zeros(max(size, len(self._changes)), np.int64)
        changes[: len(self._changes)] = self._changes
        changes += np.bincount(position - self._done, minlength=len(changes))
        changes -= np.bincount(ends - self._done, minlength=len(changes))
        self._changes = changes
        self._finish(int(position[-1]))

    def result(self) -> RangeDepth:
        """Return the depth of the whole range."""
        self._finish(self._stop)
        return RangeDepth(
            contig=self._contig,
            first=self._first,
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
        steps = (self._done + np.arange(known)) // self._step
        sums = np.bincount(steps - steps[0], weights=depth).astype(np.int64)
        first = int(steps[0]) - self._first
        self._aligned[first : first + len(sums)] += sums
        self._histogram += np.bincount(depth.clip(0, DEEPEST), minlength=DEEPEST + 1)
        self._histogram[0] += count - known  # no read reaches there
        self._changes = self._changes[known:] if known < len(self._changes) else np.zeros(1, np.int64)
        self._done = stop


def _of_flags(flags: Counter[int]) -> dict[str, int]:
    value, count = (np.array([*column], np.int64) for column in (flags.keys(), flags.values()))
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
    return {name: int(count[which].sum()) for name, which in chosen.items()}
