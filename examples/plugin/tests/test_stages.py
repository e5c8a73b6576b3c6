"""The stages hold the contract of stages, and the law is Aki's."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from earthquakes import stages
from earthquakes.json_lines import JsonLines
from earthquakes.stages import Magnitudes

from flowbutton import BadInput
from flowbutton.model.pieces import Source
from flowbutton.model.stage import StageDefinition
from flowbutton.testing.partitioners import CutSource, MemoryAccess
from flowbutton.testing.stages import StageContract

EVENTS = [
    *({"kind": "earthquake", "magnitude": magnitude} for magnitude in (1.5, 2.0, 2.0, 2.44999, 3.1, 0, -0.3)),
    {"kind": "explosion", "magnitude": 2.5},
    {"kind": "earthquake"},
    {"kind": "earthquake", "magnitude": None},
]


class TestCount(StageContract):
    def stage(self) -> StageDefinition:
        return stages.count

    def inputs(self, folder: Path) -> Mapping[str, Any]:
        path = folder / "events.jsonl"
        path.write_text("".join(json.dumps(event) + "\n" for event in EVENTS))
        cut = CutSource(JsonLines(), Source("events", str(path), {}), MemoryAccess(folder))
        [piece] = cut.pieces({})
        return {"events": cut.open(piece)}

    def test_events_are_counted_by_tenths(self, tmp_path: Path) -> None:
        made, tally = self.run(tmp_path / "counted")
        assert json.loads(made[""]) == {"tenths": {"15": 1, "20": 2, "24": 1, "31": 1, "0": 1, "-3": 1}}
        assert tally.made == 7
        assert tally.filtered_by == {"not of kind earthquake": 1, "without a magnitude": 2}


class TestAdd(StageContract):
    def stage(self) -> StageDefinition:
        return stages.add

    def inputs(self, folder: Path) -> Mapping[str, Any]:
        del folder  # what is given to it is no file
        return {"parts": [Magnitudes(tenths={20: 1, 21: 2}), Magnitudes(tenths={}), Magnitudes(tenths={21: 3, -1: 1})]}

    def test_a_tree_gives_the_same(self, tmp_path: Path) -> None:
        one, two, three = self.inputs(tmp_path)["parts"]
        together = stages.add([one, two, three])
        assert together == stages.add([stages.add([one, two]), three]) == stages.add([one, stages.add([two, three])])
        assert together.tenths == {20: 1, 21: 5, -1: 1}


class TestLaw(StageContract):
    def stage(self) -> StageDefinition:
        return stages.law

    def inputs(self, folder: Path) -> Mapping[str, Any]:
        del folder  # what is given to it is no file
        return {"magnitudes": Magnitudes(tenths={10: 99, 20: 3, 21: 1})}

    def options(self) -> Mapping[str, Any]:
        return {"complete_from": 2.0}


def test_b_is_what_aki_says() -> None:
    # The mean is 2.025, and magnitudes that are rounded to 2.0 begin at 1.95: b = log10(e) / 0.075.
    found = stages.law(Magnitudes(tenths={10: 99, 20: 3, 21: 1}), complete_from=2.0)
    assert (found.b, found.error) == pytest.approx((math.log10(math.e) / 0.075, math.log10(math.e) / 0.15))
    assert found.events == 4


@pytest.mark.parametrize("tenths", [{}, {20: 1}, {20: 5}, {10: 5, 11: 5}])
def test_too_few_earthquakes_are_told(tenths: dict[int, int]) -> None:
    with pytest.raises(BadInput, match="can't be estimated"):
        stages.law(Magnitudes(tenths=tenths), complete_from=2.0)
