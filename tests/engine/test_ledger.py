"""The ledger: each way to lose or double a record is found, and each lawful way to lead it is not."""

from __future__ import annotations

import pytest
from bench import Bench

from flowbutton.engine.ledger import LedgerLine
from flowbutton.model.errors import BadInput, LedgerBroken

COUNTING = """
flowbutton: 1
name: counting
params: {how: {type: string, default: rightly}}
sources:
  files: {partitioner: whole, from: "in/*.txt"}
stages:
  split: {uses: "counting:split", for_each: {file: files}}
  upper: {uses: "counting:upper", for_each: {lines: split}, with: {how: "${params.how}"}, tolerate: {records: 4}}
  unique: {uses: "counting:unique", gather: {parts: upper}, fan_in: 2}
  again: {uses: "counting:upper", share: {lines: unique}}
outputs:
  again.json: again
"""


@pytest.fixture
def counted(bench: Bench) -> Bench:
    for number in range(1, 6):
        bench.file(f"f{number}.txt", f"same\nline {number}\n")
    return bench


def lines(bench: Bench, how: str) -> dict[str, LedgerLine]:
    return {line.stage: line for line in bench.run(COUNTING, how=how).ledger}


def test_each_stage_is_held_against_its_producer(counted: Bench) -> None:
    found = lines(counted, "rightly")
    assert [(name, line.emitted, line.consumed, line.counts.out) for name, line in found.items()] == [
        ("split", 5, 5, 10),
        ("upper", 10, 10, 10),
        ("unique", 10, 10, 6),
        ("again", 6, 6, 6),
    ]
    assert found["unique"].counts.filtered == {"seen before": 4}, "over all levels of the tree"
    assert str(found["unique"]) == "10 records in, 6 out, 4 seen before"
    assert found["split"].unit == "files"


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("skip", "stage 'upper' consumed 5 of 10 records"),
        ("twice", "stage 'upper' consumed 20 of 10 records"),
        ("lose", r"stage 'upper' took 10 records and gave 5 \+ 0 left out"),
        ("invent", r"stage 'upper' took 10 records and gave 15 \+ 0 left out"),
    ],
)
def test_each_way_to_break_the_law_is_found(counted: Bench, how: str, told: str) -> None:
    with pytest.raises(LedgerBroken, match=told):
        lines(counted, how)
    assert not (counted.folder / "results").exists()
    with pytest.raises(LedgerBroken, match=told):
        lines(counted, how)  # reused records are counted like fresh ones
    assert not (counted.folder / "results").exists()


def test_what_several_tasks_warn_of_is_told_once_and_again_by_a_run_that_reuses_them(counted: Bench) -> None:
    warned = {"upper": ["capitals may look loud"]}
    first, again = counted.run(COUNTING, how="warn"), counted.run(COUNTING, how="warn")
    assert (first.warnings, again.warnings, again.ran) == (warned, warned, 0)
    assert not counted.run(COUNTING).warnings


def test_what_is_left_out_with_a_reason_is_in_balance(counted: Bench) -> None:
    found = lines(counted, "filter")
    assert found["upper"].counts.filtered == {"short": 5}
    assert found["unique"].emitted == 5


def test_what_is_set_aside_has_a_limit(counted: Bench) -> None:
    with pytest.raises(BadInput, match="set 5 records aside, more than the 4 tolerated") as caught:
        lines(counted, "aside")
    assert "SAME: odd" in caught.value.why
    assert "tolerate" in caught.value.hint


PAIRING = """
flowbutton: 1
name: pairing
sources:
  left: {partitioner: whole, from: "in/*.txt"}
  right: {partitioner: whole, from: "right/*.txt"}
  one: {partitioner: whole, from: "in/f1.txt"}
stages:
  pair: {uses: "counting:pair", for_each: {left: left, right: right}, mode: cross}
  beside: {uses: "counting:beside", for_each: {file: left}, share: {shared: one}}
  pairs: {uses: "counting:texts", gather: {parts: pair}}
  all: {uses: "counting:texts", gather: {parts: beside}}
outputs:
  pairs.json: pairs
  all.json: all
"""


def test_what_meets_several_tasks_is_counted_as_often(bench: Bench) -> None:
    (bench.folder / "right").mkdir()
    for number in range(1, 4):
        bench.file(f"../right/r{number}.txt", f"r{number}")
    for number in range(1, 6):
        bench.file(f"f{number}.txt", f"f{number}")
    found = {line.stage: (line.emitted, line.consumed) for line in bench.run(PAIRING).ledger}
    assert found == {"pair": (15, 15), "beside": (5, 5)}
    expected = ";".join(f"f{left}+r{right}" for left in range(1, 6) for right in range(1, 4))
    assert bench.result("pairs.json") == f'"{expected}"'
