"""flowbutton: declarative data pipelines for science that cut data where it lies."""

__version__ = "0.1.0"
