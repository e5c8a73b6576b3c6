"""A VCF in few numbers: classes of variants, transitions and transversions, lengths, QUAL, genotypes.

Each alternative is counted once, whether its record was split or not. Here: counting, for the report.
Not here: how it is shown (`report`). Imports `flowbutton.model` only.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flowbutton.model.errors import BadInput

QUAL_STEP, QUAL_TOP = 20, 240
BALANCE_STEPS = 20
_TRANSITIONS = {"AG", "GA", "CT", "TC"}


@dataclass(slots=True)
class SampleVariants:
    """One sample's genotypes. ``balance`` counts the share of reads with the alternative at heterozygous sites."""

    heterozygous: int = 0
    homozygous: int = 0
    balance: Counter[int] = field(default_factory=Counter)


@dataclass(slots=True)
class VariantSummary:
    """All samples' variants. ``lengths`` counts indels by bases gained (lost: below 0); ``quals`` by `QUAL_STEP`."""

    samples: dict[str, SampleVariants] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    sites: int = 0
    multiallelic: int = 0
    transitions: int = 0
    transversions: int = 0
    lengths: Counter[int] = field(default_factory=Counter)
    quals: Counter[int] = field(default_factory=Counter)


def summarize_variants(path: Path) -> VariantSummary:
    """Count the variants of a VCF, plain or compressed.

    Raises:
        BadInput: the file has no ``#CHROM`` line.
    """
    summary = VariantSummary()
    seen_header = False
    site: tuple[str, str] = ("", "")
    site_alts = 0
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rt") if zipped else path.open() as lines:
        for line in lines:
            fields = line.rstrip("\n").split("\t")
            if line.startswith("#CHROM"):
                seen_header, summary.samples = True, {sample: SampleVariants() for sample in fields[9:]}
            if line.startswith("#"):
                continue
            alts = [alt for alt in fields[4].upper().split(",") if alt not in (".", "*")]
            if (fields[0], fields[1]) != site:
                site, site_alts = (fields[0], fields[1]), 0
                summary.sites += 1
            # A split record and its neighbour of the same place are one site of several alternatives.
            summary.multiallelic += site_alts < 2 <= site_alts + len(alts)
            site_alts += len(alts)
            _count_record(summary, fields, alts)
    if not seen_header:
        raise BadInput("this is not a VCF", why="it has no #CHROM line", hint="give a VCF file", file=path.name)
    return summary


def _count_record(summary: VariantSummary, fields: Sequence[str], alts: Sequence[str]) -> None:
    ref = fields[3].upper()
    for alt in alts:
        summary.kinds[_kind(ref, alt)] += 1
        if len(ref) == len(alt) == 1:
            is_transition = ref + alt in _TRANSITIONS
            summary.transitions += is_transition
            summary.transversions += not is_transition
        elif len(ref) != len(alt):
            summary.lengths[len(alt) - len(ref)] += 1
    if fields[5] != ".":
        summary.quals[int(min(float(fields[5]), QUAL_TOP)) // QUAL_STEP] += 1
    if len(fields) > 9:
        keys = fields[8].split(":")
        for sample, call in zip(summary.samples.values(), fields[9:], strict=True):
            _count_genotype(sample, dict(zip(keys, call.split(":"), strict=False)))


def _kind(ref: str, alt: str) -> str:
    if len(ref) == len(alt):
        return "SNV" if len(ref) == 1 else "several bases replaced"
    return "insertion" if len(alt) > len(ref) else "deletion"


def _count_genotype(sample: SampleVariants, call: dict[str, str]) -> None:
    alleles = [allele for allele in call.get("GT", ".").replace("|", "/").split("/") if allele != "."]
    if not any(allele != "0" for allele in alleles):
        return
    if len(set(alleles)) == 1:
        sample.homozygous += 1
        return
    sample.heterozygous += 1
    depths = call.get("AD", ".").split(",")
    if len(depths) == 2 and "." not in depths and (total := sum(map(int, depths))):
        sample.balance[min(BALANCE_STEPS - 1, int(depths[1]) * BALANCE_STEPS // total)] += 1
