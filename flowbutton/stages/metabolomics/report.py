"""The report: one page with the best annotations, their images, and what tells whether to trust them.

Here: the stage `metabolomics.report`. Not here: images as files (`pictures`). Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import numpy as np

from flowbutton.model.stage import Resources, Scratch
from flowbutton.stages.charts import Chart
from flowbutton.stages.define import gather_stage
from flowbutton.stages.metabolomics.annotations import Annotation, Annotations
from flowbutton.stages.metabolomics.databases import Database
from flowbutton.stages.metabolomics.evaluate import Evaluation
from flowbutton.stages.metabolomics.pictures import BRIGHTEST, best_ions, colours, png_of
from flowbutton.stages.metabolomics.survey import Dataset
from flowbutton.stages.page import facts as fact_table
from flowbutton.stages.page import figures, good, page
from flowbutton.stages.pictures import colour_scale, img, png_notes

_SHOWN = 100
_NAMES = 8  # of the molecules that a formula may be
_CLASSES = 40  # of the peaks per spectrum


@gather_stage("metabolomics.report", resources=Resources(memory_base_bytes=1 << 30))
def report(
    pictures: Sequence[Path],
    databases: Sequence[Database],
    annotations: Path,
    dataset: Path,
    scratch: Scratch,
    evaluation: Evaluation | None = None,
    *,
    fdr: float = 0.1,
) -> Path:
    """Write the report.

    Args:
        pictures: Images of the best ions, in the order of these.
        databases: Whose rows that were left out are told.
        annotations: The table by `metabolomics.rank`.
        dataset: The facts by `metabolomics.survey`.
        scratch: Where it is written.
        evaluation: How the annotations compare with known ions.
        fdr: The highest rate of what is shown.
    """
    facts, listed = Dataset.read(dataset), Annotations.model_validate_json(annotations.read_bytes()).root
    best = best_ions(annotations, fdr)
    chosen = [one for one in listed if one.fdr <= fdr]
    lead = (
        f"{len(chosen):,} annotations of {len(best):,} ions at an FDR of at most {fdr:g}; "
        f"{len(listed):,} candidates have an MSM above 0."
    )
    sections = {
        "trust": ("How far to trust them", [*_compared(evaluation), figures([*_trusted(listed, chosen)])]),
        "ions": ("Ions", _ions(best, pictures, chosen, fdr)),
        "spectra": ("Spectra", _spectra(facts)),
    }
    path = Path(scratch) / "report.html"
    path.write_text(
        page("Metabolomics report", lead, sections, [*_warnings(facts, databases)]), encoding="utf-8", newline="\n"
    )
    return path


def _warnings(facts: Dataset, databases: Sequence[Database]) -> Iterator[str]:
    if facts.profile:
        yield "The spectra are profile spectra, not centroided: intensities of many points add up."
    for database in databases:
        if database.left_out:
            rows = "; ".join(f"line {bad.line}: {bad.formula} ({bad.why})" for bad in database.left_out[:_SHOWN])
            yield f"{len(database.left_out)} rows of {database.name} were left out: {rows}"


def _compared(evaluation: Evaluation | None) -> Iterator[str]:
    if evaluation is not None:
        yield f"<p>Against the known ions: {escape(evaluation.headline)}.</p>"


def _trusted(listed: Sequence[Annotation], chosen: Sequence[Annotation]) -> Iterator[Chart]:
    """Yield the curve of the false discovery rate, and errors of m/z."""
    if listed:
        rate = Chart(
            "False discovery rate",
            "Good: low for many annotations, then rising; METASPACE shows up to 0.5.",
            (0, len(listed)),
            (0, max(*(one.fdr for one in listed), 0.1)),
            "annotations, best first",
            "FDR",
        )
        rates = enumerate(sorted(one.fdr for one in listed))
        rate.line([(end, step) for number, step in rates for end in (number, number + 1)], "a")
        yield rate
    if chosen:
        errors = [one.mz_error_ppm for one in chosen]
        mz = [one.mz for one in chosen]
        margin = max(0.03 * (max(mz) - min(mz)), 1.0)
        error = Chart(
            "m/z errors",
            "Good: narrow about 0. A common shift tells of calibration, a wide cloud of chance.",
            (min(mz) - margin, max(mz) + margin),
            (min(*errors, -1.0) * 1.05, max(*errors, 1.0) * 1.05),
            "m/z",
            "error of m/z (ppm)",
        )
        error.dots([*zip(mz, errors, strict=True)], "a")
        yield error


def _ions(
    best: Sequence[Annotation], pictures: Sequence[Path], chosen: Sequence[Annotation], fdr: float
) -> Iterator[str]:
    if not best:
        yield f"<p>No ion has an FDR of at most {fdr:g}. annotations.csv has all with an MSM above 0.</p>"
        return
    shown = zip(best[:_SHOWN], pictures, strict=False)
    which = f"The best {_SHOWN} of {len(best):,}" if len(best) > _SHOWN else "All"
    yield good(
        f"{which}, by MSM = spatial chaos × spatial correlation × spectral correlation; annotations.csv has every "
        "candidate. An image shows the isotope peak of lowest m/z; blank pixels have no spectrum."
    )
    ends = ("0", "brightest: 99th percentile of the pixels above 0")
    yield f'<div class="gradient">{colour_scale(colours(), ends, "colours from 0 to the brightest")}</div>'
    yield f'<div class="gallery">{"".join(_ion(one, path, chosen) for one, path in shown)}</div>'


def _spectra(facts: Dataset) -> Iterator[str]:
    image = np.zeros(facts.width * facts.height)
    image[facts.sample] = facts.total
    low, middle, high = np.percentile(facts.peaks, [0, 50, 100]).astype(int).tolist()
    size = f", {facts.pixel_um:g} µm each" if facts.pixel_um else ""
    rows = (
        ("image", f"{facts.width} x {facts.height} pixels{size}, {len(facts.sample):,} with spectra"),
        ("spectra", f"{len(facts.peaks):,}, with {low:,} to {high:,} peaks, in the median {middle:,}"),
        ("m/z", f"{facts.low:.4f} to {facts.high:.4f}"),
        ("peaks above 0", f"{int(facts.peaks.sum()):,}"),
    )
    yield fact_table("What was measured", rows)
    yield figures([_peaks_per_spectrum(facts)])
    picture = png_of(image.reshape(facts.height, facts.width), facts)
    yield f'<div class="gallery"><figure>{img(picture, "total ion current")}'
    yield f"<figcaption>Total ion current</figcaption>{good(_brightest(picture))}</figure></div>"


def _peaks_per_spectrum(facts: Dataset) -> Chart:
    low, high = int(facts.peaks.min()), int(facts.peaks.max())
    counts, edges = np.histogram(facts.peaks, bins=min(high - low + 1, _CLASSES), range=(low, high + 1))
    chart = Chart(
        "Peaks per spectrum",
        "Good: one hill. A second one is background or another tissue; many near 0 are a threshold that is too high.",
        (low, high + 1),
        (0, int(counts.max())),
        "peaks above 0",
        "spectra",
        y_step=1,
    )
    chart.bars([*zip(edges[:-1].tolist(), counts.tolist(), strict=True)], float(edges[1] - edges[0]), "a")
    return chart


def _ion(one: Annotation, picture: Path, annotations: Sequence[Annotation]) -> str:
    """Return an ion with all its explanations: by formula and adduct, with the isomers that have this formula."""
    same = [other for other in annotations if other.ion_formula == one.ion_formula]
    ways = ", ".join(f"{other.formula} {other.adduct}" for other in same)
    isomers = "".join(
        f"<p>{f'{escape(other.formula)}: ' if len(same) > 1 else ''}{escape(_names(other))}</p>" for other in same
    )
    metrics = f"MSM {one.msm:.3f} = {one.chaos:.3f} × {one.spatial:.3f} × {one.spectral:.3f}"
    png = picture.read_bytes()
    return (
        f"<figure>{img(png, f'image of {one.ion_formula}')}<figcaption>{escape(ways)}</figcaption>"
        f'<p class="good">m/z {one.mz:.4f}, FDR {one.fdr:.3g}<br>{metrics}<br>{escape(_brightest(png))}</p>'
        f"{isomers}</figure>"
    )


def _names(one: Annotation) -> str:
    names = [*dict.fromkeys(one.molecule_names)]
    more = f"; and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return "; ".join(names[:_NAMES]) + more


def _brightest(png: bytes) -> str:
    told = png_notes(png).get(BRIGHTEST)
    return "no signal" if told is None else f"brightest {float(f'{float(told):.3g}'):,g}"
