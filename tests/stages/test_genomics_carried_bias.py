"""Numbers that mpileup carries from site to site: an indel's record tells of a base far before it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from genomics_driver import Driver
from whole_tools import Whole, WholeLane, WholeOptions, vcf_lines

from flowbutton.stages.genomics.carried_bias import Called, carried_at_start

pytest.importorskip("pysam", reason="needs the extra 'genomics'")


def clean_reads(folder: Path) -> tuple[Path, Path]:
    """Write a reference and reads without an error: a base differs here and there, indels lie far from it."""
    rng = random.Random(5)
    contigs = {name: "".join(rng.choices("ACGT", k=4000)) for name in ("one", "two")}
    reference, reads = folder / "ref.fa", folder / "reads.fq"
    reference.write_text("".join(f">{name}\n{text}\n" for name, text in contigs.items()))
    records = []
    for name, snvs, deletions in (("one", (1500,), (700, 2800, 3600)), ("two", (2500,), (900, 1700, 3300))):
        text = list(contigs[name])
        for at in snvs:
            text[at] = "ACGT"["ACGT".index(text[at]) - 1]
        for at in deletions:
            text[at : at + 3] = ["", "", ""]
        sample = "".join(text)
        for start in range(0, len(sample) - 100, 7):
            quality = "".join(rng.choices("5?I", k=100))
            records.append(f"@{name}{start}\n{sample[start : start + 100]}\n+\n{quality}\n")
    reads.write_text("".join(records))
    return reference, reads


@pytest.mark.parametrize("size", [pytest.param(90, marks=pytest.mark.slow), 1000])
def test_indels_tell_of_bases_that_their_region_does_not_see(tmp_path: Path, size: int) -> None:
    reference, reads = clean_reads(tmp_path)
    whole = Whole(tmp_path, reference, [WholeLane("reads", "reads", (reads,))])
    whole.align()
    wanted = vcf_lines(whole.variants(whole.sites(WholeOptions()), WholeOptions()))
    assert sum("INDEL" in line for line in wanted) == 6
    assert len({line.split("BQBZ=")[-1].split(";")[0] for line in wanted if "INDEL" in line}) > 1
    run = Driver(tmp_path / "run", str(reads), reference)
    run.align(50_000)
    assert vcf_lines(run.call(size).vcf) == wanted


def test_only_indels_before_the_first_shown_base_are_changed() -> None:
    lines = [
        b"c\t5\t.\tAC\tA\t9\t.\tINDEL;DP=4;MQBZ=0;MQSBZ=1;BQBZ=2;SCBZ=3;AC=1\tGT\t1\n",
        b"c\t6\t.\tA\tAC\t9\t.\tINDEL;DP=4;SGB=1\tGT\t1\n",
        b"c\t7\t.\tA\tC\t9\t.\tDP=4;BQBZ=5\tGT\t1\n",
        b"c\t7\t.\tA\tAC\t9\t.\tINDEL;DP=4;BQBZ=5\tGT\t1\n",
    ]
    called = Called(3, 7, b"BQBZ=5", b"".join(lines))
    none = Called(9, None, b"", b"")
    assert list(Called.decode(none.encode() + called.encode() + none.encode())) == [none, called, none]
    assert called.after(b"MQSBZ=8;BQBZ=9").splitlines(keepends=True) == [
        b"c\t5\t.\tAC\tA\t9\t.\tINDEL;DP=4;MQBZ=0;MQSBZ=8;BQBZ=9;SCBZ=3;AC=1\tGT\t1\n",
        b"c\t6\t.\tA\tAC\t9\t.\tINDEL;DP=4;SGB=1;MQSBZ=8;BQBZ=9\tGT\t1\n",
        *lines[2:],
    ]
    assert b"BQBZ" not in Called(3, None, b"", lines[0]).after(b"")


def test_what_is_carried_at_the_start_is_what_the_header_declares() -> None:
    assert carried_at_start(b"##INFO=<ID=BQBZ,Number=1>\n##INFO=<ID=MQSBZ,Number=1>\n") == b"MQSBZ=0;BQBZ=0"
    assert carried_at_start(b"##INFO=<ID=DP,Number=1>\n") == b""
