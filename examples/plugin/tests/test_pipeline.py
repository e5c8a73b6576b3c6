"""The pipeline on its catalogue: the answer of a plain loop over the file, however it is cut."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import pytest

from flowbutton import api

ROOT = Path(__file__).resolve().parents[1]


def plain() -> dict[str, int]:
    events = [json.loads(line) for line in (ROOT / "data/catalogue.jsonl").read_text().splitlines()]
    return {
        str(tenth): number
        for tenth, number in Counter(
            round(event["magnitude"] * 10) for event in events if event["kind"] == "earthquake"
        ).items()
    }


@pytest.mark.parametrize("chunk_size", ["1KiB", "32MiB"])
def test_the_answer_does_not_depend_on_the_cut(tmp_path: Path, chunk_size: str) -> None:
    pipeline = api.load(ROOT / "earthquakes.yaml", params={"chunk_size": chunk_size})
    pipeline.run(results=tmp_path / "results", executor="serial")
    assert json.loads((tmp_path / "results/magnitudes.json").read_text())["tenths"] == plain()


def test_the_law_is_found_that_the_catalogue_was_drawn_from(tmp_path: Path) -> None:
    api.load(ROOT / "earthquakes.yaml").run(results=tmp_path / "results", executor="serial")
    law = json.loads((tmp_path / "results/law.json").read_text())
    assert abs(law["b"] - 1) < 3 * law["error"]
    assert law["events"] == sum(number for tenth, number in plain().items() if int(tenth) >= 20)
    assert law["error"] == pytest.approx(law["b"] / math.sqrt(law["events"]))
