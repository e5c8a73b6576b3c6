"""The stages of the geospatial domain, under the names that a pipeline's ``uses`` finds."""

from flowbutton.stages.geospatial.cog import cog
from flowbutton.stages.geospatial.compress import compress, plan_patches

__all__ = ["cog", "compress", "plan_patches"]
