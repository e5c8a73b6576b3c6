"""What the files of a cloud's products say besides values. Imports `flowbutton.model`."""

from __future__ import annotations

from typing import Literal, NamedTuple

from flowbutton.stages.define import map_stage
from flowbutton.stages.geospatial.grid import Grid
from flowbutton.stages.geospatial.survey import Cloud


class CloudProducts(NamedTuple):
    """The grid of a cloud's products, and texts for their metadata."""

    grid: Grid
    tags: dict[str, str]


@map_stage("geospatial.describe_cloud")
def describe_cloud(cloud: Cloud, *, ground: Literal["filter"] | None = None) -> CloudProducts:
    """Return what all products of a cloud have in common.

    Args:
        cloud: By `geospatial.survey`.
        ground: As for `geospatial.scatter`. Where a filter chooses them, ground points are not counted here.
    """
    radius = "none" if cloud.max_radius is None else f"{cloud.max_radius:g}"
    tags = {"max_radius": radius, "points": str(cloud.points)}
    tags |= {"ground": "filter"} if ground else {"ground_points": str(cloud.ground_points)}
    return CloudProducts(cloud.grid, tags)
