"""Charts of alignments and variants: depth along the genome, indel lengths, QUAL, allele balance.

Here: counts to charts. Not here: counting (`alignment_summary`, `variant_summary`), the page (`report`).
Imports its neighbours only.
"""

from __future__ import annotations

from collections.abc import Mapping

from flowbutton.stages.charts import Chart, Point
from flowbutton.stages.genomics.alignment_summary import AlignmentSummary, ContigDepth
from flowbutton.stages.genomics.variant_summary import BALANCE_STEPS, QUAL_STEP, QUAL_TOP, VariantSummary

_CONTIGS = 40  # the longest ones are drawn, in the order of the reference
_POINTS = 450  # windows are joined until the chart has about as many, all about equally wide
_WIDE = 1300
_LONGEST_INDEL = 30


def drawn_contigs(summary: AlignmentSummary) -> list[ContigDepth]:
    """Return the contigs that are drawn: all, or the longest."""
    numbers = sorted(range(len(summary.contigs)), key=lambda number: -summary.contigs[number].length)[:_CONTIGS]
    return [summary.contigs[number] for number in sorted(numbers)]


def depth_chart(summary: AlignmentSummary) -> Chart:
    """Return depth along the contigs, one behind the other, and its mean."""
    contigs = drawn_contigs(summary)
    total = sum(contig.length for contig in contigs)
    window = max([total // _POINTS, *(contig.window for contig in contigs)])
    profiles, ticks, start = [], [], 0
    for contig in contigs:
        profiles.append([(start + place, depth) for place, depth in _windows(contig, total // _POINTS)])
        if contig.length * 30 > total:
            ticks.append((start + contig.length / 2, f"{contig.name} ({_bases(contig.length)})"))
        start += contig.length
    highest = sorted(depth for profile in profiles for _, depth in profile)
    # One very deep window must not flatten the rest: the axis ends at twice the depth of most.
    top = max(1.0, min(highest[-1], 2 * highest[len(highest) * 99 // 100]) * 1.05)
    chart = Chart(
        title=f"Mean depth of windows of about {_bases(window)}",
        good="Good: level, without gaps. Holes are bases that reads can't reach (N, repeats) or that the sample lacks; "
        "towers are repeats or amplified parts.",
        x=(0, max(total, 1)),
        y=(0, top),
        x_label="place on the contigs, in the order of the reference",
        y_label="reads over a base",
        x_ticks=ticks,
        width=_WIDE,
    )
    edge = 0
    for contig, profile in zip(contigs, profiles, strict=True):
        chart.band([(profile[0][0], 0), (profile[-1][0], 0)], profile, "a")
        chart.line(profile, "a thin")
        edge += contig.length
        if edge < total:
            chart.upright(edge, "edge")
    chart.line([(0, summary.mean_depth), (total, summary.mean_depth)], "b dashed", f"mean {summary.mean_depth:.1f}")
    return chart


def variant_charts(summary: VariantSummary) -> list[Chart]:
    """Return the charts of all samples' variants together; those without any counts are left out."""
    charts = []
    if summary.lengths:
        charts.append(_indel_lengths(summary.lengths))
    if summary.quals:
        charts.append(_quals(summary.quals))
    return charts


def balance_charts(summary: VariantSummary) -> list[Chart]:
    """Return a chart for each sample that has heterozygous calls."""
    return [_balance(name, sample.balance) for name, sample in summary.samples.items() if sample.balance]


def _windows(contig: ContigDepth, width: int) -> list[Point]:
    """Return the mean depth of stretches of about ``width`` bases, each at both of its ends: a line of steps."""
    points: list[Point] = []
    joined = max(1, round(width / contig.window))
    for first in range(0, len(contig.aligned), joined):
        start, stop = first * contig.window, min((first + joined) * contig.window, contig.length)
        depth = sum(contig.aligned[first : first + joined]) / (stop - start)
        points += [(start, depth), (stop, depth)]
    return points


def _indel_lengths(lengths: Mapping[int, int]) -> Chart:
    bound = _LONGEST_INDEL
    counts: dict[int, int] = {}
    for length, count in lengths.items():
        place = max(-bound, min(bound, length))
        counts[place] = counts.get(place, 0) + count
    chart = Chart(
        title="Lengths of insertions and deletions",
        good=f"Good: mostly short, falling off to both sides. {bound} stands for that or more; in coding sequence "
        "multiples of three stand out.",
        x=(-bound - 0.5, bound + 0.5),
        y=(0, max(counts.values()) * 1.05),
        x_label="bases lost (left) and gained (right)",
        y_label="variants",
        y_step=1,
    )
    chart.bars([(place - 0.5, count) for place, count in sorted(counts.items()) if place < 0], 1, "b", "deletions")
    chart.bars([(place - 0.5, count) for place, count in sorted(counts.items()) if place > 0], 1, "a", "insertions")
    return chart


def _quals(quals: Mapping[int, int]) -> Chart:
    chart = Chart(
        title="QUAL of variants",
        good="Good: most far above 30; homozygous ones of enough depth reach the top. A heap near 0 is doubtful calls: "
        "filter them.",
        x=(0, QUAL_TOP + QUAL_STEP),
        y=(0, max(quals.values()) * 1.05),
        x_label=f"QUAL; {QUAL_TOP} stands for that or more",
        y_label="records",
        y_step=1,
    )
    chart.bars([(step * QUAL_STEP, count) for step, count in sorted(quals.items())], QUAL_STEP, "a")
    return chart


def _balance(sample: str, balance: Mapping[int, int]) -> Chart:
    width = 100 / BALANCE_STEPS
    chart = Chart(
        title=f"Allele balance of heterozygous calls, {sample}",
        good="Good: one peak at 50 % in a diploid. Peaks away from it hint at contamination, copy-number changes or "
        "reads that align badly.",
        x=(0, 100),
        y=(0, max(balance.values()) * 1.05),
        x_label="% of reads with the alternative",
        y_label="calls",
        y_step=1,
    )
    chart.bars([(step * width, count) for step, count in sorted(balance.items())], width, "a")
    chart.upright(50, "edge")
    return chart


def _bases(length: int) -> str:
    for size, unit in ((1_000_000, "Mb"), (1_000, "kb")):
        if length >= size:
            return f"{length / size:.4g} {unit}"
    return f"{length} bp"
