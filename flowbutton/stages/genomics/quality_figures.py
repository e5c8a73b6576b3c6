"""Charts of a sample's reads: quality and bases by cycle, lengths, GC, adapters.

Here: counts to charts. Not here: counting (`read_quality`), the page (`report`). Imports its neighbours only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from flowbutton.stages.charts import Chart, Point
from flowbutton.stages.genomics.quality_table import FileQuality, SampleQuality

ADAPTER_NAMES = {"AGATCGGAAGAG": "TruSeq", "CTGTCTCTTATA": "Nextera"}
_STYLES = ("a", "b", "c", "d", "e")
_COLUMNS = 120  # a long histogram is drawn in about as many bars


def quality_charts(sample: SampleQuality) -> list[Chart]:
    """Return the charts of one sample's files, first those by cycle."""
    files = sorted(sample.files.items())
    charts = [_quality_by_cycle(name, file) for name, file in files if file.bases]
    charts += [_content_by_cycle(name, file) for name, file in files if file.bases]
    if charts:
        charts += [_mean_quality(files), _gc(files), _lengths(files)]
        charts += [_adapters(files)] if any(file.adapters for _, file in files) else []
    return charts


def quantiles(quality: Mapping[int, Sequence[int]], cycle: int) -> tuple[int, int, int]:
    """Return the lower quartile, median and upper quartile of a cycle's qualities; some base has that cycle."""
    counts = [(value, cycles[cycle]) for value, cycles in sorted(quality.items()) if cycle < len(cycles)]
    total = sum(count for _, count in counts)
    found = []
    for quarter in (1, 2, 3):
        passed = 0
        for value, count in counts:
            passed += count
            if 4 * passed >= quarter * total:
                found.append(value)
                break
    return found[0], found[1], found[2]


def _quality_by_cycle(name: str, file: FileQuality) -> Chart:
    cycles = max(map(len, file.quality.values()))
    points = [quantiles(file.quality, cycle) for cycle in range(cycles)]
    chart = Chart(
        title=f"Quality by cycle, {name}",
        good="Good: a median above 30 nearly to the last cycle; a slow fall towards the end is usual.",
        x=(1, max(cycles, 2)),
        y=(0, max(42, *file.quality)),
        x_label="cycle",
        y_label="Phred quality",
    )
    lower, middle, upper = ([(cycle, point[which]) for cycle, point in enumerate(points, 1)] for which in range(3))
    style = "a" if name == "R1" else "b"
    chart.band(lower, upper, style, "middle half of the reads")
    chart.line(middle, style, "median")
    return chart


def _content_by_cycle(name: str, file: FileQuality) -> Chart:
    cycles = max(map(len, file.content.values()))
    totals = [sum(_at(counts, cycle) for counts in file.content.values()) for cycle in range(cycles)]
    shares = {
        base: [(cycle + 1, 100 * _at(counts, cycle) / totals[cycle]) for cycle in range(cycles)]
        for base, counts in sorted(file.content.items(), key=lambda item: "ACGTN".index(item[0]))
    }
    chart = Chart(
        title=f"Bases by cycle, {name}",
        good="Good: four level lines, A near T and C near G, and next to no N. Waves in the first cycles come from the "
        "library; a rise of one base at the end from adapters.",
        x=(1, max(cycles, 2)),
        y=(0, max(50, *(share for points in shares.values() for _, share in points))),
        x_label="cycle",
        y_label="% of bases",
    )
    for base, points in shares.items():
        chart.line(points, f"{_STYLES['ACGTN'.index(base)]} thin", base)
    return chart


def _mean_quality(files: Sequence[tuple[str, FileQuality]]) -> Chart:
    return _shares(
        "Mean quality of reads",
        "Good: one peak above 30. A second peak below 20 is a group of failed reads.",
        [(name, file.mean_quality) for name, file in files],
        (0, max(42, *(value + 1 for _, file in files for value in file.mean_quality))),
        "mean Phred quality",
    )


def _gc(files: Sequence[tuple[str, FileQuality]]) -> Chart:
    return _shares(
        "GC of reads",
        "Good: one smooth peak at the GC of the genome. A second peak hints at another organism or at adapters.",
        # Three counts of G and C in 150 bases share two percents, two in one: single percents would show a comb.
        [(name, _binned(file.gc, 2)) for name, file in files],
        (0, 102),
        "% G and C",
        width=2,
    )


def _lengths(files: Sequence[tuple[str, FileQuality]]) -> Chart:
    longest = max(length for _, file in files for length in file.lengths)
    width = max(1, longest // _COLUMNS)
    binned = [(name, _binned(file.lengths, width)) for name, file in files]
    good = "Good: one length if the reads were not trimmed; many short ones mean short inserts or hard trimming."
    return _shares("Length of reads", good, binned, (0, longest + width), "bases", width=width)


def _adapters(files: Sequence[tuple[str, FileQuality]]) -> Chart:
    lines = {
        f"{ADAPTER_NAMES.get(adapter, adapter)} {name}": list(_running_share(counts, file))
        for name, file in files
        for adapter, counts in file.adapters.items()
    }
    last = max(len(counts) for _, file in files for counts in file.content.values())
    chart = Chart(
        title="Adapters",
        good="Good: below 1 % to the end. More means inserts shorter than the reads: trim them.",
        x=(1, max(last, 2)),
        y=(0, max(1.0, *(share for points in lines.values() for _, share in points))),
        x_label="cycle",
        y_label="% of reads, so far",
    )
    for number, (name, points) in enumerate(lines.items()):
        chart.line(points, _STYLES[number % len(_STYLES)], name)
    return chart


def _running_share(counts: Sequence[int], file: FileQuality) -> Iterator[Point]:
    total = 0
    for cycle in range(max(map(len, file.content.values()))):
        total += _at(counts, cycle)
        yield cycle + 1, 100 * total / file.reads


def _shares(
    title: str,
    good: str,
    counted: Sequence[tuple[str, Mapping[int, int]]],
    x: tuple[float, float],
    x_label: str,
    *,
    width: int = 1,
) -> Chart:
    """Return histograms over each other, in percent of reads; ``width`` is that of a bar."""
    bars = {
        name: [(value, 100 * count / (sum(counts.values()) or 1)) for value, count in sorted(counts.items())]
        for name, counts in counted
    }
    top = max([1.0, *(share for points in bars.values() for _, share in points)])
    chart = Chart(title=title, good=good, x=x, y=(0, top), x_label=x_label, y_label="% of reads")
    for style, (name, points) in zip(("a", "b half"), bars.items(), strict=False):
        chart.bars(points, width, style, name)
    return chart


def _binned(counts: Mapping[int, int], width: int) -> dict[int, int]:
    bins: dict[int, int] = {}
    for value, count in counts.items():
        bins[value // width * width] = bins.get(value // width * width, 0) + count
    return bins


def _at(counts: Sequence[int], cycle: int) -> int:
    return counts[cycle] if cycle < len(counts) else 0
