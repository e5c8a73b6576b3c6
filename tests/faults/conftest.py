"""The bench that the injected failures share."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench import HERE, Bench


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench with five files, whose stages workers can import; its folder is the current one."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.chdir(tmp_path)
    made = Bench(tmp_path)
    for number in range(1, 6):
        made.file(f"f{number}.txt", f"abc{number} hello world\n")
    return made
