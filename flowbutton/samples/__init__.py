"""Generated data with known truth, for runs without any data of one's own; made on first use, always the same."""

from flowbutton.samples.catalog import SAMPLES, resolve_sample_uri, sample_path

__all__ = ["SAMPLES", "resolve_sample_uri", "sample_path"]
