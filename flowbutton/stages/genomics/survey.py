"""Facts over all reads that decide how calling may be cut.

Here: the stages `genomics.merge_profiles` and `genomics.survey`, the facts. Not here: cutting (`regions`).

Two facts matter. Where one sample is deeper than 255, htslib's error model draws bases at random, from one generator
for the whole run: such intervals must be called together, in genome order, by one task. And the longest span of the
reads near a place bounds how far back the history of a column reaches. Imports `flowbutton.model`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from flowbutton.model.bundle import BundleKey
from flowbutton.model.stage import Resources, Scratch
from flowbutton.stages.define import gather_stage
from flowbutton.stages.genomics.depth import BLOCK, TILE, Profile, ProfileFile, joined_under, write_profiles
from flowbutton.stages.genomics.neighbours import ReadEnds, refuse_namesakes
from flowbutton.stages.genomics.reference import Contig, contigs

DRAWN_ABOVE = 255
"""The depth above which the error model draws bases at random (htslib, errmod_cal)."""

_CAP_SLACK = 2  # mpileup compares the cap with what it holds, which is up to 2 more than the reads of a column
# Ranges nearer than this are joined: between covered ones nothing is computed, and a free region between two deep ones
# would be mostly halo.
_NEAR = 1024

Span = tuple[int, int]
"""A half-open range of bases on one contig."""


class ContigFacts(BaseModel):
    """What is known of one contig; all ranges are half-open, in bases, sorted, disjoint.

    ``covered`` holds every base under an aligned read. ``deep`` is what must be called together. ``spans`` holds, for
    tiles of `TILE` bases with reads, the tile's number and the longest span of a read that begins there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    contig: int
    covered: tuple[Span, ...]
    deep: tuple[Span, ...]
    spans: tuple[tuple[int, int], ...]


class Survey(BaseModel):
    """The facts of all contigs with reads, in the order of the reference, and the longest span of any read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    longest_span: int
    contigs: tuple[ContigFacts, ...]

    def longest_near(self, facts: ContigFacts, start: int, stop: int) -> int:
        """Return a bound on the span of every read whose history can reach into ``[start, stop)``.

        Those are reads that overlap it, their mates that overlap them, and reads that overlap those: all begin less
        than three spans before it, or in it, or less than a span after it.
        """
        first = bisect_left(facts.spans, ((start - 3 * self.longest_span) // TILE,))
        last = bisect_left(facts.spans, ((stop + self.longest_span) // TILE + 1,))
        return max((span for _, span in facts.spans[first:last]), default=0)


@gather_stage("genomics.merge_profiles", resources=Resources(memory_base_bytes=1 << 30))
def merge_profiles(profiles: Sequence[Path], scratch: Scratch) -> Path:
    """Join depth profiles into one. Any order and any tree of joins gives the same file.

    Args:
        profiles: Profiles by `genomics.align` or by this stage.
        scratch: Where the file is written.
    """
    files = [ProfileFile(path) for path in profiles]
    joined = ((key, joined_under(files, key)) for key in _keys(files))
    return write_profiles(Path(scratch) / "profile.bundle", joined)


@gather_stage("genomics.survey", resources=Resources(memory_base_bytes=1 << 30))
def survey(
    profiles: Sequence[Path],
    fai: Path,
    scratch: Scratch,
    ends: Sequence[ReadEnds] = (),
    *,
    max_depth: int = 1_000_000,
) -> Path:
    """Find what must be called together, what has reads at all, and how far reads reach.

    Args:
        profiles: Depth profiles of all reads; none if there are no reads.
        fai: The reference's contigs (faidx).
        scratch: Where the facts are written, as JSON.
        ends: The names at the ends of all pieces of reads, in the order of the reads.
        max_depth: The caller's depth cap. Where it drops reads, it does so by what it kept before: a history like that
            of the random draws, so what is near the cap counts as deep too, and three spans to the right of it.

    Raises:
        BadInput: a cut came between two reads of one name, which minimap2 would take for one fragment.
    """
    refuse_namesakes(ends)
    files = [ProfileFile(path) for path in profiles]
    lengths = contigs(fai)
    near_cap = max(max_depth - _CAP_SLACK, 0)
    threshold = min(DRAWN_ABOVE, near_cap)
    found = [
        _facts(number, lengths[number], (joined_under(files, key) for key in keys), threshold, near_cap)
        for number, keys in _by_contig(_keys(files))
    ]
    longest = max((span for facts, _ in found for _, span in facts.spans), default=0)
    facts = Survey(longest_span=longest, contigs=tuple(facts for facts, _ in found))
    if any(capped for _, capped in found):
        facts = _with_wake(facts, lengths)
    path = Path(scratch) / "survey.json"
    path.write_text(facts.model_dump_json())
    return path


def joined_ranges(ranges: Iterable[Span], *, nearer_than: int = 1) -> list[Span]:
    """Join sorted ranges that overlap, touch, or lie nearer than ``nearer_than`` bases to each other."""
    joined: list[Span] = []
    for start, stop in ranges:
        if joined and start - joined[-1][1] < nearer_than:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined


def _facts(
    number: int, contig: Contig, profiles: Iterable[Profile], threshold: int, near_cap: int
) -> tuple[ContigFacts, bool]:
    """Return the facts of one contig, from each sample's profile of it, and whether the depth cap may drop reads."""
    blocks = -(-contig.length // BLOCK)
    covered, deep = np.zeros(blocks, dtype=np.bool_), np.zeros(blocks, dtype=np.bool_)
    longest: dict[int, int] = {}
    capped = False
    for profile in profiles:  # one sample on one contig at a time: what memory is bounded by
        depth = profile.depth(blocks)
        covered |= depth > 0
        deep |= depth > threshold
        capped |= bool((depth > near_cap).any())
        for tile, span in zip(profile.tiles.tolist(), profile.spans.tolist(), strict=True):
            longest[tile] = max(span, longest.get(tile, 0))
    facts = ContigFacts(
        contig=number,
        covered=tuple(joined_ranges(_runs(covered, contig.length), nearer_than=_NEAR)),
        deep=tuple(joined_ranges(_runs(deep, contig.length), nearer_than=_NEAR)),
        spans=tuple(sorted(longest.items())),
    )
    return facts, capped


def _with_wake(survey: Survey, lengths: Sequence[Contig]) -> Survey:
    """Make every deep interval three spans longer to the right: the reads that a cap dropped are missed that far."""

    def longer(facts: ContigFacts, start: int, stop: int) -> Span:
        wake = 3 * survey.longest_near(facts, start, stop + 3 * survey.longest_span)
        return start, min(stop + wake, lengths[facts.contig].length)

    woken = [
        facts.model_copy(update={"deep": tuple(joined_ranges(longer(facts, *span) for span in facts.deep))})
        for facts in survey.contigs
    ]
    return survey.model_copy(update={"contigs": tuple(woken)})


def _runs(flags: npt.NDArray[np.bool_], length: int) -> list[Span]:
    """Return the runs of blocks that are set, in bases."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0)) * BLOCK
    return [(start, min(stop, length)) for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)]


def _by_contig(keys: Sequence[BundleKey]) -> list[tuple[int, list[BundleKey]]]:
    """Return the numbers of the contigs in order, each with its keys in order."""
    found: dict[int, list[BundleKey]] = {}
    for key in keys:
        found.setdefault(int(key[1]), []).append(key)
    return sorted(found.items())


def _keys(files: Sequence[ProfileFile]) -> list[BundleKey]:
    return sorted({key for file in files for key in file.keys})
