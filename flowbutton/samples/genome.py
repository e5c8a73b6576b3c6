"""A reference genome and a diploid individual that differs from it in known places.

Here: contigs with repeats, runs of N and soft-masked stretches; variants; the individual's two haplotypes.
Not here: reads (`samples.sequencer`), files (`samples.genomics`). Imports numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from flowbutton.samples.draws import Bytes, Draws

BASES = np.frombuffer(b"ACGT", np.uint8)
_LOWER = 32  # the bit that tells 'a' from 'A'
_TRANSITION = {"A": "G", "G": "A", "C": "T", "T": "C"}
_CLEARANCE = 40  # bases around a variant without N and without another variant


@dataclass(frozen=True, slots=True)
class Contig:
    """A named sequence; lower case marks repeats, as repeat maskers do."""

    name: str
    sequence: bytes


@dataclass(frozen=True, slots=True)
class Variant:
    """One site at which the individual differs; ``position`` counts from 0.

    ``alleles``, of the two haplotypes, index ``(ref, *alts)``:
    (0, 1) is heterozygous, (1, 2) has two different alternatives.
    """

    position: int
    ref: str
    alts: tuple[str, ...]
    alleles: tuple[int, int]


def make_contig(draws: Draws, name: str, length: int) -> Contig:
    """Make a contig of ``length`` bases: GC that drifts, dispersed and tandem repeats, N at its start and middle."""
    block = 1000
    gc_per_mille = np.repeat(draws.below(180, length // block + 1) + 320, block)[:length]
    is_gc = draws.below(1000, length) < gc_per_mille
    other = draws.below(2, length)
    bases = BASES[np.where(is_gc, 1 + other, 3 * other)]  # C or G, A or T
    _disperse(draws, bases, unit_length=600, copies=length // 20_000, per_mille_changed=60)
    _tandem(draws, bases, count=length // 3000)
    bases[:500] = ord("N")
    bases[length // 2 : length // 2 + 1500] = ord("N")
    return Contig(name, bases.tobytes())


def make_individual(draws: Draws, contig: Contig) -> list[Variant]:
    """Draw the individual's variants on a contig, about one every 700 bases, sorted."""
    text = contig.sequence.decode().upper()
    gaps = draws.below(1240, len(text) // 600) + 80
    positions = [int(place) for place in np.cumsum(gaps) if place < len(text) - 2 * _CLEARANCE]
    return [
        _variant(draws, text, position)
        for position in positions
        if "N" not in text[position - _CLEARANCE : position + _CLEARANCE]
    ]


def haplotype(contig: Contig, variants: Sequence[Variant], which: int) -> bytes:
    """Return one of the individual's two copies of a contig, in upper case."""
    return b"".join(_haplotype_parts(contig.sequence.upper(), variants, which))


def _haplotype_parts(reference: bytes, variants: Sequence[Variant], which: int) -> Iterator[bytes]:
    end = 0
    for variant in variants:
        yield reference[end : variant.position]
        yield (variant.ref, *variant.alts)[variant.alleles[which]].encode()
        end = variant.position + len(variant.ref)
    yield reference[end:]


def _disperse(draws: Draws, bases: Bytes, *, unit_length: int, copies: int, per_mille_changed: int) -> None:
    unit = BASES[draws.below(4, unit_length)]
    for start in draws.below(len(bases) - unit_length, copies):
        changed = draws.chance(per_mille_changed, unit_length)
        copy = np.where(changed, BASES[draws.below(4, unit_length)], unit)
        bases[start : start + unit_length] = copy | _LOWER


def _tandem(draws: Draws, bases: Bytes, *, count: int) -> None:
    starts = draws.below(len(bases) - 200, count)
    for start, unit_length, repeats in zip(starts, draws.below(5, count) + 1, draws.below(12, count) + 6, strict=True):
        unit = BASES[draws.below(4, int(unit_length))]
        bases[start : start + unit_length * repeats] = np.tile(unit, int(repeats)) | _LOWER


def _variant(draws: Draws, text: str, position: int) -> Variant:
    kind, shape, zygosity = (int(draw) for draw in draws.below(1000, 3))
    ref = text[position]
    if kind < 820:
        alts: tuple[str, ...] = (_substitute(ref, shape),)
        if kind < 25:
            alts += (next(base for base in "ACGT" if base not in (ref, *alts)),)
    elif kind < 910:
        alts = (ref + _inserted(draws, text, position, _indel_length(draws), copied=shape < 400),)
        if kind < 825:
            alts += (ref + _inserted(draws, text, position, len(alts[0]), copied=False),)
    else:
        ref, alts = text[position : position + 1 + _indel_length(draws)], (ref,)
    if len(alts) == 2:
        return Variant(position, ref, alts, (1, 2) if zygosity < 500 else (2, 1))
    alleles = (1, 1) if zygosity < 400 else (0, 1) if zygosity < 700 else (1, 0)
    return Variant(position, ref, alts, alleles)


def _substitute(ref: str, draw: int) -> str:
    """Return another base: the transition two times of three, so that Ti/Tv is about 2."""
    if draw < 667:
        return _TRANSITION[ref]
    return [base for base in "ACGT" if base not in (ref, _TRANSITION[ref])][draw % 2]


def _indel_length(draws: Draws) -> int:
    """Draw 1 to 30, short ones more often (the smaller of the products of two draws)."""
    one, two = (int(draw) for draw in draws.below(30, 2))
    return 1 + one * two // 30


def _inserted(draws: Draws, text: str, position: int, length: int, *, copied: bool) -> str:
    if copied:  # a duplication: left-aligning has something to do
        return text[position + 1 : position + 1 + length]
    return BASES[draws.below(4, length)].tobytes().decode()
