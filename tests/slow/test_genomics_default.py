"""`flowbutton run genomics` without arguments or a checkout: it makes its sample, and tells how near it came."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_without_arguments_it_finds_the_variants_of_its_own_sample(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flowbutton", "run", "genomics"]
    run = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    first, *_, last = run.stdout.splitlines()
    assert first.startswith("genomics: results in results, store .flowbutton")
    assert last.startswith("done: ")
    assert not run.stderr
    scores = json.loads((tmp_path / "results" / "evaluation.json").read_text())["scores"]
    found = {score["kind"]: (score["precision"], score["recall"]) for score in scores}
    assert min(found["snv"]) > 0.98
    assert min(found["indel"]) > 0.9
    assert "precision " in run.stdout
    assert "recall " in run.stdout
    assert (tmp_path / ".flowbutton" / "runs" / "latest" / "ledger.json").exists()
