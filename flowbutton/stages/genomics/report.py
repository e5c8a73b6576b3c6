"""The report: one HTML file with all that a run found, for people.

The same inputs give the same bytes: no time, no path, no host. Here: the stage, what is told. Not here: the page
(`stages.page`), charts (`quality_figures`, `variant_figures`), counting. Imports `flowbutton.model`, its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from flowbutton.model.stage import Scratch, Tally
from flowbutton.model.units import counted
from flowbutton.stages.define import gather_stage
from flowbutton.stages.genomics.alignment_summary import AlignmentSummary
from flowbutton.stages.genomics.evaluate import Evaluation
from flowbutton.stages.genomics.quality_figures import quality_charts
from flowbutton.stages.genomics.quality_table import QualityTable, SampleQuality
from flowbutton.stages.genomics.variant_figures import balance_charts, depth_chart, drawn_contigs, variant_charts
from flowbutton.stages.genomics.variant_summary import VariantSummary, joined_summary
from flowbutton.stages.page import figures, folded, good, page, table

_UNCOVERED_SHOWN = 10
_OPENED = 6  # samples whose charts are shown at once; of more they are folded


@gather_stage("genomics.report", version=3)
def report(
    quality: QualityTable,
    alignments: Sequence[AlignmentSummary],
    variants: Sequence[VariantSummary],
    scratch: Scratch,
    tally: Tally,
    evaluation: Evaluation | None = None,
) -> Path:
    """Write one HTML page: samples, depth along the genome, read quality, variants, and the score against a truth.

    Args:
        quality: Counts of the reads, of all samples.
        alignments: One summary per sample, in the order to be shown.
        variants: Summaries of the windows of the VCF.
        scratch: Where the page is written.
        tally: Told what stands at the top of the page as well: what to know before believing the rest.
        evaluation: The score against known variants, if there are any.
    """
    found = joined_summary(variants, [summary.sample for summary in alignments])
    for text in warnings_of(quality, found, alignments):
        tally.warn(text)
    path = Path(scratch) / "report.html"
    path.write_text(_page(quality, found, alignments, evaluation), encoding="utf-8", newline="\n")
    return path


def warnings_of(quality: QualityTable, found: VariantSummary, alignments: Sequence[AlignmentSummary]) -> list[str]:
    """Return what a reader should know before believing the rest."""
    return [
        *(warning for summary in alignments for warning in _alignment_warnings(summary)),
        *(warning for name, sample in quality.samples.items() for warning in _read_warnings(name, sample)),
        *([] if found.sites else ["No variant was called."]),
    ]


def _alignment_warnings(summary: AlignmentSummary) -> Iterator[str]:
    if not summary.reads:
        yield f"{summary.sample}: no reads."
        return
    if not summary.mapped:
        yield f"{summary.sample}: no read aligned. Are the reads of this reference's species?"
        return
    if summary.mapped * 2 < summary.reads:
        yield f"{summary.sample}: fewer than half of the reads aligned ({_percent(summary.mapped, summary.reads)})."
    bare = [contig.name for contig in summary.contigs if not any(contig.aligned)]
    if bare:
        more = f" and {len(bare) - _UNCOVERED_SHOWN} more" if len(bare) > _UNCOVERED_SHOWN else ""
        yield f"{summary.sample}: no read on {', '.join(bare[:_UNCOVERED_SHOWN])}{more}."


def _read_warnings(name: str, sample: SampleQuality) -> Iterator[str]:
    for file, counts in sorted(sample.files.items()):
        if not counts.reads:
            yield f"{name} {file}: no reads."
        if counts.phred64_suspected:
            yield f"{name} {file}: the qualities look like Phred+64 (Illumina before 2011), but were read as Phred+33."


def _page(
    quality: QualityTable, found: VariantSummary, alignments: Sequence[AlignmentSummary], evaluation: Evaluation | None
) -> str:
    sections: dict[str, tuple[str, Iterable[str]]] = {
        "samples": ("Samples", [_sample_table(quality, alignments)]),
        "depth": (
            "Depth along the genome",
            [_depth(summary, opened=len(alignments) <= _OPENED) for summary in alignments],
        ),
        "variants": ("Variants", _variants(found)),
    }
    if evaluation is not None:
        sections["truth"] = ("Against the known variants", [_scores(evaluation)])
    opened = len(quality.samples) <= _OPENED
    reads = [_reads(name, sample, opened=opened) for name, sample in sorted(quality.samples.items())]
    sections["reads"] = ("Reads", reads)
    lead = f"{counted(len(alignments), 'sample')}, {counted(found.sites, 'variant site')}."
    return page("Genomics report", lead, sections, warnings_of(quality, found, alignments))


def _sample_table(quality: QualityTable, alignments: Sequence[AlignmentSummary]) -> str:
    head = ("sample", "reads", "mapped", "properly paired", "duplicates (estimate)", "mean depth", "≥ 10×", "≥ 30×")
    rows = []
    for summary in alignments:
        reads = quality.samples.get(summary.sample)
        rows.append(
            (
                summary.sample,
                f"{summary.reads:,}",
                _percent(summary.mapped, summary.reads),
                _percent(summary.properly_paired, summary.paired),
                f"{100 * reads.starts.duplicate_share:.1f} %" if reads else "–",
                f"{summary.mean_depth:.1f}",
                f"{100 * summary.share_at_least(10):.1f} %",
                f"{100 * summary.share_at_least(30):.1f} %",
            )
        )
    about = (
        "Good: above 95 % mapped and properly paired, few duplicates, and nearly all of the genome at 10× or more. "
        "Depth is that of all bases of the reference, N too; duplicates are estimated from the first 50 bases of reads."
    )
    return table("Reads and depth per sample", head, rows) + good(about)


def _depth(summary: AlignmentSummary, *, opened: bool) -> str:
    drawn = drawn_contigs(summary)
    left_out = len(summary.contigs) - len(drawn)
    share = _percent(sum(contig.length for contig in drawn), sum(contig.length for contig in summary.contigs))
    note = good(f"{counted(left_out, 'shorter contig')} not drawn; those drawn are {share} of the reference.")
    chart = depth_chart(summary).html() if summary.contigs else ""
    return folded(summary.sample, f'<div class="wide">{chart}{note if left_out else ""}</div>', opened=opened)


def _variants(found: VariantSummary) -> Iterator[str]:
    kinds = [(kind, f"{found.kinds[kind]:,}") for kind in ("SNV", "insertion", "deletion", "several bases replaced")]
    kinds += [(kind, f"{count:,}") for kind, count in sorted(found.kinds.items()) if kind not in dict(kinds)]
    kinds.append(("sites with several alternatives", f"{found.multiallelic:,}"))
    ratio = _ratio(found.transitions, found.transversions)
    kinds.append(("transitions / transversions (Ti/Tv)", f"{found.transitions:,} / {found.transversions:,} = {ratio}"))
    yield table("Classes of variants", ("class", "alternatives"), kinds)
    yield good(
        "Good: a Ti/Tv of 2.0 to 2.1 in whole human genomes, near 3 in exomes; other species have their own. "
        "One near 0.5 is what random errors give."
    )
    rows = [
        (name, f"{one.heterozygous:,}", f"{one.homozygous:,}", _ratio(one.heterozygous, one.homozygous))
        for name, one in found.samples.items()
    ]
    yield table("Genotypes per sample", ("sample", "heterozygous", "homozygous", "het / hom"), rows)
    yield good(
        "Good: het / hom of 1.5 to 2 in an outbred diploid; far more hints at mixed samples, far less at inbreeding."
    )
    yield figures(variant_charts(found))
    yield _balances(found)


def _balances(found: VariantSummary) -> str:
    charts = balance_charts(found)
    if len(charts) <= _OPENED:
        return figures(charts)
    return folded("Allele balance of all samples", figures(charts), opened=False)


def _scores(evaluation: Evaluation) -> str:
    head = ("sample", "kind", "known", "called", "both", "precision", "recall", "genotype agrees")
    rows = [
        (
            one.sample,
            {"snv": "SNV"}.get(one.kind, one.kind),
            *(f"{count:,}" for count in (one.truth, one.called, one.both)),
            *(_share(share) for share in (one.precision, one.recall, one.genotype_concordance)),
        )
        for one in evaluation.scores
    ]
    about = (
        "Good: precision (called that are true) and recall (true that were called) near 1, a little less for indels."
    )
    return table("Called against known alternatives, both normalized", head, rows) + good(about)


def _reads(name: str, sample: SampleQuality, *, opened: bool) -> str:
    head = ("file", "reads", "bases", "mean length")
    rows = [
        (file, f"{one.reads:,}", f"{one.bases:,}", f"{one.bases / one.reads:.1f}" if one.reads else "–")
        for file, one in sorted(sample.files.items())
    ]
    shown = table("Files, all lanes", head, rows) + figures(quality_charts(sample))
    return folded(name, shown, opened=opened)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def _ratio(one: int, two: int) -> str:
    return f"{one / two:.2f}" if two else "–"


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.4f}"
