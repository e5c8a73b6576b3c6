"""The stages of the geospatial domain, under the names that a pipeline's ``uses`` finds."""

from flowbutton.stages.geospatial.canopy import canopy, fill_pits
from flowbutton.stages.geospatial.cog import cog
from flowbutton.stages.geospatial.compress import compress, plan_patches
from flowbutton.stages.geospatial.frame import frame
from flowbutton.stages.geospatial.ground_filter import filter_ground
from flowbutton.stages.geospatial.relief import hillshade, slope
from flowbutton.stages.geospatial.scatter import scatter
from flowbutton.stages.geospatial.surface import surface
from flowbutton.stages.geospatial.survey import survey
from flowbutton.stages.geospatial.terrain import terrain
from flowbutton.stages.geospatial.tiles import plan_tiles

__all__ = [
    "canopy",
    "cog",
    "compress",
    "fill_pits",
    "filter_ground",
    "frame",
    "hillshade",
    "plan_patches",
    "plan_tiles",
    "scatter",
    "slope",
    "surface",
    "survey",
    "terrain",
]
