"""Stages that raise, die and lose their files: what is told, what goes on, and what is never published."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from bench import WHOLE, Bench

from flowbutton.engine.run import Report, Status

PROCESSES = {"executor": "processes", "workers": 2}


def one_stage(uses: str, more: str = "") -> str:
    return f"""
flowbutton: 1
name: one
sources:
  files: {{partitioner: whole, from: "in/*.txt"}}
stages:
  one: {{uses: "{uses}", for_each: {{file: files}}{more}}}
outputs:
  "{{file}}": one
"""


def told(report: Report) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((report.folder / "error.json").read_text())
    return found


def test_a_worker_that_is_killed_once_costs_its_task_only(bench: Bench) -> None:
    marker = bench.folder / "marker"
    bench.file("f3.txt", "x\n")
    report = bench.run(one_stage("letters:fail_unless", f', with: {{marker: "{marker}"}}'), settings=PROCESSES)
    assert report.status is Status.DONE
    assert [kind for kind, _ in bench.events].count("retried") == 1
    assert bench.stages_run() == {"files": 5, "one": 5}


def test_a_worker_that_always_dies_fails_the_run_and_what_is_done_stays(bench: Bench) -> None:
    bench.file("f3.txt", "bad\n")
    report = bench.run(one_stage("troubled:die", ", retries: 2"), settings=PROCESSES)
    assert report.status is Status.FAILED
    [error] = told(report)
    assert (error["class"], error["stage"], error["key"]["file"]) == ("transient", "one", "f3.txt")
    assert error["what"] == "the worker of a task is gone"
    assert "SIGKILL" in error["why"]
    assert "memory" in error["hint"]
    assert bench.told_of(error["task"]).count("retried") == 2
    # The run ends with the third death: neighbours may not have begun, or have written what nobody heard of any more.
    done = bench.stages_run().get("one", 0)
    assert not (bench.folder / "results").exists()
    again = bench.run(one_stage("troubled:die", ", retries: 0"), settings=PROCESSES)
    assert 5 + done <= again.reused <= 5 + 4, "the neighbours' records stay"


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_a_stage_that_raises_is_a_bug_with_its_traceback_and_not_tried_again(bench: Bench, executor: str) -> None:
    bench.file("f3.txt", "x\n")
    report = bench.run(one_stage("letters:refuse"), settings={"executor": executor, "workers": 2})
    assert report.status is Status.FAILED
    [error] = told(report)
    assert (error["class"], error["what"], error["why"]) == (
        "bug",
        "the stage's code raised ValueError",
        "an x",
    )
    assert 'raise ValueError("an x")' in error["traceback"]
    assert bench.told_of(error["task"])[-2:] == ["submitted", "failed"]


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_a_stage_that_leaves_the_interpreter_is_a_bug(bench: Bench, executor: str) -> None:
    bench.file("f3.txt", "bad\n")
    report = bench.run(one_stage("troubled:leave"), settings={"executor": executor, "workers": 2})
    [error] = told(report)
    assert (error["class"], error["what"]) == ("bug", "the stage's code raised SystemExit")
    assert "sys.exit(3)" in error["traceback"]


def test_independent_branches_go_on_and_nothing_after_the_failure_is_published(bench: Bench) -> None:
    bench.file("f3.txt", "x\n")
    text = WHOLE.replace(
        "  order:", '  bad: {uses: "letters:refuse", for_each: {file: files}, on_error: continue}\n  order:'
    )
    text = text.replace("  all:", '  below: {uses: "letters:join", gather: {parts: bad}}\n  all:')
    text = text.replace("  all.txt:", "  below.json: below\n  all.txt:")
    report = bench.run(text, settings=PROCESSES)
    assert report.status is Status.TOLERATED
    assert sorted(place.name for place in (bench.folder / "results").glob("[!.]*")) == [
        "all.txt",
        "order.json",
        "total.json",
    ]
    assert [error["stage"] for error in told(report)] == ["bad"]
    assert bench.stages_run()["bad"] == 4
    assert "below" not in bench.stages_run()


def test_a_source_that_changes_while_it_is_read_is_told(bench: Bench) -> None:
    changed = bench.folder / "in" / "f5.txt"
    text = one_stage("troubled:rewrite", f', with: {{path: "{changed}"}}')
    report = bench.run(text)
    assert report.status is Status.FAILED
    [error] = told(report)
    assert error["class"] == "bad input"
    assert "f5.txt" in json.dumps(error)
    assert error["hint"]
    assert not (bench.folder / "results").exists()
    os.utime(changed, (1, 1))
    (bench.folder / "pipeline.yaml").unlink()
    after = bench.run(one_stage("letters:count"))
    assert after.status is Status.DONE, "a run over what is there now goes through"


def test_a_small_artifact_comes_as_a_file_in_each_run_of_a_process(bench: Bench) -> None:
    """The folder that workers fetch into goes with its run; a process may run again."""
    text = one_stage("troubled:note", ", with: {size: 20}")
    text = text.replace("outputs:", '  copied: {uses: "troubled:as_path", for_each: {text: one}}\noutputs:')
    text = text.replace('"{file}": one', '"{file}": copied')
    for size in (20, 21):
        report = bench.run(text.replace("size: 20", f"size: {size}"))
        assert report.status is Status.DONE
        assert len(bench.result("f1.txt")) == size
