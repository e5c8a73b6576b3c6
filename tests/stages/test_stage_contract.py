"""The contract of stages, held by stages of ours; stages that are not pure fail it."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from flowbutton.model.stage import Scratch, StageDefinition, Tally, conserves
from flowbutton.stages.define import map_stage
from flowbutton.stages.genomics import index_reference
from flowbutton.testing.stages import StageContract


class TestIndexReference(StageContract):
    def stage(self) -> StageDefinition:
        return index_reference

    def inputs(self, folder: Path) -> Mapping[str, Any]:
        place = folder / "ref.fa"
        place.write_text(">c1 first\n" + "ACGTTGCAAT" * 40 + "\n>c2\n" + "GATTACA" * 50 + "\n")
        return {"reference": place}


@map_stage("test.lines", ledger=conserves("text"))
def lines(text: Path, tally: Tally, *, least: int = 1) -> list[str]:
    """Keep lines of some length."""
    found = text.read_text().splitlines()
    kept = [line for line in found if len(line) >= least]
    tally.consumed("text", len(found))
    tally.out(len(kept))
    tally.filtered("short", len(found) - len(kept))
    return kept


class TestLines(StageContract):
    def stage(self) -> StageDefinition:
        return lines

    def inputs(self, folder: Path) -> Mapping[str, Any]:
        (folder / "text").write_text("a\nlonger\n\n")
        return {"text": folder / "text"}

    def options(self) -> Mapping[str, Any]:
        return {"least": 2}


@map_stage("test.where")
def where(text: Path, scratch: Scratch) -> str:
    """Tell its folder."""
    return f"{text.read_text()} in {scratch}"


@map_stage("test.once")
def once(text: Path) -> bytes:
    """Return something else each time."""
    return text.read_bytes() + os.urandom(8)


@map_stage("test.loses", ledger=conserves("text"))
def loses(text: Path, tally: Tally) -> int:
    """Lose a line."""
    tally.consumed("text", len(text.read_text().splitlines()))
    tally.out(1)
    return 1


@map_stage("test.writes")
def writes(text: Path) -> int:
    """Write into its input."""
    text.write_text(text.read_text().upper())
    return 1


@map_stage("test.endless")
def endless(text: Path, *, limit: float = math.inf) -> int:
    """Have an option that is no plain value."""
    return int(limit > len(text.read_text()))


WRONG = [
    (where, "test_no_artifact_names_its_folder"),
    (where, "test_two_runs_in_two_folders_make_the_same_artifacts"),
    (once, "test_two_runs_in_two_folders_make_the_same_artifacts"),
    (loses, "test_what_it_conserves_adds_up"),
    (writes, "test_its_inputs_stay_as_they_were"),
    (endless, "test_options_are_plain_values_and_checked"),
]


@pytest.mark.parametrize(("stage", "test"), WRONG, ids=[f"{stage.uses}-{test}" for stage, test in WRONG])
def test_a_stage_that_breaks_the_contract_fails_it(stage: StageDefinition, test: str, tmp_path: Path) -> None:
    class Contract(StageContract):
        def stage(self) -> StageDefinition:
            return stage

        def inputs(self, folder: Path) -> Mapping[str, Any]:
            (folder / "text").write_text("a\nlonger\n\n")
            return {"text": folder / "text"}

    method = getattr(Contract(), test)
    with pytest.raises((AssertionError, ValueError)):
        method(tmp_path) if "tmp_path" in inspect.signature(method).parameters else method()


def test_every_promise_is_broken_by_a_wrong_stage() -> None:
    assert {test for _, test in WRONG} == {name for name in dir(StageContract) if name.startswith("test_")}
