"""What can be read but not called as the whole tools would: refused, with a reason."""

from __future__ import annotations

import gzip
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from genomics_driver import Driver

from flowbutton.model.errors import BadInput

pytest.importorskip("pysam", reason="needs the extra 'genomics'")

_BASES = "".join(random.Random(2).choices("ACGT", k=2000))


def reads(names: Sequence[str]) -> str:
    return "".join(f"@{name}\n{_BASES[40 * n : 40 * n + 100]}\n+\n{'I' * 100}\n" for n, name in enumerate(names))


def driver(folder: Path, rows: str, reference: str = _BASES, **files: str) -> Driver:
    (folder / "ref.fa").write_text(f">c\n{reference}\n")
    (folder / "samples.tsv").write_text("sample\tr1\tr2\tploidy\n" + rows)
    for name, text in files.items():
        (folder / name).write_bytes(text.encode())
    return Driver(folder / "run", str(folder / "samples.tsv"), folder / "ref.fa")


def test_pairs_in_turn_that_are_said_to_be_single_reads(tmp_path: Path) -> None:
    names = [f"r{number}" for number in range(20) for _ in range(2)]
    with pytest.raises(BadInput, match="neighbouring single reads have the same name") as caught:
        driver(tmp_path, "s\tone\t\t2\n", one=reads(names)).align(1500)
    assert "interleaved: yes" in caught.value.hint


def test_pairs_with_the_names_of_their_neighbours(tmp_path: Path) -> None:
    text = reads(["a", "b", "b", "c"])
    with pytest.raises(BadInput, match="neighbouring pairs have the same name"):
        driver(tmp_path, "s\tone\ttwo\t2\n", one=text, two=text).align(10**6)


@pytest.mark.parametrize("names", [("a", "b", "b", "c"), ("a", "b/1", "b/2 x", "c"), ("a", "b/3", "b", "c")])
@pytest.mark.parametrize("rows", ["s\tone\t\t2\n", "s\tone\ttwo\t2\n"])
def test_a_cut_between_neighbours_of_one_name(tmp_path: Path, rows: str, names: Sequence[str]) -> None:
    run = driver(tmp_path, rows, one=reads(names), two=reads(names))
    assert len(run.align(1)) == 4
    with pytest.raises(BadInput, match="have the same name"):
        run.survey()


def test_lanes_that_meet_in_one_name(tmp_path: Path) -> None:
    run = driver(
        tmp_path, "s\tone\t\t2\nt\tthree\t\t2\ns\ttwo\t\t2\n", one=reads("ab"), two=reads("ba"), three=reads("b")
    )
    run.align(10**6)
    with pytest.raises(BadInput, match="single reads have the same name") as caught:
        run.survey()
    assert caught.value.where == {"sample": "s", "read": "b"}


def test_lanes_of_different_kinds_that_meet_in_one_name(tmp_path: Path) -> None:
    run = driver(tmp_path, "s\tone\t\t2\ns\ttwo\tthree\t2\n", one=reads("ab"), two=reads("ba"), three=reads("ba"))
    run.align(10**6)
    assert run.survey().exists()


def test_names_that_come_again_later_are_nobodys_concern(tmp_path: Path) -> None:
    text = reads(["a", "b", "a", "c"])
    assert len(driver(tmp_path, "s\tone\ttwo\t2\n", one=text, two=text).align(10**6)) == 1


def test_any_name_stands_in_a_table_of_ploidies(tmp_path: Path) -> None:
    """As bcftools reads its table, a blank ends a name, '#' begins a comment, a backslash hides the next letter."""
    sample = _BASES[:1000] + "G" + _BASES[1001:]
    texts = {"one": "".join(f"@r{n}\n{sample[n : n + 150]}\n+\n{'I' * 150}\n" for n in range(860, 990))}
    texts["two"] = texts["one"].replace("@r", "@q")
    called = []
    for number, names in enumerate((("a b", "#1\\"), ("first", "second"))):
        (place := tmp_path / str(number)).mkdir()
        run = driver(place, "", **texts)
        (place / "samples.tsv").write_text(f"r1\tploidy\tsample\none\t1\t{names[0]}\ntwo\t2\t{names[1]}\n")
        run.align(10**6)
        *header, record = gzip.decompress(run.call(1000).vcf.read_bytes()).decode().splitlines()
        assert tuple(header[-1].split("\t")[9:]) == names
        called.append((header[:-1], record))
    assert called[0] == called[1]
    assert [call.partition(":")[0] for call in called[0][1].split("\t")[9:]] == ["1", "1/1"]


def test_a_sample_may_be_called_error(tmp_path: Path) -> None:
    run = driver(tmp_path, "ERROR\tone\t\t2\n", one=reads(["a"]))
    run.align(10**6)
    assert run.call(1000).vcf.stat().st_size > 0


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_pair_of_which_one_read_is_empty(tmp_path: Path, end: str) -> None:
    full = reads(["a", "b", "c"]).replace("\n", end)
    lines = full.split(end)
    lines[5] = lines[7] = ""
    half = end.join(lines)
    run = driver(tmp_path, "s\tone\ttwo\t2\n", one=full, two=half)
    with pytest.raises(BadInput, match=r"the read .b. has no bases, its mate has some"):
        run.align(10**6)


def test_a_pair_in_turn_of_which_one_read_is_empty(tmp_path: Path) -> None:
    (tmp_path / "samples.tsv").write_text("sample\tr1\tinterleaved\ns\tone\tyes\n")
    (tmp_path / "ref.fa").write_text(f">c\n{_BASES}\n")
    (tmp_path / "one").write_text(f"@a\n\n+\n\n@a\n\n+\n\n@b\n{_BASES[:50]}\n+\n{'+' * 50}\n@b\n\n+\n\n")
    with pytest.raises(BadInput, match="the read 'b' has no bases"):
        Driver(tmp_path / "run", str(tmp_path / "samples.tsv"), tmp_path / "ref.fa").align(10**6)


def test_pairs_without_any_base_are_aligned(tmp_path: Path) -> None:
    text = f"@a\n\n+\n\n@b\n{_BASES[:50]}\n+\n{'+' * 50}\n"
    assert len(driver(tmp_path, "s\tone\ttwo\t2\n", one=text, two=text).align(10**6)) == 1


@pytest.mark.parametrize("name", ["n" * 300, "@a"])
def test_a_name_that_no_bam_can_hold(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="a read can't be written to a BAM"):
        driver(tmp_path, "s\tone\t\t2\n", one=reads([name])).align(10**6)


@pytest.mark.parametrize("letter", ["W", "U"])
def test_a_variant_over_an_ambiguous_base_is_called_but_not_normalized(tmp_path: Path, letter: str) -> None:
    sample = _BASES[:995] + _BASES[1003:]
    text = "".join(f"@r{n}\n{sample[860 + n : 1010 + n]}\n+\n{'I' * 150}\n" for n in range(60))
    ambiguous = _BASES[:1000] + letter + _BASES[1001:]
    run = driver(tmp_path, "s\tone\t\t2\n", ambiguous, one=text)
    run.align(10**6)
    run.call(10**6)
    with pytest.raises(BadInput, match="none of A, C, G, T and N") as caught:
        run.finish()
    assert "normalize=false" in caught.value.hint
