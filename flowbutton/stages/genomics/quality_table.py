"""What is known of reads before they are aligned: counts that add up exactly, however the reads were cut.

Here: the table (`quality.json` is its published form), merging, and what can be derived from the counts.
Not here: counting (`read_quality`). Only integers are merged, so the order and shape of merging never show.
Duplicates are estimated from a bottom-k sketch (Beyer et al. 2007, doi:10.1145/1247480.1247504).
Imports `flowbutton.model`, `stages.define`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, computed_field

from flowbutton.stages.define import gather_stage

CYCLES = 1000
"""Of a longer read, all but its length is counted of its first `CYCLES` bases only."""
SKETCH_SIZE = 1024
_PHRED64_LOWEST, _PHRED64_HIGHEST = 26, 56  # Phred+64 read as Phred+33 lies in 26..73, and reaches high


KeyT = TypeVar("KeyT")


class _Counts(BaseModel):
    model_config = ConfigDict(frozen=True)


class Sketch(_Counts):
    """The `SKETCH_SIZE` smallest distinct 53-bit hashes of the starts of reads (pairs), and how often each was seen.

    A hash among the smallest of all reads is among the smallest of every part that holds it, so its count is exact.
    """

    hashes: tuple[int, ...] = ()
    counts: tuple[int, ...] = ()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def duplicate_share(self) -> float:
        """Estimated share of reads (pairs) that repeat an earlier one's first 50 bases, 0 to 1."""
        return 1 - len(self.counts) / sum(self.counts) if self.counts else 0.0

    def __add__(self, other: Self) -> Sketch:
        seen = dict(zip(self.hashes, self.counts, strict=True))
        for value, count in zip(other.hashes, other.counts, strict=True):
            seen[value] = seen.get(value, 0) + count
        kept = sorted(seen)[:SKETCH_SIZE]
        return Sketch(hashes=tuple(kept), counts=tuple(seen[value] for value in kept))


class FileQuality(_Counts):
    """The reads of one file of a sample (R1 or R2), of all lanes. A tuple's place is the cycle, from 0."""

    reads: int
    bases: int
    lengths: dict[int, int]
    """Length in bases → reads."""
    quality: dict[int, tuple[int, ...]]
    """Phred quality → bases per cycle."""
    content: dict[str, tuple[int, ...]]
    """A, C, G, T, N → bases per cycle; N is all that is none of the four."""
    mean_quality: dict[int, int]
    """Mean quality of a read, rounded down → reads. A read of no bases is not here."""
    gc: dict[int, int]
    """Percent G and C of the called bases of a read, rounded down → reads. A read without called bases is not here."""
    adapters: dict[str, tuple[int, ...]]
    """Adapter → reads in which its first occurrence starts at this cycle."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def phred64_suspected(self) -> bool:
        """Whether the qualities look as if they were written with offset 64 (Illumina before 2011) instead of 33."""
        seen = self.quality.keys()
        return bool(seen) and min(seen) >= _PHRED64_LOWEST and max(seen) >= _PHRED64_HIGHEST

    def __add__(self, other: Self) -> FileQuality:
        return FileQuality(
            reads=self.reads + other.reads,
            bases=self.bases + other.bases,
            lengths=_add_counts(self.lengths, other.lengths),
            quality=_add_cycles(self.quality, other.quality),
            content=_add_cycles(self.content, other.content),
            mean_quality=_add_counts(self.mean_quality, other.mean_quality),
            gc=_add_counts(self.gc, other.gc),
            adapters=_add_cycles(self.adapters, other.adapters),
        )


class SampleQuality(_Counts):
    """A sample's files, ``R1`` and (paired) ``R2``, and the starts of its reads or pairs."""

    files: dict[str, FileQuality]
    starts: Sketch

    def __add__(self, other: Self) -> SampleQuality:
        both = {name: self.files[name] + other.files[name] for name in self.files.keys() & other.files.keys()}
        return SampleQuality(files={**self.files, **other.files, **both}, starts=self.starts + other.starts)


class QualityTable(_Counts):
    """Counts per sample and file. `merge_quality` of the tables of any cut of the reads is the table of them all."""

    samples: dict[str, SampleQuality]

    def __add__(self, other: Self) -> QualityTable:
        both = {name: self.samples[name] + other.samples[name] for name in self.samples.keys() & other.samples.keys()}
        return QualityTable(samples={**self.samples, **other.samples, **both})


@gather_stage("genomics.merge_quality", version=1)
def merge_quality(parts: Sequence[QualityTable]) -> QualityTable:
    """Add up quality tables; a tree of merges gives the same as one merge."""
    total = QualityTable(samples={})
    for part in parts:
        total += part
    return total


def _add_counts(one: Mapping[int, int], two: Mapping[int, int]) -> dict[int, int]:
    return {key: one.get(key, 0) + two.get(key, 0) for key in {**one, **two}}


def _add_cycles(
    one: Mapping[KeyT, tuple[int, ...]], two: Mapping[KeyT, tuple[int, ...]]
) -> dict[KeyT, tuple[int, ...]]:
    return {
        key: tuple(a + b for a, b in zip_longest(one.get(key, ()), two.get(key, ()), fillvalue=0))
        for key in {**one, **two}
    }
