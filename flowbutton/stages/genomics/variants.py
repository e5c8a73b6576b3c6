"""The VCF of all regions, and its normal form.

Here: the stages `genomics.concat_variants` and `genomics.normalize`. Not here: calling (`call`).
Imports `flowbutton.model`; pysam only inside functions.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from flowbutton.model.bundle import Parts
from flowbutton.model.errors import BadInput, Bug
from flowbutton.model.stage import Resources, Scratch
from flowbutton.stages.define import gather_stage, map_stage
from flowbutton.stages.genomics.call import CallerOptions, called, run_mpileup, write_bams
from flowbutton.stages.genomics.caller_options import CallOptions, MpileupOptions
from flowbutton.stages.genomics.carried_bias import Called, carried_at_start
from flowbutton.stages.genomics.reference import CONTIGS_READ, Genome, genome_of
from flowbutton.stages.genomics.samples import SampleTable
from flowbutton.stages.genomics.tools import run_bcftools

_TABIX_LIMIT = 1 << 29  # a .tbi index reaches this many bases of a contig
_PLACES = (b"##reference=", b"##bcftools_", b"##fileDate=")  # header lines that tell where and when
_COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT")
_ODD_BASE = ("Non-ACGTN reference", "Reference allele mismatch")  # the second one of a U


class Variants(NamedTuple):
    """A bgzipped VCF and its index: tabix (``.tbi``), or CSI where a contig is longer than 2^29 bases."""

    vcf: Path
    index: Path  # type: ignore[assignment]  # nobody looks for a value in this tuple


@gather_stage("genomics.concat_variants", resources=Resources(memory_per_shared_byte=CONTIGS_READ))
def concat_variants(
    parts: Parts,
    fasta: Path,
    fai: Path,
    samples: SampleTable,
    scratch: Scratch,
    *,
    min_mapping_quality: int = 0,
    min_base_quality: int = 1,
    max_depth: int = 1_000_000,
    ploidy: int | None = None,
    mpileup_options: MpileupOptions = (),
    call_options: CallOptions = (),
) -> Variants:
    """Join the variants of all regions into one VCF, in genome order; no region gives a valid VCF without records.

    Args:
        parts: The variants of the regions.
        fasta: The reference.
        fai: Its index by position (faidx).
        samples: The samples, in the order of the columns.
        scratch: Where the files are written.
        min_mapping_quality: As for `genomics.call`; so are the others. They decide what the header declares.
        min_base_quality: As for `genomics.call`.
        max_depth: As for `genomics.call`.
        ploidy: As for `genomics.call`.
        mpileup_options: As for `genomics.call`.
        call_options: As for `genomics.call`.
    """
    import pysam

    options = CallerOptions(min_mapping_quality, min_base_quality, max_depth, ploidy, mpileup_options, call_options)
    path, genome = Path(scratch) / "variants.vcf.gz", genome_of(fasta, fai, scratch)
    with pysam.BGZFile(str(path), "wb", None) as out:
        out.write(header := _header(genome, samples, scratch, options))
        carried = carried_at_start(header)
        for _, texts in parts:
            for text in texts:
                variants = Called.decode(text)
                out.write(variants.after(carried))
                carried = carried if variants.first is None else variants.left
    return Variants(path, _indexed(path, genome))


@map_stage("genomics.normalize", resources=Resources(memory_per_shared_byte=CONTIGS_READ))
def normalize(variants: Path, fasta: Path, fai: Path, scratch: Scratch) -> Variants:
    """Left-align indels and split sites of several alleles into records (``bcftools norm -m -any``).

    It runs on the whole VCF: a record may move left across a region's border.

    Args:
        variants: A bgzipped VCF in genome order.
        fasta: The reference.
        fai: Its index by position (faidx).
        scratch: Where the files are written.

    Raises:
        BadInput: bcftools does not normalize a variant, since the reference has an ambiguity code there.
    """
    path, genome = Path(scratch) / "variants.norm.vcf.gz", genome_of(fasta, fai, scratch)
    arguments = ["--no-version", "-f", str(genome.fasta), "-m", "-any", "-Oz", "-o", str(path)]
    try:
        run_bcftools("norm", [*arguments, str(variants)])
    except Bug as error:
        if not any(words in error.why for words in _ODD_BASE):
            raise
        raise BadInput(
            "a variant spans a base of the reference that is none of A, C, G, T and N",
            why=error.why,
            hint="run with 'normalize=false' (what is done is kept), or write N for such letters in the reference",
        ) from error
    return Variants(path, _indexed(path, genome))


def _header(genome: Genome, samples: SampleTable, scratch: Scratch, options: CallerOptions) -> bytes:
    """Return the header that the caller writes for these samples, from a run over no reads."""
    bams = write_bams(Path(scratch), genome.contigs, samples, iter(()))
    vcf = called(run_mpileup(bams, genome, scratch, options), samples, scratch, options)
    lines = [line for line in vcf.read_bytes().splitlines(keepends=True) if line.startswith(b"##")]
    columns = "\t".join([*_COLUMNS, *(row.sample for row in samples.root)])
    return b"".join(line for line in lines if not line.startswith(_PLACES)) + f"{columns}\n".encode()


def _indexed(vcf: Path, genome: Genome) -> Path:
    long = any(contig.length >= _TABIX_LIMIT for contig in genome.contigs)
    path = vcf.with_name(vcf.name + (".csi" if long else ".tbi"))
    run_bcftools("index", ["-c" if long else "-t", "-o", str(path), str(vcf)])
    return path
