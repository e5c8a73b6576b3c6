"""The pipeline on its data: the answer of a plain loop, however it is cut."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import pytest

from flowbutton import api

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("chunk_size", [1, "32MiB"])
def test_the_answer_does_not_depend_on_the_cut(tmp_path: Path, chunk_size: int | str) -> None:
    pipeline = api.load(ROOT / "newname.yaml", params={"chunk_size": chunk_size})
    pipeline.run(results=tmp_path / "results", executor="serial")
    lines = [line.rstrip(b"\r\n") for path in ROOT.glob("data/*.txt") for line in BytesIO(path.read_bytes())]
    expected = {"lines": len(lines), "bytes": sum(map(len, lines))}
    assert json.loads((tmp_path / "results/total.json").read_text()) == expected
