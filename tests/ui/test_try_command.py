"""``flowbutton try``: one stage on given files, with the readers, codecs and counts of a run."""

from __future__ import annotations

import json

import pytest

from flowbutton.ui.cli import call
from flowbutton.ui.exits import Exit

STAGES = """
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel

from flowbutton.model.bundle import KeySchema, Parts
from flowbutton.model.errors import BadInput
from flowbutton.model.stage import Scratch, Tally, conserves
from flowbutton.partitioners.fasta import FastaSequence
from flowbutton.partitioners.whole import WholeFile
from flowbutton.stages.bundles import Bundle
from flowbutton.stages.define import gather_stage, map_stage


class Words(BaseModel):
    count: int


class Both(NamedTuple):
    upper: Path
    words: Words


@map_stage("tried.count", ledger=conserves("file"))
def count(file: WholeFile, tally: Tally, *, least: int = 1, mark: str = "") -> Words:
    found = [word for word in file.read().decode().split() if len(word) >= least]
    tally.filtered("short", 1) if not found else tally.out(1)
    print("said by the stage")
    return Words(count=len(found))


@gather_stage("tried.add")
def add(parts: Sequence[Words]) -> Words:
    return Words(count=sum(part.count for part in parts))


@map_stage("tried.both")
def both(text: Path, scratch: Scratch, times: int, note: str | None = None) -> Both:
    place = Path(scratch) / "upper.txt"
    place.write_text(text.read_text().upper() * times + (note or ""))
    return Both(place, Words(count=len(text.read_text().split())))


@map_stage("tried.after")
def after(both: Both) -> str:
    return f"{both.words.count} {both.upper.read_text()}"


@map_stage("tried.sequence")
def sequence(piece: FastaSequence) -> str:
    return str(piece.key["contig"])


@map_stage("tried.sort")
def sort(file: WholeFile, scratch: Scratch) -> Bundle:
    bundle = Bundle(Path(scratch) / "b", KeySchema(("letter",)))
    for word in file.read().decode().split():
        bundle.add((word[0],), word.encode())
    return bundle


@gather_stage("tried.joined")
def joined(parts: Parts) -> dict[str, list[str]]:
    return {str(key[0]): [part.decode() for part in some] for key, some in parts}


@map_stage("tried.lazy", ledger=conserves("file"))
def lazy(file: WholeFile, tally: Tally) -> str:
    tally.out(1)
    return "nothing was read"


@map_stage("tried.doubling", ledger=conserves("file"))
def doubling(file: WholeFile, tally: Tally) -> int:
    tally.out(2)
    return len(file.read())


@map_stage("tried.refuse")
def refuse(file: WholeFile) -> str:
    raise BadInput("this is not what it should be", why="so it is", hint="send another", file="x", record=3)


@map_stage("tried.fail")
def fail(file: WholeFile) -> str:
    return str(1 // 0)
"""


@pytest.fixture
def here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"tried_{tmp_path.name.replace('-', '_')}"  # a module of its own for each test
    (tmp_path / f"{name}.py").write_text(STAGES)
    (tmp_path / "a.txt").write_text("one two three\n")
    (tmp_path / "b.txt").write_text("four tree\n")
    return name


def told(capsys, *arguments):
    assert call(["try", *arguments]) == Exit.DONE, capsys.readouterr().err
    return capsys.readouterr().out


def refused(capsys, *arguments, code=Exit.USAGE):
    assert call(["try", *arguments]) == code
    return capsys.readouterr().err


def test_a_reader_is_opened_on_the_whole_file_and_records_are_counted(capsys, here):
    assert told(capsys, f"{here}:count", "--input", "a.txt", "--with", "least=4").splitlines()[:1] == [
        "file: the whole file, read by whole, 1 file; file a.txt, ordinal 0"
    ]
    text = told(capsys, f"{here}:count", "--input", "file=a.txt", "--with", "least=9")
    assert "said by the stage" in text
    assert "  1 record of 'file' in\n  1 record filtered: short\n" in text
    assert '  "count": 0\n' in text


def test_results_are_written_and_taken_again(capsys, here, tmp_path):
    text = told(capsys, f"{here}:both", "-i", "text=a.txt", "-i", "times=2", "-i", "note=!", "--out", "made")
    assert "  in made/upper.txt\n" in text
    assert (tmp_path / "made/upper.txt").read_text() == "ONE TWO THREE\nONE TWO THREE\n!"
    assert json.loads((tmp_path / "made/words.json").read_text()) == {"count": 3}
    told(capsys, f"{here}:after", "-i", "made", "--out", "after")
    assert json.loads((tmp_path / "after/result.json").read_text()) == "3 ONE TWO THREE\nONE TWO THREE\n!"


