"""What a plan says: as a table for people, as JSON for programs."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from flowbutton.dag.plan import LastTime, Plan, StagePlan, serial_remark
from flowbutton.dag.why import Changed, Differing, FilesChanged, InputChanged, New, Reason, SomeNew, Waits


@pytest.mark.parametrize(
    ("tasks", "share", "told"),
    [
        (1, 1.0, True),
        (1, 0.0, False),
        (2, 0.5, False),
        (2, 0.8, True),
        (3, 0.5, True),
        (10, 0.49, False),
        (100, 0.9, True),
    ],
)
def test_a_stage_that_is_mostly_serial_says_so(tasks: int, share: float, told: bool) -> None:
    assert bool(serial_remark(tasks, share)) is told


def stage(
    name: str,
    tasks: int | None,
    reused: int,
    ready: int,
    *why: Reason,
    share: float = 0.0,
    last: LastTime | None = None,
) -> StagePlan:
    after = "regions" if tasks is None else ""
    size = (1 << 20, 1 << 30) if ready else (0, 0)
    return StagePlan(name, f"genomics.{name}", tasks, after, reused, ready, *size, share, why, last)


FILES = FilesChanged(Differing(changed=("data/lane2_R1.fastq.gz",)))
PLAN = Plan(
    "genomics",
    "file:///store",
    (
        stage("reads", 2, 2, 0),
        stage("align", 10, 6, 4, InputChanged("reads", "reads", "reads", (FILES,)), SomeNew(4, 10, "piece"), share=0.2),
        stage("survey", 1, 0, 0, Waits(("align",))),
        stage("regions", 1, 0, 0, Changed("option", "size", "250000", "100000"), Waits(("survey",))),
        stage("call", None, 0, 0, Waits(("regions",)), last=LastTime(2, 0.92)),
        stage("summary", 3, 0, 0, Waits(("align",)), last=LastTime(3, 0.8)),
        stage("evaluation", 1, 0, 0, New(), Waits(("call",))),
        replace(stage("deep", 10, 0, 10, New(), share=0.83), whole_modules=("mine", "mine.more")),
    ),
    ("truth",),
)
# ruff: noqa: E501  A table is as wide as its rows.
GOLDEN = """\
stage       tasks  done  to run  bytes in  memory/task  why
reads       2      2     0
align       10     6     4       1.0 MiB   1.0 GiB      input changed: reads (lane2_R1.fastq.gz); 4 of 10 pieces are new
survey      1      0     ≤ 1                            after align
regions     1      0     1                              option changed: size 250000 → 100000; after survey
call        ?      0     ?                              known after regions (2 last time, one task held 92% of the input)
summary     3      0     ≤ 3                            after align; last time one task held 80% of the input
evaluation  1      0     1                              new
deep        10     0     10      1.0 MiB   1.0 GiB      new; one task holds 83% of the input
≤: may be reused, where what comes before gives its old answer again
deep: any change of mine, mine.more counts, since it can't be told what is used of it
dropped by 'when': truth"""


def test_the_table_tells_counts_reasons_and_what_is_not_known_yet() -> None:
    assert str(PLAN) == GOLDEN


def test_the_json_has_each_reason_as_data_and_in_words() -> None:
    told = json.loads(json.dumps(PLAN.to_json()))
    stages = {stage["name"]: stage for stage in told["stages"]}
    assert not told["nothing_to_run"]
    assert stages["reads"]["why"] == []
    assert stages["align"]["why"][0] == {
        "kind": "input",
        "argument": "reads",
        "before": "reads",
        "now": "reads",
        "causes": [{"kind": "files", "changed": ["data/lane2_R1.fastq.gz"], "added": [], "gone": []}],
        "text": "input changed: reads (lane2_R1.fastq.gz)",
    }
    assert (stages["survey"]["may_be_reused"], stages["regions"]["may_be_reused"]) == (True, False)
    assert stages["call"]["last_time"] == {"tasks": 2, "largest_share": 0.92}
    assert stages["call"]["to_run"] is None
