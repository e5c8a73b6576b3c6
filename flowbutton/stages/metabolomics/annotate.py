"""Annotating a segment of ions: their images, and how well these fit.

Here: the stage `metabolomics.annotate`. Not here: the segments (`segments`), the metrics (`metrics`), ranking (`fdr`).
Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from flowbutton.model.bundle import Parts
from flowbutton.model.errors import OptionError
from flowbutton.model.stage import Resources, Scratch
from flowbutton.stages.bundles import Bundle
from flowbutton.stages.columns import write
from flowbutton.stages.define import gather_stage
from flowbutton.stages.metabolomics.envelope_grid import ranges
from flowbutton.stages.metabolomics.images import SCHEMA, Floats, Floats32, IonImages
from flowbutton.stages.metabolomics.ions import IonList, Version
from flowbutton.stages.metabolomics.metrics import chaos, spatial, spectral
from flowbutton.stages.metabolomics.peak_table import PeakTable
from flowbutton.stages.metabolomics.points import Points
from flowbutton.stages.metabolomics.segments import Segment, takes_part, windows
from flowbutton.stages.metabolomics.survey import Dataset


class Annotated(NamedTuple):
    """Metrics of the ions with an MSM above 0, and the images of the targets among them."""

    scores: Path
    images: Bundle


class Score(NamedTuple):
    """The metrics of one ion; ``row`` is its row in the table of peaks."""

    row: int
    chaos: float
    spatial: float
    spectral: float
    msm: float


@dataclass(frozen=True, slots=True)
class MetricOptions:
    """What reaches the metrics; checked at birth.

    Raises:
        OptionError: a value is out of its range.
    """

    ppm: float
    levels: int
    min_px: int
    analysis_version: int

    def __post_init__(self) -> None:
        if not 0 < self.ppm < 1e5 or min(self.levels, self.min_px) < 1 or self.analysis_version not in (1, 3):
            what = f"ppm {self.ppm}, n_levels {self.levels}, min_px {self.min_px}, version {self.analysis_version}"
            raise OptionError(f"{what} can't be used", why="", hint="all are above 0, the version is 1 or 3")


@gather_stage("metabolomics.annotate", resources=Resources(memory_base_bytes=256 << 20, memory_per_input_byte=4.0))
def annotate(
    segment: Segment,
    points: Parts,
    peaks: Path,
    dataset: Path,
    ions: Path,
    scratch: Scratch,
    *,
    ppm: float = 3.0,
    n_levels: int = 30,
    min_px: int = 1,
    analysis_version: Version = 1,
) -> Annotated:
    """Make the images of a segment's ions and compute their metrics.

    Args:
        segment: Which ions.
        points: The points that their windows touch, or more.
        peaks: The table of all ions' peaks.
        dataset: The facts by `metabolomics.survey`.
        ions: The list of ions: images are kept of targets.
        scratch: Where metrics and images are written.
        ppm: Half the width of a window, in millionths of m/z.
        n_levels: Levels of the chaos.
        min_px: Pixels that the image of the lowest peak must have; an ion with fewer has MSM 0.
        analysis_version: 1 or 3; they differ in the precision of the spatial metric.

    Raises:
        OptionError: an option can't be used.
    """
    options = MetricOptions(ppm, n_levels, min_px, analysis_version)
    facts = Dataset.read(dataset)
    targets = IonList.model_validate_json(ions.read_bytes()).targets
    bundle = Bundle(Path(scratch) / "images.bundle", SCHEMA)
    scores: list[Score] = []
    means: list[Floats] = []
    table = PeakTable.read(peaks)
    near = in_windows(points, *windows(table.mz[segment.first : segment.stop], ppm))
    with np.errstate(all="ignore"):  # what is too large for float32 is not finite, and a metric that is not finite is 0
        for row, images in _ion_images(segment, table, facts, near, options):
            score = _score(row, images, table.intensity[row], facts, options)
            if score.msm > 0:
                scores.append(score)
                means.append(images.mean_mz)
                if table.ions[row] in targets:
                    bundle.add((row,), images.encode())
    return Annotated(_write(Path(scratch) / "scores.table", scores, means, table.mz.shape[1]), bundle)


def _write(path: Path, scores: Sequence[Score], means: Sequence[Floats], peaks: int) -> Path:
    columns = {
        name: np.array([getattr(score, name) for score in scores], np.int64 if name == "row" else np.float64)
        for name in Score._fields
    }
    return write(path, {**columns, "mean_mz": np.array(means, np.float64).reshape(-1, peaks)})


def in_windows(points: Parts, low: Floats, high: Floats, *, at_once: int = 1 << 16) -> Points:
    """Return the points that lie in any of the windows ``[low, high]``, in order.

    Parts are looked through by themselves, ``at_once`` points at a time or one part: so what is held is the points
    wanted and a few parts, however many points lie between the windows. Those of equal m/z stay in the order of their
    spectra: a piece has them in one part, and its parts come by m/z and are put behind those of the pieces before it.
    """
    starts, stops = _joined(low, high)
    found: list[tuple[int, Points]] = []
    held: dict[int, list[Points]] = {}

    def look_through() -> None:
        found.extend((first, _inside(Points.joined(parts), starts, stops)) for first, parts in held.items())
        held.clear()

    count = 0
    for _, data in points.each():
        first, part = Points.decode(data)
        held.setdefault(first, []).append(part)
        count += len(part)
        if count >= at_once:
            look_through()
            count = 0
    look_through()
    found.sort(key=lambda part: part[0])
    return Points.joined([Points.none(), *(part for _, part in found)]).in_order()


def _joined(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Return the edges of what the windows cover together: stretches that are ascending and disjoint."""
    starts, stops = np.sort(low, axis=None), np.sort(high, axis=None)
    apart, end = starts[1:] > stops[:-1], np.ones(min(len(starts), 1), np.bool_)  # as many have ended as have begun
    return starts[np.append(end, apart)], stops[np.append(apart, end)]


