"""What the tools' failures become."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowbutton.model.errors import Bug, NoSpace
from flowbutton.stages.genomics.tools import require_space, run_bcftools, run_minimap, run_samtools

pysam = pytest.importorskip("pysam", reason="needs the extra 'genomics'")


@pytest.fixture
def bam(tmp_path: Path) -> Path:
    (tmp_path / "r.fa").write_text(">c\nACGTACGTACGTACGTACGT\n")
    pysam.faidx(str(tmp_path / "r.fa"))
    header = pysam.AlignmentHeader.from_references(["c"], [20])
    with pysam.AlignmentFile(str(tmp_path / "r.bam"), "wb", header=header):
        pass
    return tmp_path / "r.bam"


def test_an_error_that_stands_in_messages_only_is_raised(tmp_path: Path) -> None:
    with pytest.raises(Bug, match="minimap2 failed") as caught:
        run_minimap(["-x", "sr", "-d", str(tmp_path / "made.mmi"), str(tmp_path / "missing.fa")])
    assert "missing.fa" in caught.value.why


def test_a_full_disk_is_told_from_a_fault(bam: Path) -> None:
    with pytest.raises(NoSpace, match="samtools sort could not write"):
        run_samtools("sort", ["--no-PG", "-u", "-o", "/dev/full", str(bam)])
    with pytest.raises(NoSpace, match="bcftools mpileup could not write"):
        run_bcftools("mpileup", ["-Ou", "-f", str(bam.with_name("r.fa")), "-o", "/dev/full", str(bam)])


def test_a_fault_names_the_program_and_what_it_said(bam: Path) -> None:
    with pytest.raises(Bug, match="bcftools call failed") as caught:
        run_bcftools("call", ["-mv", "-o", str(bam.with_name("x.vcf")), str(bam.with_name("missing.bcf"))])
    assert "missing.bcf" in caught.value.why


def test_a_folder_that_is_sure_to_be_too_small_is_refused(tmp_path: Path) -> None:
    require_space(tmp_path, 0)
    with pytest.raises(NoSpace, match="too small for the alignments"):
        require_space(tmp_path, 1 << 60)