def test_many_results_are_gathered_in_the_order_given(capsys, here):
    for name in "ab":
        told(capsys, f"{here}:count", "-i", f"{name}.txt", "--out", name)
    assert '"count": 5' in told(capsys, f"{here}:add", "-i", "a/result.json", "-i", "b/result.json")
    assert '"count": 0' in told(capsys, f"{here}:add")


def test_bundles_are_joined_by_their_keys(capsys, here, tmp_path):
    for name in "ab":
        told(capsys, f"{here}:sort", "-i", f"{name}.txt", "--out", name)
    told(capsys, f"{here}:joined", "-i", "b/result.bundle", "-i", "a/result.bundle", "--out", "all")
    found = json.loads((tmp_path / "all/result.json").read_text())
    assert found == {"f": ["four"], "o": ["one"], "t": ["tree", "two", "three"]}


def test_a_file_that_is_cut_all_the_same_has_pieces_to_choose_from(capsys, here, tmp_path):
    (tmp_path / "two.fa").write_text(">first\nACGT\n>second\nTTTT\n")
    text = told(capsys, f"{here}:sequence", "-i", "two.fa")
    assert text.startswith("piece: piece 1 of 2 (--piece chooses another), read by fasta, 4 bases;")
    assert '"second"' in told(capsys, f"{here}:sequence", "-i", "two.fa", "--piece", "2")
    assert "give --piece 1 to 2" in refused(capsys, f"{here}:sequence", "-i", "two.fa", "--piece", "3")


def test_what_a_run_makes_is_made(place):
    assert place.call("run", "texts.yaml", "-q").returncode == 0
    for name in "ab":
        assert place.call("try", "texts:count", "-i", f"in/{name}.txt", "--out", name).returncode == 0
    ended = place.call("try", "texts:add", "-i", "a/result.json", "-i", "b/result.json", "--out", "all")
    assert ended.returncode == 0, ended.stderr
    assert (place.folder / "all/result.json").read_bytes() == (place.folder / "results/total.json").read_bytes()


def test_what_a_stage_refuses_is_told_as_in_a_run(capsys, here):
    error = refused(capsys, f"{here}:refuse", "-i", "a.txt", code=Exit.FAILED)
    assert error == (
        "error: this is not what it should be\n  why:   so it is\n  where: x, record 3\n  hint:  send another\n"
    )


def test_a_bug_of_a_stage_is_told_with_its_line(capsys, here):
    error = refused(capsys, f"{here}:fail", "-i", "a.txt", code=Exit.FAILED)
    assert "return str(1 // 0)" in error
    assert "ZeroDivisionError" in error
    assert "a fault of flowbutton itself" not in error


@pytest.mark.parametrize(
    ("stage", "words"), [("lazy", "consumed 0 of 1 file"), ("doubling", "took 1 file and gave 2 + 0 left out")]
)
def test_counts_that_do_not_add_up_are_told_as_in_a_run(capsys, here, stage, words):
    assert words in refused(capsys, f"{here}:{stage}", "-i", "a.txt", code=Exit.FAILED)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["{}:cuont", "-i", "a.txt"], Exit.USAGE, "no function 'cuont'"),
        (["genomics.aling", "-i", "a.txt"], Exit.USAGE, "did you mean 'genomics.align'?"),
        (["{}:count"], Exit.USAGE, "the input 'file' is not given"),
        (["{}:count", "-i", "c.txt"], Exit.MISSING, "did you mean"),
        (["{}:add", "-i", "c.txt"], Exit.MISSING, "there is no file 'c.txt'"),
        (["{}:add", "-i", "b.tx"], Exit.MISSING, "did you mean 'b.txt'?"),
        (["{}:count", "-i", "fil=a.txt"], Exit.USAGE, "did you mean 'file'?"),
        (["{}:both", "-i", "a.txt"], Exit.USAGE, "write --input text=a.txt"),
        (["{}:count", "-i", "a.txt", "-i", "b.txt"], Exit.USAGE, "'file' takes one value, and got 2"),
        (["{}:count", "-i", "a.txt", "--with", "laest=1"], Exit.USAGE, "did you mean 'least'?"),
        (["{}:count", "-i", "a.txt", "--with", "least=one"], Exit.USAGE, "option 'least': 'one' is given"),
        (["{}:count", "-i", "a.txt", "--with", "least=1", "--with", "mark=2"], Exit.USAGE, "put quotes around it"),
        (["{}:after", "-i", "a.txt"], Exit.MISSING, "a file 'upper' is wanted"),
        (["{}:add", "-i", "."], Exit.FAILED, "is a folder, and a file is wanted"),
        (["{}:count", "-i", "a.txt", "--out", "a.txt"], Exit.USAGE, "the folder can't be made"),
    ],
)
def test_mistakes_are_told_with_the_way_out(capsys, here, arguments, code, words):
    assert words in refused(capsys, *(part.format(here) for part in arguments), code=code)
