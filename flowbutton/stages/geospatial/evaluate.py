"""What a run's products are worth: errors against what is known, and whether tiles show.

Here: the stage `geospatial.evaluate`. Not here: errors of windows (`compare`), borders (`seams`). Imports
`flowbutton.model`, the reader of whole files.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, computed_field

from flowbutton.model.errors import BadInput
from flowbutton.partitioners.whole import WholeFile
from flowbutton.stages.define import gather_stage
from flowbutton.stages.geospatial.compare import Differences, Errors, errors_of
from flowbutton.stages.geospatial.seams import Seams

_COLUMNS = ("zone", "count", "mean")


class ZoneErrors(BaseModel):
    """Zones against known ones: how many there are, how many have the known count of pixels, and the largest and the
    mean error of their means."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    zones: int
    same_count: int
    largest_error: float | None
    mean_error: float | None


class Evaluation(BaseModel):
    """What is known of the products; None where nothing is."""

    model_config = ConfigDict(frozen=True)

    dtm: Errors | None = None
    seams: Seams | None = None
    ndvi: Errors | None = None
    zones: ZoneErrors | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def headline(self) -> str:
        """One line for the end of a run: how far the products are from what is known."""
        rates = (("terrain", self.dtm, " units of height"), ("NDVI", self.ndvi, ""))
        parts = [
            f"RMSE of the {name} {one.rmse:.4f}{unit}" for name, one, unit in rates if one and one.rmse is not None
        ]
        if self.zones is not None:
            parts.append(f"zones with the known count of pixels: {self.zones.same_count:,} of {self.zones.zones:,}")
        if self.seams is not None:
            # How many cells lie near borders depends on the tiles; where none differs the line must not.
            differing = f"seam cells: {self.seams.differing:,} of {self.seams.cells:,}"
            parts.append(differing if self.seams.differing else "no seams between tiles")
        return f"Against what is known: {'; '.join(parts)}" if parts else "Nothing is known of these products"


@gather_stage("geospatial.evaluate")
def evaluate(
    dtm: Sequence[Differences] = (),
    seams: Sequence[Seams] = (),
    ndvi: Sequence[Differences] = (),
    zones: Path | None = None,
    known_zones: WholeFile | None = None,
) -> Evaluation:
    """Put together what is known of the products.

    Args:
        dtm: By `geospatial.compare`, of the terrain.
        seams: By `geospatial.check_seams`.
        ndvi: As ``dtm``, of the NDVI.
        zones: The table by `geospatial.zone_table`, CSV.
        known_zones: CSV with the columns zone, count and mean.

    Raises:
        BadInput: the known zones lack a column.
    """
    found = Evaluation(
        dtm=errors_of(dtm) if dtm else None,
        seams=_joined(seams) if seams else None,
        ndvi=errors_of(ndvi) if ndvi else None,
        zones=_zone_errors(zones, known_zones) if zones is not None and known_zones is not None else None,
    )
    for line in told(found):
        print(line)
    return found


def _joined(parts: Sequence[Seams]) -> Seams:
    return Seams(cells=sum(one.cells for one in parts), differing=sum(one.differing for one in parts))


def told(found: Evaluation) -> list[str]:
    """Return an evaluation in words."""
    lines = []
    for name, errors, unit in (("terrain", found.dtm, " units of height"), ("NDVI", found.ndvi, "")):
        if errors is not None and errors.bias is not None:
            lines.append(
                f"{name}: bias {errors.bias:+.4f}, RMSE {errors.rmse:.4f}{unit} in {errors.cells:,} cells; "
                f"95 % of the errors are at most {errors.absolute_95:g}; {errors.missing:,} cells have no value"
            )
    if found.seams is not None:
        lines.append(f"{found.seams.differing:,} seam cells of {found.seams.cells:,} near the borders of tiles")
    if found.zones is not None and found.zones.largest_error is not None:
        lines.append(
            f"zones: {found.zones.same_count} of {found.zones.zones} have the known count of pixels; "
            f"their means are off by {found.zones.largest_error:.5f} at most"
        )
    return lines


def _zone_errors(table: Path, known: WholeFile) -> ZoneErrors:
    rows = csv.DictReader(io.StringIO(known.read().decode("utf-8-sig")))
    if not set(_COLUMNS) <= set(rows.fieldnames or ()):
        hint = f"name three columns {', '.join(_COLUMNS)}"
        raise BadInput("the known zones lack a column", why="", hint=hint, file=str(known.key["file"]))
    truth = {row["zone"]: row for row in rows}
    with table.open(newline="", encoding="utf-8") as file:
        pairs = [(row, truth[row["zone"]]) for row in csv.DictReader(file) if row["zone"] in truth]
    same = sum(float(mine["count"]) == float(known["count"]) for mine, known in pairs)
    errors = [abs(float(mine["mean"]) - float(known["mean"])) for mine, known in pairs if mine["mean"]]
    return ZoneErrors(
        zones=len(truth),
        same_count=same,
        largest_error=max(errors, default=None),
        mean_error=sum(errors) / len(errors) if errors else None,
    )
