"""The table of annotations: all targets with an MSM above 0, ranked, with their molecules.

Here: the stages `metabolomics.rank`, `metabolomics.write_parquet`, `metabolomics.list_images`. Not here: the rates
(`fdr`), pictures (`pictures`). Imports `flowbutton.model`, numpy; pyarrow only inside functions.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, RootModel

from flowbutton.model.bundle import Parts
from flowbutton.model.stage import Resources, Scratch
from flowbutton.stages.columns import read
from flowbutton.stages.define import gather_stage, map_stage
from flowbutton.stages.metabolomics.databases import Database
from flowbutton.stages.metabolomics.fdr import by_medians, by_one_ranking
from flowbutton.stages.metabolomics.images import IonImages
from flowbutton.stages.metabolomics.ions import FormulaIons, IonList, Version
from flowbutton.stages.metabolomics.peak_table import PeakTable

_MILLION = 1e6


class Annotation(BaseModel):
    """A target ion with an MSM above 0. Molecules of several databases stand in the order of these.

    ``mz`` is the lowest isotope peak; ``mz_error_ppm`` how far the points of its image lie from it, in the mean, and
    ``mz_error_rel`` how much farther those of the other images lie from theirs; ``row`` is that of the table of peaks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    formula: str
    adduct: str
    ion_formula: str
    mz: float
    chaos: float
    spatial: float
    spectral: float
    msm: float
    fdr: float
    mz_measured: float
    mz_error_ppm: float
    mz_error_rel_ppm: float
    molecule_names: tuple[str, ...]
    molecule_ids: tuple[str, ...]
    databases: tuple[str, ...]
    row: int


class Annotations(RootModel[tuple[Annotation, ...]]):
    """The best first; those of equal MSM by formula and adduct."""

    model_config = ConfigDict(frozen=True)


class Ranked(NamedTuple):
    """The annotations, as they are for other stages and as CSV; and the decoys' scores."""

    table: Path
    csv: Path
    decoys: Path


@gather_stage("metabolomics.rank", resources=Resources(memory_base_bytes=1 << 30))
def rank(
    scores: Sequence[Path],
    databases: Sequence[Database],
    peaks: Path,
    ions: Path,
    scratch: Scratch,
    *,
    analysis_version: Version = 1,
) -> Ranked:
    """Rank the targets of each adduct against their decoys, over the scores of all segments at once.

    Args:
        scores: Metrics by `metabolomics.annotate`.
        databases: Where the molecules of a formula are looked up.
        peaks: The table of all ions' peaks.
        ions: The list of ions.
        scratch: Where the tables are written.
        analysis_version: 1: the median of as many rankings as there are decoys, in levels. 3: one ranking.
    """
    table, listed = PeakTable.read(peaks), IonList.model_validate_json(ions.read_bytes())
    tables = [read(path)[0] for path in scores]
    found = _Scores(table, tables)
    molecules = _molecules(databases)
    annotations = [
        _annotation(found, row.formula, adduct, ion, fdr, molecules[row.formula])
        for adduct, targets in _ranked(found, listed, analysis_version)
        for row, ion, fdr in targets
    ]
    annotations.sort(key=lambda one: (-one.msm, one.formula, one.adduct))
    folder = Path(scratch)
    (folder / "annotations.json").write_text(Annotations(tuple(annotations)).model_dump_json())
    return Ranked(
        folder / "annotations.json",
        _write_csv(folder / "annotations.csv", annotations),
        _write_decoys(folder / "decoy_scores.csv", found, listed),
    )


@map_stage("metabolomics.write_parquet")
def write_parquet(annotations: Path, scratch: Scratch) -> Path:
    """Write the annotations as Parquet: the columns of the CSV, names and ids as lists.

    Args:
        annotations: The table by `metabolomics.rank`.
        scratch: Where it is written.
    """
    import pyarrow as pa
    from pyarrow import parquet

    kinds = {"float": pa.float64(), "str": pa.string()}
    schema = pa.schema(
        [
            (name, kinds.get(getattr(field.annotation, "__name__", ""), pa.list_(pa.string())))
            for name, field in Annotation.model_fields.items()
            if name in _FIELDS
        ]
    )
    listed = Annotations.model_validate_json(annotations.read_bytes()).root
    rows = [{name: getattr(one, name) for name in _FIELDS} for one in listed]
    path = Path(scratch) / "annotations.parquet"
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    return path


@gather_stage("metabolomics.list_images")
def list_images(images: Parts, peaks: Path, scratch: Scratch) -> Path:
    """Write what is in the images of all targets as CSV: points1.., pixels1.., total1.., max1.. of each ion formula.

    Args:
        images: Images by `metabolomics.annotate`.
        peaks: The table of all ions' peaks.
        scratch: Where it is written.
    """
    table = PeakTable.read(peaks)
    path, count = Path(scratch) / "images.csv", table.mz.shape[1]
    kinds = ("points", "pixels", "total", "max")
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(["ion_formula", *(f"{kind}{n}" for kind in kinds for n in range(1, count + 1))]) + "\n")
        for (row,), (part,) in images:
            one = IonImages.decode(part)
            numbers = [*one.points.tolist(), *np.count_nonzero(one.values, axis=1).tolist()]
            amounts = [*(np.sum(values) for values in one.values), *(values.max() for values in one.values)]
            file.write(",".join([table.ions[int(row)], *map(str, numbers), *map(str, amounts)]) + "\n")
    return path


