"""The bench that the injected failures share."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench import Bench, bench_with_files


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench with five files, whose stages workers can import; its folder is the current one."""
    monkeypatch.chdir(tmp_path)
    return bench_with_files(tmp_path, monkeypatch)
