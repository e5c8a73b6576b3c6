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
from flowbutton.stages.genomics.variant_blocks import merge_variants, write_variants
from flowbutton.stages.genomics.variant_windows import plan_variants
from flowbutton.stages.genomics.variants import finish_variants, variant_header

__all__ = [
    "align",
    "alignment_summary",
    "call",
    "evaluate",
    "finish_variants",
    "index_reference",
    "merge_alignments",
    "merge_profiles",
    "merge_quality",
    "merge_variants",
    "plan_regions",
    "plan_variants",
    "plan_windows",
    "read_quality",
    "report",
    "survey",
    "variant_header",
    "write_variants",
    "write_window",
]
