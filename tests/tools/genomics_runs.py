"""Runs of the genomics pipeline as a user starts it, and the reference answers that they are held against."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pipeline_runs import PipelineRun

DATASETS = ("human-deep-lanes", "human-na12878-chr22", "sarscov2-two-samples", "sim-diploid")


@dataclass(frozen=True)
class GenomicsRun(PipelineRun):
    """A store and results folder for runs over one dataset."""

    pipeline: ClassVar[str] = "genomics"

    def run(self, *options: str, expect: int = 0, **params: object) -> subprocess.CompletedProcess[str]:
        """Run the pipeline on the dataset; ``expect`` is the exit code that the test wants."""
        given = {"reads": self.data / "samples.tsv", "reference": self.data / "ref.fa", **params}
        return self.start(given, options, expect)

    def check(self, shared: Path, name: str = "variants", *, alignments: bool = True) -> None:
        """Hold the results against the reference answer, record for record, alignments in order too."""
        arguments = ["--vcf", str(self.results / "variants.vcf.gz"), "--name", name]
        if alignments:
            for bam in sorted((self.results / "alignments").glob("*.bam")):
                arguments += ["--bam", str(bam)]
            arguments.append("--order")
        self.hold(shared, self.data / "oracle", *arguments)
