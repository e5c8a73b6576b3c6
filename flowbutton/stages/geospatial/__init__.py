"""The stages of the geospatial domain, under the names that a pipeline's ``uses`` finds."""

from flowbutton.stages.geospatial.about import describe_cloud
from flowbutton.stages.geospatial.band_math import band_math, composite, raster_grid
from flowbutton.stages.geospatial.canopy import canopy, fill_pits
from flowbutton.stages.geospatial.cog import cog
from flowbutton.stages.geospatial.compare import compare, pair_grids
from flowbutton.stages.geospatial.compress import compress
from flowbutton.stages.geospatial.evaluate import evaluate
from flowbutton.stages.geospatial.frame import frame
from flowbutton.stages.geospatial.ground_filter import filter_ground
from flowbutton.stages.geospatial.mosaic import mosaic
from flowbutton.stages.geospatial.patches import plan_mosaic, plan_patches
from flowbutton.stages.geospatial.relief import hillshade, slope
from flowbutton.stages.geospatial.report import report, report_images
from flowbutton.stages.geospatial.scatter import scatter
from flowbutton.stages.geospatial.seams import check_seams
from flowbutton.stages.geospatial.stac import stac_item
from flowbutton.stages.geospatial.surface import surface
from flowbutton.stages.geospatial.survey import survey
from flowbutton.stages.geospatial.terrain import terrain
from flowbutton.stages.geospatial.tiles import plan_tiles
from flowbutton.stages.geospatial.zonal import zonal, zone_table
from flowbutton.stages.geospatial.zones import read_zones, zone_windows

__all__ = [
    "band_math",
    "canopy",
    "check_seams",
    "cog",
    "compare",
    "composite",
    "compress",
    "describe_cloud",
    "evaluate",
    "fill_pits",
    "filter_ground",
    "frame",
    "hillshade",
    "mosaic",
    "pair_grids",
    "plan_mosaic",
    "plan_patches",
    "plan_tiles",
    "raster_grid",
    "read_zones",
    "report",
    "report_images",
    "scatter",
    "slope",
    "stac_item",
    "surface",
    "survey",
    "terrain",
    "zonal",
    "zone_table",
    "zone_windows",
]
