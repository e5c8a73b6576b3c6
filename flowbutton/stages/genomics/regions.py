"""Regions: what one calling task owns, and what it must see.

Here: the stage `genomics.plan_regions`, pure but for reading the facts. Not here: calling (`call`).

A column's answer depends on the reads over it, on what the caller did to them in columns before (base alignment
quality is computed at the first column that calls for it), and on their mates. All of that lies within two spans of a
read to the left and one to the right. A third span to the left is where reads begin that reach into those.
Imports `flowbutton.model`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from flowbutton.model.errors import OptionError
from flowbutton.model.stage import Items
from flowbutton.stages.define import map_stage
from flowbutton.stages.genomics.reference import contigs
from flowbutton.stages.genomics.survey import ContigFacts, Span, Survey, joined_ranges

_LEFT, _RIGHT = 3, 1  # spans of a read


class Stretch(BaseModel):
    """A half-open range of bases, ``[start, stop)``, on the contig with this number."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    contig: int
    start: int
    stop: int


class Region(BaseModel):
    """What a task calls: it owns the records whose POS lies in ``intervals``, and sees the reads of ``window``.

    Both are sorted and disjoint. ``deep``: the intervals where the caller draws at random, all in one region.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    intervals: tuple[Stretch, ...]
    window: tuple[Stretch, ...]
    deep: bool


@map_stage("genomics.plan_regions")
def plan_regions(survey: Path, fai: Path, *, size: int = 1_000_000) -> Items[Region]:
    """Divide what has reads into regions: one of all deep intervals, the first since it takes longest, then free ones.

    The plan depends on the data and ``size`` only, and the variants do not depend on the plan.

    Args:
        survey: The facts by `genomics.survey`.
        fai: The reference's contigs (faidx).
        size: Bases under reads per free region, at least 1. Several short intervals, of several contigs too, may share
            a region.

    Raises:
        OptionError: ``size`` is below 1.
    """
    if size < 1:
        raise OptionError(f"a region of {size} bases can't be made", why="", hint="give a size of 1 or more")
    facts = Survey.model_validate_json(survey.read_bytes())
    lengths = [contig.length for contig in contigs(fai)]
    of_contig = {contig.contig: contig for contig in facts.contigs}
    deep = [Stretch(contig=c.contig, start=a, stop=b) for c in facts.contigs for a, b in c.deep]
    groups = [(deep, True)] if deep else []
    groups += [(group, False) for group in _free(facts, size)]
    return Items(
        tuple(
            (
                {"ordinal": ordinal},
                Region(intervals=tuple(group), window=_window(facts, of_contig, group, lengths), deep=is_deep),
            )
            for ordinal, (group, is_deep) in enumerate(groups)
        )
    )


def _free(survey: Survey, size: int) -> Iterator[list[Stretch]]:
    """Yield what is covered and not deep, in genome order, in groups of ``size`` bases; the last may have fewer."""
    group: list[Stretch] = []
    room = size
    for facts in survey.contigs:
        for start, stop in without(facts.covered, facts.deep):
            at = start
            while at < stop:
                end = min(stop, at + room)
                group.append(Stretch(contig=facts.contig, start=at, stop=end))
                at, room = end, room - (end - at)
                if room == 0:
                    yield group
                    group, room = [], size
    if group:
        yield group


def without(ranges: Iterable[Span], holes: Sequence[Span]) -> Iterator[Span]:
    """Yield what is left of sorted, disjoint ``ranges`` when the sorted, disjoint ``holes`` are taken out."""
    number = 0
    for start, stop in ranges:
        at = start
        while number < len(holes) and holes[number][1] <= at:
            number += 1
        for hole_start, hole_stop in holes[number:]:
            if hole_start >= stop:
                break
            if hole_start > at:
                yield at, hole_start
            at = hole_stop
        if at < stop:
            yield at, stop


def _window(
    survey: Survey, facts: Mapping[int, ContigFacts], group: Sequence[Stretch], lengths: Sequence[int]
) -> tuple[Stretch, ...]:
    ranges: dict[int, list[Span]] = {}
    for piece in group:
        span = survey.longest_near(facts[piece.contig], piece.start, piece.stop)
        left, right = max(0, piece.start - _LEFT * span), min(piece.stop + _RIGHT * span, lengths[piece.contig])
        ranges.setdefault(piece.contig, []).append((left, right))
    return tuple(
        Stretch(contig=contig, start=start, stop=stop)
        for contig, spans in ranges.items()
        for start, stop in joined_ranges(sorted(spans))
    )
