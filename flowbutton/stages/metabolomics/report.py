"""The report: one page with the best annotations, their images, and what tells whether to trust them.

Here: the stage `metabolomics.report`. Not here: images as files (`pictures`). Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import numpy as np

from flowbutton.model.stage import Resources, Scratch
from flowbutton.stages.define import gather_stage
from flowbutton.stages.metabolomics.annotations import Annotation, Annotations
from flowbutton.stages.metabolomics.databases import Database
from flowbutton.stages.metabolomics.evaluate import Evaluation
from flowbutton.stages.metabolomics.pictures import best_ions, png_of
from flowbutton.stages.metabolomics.survey import Dataset
from flowbutton.stages.pictures import img

_SHOWN = 100
_STYLE = """
body{margin:0 auto;max-width:1200px;padding:24px;font:16px/1.5 system-ui,sans-serif;color:#1d2327;background:#fbfbf9}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}.soft{color:#5b666e}.warn{background:#fff5dd;padding:.5rem 1rem}
.ions{display:grid;grid-template-columns:repeat(auto-fill,minmax(260px,1fr));gap:14px}
figure{margin:0;background:#fff;border:1px solid #dde1e3;border-radius:6px;padding:10px;overflow-wrap:anywhere}
img{width:100%;image-rendering:pixelated}figcaption{font-size:.87rem}svg{width:100%;max-width:560px;background:#fff}
td,th{padding:.25rem .8rem;text-align:right;border-bottom:1px solid #dde1e3}th:first-child{text-align:left}
"""


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
    lines = [
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Annotations</title>',
        f"<style>{_STYLE}</style></head><body><h1>Annotations</h1>",
        f"<p>{len(chosen)} annotations of {len(best)} ions up to FDR {fdr:g}; {len(listed)} have an MSM above 0.</p>",
        *_warnings(facts, databases),
        *_compared(evaluation),
        *_quality(facts),
        "<h2>False discovery rate</h2>",
        _scatter([(number, one.fdr) for number, one in enumerate(listed, 1)], "annotations, best first", "FDR"),
        "<h2>m/z errors</h2>",
        _scatter([(one.mz, one.mz_error_ppm) for one in chosen], "m/z", "error, ppm"),
        f'<h2>Ions</h2><p class="soft">The best {min(len(best), _SHOWN)}; annotations.csv has all.</p>',
        '<div class="ions">',
        *(_ion(one, path, chosen) for one, path in zip(best[:_SHOWN], pictures, strict=False)),
        "</div></body></html>",
    ]
    path = Path(scratch) / "report.html"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _warnings(facts: Dataset, databases: Sequence[Database]) -> Iterator[str]:
    if facts.profile:
        yield '<p class="warn">The spectra are profile spectra, not centroided: intensities of many points add up.</p>'
    for database in databases:
        if database.left_out:
            rows = "; ".join(f"line {bad.line}: {bad.formula} ({bad.why})" for bad in database.left_out[:_SHOWN])
            told = f"{len(database.left_out)} rows of {database.name} were left out: {rows}"
            yield f'<p class="warn">{escape(told)}</p>'


def _compared(evaluation: Evaluation | None) -> Iterator[str]:
    if evaluation is not None:
        false = evaluation.annotated - evaluation.both
        yield (
            f"<h2>Against known ions</h2><p>Up to FDR {evaluation.fdr:g}, {evaluation.both} of {evaluation.known} "
            f"known ions were found; {false} of {evaluation.annotated} found ones are false.</p>"
        )


def _quality(facts: Dataset) -> Iterator[str]:
    image = np.zeros(facts.width * facts.height)
    image[facts.sample] = facts.total
    low, middle, high = np.percentile(facts.peaks, [0, 50, 100]).astype(int).tolist()
    rows = (
        ("image", f"{facts.width} x {facts.height} pixels, {len(facts.sample):,} with spectra"),
        ("spectra", f"{len(facts.peaks):,}, with {low:,} to {high:,} peaks, in the median {middle:,}"),
        ("m/z", f"{facts.low:.4f} to {facts.high:.4f}"),
        ("peaks above 0", f"{int(facts.peaks.sum()):,}"),
    )
    table = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows)
    picture = png_of(image.reshape(facts.height, facts.width))
    yield f'<h2>Spectra</h2><table>{table}</table><div class="ions"><figure>{img(picture, "total ion current")}'
    yield "<figcaption>Total ion current</figcaption></figure></div>"


def _ion(one: Annotation, picture: Path, annotations: Sequence[Annotation]) -> str:
    """Return an ion with all its explanations: isomers have one formula, and several formulas may give one ion."""
    same = [other for other in annotations if other.ion_formula == one.ion_formula]
    names = "; ".join(dict.fromkeys(name for other in same for name in other.molecule_names))
    ways = ", ".join(f"{other.formula} {other.adduct}" for other in same)
    metrics = f"MSM {one.msm:.3f} = {one.chaos:.3f} x {one.spatial:.3f} x {one.spectral:.3f}"
    return (
        f"<figure>{img(picture.read_bytes(), one.ion_formula)}<figcaption><b>{escape(ways)}</b>, m/z {one.mz:.4f}<br>"
        f'{metrics}, FDR {one.fdr:.3g}<br><span class="soft">{escape(names)}</span></figcaption></figure>'
    )


def _scatter(points: Sequence[tuple[float, float]], across: str, up: str) -> str:
    """Return points on two axes as SVG."""
    if not points:
        return "<p>There is nothing to show.</p>"
    values = np.array(points, np.float64)
    low, high = values.min(axis=0), values.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    places = np.array([60.0, 220.0]) + (values - low) / span * np.array([480.0, -200.0])
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="#1769aa"/>' for x, y in places.tolist())
    texts = (
        (60, 240, "start", f"{low[0]:.4g}"),
        (540, 240, "end", f"{high[0]:.4g}"),
        (300, 252, "middle", across),
        (54, 220, "end", f"{low[1]:.3g}"),
        (54, 28, "end", f"{high[1]:.3g}"),
        (10, 12, "start", up),
    )
    labels = "".join(f'<text x="{x}" y="{y}" font-size="11" text-anchor="{at}">{t}</text>' for x, y, at, t in texts)
    return f'<svg viewBox="0 0 560 260"><path d="M60 20V220H540" fill="none" stroke="#5b666e"/>{dots}{labels}</svg>'
