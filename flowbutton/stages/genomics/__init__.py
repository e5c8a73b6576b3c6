"""The stages of the genomics domain, under the names that a pipeline's ``uses`` finds."""

from flowbutton.stages.genomics.align import align
from flowbutton.stages.genomics.call import call
from flowbutton.stages.genomics.reference import index_reference
from flowbutton.stages.genomics.regions import plan_regions
from flowbutton.stages.genomics.sorted_bam import merge_alignments
from flowbutton.stages.genomics.survey import merge_profiles, survey
from flowbutton.stages.genomics.variants import concat_variants, normalize

__all__ = [
    "align",
    "call",
    "concat_variants",
    "index_reference",
    "merge_alignments",
    "merge_profiles",
    "normalize",
    "plan_regions",
    "survey",
]
