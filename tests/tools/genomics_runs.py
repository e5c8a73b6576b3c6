"""Runs of the genomics pipeline as a user starts it, and the reference answers that they are held against."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DATASETS = ("human-deep-lanes", "human-na12878-chr22", "sarscov2-two-samples", "sim-diploid")


@dataclass(frozen=True)
class GenomicsRun:
    """A store and results folder for runs over one dataset."""

    folder: Path
    data: Path

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def run(self, *options: str, expect: int = 0, **params: object) -> subprocess.CompletedProcess[str]:
        """Run ``pipelines/genomics.yaml``; ``expect`` is the exit code that the test wants."""
        given = {"reads": self.data / "samples.tsv", "reference": self.data / "ref.fa", **params}
        command = [sys.executable, "-m", "flowbutton", "run", str(ROOT / "pipelines" / "genomics.yaml")]
        command += ["--store", str(self.folder / "store"), "--results", str(self.results), *options]
        for name, value in given.items():
            command += ["-p", f"{name}={value}"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, check=False)
        assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done

    def check(self, shared: Path, name: str = "variants", *, alignments: bool = True) -> None:
        """Hold the results against the reference answer, record for record, alignments in order too."""
        command = [sys.executable, str(shared / "check" / "genomics.py"), "--expect", str(self.data / "oracle")]
        command += ["--vcf", str(self.results / "variants.vcf.gz"), "--name", name]
        if alignments:
            for bam in sorted((self.results / "alignments").glob("*.bam")):
                command += ["--bam", str(bam)]
            command.append("--order")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
