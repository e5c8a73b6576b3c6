"""The geospatial sample: one place, surveyed by laser and photographed twice.

Not here: the place (`geospatial_scene`), its points (`geospatial_points`), its images (`geospatial_images`).
"""

from __future__ import annotations

from pathlib import Path

from flowbutton.samples.geospatial_images import write_geospatial_images
from flowbutton.samples.geospatial_points import write_geospatial_points


def write_geospatial(folder: Path) -> None:
    """Write all files of the sample into ``folder``."""
    write_geospatial_points(folder)
    write_geospatial_images(folder)
