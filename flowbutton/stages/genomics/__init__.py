"""The stages of the genomics domain, under the names that a pipeline's ``uses`` finds."""

from flowbutton.stages.genomics.align import align
from flowbutton.stages.genomics.alignment_summary import alignment_summary
from flowbutton.stages.genomics.call import call
from flowbutton.stages.genomics.evaluate import evaluate
from flowbutton.stages.genomics.quality_table import merge_quality
from flowbutton.stages.genomics.read_quality import read_quality
from flowbutton.stages.genomics.reference import index_reference
from flowbutton.stages.genomics.regions import plan_regions
from flowbutton.stages.genomics.report import report
from flowbutton.stages.genomics.sorted_bam import merge_alignments, plan_windows, write_window
from flowbutton.stages.genomics.survey import merge_profiles, survey
from flowbutton.stages.genomics.variants import concat_variants, normalize

__all__ = [
    "align",
    "alignment_summary",
    "call",
    "concat_variants",
    "evaluate",
    "index_reference",
    "merge_alignments",
    "merge_profiles",
    "merge_quality",
    "normalize",
    "plan_regions",
    "plan_windows",
    "read_quality",
    "report",
    "survey",
    "write_window",
]
