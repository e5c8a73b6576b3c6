"""Results that are lists of parts: published, handed on, resumed, cleaned and verified like any other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bench import Bench

from flowbutton.engine.clean import clean
from flowbutton.engine.cleaning import Wish
from flowbutton.engine.run import Report, Status
from flowbutton.engine.verify import drop, verify
from flowbutton.model.errors import CorruptObject
from flowbutton.stores.layout import object_key
from flowbutton.stores.local import LocalStore

ASSEMBLED = """
flowbutton: 1
name: assembled
sources:
  files: {partitioner: whole, from: "in/w*.txt"}
stages:
  copy: {uses: "letters:copy", for_each: {file: files}}
  whole: {uses: "letters:assemble", gather: {parts: copy}}
  size: {uses: "letters:size", share: {text: whole, again: whole}}
outputs:
  "whole{suffix}": whole
  size.json: size
"""
TEXTS = ["a" * 9000, "few", "b" * 7000, ""]
WHOLE = "<" + "".join(TEXTS) + ">"


@pytest.fixture
def assembled(bench: Bench) -> Bench:
    for number, text in enumerate(TEXTS):
        bench.file(f"w{number}.txt", text + "\n")
    check(bench, bench.run(ASSEMBLED))
    return bench


def check(bench: Bench, report: Report) -> None:
    assert report.status is Status.DONE, report.failures
    assert (bench.result("whole.txt"), json.loads(bench.result("size.json"))) == (WHOLE, len(WHOLE))


def store(bench: Bench) -> LocalStore:
    return LocalStore(bench.folder / ".flowbutton")


def last_run(bench: Bench) -> Path:
    return bench.folder / ".flowbutton" / "runs" / "latest"


def large_part(bench: Bench) -> Path:
    places = [store(bench).root / key for key in store(bench).list("objects/")]
    [place] = [place for place in places if place.stat().st_size == len(TEXTS[0]) + 1]
    place.chmod(0o644)
    return place


def test_the_whole_is_no_object_of_the_store(assembled: Bench) -> None:
    sizes = [(store(assembled).root / key).stat().st_size for key in store(assembled).list("objects/")]
    assert sorted(sizes)[-2:] == [7001, 9001]
    assert len(sizes) == 3, "two files that are not small, and the list"
    assert assembled.run(ASSEMBLED).ran == 0


def test_a_changed_part_runs_itself_and_what_follows(assembled: Bench) -> None:
    assembled.file("w1.txt", "FEW\n")
    assembled.run(ASSEMBLED)
    assert assembled.stages_run() == {"files": 1, "copy": 1, "whole": 1, "size": 1}
    assert assembled.result("whole.txt") == WHOLE.replace("few", "FEW")


def test_cleaning_keeps_its_parts(assembled: Bench) -> None:
    kept = {*store(assembled).list("objects/")}
    assembled.run(ASSEMBLED)
    clean(store(assembled), last_run(assembled).parent, Wish(), grace_s=0)
    assert {*store(assembled).list("objects/")} == kept
    (assembled.folder / "results/whole.txt").unlink()
    report = assembled.run(ASSEMBLED)
    assert report.ran == 0
    check(assembled, report)


@pytest.mark.parametrize("damage", ["lost", "altered"])
def test_a_part_that_was_spoilt_is_told_and_made_again(assembled: Bench, damage: str) -> None:
    place = large_part(assembled)
    key = object_key(place.name)
    if damage == "lost":
        place.unlink()
    else:
        place.write_bytes(b"?" * 9001)
    (assembled.folder / "results/whole.txt").unlink()
    found = verify(last_run(assembled), store(assembled))
    assert [miss.place for miss in found.mismatches if miss.what == "object"] == [key]
    drop(found, store(assembled))
    check(assembled, assembled.run(ASSEMBLED))
    assert not verify(last_run(assembled), store(assembled)).mismatches


def test_a_part_that_is_altered_is_not_published(assembled: Bench) -> None:
    large_part(assembled).write_bytes(b"?" * 9001)
    whole = assembled.folder / "results/whole.txt"
    whole.unlink()
    with pytest.raises(CorruptObject):
        assembled.run(ASSEMBLED)
    assert not whole.exists()
    check(assembled, assembled.run(ASSEMBLED))


def test_a_published_whole_is_held_against_its_parts(assembled: Bench) -> None:
    place = assembled.folder / "results/whole.txt"
    spoilt = {
        WHOLE.replace("a", "A"): [1],
        WHOLE.replace("few", "fow"): [9001],
        WHOLE[:-1] + "!": [len(WHOLE) - 1],
        WHOLE[:-3]: [9004, len(WHOLE) - 1],
        WHOLE + "more": [len(WHOLE)],
    }
    for text, bytes_told in spoilt.items():
        place.write_text(text)
        misses = verify(last_run(assembled), store(assembled)).mismatches
        assert [(miss.what, miss.place) for miss in misses] == [("output", str(place))] * len(bytes_told)
        assert [miss.byte for miss in misses] == bytes_told
