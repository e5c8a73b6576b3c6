"""Options that may be handed on to bcftools, and those that may not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from flowbutton.model.errors import OptionError
from flowbutton.stages import genomics
from flowbutton.stages.genomics.caller_options import _TOOLS, checked
from flowbutton.stages.genomics.caller_values import (
    AMBIGUOUS_READS,
    CALL_TAGS,
    FLAGS,
    MPILEUP_TAGS,
    NUMBER,
    TEXT,
    TWO_TAGS,
    VARIANT_TYPES,
    WHOLE,
)

bcftools = pytest.importorskip("pysam.bcftools", reason="needs the extra 'genomics'")
pysam = pytest.importorskip("pysam", reason="needs the extra 'genomics'")


def test_options_come_out_as_arguments() -> None:
    assert checked("mpileup", ["--min-ireads=3", "-B", "-F", "0.1"]) == ["--min-ireads", "3", "-B", "-F", "0.1"]
    assert checked("call", ["-P", "1e-3", "--keep-alts"]) == ["-P", "1e-3", "--keep-alts"]
    assert checked("call", []) == []


@pytest.mark.parametrize(
    ("tool", "options", "says"),
    [
        ("mpileup", ["-r", "chr1"], "regions are planned"),
        ("mpileup", ["--threads=4"], "how the tool runs"),
        ("mpileup", ["-d", "10"], "max_depth"),
        ("mpileup", ["--gvcf", "5"], "gVCF"),
        ("mpileup", ["--output=x"], "format"),
        ("mpileup", ["--samples", "a"], "sample sheet"),
        ("mpileup", ["--config", "ont"], "many options"),
        ("call", ["-c"], "multiallelic"),
        ("call", ["--ploidy", "1"], "ploidy"),
        ("call", ["--no-such"], "only options that decide"),
        ("call", ["stray.bcf"], "only options that decide"),
        ("mpileup", ["-m3"], "each written alone"),
        ("mpileup", ["-BI"], "each written alone"),
        ("mpileup", ["--no-BAQ=yes"], "each written alone"),
        ("mpileup", ["--min-ireads"], "it has none write behind it a whole number"),
        ("mpileup", ["-m", "two"], "it has 'two'"),
        ("mpileup", ["-m", "-2"], "a whole number, 0 or more"),
        ("mpileup", ["-a", "?"], "'-' before one to leave it out: FORMAT/AD, "),
        ("mpileup", ["-a", "SP,FORMAT/XX"], "it has 'SP,FORMAT/XX'"),
        ("mpileup", ["-a", "FS"], "INFO/FS"),
        ("mpileup", ["-F", "5%"], "a number"),
        ("mpileup", ["--ns", "UNMAP,DUPLICATE"], "DUP, SUPPLEMENTARY"),
        ("mpileup", ["--ar", "keep"], "one of drop, incAD, incAD0"),
        ("mpileup", ["-P", "-B"], "it has '-B'"),
        ("mpileup", ["--redo-BAQ", "-B"], "leaves out the base alignment quality"),
        ("call", ["-a", "-GQ"], "FORMAT/GP"),
        ("call", ["-F", "AN"], "two INFO tags"),
        ("call", ["-V", "indel"], "one of snps, indels"),
        ("call", ["-P", "1e-3x"], "as 0.05 or 1e-3"),
    ],
)
def test_what_would_change_more_than_a_site_is_refused(tool, options, says) -> None:
    with pytest.raises(OptionError) as caught:
        checked(tool, options)
    assert says in f"{caught.value.why} {caught.value.hint}"


@pytest.mark.parametrize("stage", [genomics.call, genomics.variant_header])
def test_stages_check_them_when_a_pipeline_is_read(stage) -> None:
    given = stage.options(mpileup_options=["-m", "2"], call_options=["-P", "0.01"])
    assert given.mpileup_options == ["-m", "2"]
    for name in ("mpileup_options", "call_options"):
        with pytest.raises(ValidationError, match="regions are planned"):
            stage.options(**{name: ["-r", "chr1"]})


WORDS = {
    MPILEUP_TAGS: "dp,FMT/SP,-FORMAT/AD,INFO/FS,-info/bqbz",
    CALL_TAGS: "PV4,fmt/GQ,GP",
    WHOLE: "3",
    NUMBER: "1e-2",
    FLAGS: "proper_pair,DUP",
    AMBIGUOUS_READS: "incAD0",
    VARIANT_TYPES: "Indels",
    TWO_TAGS: "AN,AC",
    TEXT: "ILLUMINA",
}


@pytest.fixture
def reads(tmp_path: Path) -> list[str]:
    """Return the arguments that name a reference, a BAM without reads, and the output."""
    (tmp_path / "r.fa").write_text(">c\nACGTACGTACGTACGTACGT\n")
    pysam.faidx(str(tmp_path / "r.fa"))
    header = pysam.AlignmentHeader.from_references(["c"], [20])
    with pysam.AlignmentFile(str(tmp_path / "r.bam"), "wb", header=header):
        pass
    return ["-f", str(tmp_path / "r.fa"), "-Ou", "-o", str(tmp_path / "r.bcf"), str(tmp_path / "r.bam")]


@pytest.mark.parametrize("tool", ["mpileup", "call"])
def test_bcftools_knows_every_option_that_may_be_handed_on(tmp_path: Path, reads: list[str], tool) -> None:
    """Run the tool with all of them; a stage would otherwise fail on a worker, late."""
    bcftools.mpileup(*reads, catch_stdout=False)
    base = reads if tool == "mpileup" else ["-mv", "-Ou", "-o", str(tmp_path / "called.bcf"), str(tmp_path / "r.bcf")]
    known = _TOOLS[tool]
    alone = sorted(known.flags & {"-B", "--no-BAQ"})  # not together with -D and -E
    flags = sorted(known.flags.difference(alone))
    pairs = [text for name in sorted(known.values) for text in (name, WORDS[known.values[name]])]
    for options in (flags, alone, pairs):
        getattr(bcftools, tool)(*checked(tool, options), *base, catch_stdout=False)


def test_every_tag_that_the_tools_list_may_be_asked_for(reads: list[str]) -> None:
    for tool, kind in (("mpileup", MPILEUP_TAGS), ("call", CALL_TAGS)):
        with pytest.raises(pysam.SamtoolsError) as listed:
            getattr(bcftools, tool)("-a", "?", *(["-m"] if tool == "call" else []), catch_stdout=False)
        tags = re.findall(r"(?:FORMAT|INFO)/\w+(?= +\.\.)", str(listed.value))
        refused = [tag for tag in tags if not kind.fits(tag)]
        assert len(tags) > 2
        assert refused == (["INFO/MQSBZ"] if tool == "mpileup" else [])
    with pytest.raises(pysam.SamtoolsError, match="Could not parse tag"):  # it is listed, and can't be asked for
        bcftools.mpileup("-a", "INFO/MQSBZ", *reads, catch_stdout=False)
