"""The pipeline on its data: the answer of a plain loop."""

from __future__ import annotations

import json
from pathlib import Path

from flowbutton import api

ROOT = Path(__file__).resolve().parents[1]


def test_the_answer_is_that_of_a_plain_loop(tmp_path: Path) -> None:
    api.load(ROOT / "newname.yaml").run(results=tmp_path / "results", executor="serial")
    words = sum(len(path.read_text().split()) for path in ROOT.glob("data/*.txt"))
    assert json.loads((tmp_path / "results/total.json").read_text()) == {"words": words}
