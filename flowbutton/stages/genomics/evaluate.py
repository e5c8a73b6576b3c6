"""Comparing called variants with known ones: precision, recall, and whether the genotypes agree.

Both sides are split into one alternative per record and left-aligned by ``bcftools norm -m -any`` first, so that one
change written in two ways counts as one. Here: the stage and its figures. Not here: how they are shown (`report`).
Imports `flowbutton.model`; pysam only inside functions.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, computed_field

from flowbutton.model.errors import BadInput
from flowbutton.model.stage import Resources, Scratch
from flowbutton.stages.define import map_stage
from flowbutton.stages.genomics.reference import genome_of

Change = tuple[str, int, str, str]
"""CHROM, POS, REF, ALT, in upper case."""

_KINDS = ("snv", "indel", "other")


class Score(BaseModel):
    """How one sample's called alleles of one kind compare with the known ones; ``both`` are in the two sets."""

    model_config = ConfigDict(frozen=True)

    sample: str
    kind: str
    """``snv``, ``indel``, ``other`` (several bases replaced by as many) or ``all``."""
    truth: int
    called: int
    both: int
    same_genotype: int
    """Those of ``both`` that the sample has in the same number of copies."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def precision(self) -> float | None:
        """Share of the called that are true; None if nothing was called."""
        return self.both / self.called if self.called else None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def recall(self) -> float | None:
        """Share of the true that were called; None if there are none."""
        return self.both / self.truth if self.truth else None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def genotype_concordance(self) -> float | None:
        """Share of ``both`` with the same number of copies; None if there are none."""
        return self.same_genotype / self.both if self.both else None


class Evaluation(BaseModel):
    """Scores per sample and kind, samples in the order of the truth."""

    model_config = ConfigDict(frozen=True)

    scores: tuple[Score, ...]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def headline(self) -> str:
        """One line for the end of a run: precision and recall of all changes, per sample."""
        return "; ".join(
            f"{score.sample} against its {score.truth:,} known variants: "
            f"precision {_share(score.precision)}, recall {_share(score.recall)}"
            for score in self.scores
            if score.kind == "all"
        )


def _share(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.4f}"


# The reference is read by contigs. Held are all changes, 340 bytes for each in either set: of a human genome, with one
# in 700 to 1000 bases, about a byte for each base.
@map_stage("genomics.evaluate", version=1, resources=Resources(memory_per_shared_byte=1.0))
def evaluate(variants: Path, truth: Path, fasta: Path, fai: Path, scratch: Scratch) -> Evaluation:
    """Compare called variants with known ones, in the samples that the known ones are of.

    Args:
        variants: VCF or BCF of the calls.
        truth: VCF or BCF of the known variants; its samples are named as those of the calls.
        fasta: The reference of both.
        fai: Its index by position (faidx).
        scratch: Where the normalized files are written.

    Raises:
        BadInput: the two have no sample in common, or one of them does not fit the reference.
    """
    genome = genome_of(fasta, fai, scratch)
    called = _alleles(_normalized(variants, genome.fasta, Path(scratch) / "called.vcf.gz"))
    known = _alleles(_normalized(truth, genome.fasta, Path(scratch) / "truth.vcf.gz"))
    shared = [sample for sample in known if sample in called]
    if not shared:
        raise BadInput(
            "the known variants are of other samples than the calls",
            why=f"known: {', '.join(known) or 'none'}; called: {', '.join(called) or 'none'}",
            hint="name the samples alike, or run without a truth",
            file=truth.name,
        )
    return Evaluation(scores=tuple(score for sample in shared for score in _scores(sample, known, called)))


def _scores(
    sample: str, known: Mapping[str, Mapping[Change, int]], called: Mapping[str, Mapping[Change, int]]
) -> Iterator[Score]:
    for kind in (*_KINDS, "all"):
        true = {change: copies for change, copies in known[sample].items() if kind in (_kind(change), "all")}
        found = {change: copies for change, copies in called[sample].items() if kind in (_kind(change), "all")}
        both = true.keys() & found.keys()
        if kind != "other" or true or found:
            yield Score(
                sample=sample,
                kind=kind,
                truth=len(true),
                called=len(found),
                both=len(both),
                same_genotype=sum(true[change] == found[change] for change in both),
            )


def _kind(change: Change) -> str:
    _, _, ref, alt = change
    if len(ref) != len(alt):
        return "indel"
    return "snv" if len(ref) == 1 else "other"


def _normalized(variants: Path, fasta: Path, out: Path) -> Path:
    import pysam.bcftools
    from pysam.utils import SamtoolsError

    try:
        pysam.bcftools.norm("-f", str(fasta), "-m", "-any", "-Oz", "-o", str(out), str(variants), catch_stdout=False)
    except SamtoolsError as error:
        hint = "check that the file is a VCF and was made with this reference"
        raise BadInput("variants can't be normalized", why=str(error).strip(), hint=hint, file=variants.name) from error
    return out


def _alleles(path: Path) -> dict[str, dict[Change, int]]:
    """Return for each sample the changes that it has, with the number of copies."""
    found: dict[str, dict[Change, int]] = {}
    with gzip.open(path, "rt") as lines:
        for line in lines:
            fields = line.rstrip("\n").split("\t")
            if line.startswith("#CHROM"):
                found = {sample: {} for sample in fields[9:]}
            if line.startswith("#") or not set(fields[4]) <= set("ACGTNacgtn"):  # none, *, or a symbol like <DEL>
                continue
            change = (fields[0], int(fields[1]), fields[3].upper(), fields[4].upper())
            for sample, call in zip(found, fields[9:], strict=True):
                copies = call.partition(":")[0].replace("|", "/").split("/").count("1")
                if copies:
                    found[sample][change] = found[sample].get(change, 0) + copies
    return found
