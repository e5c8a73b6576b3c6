"""Lithops, on both versions of its localhost backend. In the slow set: each call is a new Python process."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from flowbutton.executors.lithops import LithopsExecutor
from flowbutton.model.executor import Executor, Work
from flowbutton.testing.executors import ExecutorContract

pytestmark = pytest.mark.slow


class TestLithopsExecutor(ExecutorContract):
    """The default, version 2: a process per call."""

    registered: ClassVar[str | None] = "lithops"
    many: ClassVar[int] = 16

    @pytest.fixture(autouse=True)
    def _configured(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        configure(tmp_path / "lithops.yaml", "lithops: {backend: localhost}\n", monkeypatch)

    def executor(self, work: Work, slots: int) -> Executor:
        return LithopsExecutor(work, slots=slots)


@pytest.mark.parametrize(
    "promise",
    [
        "answers_come_with_their_calls",
        "what_the_work_raises_is_told_with_its_traceback",
        "each_item_of_a_call_has_its_own_time",
        "a_running_call_that_is_cancelled_frees_its_slot",
    ],
)
def test_version_1_keeps_promises_too(promise: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 1: a process per map, and one map after the other."""
    text = "lithops: {backend: localhost, storage: localhost}\nlocalhost: {version: 1}\n"
    configure(tmp_path / "lithops.yaml", text, monkeypatch)
    getattr(TestLithopsExecutor(), f"test_{promise}")()


def configure(file: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(text)
    monkeypatch.setenv("LITHOPS_CONFIG_FILE", str(file))