def _inside(points: Points, starts: Floats, stops: Floats) -> Points:
    """Return the points, which are by m/z, that lie in one of the stretches; both edges belong to it."""
    first, last = np.searchsorted(stops, points.mz[0]), np.searchsorted(starts, points.mz[-1], side="right")
    begin = np.searchsorted(points.mz, starts[first:last], side="left")
    end = np.searchsorted(points.mz, stops[first:last], side="right")
    return points.take(ranges(begin, end - begin))


def _ion_images(
    segment: Segment, table: PeakTable, facts: Dataset, points: Points, options: MetricOptions
) -> Iterator[tuple[int, IonImages]]:
    """Yield row and images of the segment's ions that can have an MSM above 0."""
    chosen = slice(segment.first, segment.stop)
    low, high = windows(table.mz[chosen], options.ppm)
    starts = np.searchsorted(points.mz, low, side="left")
    stops = np.searchsorted(points.mz, high, side="right")
    there = table.mz[chosen] > 0
    starts, stops = np.where(there, starts, 0), np.where(there, stops, 0)
    counts = stops - starts
    # Without points of the lowest peak, or of all others, the images correlate in nothing.
    likely = takes_part(table, facts)[chosen] & (counts[:, 0] > 0) & (counts[:, 1:] > 0).any(axis=1)
    pixels = facts.pixels(points.x, points.y)
    for place in np.flatnonzero(likely).tolist():
        spans = [slice(start, stop) for start, stop in zip(starts[place].tolist(), stops[place].tolist(), strict=True)]
        yield segment.first + place, IonImages.of(spans, points.mz, pixels, points.intensity)


def _score(row: int, images: IonImages, theory: Floats32, facts: Dataset, options: MetricOptions) -> Score:
    """Return the metrics of one ion; those that are not needed to know that the MSM is 0 are 0."""
    first = images.values[0]
    if np.count_nonzero(first) < options.min_px:
        return Score(row, 0.0, 0.0, 0.0, 0.0)
    space = spatial(images.values, theory, len(facts.sample), analysis_version=options.analysis_version)
    spectrum = spectral(images.values, theory) if space > 0 else 0.0
    if spectrum <= 0:
        return Score(row, 0.0, space, spectrum, 0.0)
    seen = first > 0
    rows, columns = np.divmod(images.pixels[seen], facts.width)
    disorder = chaos(rows, columns, first[seen], (facts.height, facts.width), levels=options.levels)
    return Score(row, disorder, space, spectrum, disorder * space * spectrum)