class _Scores:
    """Metrics by ion formula."""

    def __init__(self, table: PeakTable, tables: Sequence[Mapping[str, npt.NDArray[Any]]]) -> None:
        self._table = table
        self._columns = {name: np.concatenate([one[name] for one in tables]) for name in tables[0]} if tables else {}
        rows = self._columns["row"].tolist() if tables else []
        self._place = {table.ions[row]: place for place, row in enumerate(rows)}

    def __contains__(self, ion: str | None) -> bool:
        return ion in self._place

    def msm(self, ions: Iterable[str | None]) -> npt.NDArray[np.float64]:
        """Return the MSM, above 0, of those ions that have one."""
        places = [self._place[ion] for ion in ions if ion in self._place]
        found: npt.NDArray[np.float64] = self._columns["msm"][places] if places else np.zeros(0)
        return found

    def metrics(self, ion: str) -> dict[str, float]:
        """Return the four metrics of an ion."""
        place = self._place[ion]
        return {name: float(self._columns[name][place]) for name in ("chaos", "spatial", "spectral", "msm")}

    def row(self, ion: str) -> int:
        """Return the ion's row in the table of peaks."""
        return int(self._columns["row"][self._place[ion]])

    def mz(self, ion: str) -> tuple[float, float, float, float]:
        """Return the lowest peak's m/z, in theory and as measured, and two errors in ppm: its own, and how much more
        the other peaks are off, weighted by their intensities."""
        row, measured = self.row(ion), self._columns["mean_mz"][self._place[ion]]
        theory, weights = self._table.mz[row], self._table.intensity[row].astype(np.float64)
        shift = float(measured[0] - theory[0])
        others = (measured > 0) & (np.arange(len(theory)) > 0)
        more = np.sum((measured - theory - shift)[others] * weights[others]) / np.sum(weights[others])
        return (
            float(theory[0]),
            float(measured[0]),
            shift / float(theory[0]) * _MILLION,
            float(more / theory[0] * _MILLION),
        )


def _ranked(
    found: _Scores, listed: IonList, version: int
) -> Iterator[tuple[str, list[tuple[FormulaIons, str, float]]]]:
    """Yield each adduct with its targets that have a score: formula, ion, FDR."""
    for number, adduct in enumerate(listed.adducts):
        pairs = [(row, listed.adduct_ions[row.formula, adduct]) for row in listed.formulas]
        targets = [(row, ion) for row, ion in pairs if ion is not None and ion in found]
        msm = found.msm(ion for _, ion in targets)
        drawn = [[listed.adduct_ions[row.formula, decoy] for decoy in row.decoys[number]] for row in listed.formulas]
        rankings = [found.msm(ranking) for ranking in zip(*drawn, strict=True)]
        if version == 1:
            fdr = by_medians(msm, rankings)
        else:
            fdr = by_one_ranking(msm, np.concatenate(rankings), len(rankings))
        yield adduct, [(row, ion, rate) for (row, ion), rate in zip(targets, fdr.tolist(), strict=True)]


def _molecules(databases: Sequence[Database]) -> dict[str, list[tuple[str, str, str]]]:
    """Return name, id and database of each molecule by its formula."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for database in databases:
        for molecule in database.molecules:
            found.setdefault(molecule.formula, []).append((molecule.name, molecule.id, database.name))
    return found


def _annotation(
    found: _Scores, formula: str, adduct: str, ion: str, fdr: float, molecules: Sequence[tuple[str, str, str]]
) -> Annotation:
    mz, measured, error, more = found.mz(ion)
    names, ids, databases = (tuple(dict.fromkeys(column)) for column in zip(*molecules, strict=True))
    return Annotation(
        formula=formula,
        adduct=adduct,
        ion_formula=ion,
        mz=mz,
        **found.metrics(ion),
        fdr=fdr,
        mz_measured=measured,
        mz_error_ppm=error,
        mz_error_rel_ppm=more,
        molecule_names=names,
        molecule_ids=tuple(number for number in ids if number),
        databases=databases,
        row=found.row(ion),
    )


_FIELDS = tuple(name for name in Annotation.model_fields if name != "row")


def _write_csv(path: Path, annotations: Sequence[Annotation]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(_FIELDS)
        for one in annotations:
            values = (getattr(one, name) for name in _FIELDS)
            rows.writerow(["; ".join(value) if isinstance(value, tuple) else value for value in values])
    return path


def _write_decoys(path: Path, found: _Scores, listed: IonList) -> Path:
    """Write the metrics of the decoys with an MSM above 0, which is what the FDR needs beside the annotations."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["formula", "decoy_adduct", "chaos", "spatial", "spectral", "msm"])
        for row in listed.formulas:
            for adduct in sorted({decoy for drawn in row.decoys for decoy in drawn}):
                ion = listed.adduct_ions[row.formula, adduct]
                if ion is not None and ion in found:
                    rows.writerow([row.formula, adduct, *found.metrics(ion).values()])
    return path
