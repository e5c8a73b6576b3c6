"""Windows of the VCF: which records one task writes, and what it must know of the sites before them.

Windows are those of the data: they tile each contig with records, and their seams lie between fixed bins of POS where a
useful number of columns is reached. No option moves them, so none shows in the file.
Here: the facts that calling tasks hand on, the stage `genomics.plan_variants`. Not here: the records (`variants`), the
file (`variant_blocks`). Imports `flowbutton.model`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from flowbutton.model.stage import Items
from flowbutton.stages.define import gather_stage
from flowbutton.stages.genomics.carried_bias import carried_at_start
from flowbutton.stages.genomics.reference import contigs
from flowbutton.stages.genomics.regions import Stretch
from flowbutton.stages.genomics.samples import SampleTable

VARIANT_BIN = 1 << 18
"""Bases per bin of a record's POS. Fixed: no consumer's size is in it."""

WINDOW_FIELDS = 1 << 21
"""Columns from which on a window is full: about 50 MiB of VCF. Fixed: an option would show in the file."""

_SITE_FIELDS = 6  # what stands before the samples' columns is as long as so many of these


class BinFacts(NamedTuple):
    """What a calling task knows of the variants that it owns in one bin of POS, or in a part of the bin.

    ``shown`` is where the part begins if one of its bases shows an alternative, else -1; its last one leaves ``left``.
    """

    contig: int
    start: int
    shown: int
    left: str
    records: int


class CallFacts(BaseModel):
    """The facts of all bins that a calling task met."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bins: tuple[BinFacts, ...]


class VariantWindow(BaseModel):
    """Which bins one task writes, in the order of the file; and what the sites before them left for indels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: tuple[Stretch, ...]
    carried: str


@gather_stage("genomics.plan_variants")
def plan_variants(facts: Sequence[CallFacts], header: Path, fai: Path, samples: SampleTable) -> Items[VariantWindow]:
    """Divide the genome into windows of the VCF. Contigs without variants are in none.

    Args:
        facts: Of all calling tasks.
        header: The header of the VCF.
        fai: The reference's contigs (faidx).
        samples: The samples.
    """
    bins = [row for task in facts for row in task.bins]
    lengths = [contig.length for contig in contigs(fai)]
    carried = carried_at_start(header.read_bytes()).decode()
    found = windows_of(bins, lengths, carried, full=WINDOW_FIELDS // (_SITE_FIELDS + len(samples.root)))
    return Items(tuple(({"ordinal": ordinal}, window) for ordinal, window in enumerate(found)))


def windows_of(bins: Sequence[BinFacts], lengths: Sequence[int], carried: str, *, full: int) -> Iterator[VariantWindow]:
    """Yield windows that tile all contigs with rows; each but the last is full.

    Args:
        bins: The facts of all calling tasks, in any order.
        lengths: Of the contigs, in bases.
        carried: What an indel prints that stands before any base with an alternative.
        full: The number of records from which on a window is full.
    """
    found: list[Stretch] = []
    held, before = 0, carried
    for contig, rows in groupby(sorted(bins), key=lambda row: row.contig):
        at = 0
        for start, parts in groupby(rows, key=lambda row: row.start):
            for part in parts:
                held += part.records
                carried = part.left if part.shown >= 0 else carried
            if held >= full:
                stop = start + VARIANT_BIN
                yield VariantWindow(window=(*found, Stretch(contig=contig, start=at, stop=stop)), carried=before)
                found, held, before, at = [], 0, carried, stop
        if at < lengths[contig]:
            found.append(Stretch(contig=contig, start=at, stop=-(-lengths[contig] // VARIANT_BIN) * VARIANT_BIN))
    if found:
        yield VariantWindow(window=tuple(found), carried=before)
