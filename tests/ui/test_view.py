"""The fold of events into what is shown: pure."""

from __future__ import annotations

import subprocess
import sys

import pytest

from flowbutton.model.units import counted
from flowbutton.ui.view import RunView
from flowbutton.ui.words import out_of, shown_time


def test_a_stage_counts_what_happened_to_its_tasks():
    view = RunView()
    view.planned({"stages": [{"name": "align", "tasks": None}]})
    view.apply("reused", {"tasks": [1], "stage": "align", "expected": None}, 0.0)
    view.apply("started", {"call": 2, "stage": "align"}, 10.0)
    view.apply("started", {"call": 3, "stage": "align"}, 11.0)
    stage = view.stages["align"]
    assert (stage.expected, stage.running, stage.rate(12.0), stage.left_s(12.0)) == (None, {2, 3}, None, None)
    view.apply("done", {"tasks": [2], "stage": "align", "expected": 5, "wall_s": 1.5}, 12.0)
    view.apply("over", {"call": 2, "stage": "align", "how": "returned"}, 12.0)
    view.apply("over", {"call": 3, "stage": "align", "how": "lost"}, 13.0)
    view.apply("retried", {"task": 3, "stage": "align", "error": "gone", "delay_s": 1.0}, 13.0)
    assert (stage.completed, stage.expected, stage.running, stage.retried) == (2, 5, set(), 1)
    assert stage.rate(14.0) == pytest.approx(1 / 4)
    assert stage.left_s(14.0) == pytest.approx(12.0)  # what was reused says nothing of the speed
    view.apply("failed", {"task": 3, "stage": "align", "error": "gone"}, 20.0)
    assert (stage.failed, stage.elapsed_s, [told["error"] for told in view.failures]) == (1, 10.0, ["gone"])


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 ms"), (0.85, "850 ms"), (0.9996, "1.0 s"), (12.34, "12.3 s"), (59.96, "1 m 00 s"), (245, "4 m 05 s"),
        (7800, "2 h 10 m"),
    ],
)  # fmt: skip
def test_times_as_people_read_them(seconds, shown):
    assert shown_time(seconds) == shown


def test_counts_agree_with_their_word():
    assert [counted(number, "task") for number in (0, 1, 1200)] == ["0 tasks", "1 task", "1,200 tasks"]


def test_help_loads_neither_the_engine_nor_rich():
    code = (
        "import sys; from flowbutton.ui.cli import call; call(['--help']); "
        "sys.exit(' '.join({'rich', 'networkx', 'pydantic', 'yaml', 'numpy'} & {*sys.modules}))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "") or ended.stderr.strip() == ""


def test_how_far_is_written_as_counts_are() -> None:
    assert [out_of(4910, 36000), out_of(0, None), out_of(1, 2)] == ["4,910/36,000", "0/?", "1/2"]
