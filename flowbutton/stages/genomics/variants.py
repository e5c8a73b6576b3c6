"""The records of the VCF: as the caller leaves them after all sites before, and their normal form.

Here: the stages `genomics.variant_header` and `genomics.finish_variants`. Not here: calling (`call`), windows
(`variant_windows`), the file (`variant_blocks`). Imports `flowbutton.model`; pysam only inside functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from flowbutton.model.bundle import KeySchema, Parts
from flowbutton.model.errors import BadInput, Bug
from flowbutton.model.stage import Balance, LedgerRule, Resources, Scratch, Tally
from flowbutton.stages.bundles import Bundle
from flowbutton.stages.define import gather_stage, map_stage
from flowbutton.stages.genomics.call import CallerOptions, called, run_mpileup, write_bams
from flowbutton.stages.genomics.caller_options import CallOptions, MpileupOptions
from flowbutton.stages.genomics.carried_bias import Called
from flowbutton.stages.genomics.reference import CONTIGS_READ, Genome, genome_of
from flowbutton.stages.genomics.samples import SampleTable
from flowbutton.stages.genomics.tools import run_bcftools
from flowbutton.stages.genomics.variant_summary import VariantSummary, summarize_variants
from flowbutton.stages.genomics.variant_windows import VARIANT_BIN, VariantWindow

SCHEMA = KeySchema(("contig", "start"), width=VARIANT_BIN)
"""Finished records are kept by bins of POS, as lines of VCF."""

_PLACES = (b"##reference=", b"##bcftools_", b"##fileDate=")  # header lines that tell where and when
_COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT")
_ODD_BASE = ("Non-ACGTN reference", "Reference allele mismatch")  # the second one of a U


class Finished(NamedTuple):
    """Records as they stand in the VCF, by bins of their POS; and a summary of them as they were called."""

    records: Bundle
    summary: VariantSummary


@map_stage("genomics.variant_header", resources=Resources(memory_per_shared_byte=CONTIGS_READ))
def variant_header(
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
) -> Path:
    """Write the header that the caller writes for these samples, from a run over no reads.

    Args:
        fasta: The reference.
        fai: Its index by position (faidx).
        samples: The samples, in the order of the columns.
        scratch: Where files are written.
        min_mapping_quality: As for `genomics.call`; so are the others. They decide what the header declares.
        min_base_quality: As for `genomics.call`.
        max_depth: As for `genomics.call`.
        ploidy: As for `genomics.call`.
        mpileup_options: As for `genomics.call`.
        call_options: As for `genomics.call`.
    """
    options = CallerOptions(min_mapping_quality, min_base_quality, max_depth, ploidy, mpileup_options, call_options)
    genome = genome_of(fasta, fai, scratch)
    bams = write_bams(Path(scratch), genome.contigs, samples, iter(()))
    vcf = called(run_mpileup(bams, genome, scratch, options), samples, scratch, options)
    lines = [line for line in vcf.read_bytes().splitlines(keepends=True) if line.startswith(b"##")]
    columns = "\t".join([*_COLUMNS, *(row.sample for row in samples.root)])
    path = Path(scratch) / "header.vcf"
    path.write_bytes(b"".join(line for line in lines if not line.startswith(_PLACES)) + f"{columns}\n".encode())
    return path


@gather_stage(
    "genomics.finish_variants",
    ledger=LedgerRule(Balance.EXPANDS, "calls", owned=True),
    resources=Resources(memory_per_input_byte=4.0, memory_per_shared_byte=CONTIGS_READ),
)
def finish_variants(
    window: VariantWindow,
    calls: Parts,
    header: Path,
    fasta: Path,
    fai: Path,
    scratch: Scratch,
    tally: Tally,
    *,
    normalize: bool = True,
) -> Finished:
    """Give the records called in a window what sites before them left, and normalize them (``norm -m -any``).

    Each is normalized by itself. It may come to another POS, in a bin of another window too: repeats move it far.

    Args:
        window: Whose records are taken.
        calls: Their parts, of all regions.
        header: The header of the VCF.
        fasta: The reference.
        fai: Its index by position (faidx).
        scratch: Where files are written.
        tally: Counts the records called, and those that they became.
        normalize: Whether multi-allelic records are split and indels left-aligned.

    Raises:
        BadInput: bcftools does not normalize a variant, since the reference has an ambiguity code there.
    """
    genome, vcf = genome_of(fasta, fai, scratch), Path(scratch) / "called.vcf"
    with vcf.open("wb") as out:
        out.write(header.read_bytes())
        for text in _as_called(window, calls):
            out.write(text)
            tally.consumed("calls", text.count(b"\n"))
    found = _by_bin(_normalized(vcf, genome) if normalize else vcf, genome)
    bundle = Bundle(Path(scratch) / "variants.bundle", SCHEMA)
    for key, lines in found.items():
        bundle.add(key, b"".join(lines))
        tally.out(len(lines))
    return Finished(bundle, summarize_variants(vcf))


def _as_called(window: VariantWindow, calls: Parts) -> Iterator[bytes]:
    """Yield lines in genome order, as one run of the caller over the whole genome writes them."""
    carried = window.carried.encode()
    for _, parts in calls:
        cells = [cell for part in parts for cell in Called.decode(part)]
        for cell in sorted(cells, key=lambda cell: cell.start):
            yield cell.after(carried)
            carried = carried if cell.first is None else cell.left


def _normalized(vcf: Path, genome: Genome) -> Path:
    path = vcf.with_name("normalized.vcf")
    try:
        run_bcftools("norm", ["--no-version", "-f", str(genome.fasta), "-m", "-any", "-Ov", "-o", str(path), str(vcf)])
    except Bug as error:
        if not any(words in error.why for words in _ODD_BASE):
            raise
        raise BadInput(
            "a variant spans a base of the reference that is none of A, C, G, T and N",
            why=error.why,
            hint="run with 'normalize=false' (what is done is kept), or write N for such letters in the reference",
        ) from error
    return path


def _by_bin(vcf: Path, genome: Genome) -> dict[tuple[int, int], list[bytes]]:
    """Return the lines of the records, by contig and bin of POS."""
    number = {contig.name.encode(): place for place, contig in enumerate(genome.contigs)}
    found: dict[tuple[int, int], list[bytes]] = {}
    with vcf.open("rb") as lines:
        for line in lines:
            if not line.startswith(b"#"):
                contig, pos = line.split(b"\t", 2)[:2]
                key = number[contig], (int(pos) - 1) // VARIANT_BIN * VARIANT_BIN
                found.setdefault(key, []).append(line)
    return found
