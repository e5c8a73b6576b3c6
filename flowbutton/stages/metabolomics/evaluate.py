"""Annotations against known truth: how many of the known ions were found, and how many that were found are not there.

Here: the stage `metabolomics.evaluate`. Not here: the rates that are estimated without truth (`fdr`).
Imports `flowbutton.model`, the reader of whole files.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from pydantic import BaseModel, ConfigDict, computed_field

from flowbutton.model.errors import BadInput
from flowbutton.partitioners.whole import WholeFile
from flowbutton.stages.define import map_stage
from flowbutton.stages.metabolomics.annotations import Annotations
from flowbutton.stages.metabolomics.formulas import ion_of, parse_formula
from flowbutton.stages.metabolomics.ions import IonList


class Evaluation(BaseModel):
    """Counts of ion formulas: known ones that can be found with the database, annotated up to ``fdr``, and both.

    ``recall`` is the share of the known ions that was annotated, ``false_discoveries`` the share of the annotated ones
    that are not known; None where there is nothing to take a share of.
    """

    model_config = ConfigDict(frozen=True)

    fdr: float
    known: int
    annotated: int
    both: int
    recall: float | None
    false_discoveries: float | None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def headline(self) -> str:
        """One line for the end of a run: how many of the known ions were found, and how many others."""
        return (
            f"{self.both:,} of {self.known:,} known ions found at an FDR of at most {self.fdr:g}; "
            f"{self.annotated - self.both:,} of {self.annotated:,} annotated ions are not known ones"
        )


@map_stage("metabolomics.evaluate")
def evaluate(annotations: Path, truth: WholeFile, ions: Path, *, fdr: float = 0.1) -> Evaluation:
    """Compare annotations up to a false discovery rate with known ions. Ions of one formula count once.

    Args:
        annotations: The table by `metabolomics.rank`.
        truth: CSV with the columns formula and adduct.
        ions: The list of ions: known ones that were not looked for don't count.
        fdr: The highest rate.

    Raises:
        BadInput: the truth lacks a column.
    """
    rows = csv.DictReader(io.StringIO(truth.read().decode("utf-8-sig")))
    if not {"formula", "adduct"} <= set(rows.fieldnames or ()):
        what, hint = "the truth lacks a column", "name two columns formula and adduct"
        raise BadInput(what, why="", hint=hint, file=str(truth.key["file"]))
    targets = IonList.model_validate_json(ions.read_bytes()).targets
    known = {ion for row in rows if (ion := ion_of(parse_formula(row["formula"]), row["adduct"])) in targets}
    listed = Annotations.model_validate_json(annotations.read_bytes()).root
    annotated = {one.ion_formula for one in listed if one.fdr <= fdr}
    both = len(known & annotated)
    return Evaluation(
        fdr=fdr,
        known=len(known),
        annotated=len(annotated),
        both=both,
        recall=both / len(known) if known else None,
        false_discoveries=1 - both / len(annotated) if annotated else None,
    )
