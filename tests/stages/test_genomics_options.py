"""Options that may be handed on to bcftools, and those that may not."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from flowbutton.model.errors import OptionError
from flowbutton.stages import genomics
from flowbutton.stages.genomics.caller_options import _TOOLS, checked

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
        ("mpileup", ["--min-ireads"], "it has ''"),
        ("mpileup", ["-a", "?"], "it has '?'"),
    ],
)
def test_what_would_change_more_than_a_site_is_refused(tool, options, says) -> None:
    with pytest.raises(OptionError) as caught:
        checked(tool, options)
    assert says in f"{caught.value.why} {caught.value.hint}"


@pytest.mark.parametrize("stage", [genomics.call, genomics.concat_variants])
def test_stages_check_them_when_a_pipeline_is_read(stage) -> None:
    given = stage.options(mpileup_options=["-m", "2"], call_options=["-P", "0.01"])
    assert given.mpileup_options == ["-m", "2"]
    for name in ("mpileup_options", "call_options"):
        with pytest.raises(ValidationError, match="regions are planned"):
            stage.options(**{name: ["-r", "chr1"]})


VALUES = {"-a": "DP", "--annotate": "DP", "-P": "ILLUMINA", "--platforms": "ILLUMINA", "--ar": "drop", "-V": "indels"}
VALUES |= {"--ambig-reads": "drop", "--skip-variants": "indels", "-F": "0.1", "--prior-freqs": "AN,AC"}
CALL = {"-P": "0.01", "-F": "AN,AC", "-a": "GQ", "--annotate": "GQ"}


@pytest.mark.parametrize("tool", ["mpileup", "call"])
def test_bcftools_knows_every_option_that_may_be_handed_on(tmp_path: Path, tool) -> None:
    """Run the tool with all of them; a stage would otherwise fail on a worker, late."""
    from pysam import bcftools

    (tmp_path / "r.fa").write_text(">c\nACGTACGTACGTACGTACGT\n")
    pysam.faidx(str(tmp_path / "r.fa"))
    header = pysam.AlignmentHeader.from_references(["c"], [20])
    with pysam.AlignmentFile(str(tmp_path / "r.bam"), "wb", header=header):
        pass
    base = ["-f", str(tmp_path / "r.fa"), "-Ou", "-o", str(tmp_path / "r.bcf"), str(tmp_path / "r.bam")]
    bcftools.mpileup(*base, catch_stdout=False)
    if tool == "call":
        base = ["-mv", "-Ou", "-o", str(tmp_path / "called.bcf"), str(tmp_path / "r.bcf")]
    known = _TOOLS[tool]
    values = VALUES | (CALL if tool == "call" else {})
    alone = sorted(known.flags & {"-B", "--no-BAQ"})  # not together with -D and -E
    flags = sorted(known.flags.difference(alone))
    pairs = [text for name in sorted(known.values) for text in (name, values.get(name, "1"))]
    for options in (flags, alone, pairs):
        getattr(bcftools, tool)(*checked(tool, options), *base, catch_stdout=False)
