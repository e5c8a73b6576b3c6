"""Signals and time limits: Ctrl-C stops at once, TERM lets running tasks end, a limit ends what hangs."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from bench import Bench
from driver import events, runs, start, traced, until

from flowbutton.engine.run import Status

WAITING = """
flowbutton: 1
name: waiting
params: {gate: {type: string}}
sources:
  files: {partitioner: whole, from: "in/*.txt"}
stages:
  wait: {uses: "troubled:wait", for_each: {file: files}, with: {gate: "${params.gate}"}}
outputs:
  "{file}": wait
"""


@pytest.fixture
def gate(bench: Bench) -> Path:
    folder = bench.folder / "gate"
    folder.mkdir()
    return folder


def waiting(gate: Path) -> str:
    return WAITING.replace("${params.gate}", str(gate)).replace("params: {gate: {type: string}}\n", "")


def began(gate: Path) -> int:
    return len(list(gate.glob("began-*")))


def test_ctrl_c_stops_at_once_and_the_next_run_goes_on(bench: Bench, gate: Path) -> None:
    driver = start(bench, waiting(gate))
    until(lambda: began(gate) == 2)
    driver.process.send_signal(signal.SIGINT)
    assert driver.wait() == 130  # its tasks would wait for ever
    [folder] = runs(bench)
    assert events(folder)[-1]["event"] == "interrupted"
    (gate / "open").touch()
    assert start(bench, waiting(gate)).wait() == 0
    assert len(traced(runs(bench)[-1], "reused")) == 5, "the indexes are not made again"


def test_term_lets_running_tasks_end_and_starts_nothing(bench: Bench, gate: Path) -> None:
    driver = start(bench, waiting(gate))
    until(lambda: began(gate) == 2)
    driver.process.send_signal(signal.SIGTERM)
    (gate / "open").touch()
    assert driver.wait() == 3
    [folder] = runs(bench)
    found = events(folder)
    assert found[-1]["event"] == "ended"
    assert found[-1]["status"] == Status.DRAINED
    assert sum(len(e["tasks"]) for e in found if (e.get("stage"), e["event"]) == ("wait", "done")) == 2
    assert began(gate) == 2, "nothing new was started"
    assert not (bench.folder / "results").exists()
    assert start(bench, waiting(gate)).wait() == 0
    assert len(traced(runs(bench)[-1], "done")) == 3


def test_what_hangs_is_ended_at_its_limit_tried_again_and_then_failed(bench: Bench) -> None:
    bench.file("f3.txt", "bad")
    text = """
flowbutton: 1
name: hanging
sources:
  files: {partitioner: whole, from: "in/f3.txt"}
stages:
  hang: {uses: "troubled:hang", for_each: {file: files}, resources: {timeout: 400ms}, retries: 1}
outputs:
  "{file}": hang
"""
    report = bench.run(text, settings={"executor": "processes", "workers": 2})
    assert report.status is Status.FAILED
    [failure] = report.failures
    assert failure.task.key[0] == ("file", "f3.txt")
    assert "timeout" in failure.error.hint
    kinds = bench.told_of(failure.task.id)
    assert kinds.count("submitted") == 2
    assert kinds.count("retried") == 1
    [told] = json.loads((report.folder / "error.json").read_text())
    assert told["class"] == "resource"
    assert "timeout" in told["hint"]
