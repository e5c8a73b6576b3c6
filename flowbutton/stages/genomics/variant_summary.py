"""A VCF in few numbers: classes of variants, transitions and transversions, lengths, QUAL, genotypes.

Each alternative is counted once, whether its record was split or not. Here: counting, for the report.
Not here: how it is shown (`report`). Imports `flowbutton.model` only.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from pydantic import BaseModel, Field

from flowbutton.model.errors import BadInput

QUAL_STEP, QUAL_TOP = 20, 240
BALANCE_STEPS = 20
_TRANSITIONS = {"AG", "GA", "CT", "TC"}


class SampleVariants(BaseModel):
    """One sample's genotypes. ``balance`` counts the share of reads with the alternative at heterozygous sites."""

    heterozygous: int = 0
    homozygous: int = 0
    balance: Counter[int] = Field(default_factory=Counter)


class VariantSummary(BaseModel):
    """All samples' variants. ``lengths`` counts indels by bases gained (lost: below 0); ``quals`` by `QUAL_STEP`."""

    samples: dict[str, SampleVariants] = Field(default_factory=dict)
    kinds: Counter[str] = Field(default_factory=Counter)
    sites: int = 0
    multiallelic: int = 0
    transitions: int = 0
    transversions: int = 0
    lengths: Counter[int] = Field(default_factory=Counter)
    quals: Counter[int] = Field(default_factory=Counter)


def summarize_variants(path: Path) -> VariantSummary:
    """Count the variants of a VCF, plain or compressed.

    Raises:
        BadInput: the file has no ``#CHROM`` line.
    """
    summary = VariantSummary()
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rt") if zipped else path.open() as lines:
        header = next((line for line in lines if line.startswith("#CHROM")), None)
        if header is None:
            raise BadInput("this is not a VCF", why="it has no #CHROM line", hint="give a VCF file", file=path.name)
        summary.samples = {sample: SampleVariants() for sample in header.rstrip("\n").split("\t")[9:]}
        records = (line.rstrip("\n").split("\t") for line in lines)
        # Records of one place are one site: of several alternatives, split by `bcftools norm -m -any`.
        for _, site in groupby(records, key=lambda fields: fields[:2]):
            _count_site(summary, list(site))
    return summary


def joined_summary(parts: Iterable[VariantSummary], samples: Iterable[str]) -> VariantSummary:
    """Return the summary of the VCF of all ``samples`` whose windows were counted one by one; there may be none.

    A site lies in one window, so the numbers are added.
    """
    whole = VariantSummary(samples={sample: SampleVariants() for sample in samples})
    for part in parts:
        for name in ("kinds", "lengths", "quals"):
            getattr(whole, name).update(getattr(part, name))
        for name in ("sites", "multiallelic", "transitions", "transversions"):
            setattr(whole, name, getattr(whole, name) + getattr(part, name))
        for sample, found in part.samples.items():
            one = whole.samples[sample]
            one.heterozygous += found.heterozygous
            one.homozygous += found.homozygous
            one.balance.update(found.balance)
    return whole


def _count_site(summary: VariantSummary, records: Sequence[Sequence[str]]) -> None:
    alleles = [alt for fields in records for alt in _alternatives(fields)]
    summary.sites += 1
    summary.multiallelic += len(alleles) > 1
    for fields in records:
        _count_record(summary, fields)
    for number, sample in enumerate(summary.samples.values()):
        calls = [dict(zip(f[8].split(":"), f[9 + number].split(":"), strict=False)) for f in records]
        _count_genotype(sample, calls, is_biallelic=len(alleles) == 1)


def _alternatives(fields: Sequence[str]) -> list[str]:
    return [alt for alt in fields[4].upper().split(",") if alt not in (".", "*")]


def _count_record(summary: VariantSummary, fields: Sequence[str]) -> None:
    ref = fields[3].upper()
    for alt in _alternatives(fields):
        summary.kinds[_kind(ref, alt)] += 1
        if len(ref) == len(alt) == 1:
            is_transition = ref + alt in _TRANSITIONS
            summary.transitions += is_transition
            summary.transversions += not is_transition
        elif len(ref) != len(alt) and not alt.startswith("<"):
            summary.lengths[len(alt) - len(ref)] += 1
    if fields[5] != ".":
        summary.quals[int(min(float(fields[5]), QUAL_TOP)) // QUAL_STEP] += 1


def _kind(ref: str, alt: str) -> str:
    if alt.startswith("<"):
        return "symbolic"
    if len(ref) == len(alt):
        return "SNV" if len(ref) == 1 else "several bases replaced"
    return "insertion" if len(alt) > len(ref) else "deletion"


def _count_genotype(sample: SampleVariants, calls: Sequence[Mapping[str, str]], *, is_biallelic: bool) -> None:
    """Count a sample's genotype at a site, from the records that the site was split into."""
    genotypes = [_called(call) for call in calls]
    carrying = [alleles for alleles in genotypes if any(allele != "0" for allele in alleles)]
    if not carrying:
        return
    if all(len(set(alleles)) == 1 for alleles in carrying):
        sample.homozygous += 1
        return
    sample.heterozygous += 1
    depths = calls[0].get("AD", ".").split(",")
    # Where two alternatives meet, the reference has no reads: the balance would say nothing.
    if is_biallelic and len(depths) == 2 and "." not in depths and (total := sum(map(int, depths))):
        sample.balance[min(BALANCE_STEPS - 1, int(depths[1]) * BALANCE_STEPS // total)] += 1


def _called(call: Mapping[str, str]) -> list[str]:
    return [allele for allele in call.get("GT", ".").replace("|", "/").split("/") if allele != "."]
