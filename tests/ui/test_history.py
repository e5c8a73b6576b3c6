"""Which run is meant: the latest, one by its id, or none, and what is told then."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowbutton.model.errors import MissingInput
from flowbutton.ui.history import find_run


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name in ("20260101-000000-aaaa", "20260102-000000-bbbb"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "events.jsonl").touch()
    return tmp_path


def test_without_a_name_it_is_the_latest(runs: Path) -> None:
    assert find_run(runs, None).name == "20260102-000000-bbbb"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("20260101-000000-aaab", "did you mean '20260101-000000-aaaa'?"),
        ("yesterday", "flowbutton status --all lists them"),
    ],
)
def test_an_unknown_run_is_told_with_what_would_help(runs: Path, name: str, hint: str) -> None:
    with pytest.raises(MissingInput) as caught:
        find_run(runs, name)
    assert caught.value.hint == hint


def test_a_store_without_runs_says_how_to_name_another(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="there are no runs"):
        find_run(tmp_path, "latest")
