"""The stages of the geospatial domain, under the names that a pipeline's ``uses`` finds."""
