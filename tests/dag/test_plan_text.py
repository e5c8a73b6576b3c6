"""What a plan says of a stage that is mostly one task."""

from __future__ import annotations

import pytest

from flowbutton.dag.plan import Plan, StagePlan, serial_remark


@pytest.mark.parametrize(
    ("tasks", "share", "told"),
    [(1, 1.0, False), (2, 0.5, False), (2, 0.8, True), (3, 0.5, True), (10, 0.49, False), (100, 0.9, True)],
)
def test_a_stage_that_is_mostly_serial_says_so(tasks: int, share: float, told: bool) -> None:
    assert bool(serial_remark(tasks, share)) is told


def test_the_table_tells_counts_and_what_is_not_known_yet() -> None:
    known = StagePlan("call", "genomics.call", 10, "", 4, 6, 1 << 20, 1 << 30, 0.83)
    later = StagePlan("regions", "genomics.plan_regions", None, "survey", 0, 0, 0, 0, 0.0)
    text = str(Plan("genomics", "file:///store", (known, later), ("truth",)))
    assert "one task holds 83% of the input" in text
    assert "known after survey" in text
    assert "dropped by 'when': truth" in text
    assert [line.split()[:4] for line in text.splitlines()[1:3]] == [
        ["call", "10", "4", "6"],
        ["regions", "?", "0", "?"],
    ]
