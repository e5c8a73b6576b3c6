"""The stages of the metabolomics domain, under the names that a pipeline's ``uses`` finds."""

from flowbutton.stages.metabolomics.annotate import annotate
from flowbutton.stages.metabolomics.annotations import list_images, rank, write_parquet
from flowbutton.stages.metabolomics.databases import read_database
from flowbutton.stages.metabolomics.evaluate import evaluate
from flowbutton.stages.metabolomics.ions import choose_ions, group_ions, list_decoys
from flowbutton.stages.metabolomics.isotope_peaks import collect_peaks, isotope_peaks, list_peaks
from flowbutton.stages.metabolomics.pictures import choose_images, describe_images, draw
from flowbutton.stages.metabolomics.report import report
from flowbutton.stages.metabolomics.scatter import scatter
from flowbutton.stages.metabolomics.segments import plan_segments
from flowbutton.stages.metabolomics.survey import survey

__all__ = [
    "annotate",
    "choose_images",
    "choose_ions",
    "collect_peaks",
    "describe_images",
    "draw",
    "evaluate",
    "group_ions",
    "isotope_peaks",
    "list_decoys",
    "list_images",
    "list_peaks",
    "plan_segments",
    "rank",
    "read_database",
    "report",
    "scatter",
    "survey",
    "write_parquet",
]
