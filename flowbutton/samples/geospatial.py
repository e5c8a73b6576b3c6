"""The geospatial sample: one place, surveyed by laser. Not here: how its points are made (`geospatial_points`)."""

from __future__ import annotations

from pathlib import Path

from flowbutton.samples.geospatial_points import write_geospatial_points


def write_geospatial(folder: Path) -> None:
    """Write all files of the sample into ``folder``."""
    write_geospatial_points(folder)
