"""Several executors in one run: each stage runs where it is told to, and the results are the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bench import WHOLE, Bench

import flowbutton
from flowbutton.engine.run import Status
from flowbutton.engine.settings import Site
from flowbutton.model.errors import OptionError

PIDS = """
flowbutton: 1
name: pids
stages:
  first: {uses: "pids:pid"}
  second: {uses: "pids:and_mine", share: {before: first}}
  third: {uses: "pids:and_mine", share: {before: second}}
outputs: {pids.json: third}
profiles:
  mixed: {executor: serial, executors: {processes: {stages: [second], workers: 1}}}
"""
MODULE = """
import os


def pid() -> list[int]:
    return [os.getpid()]


def and_mine(before: list[int]) -> list[int]:
    return [*before, os.getpid()]
"""


def test_a_stage_runs_where_its_profile_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pids.yaml").write_text(PIDS)
    (tmp_path / "pids.py").write_text(MODULE)
    pipeline = flowbutton.load("pids.yaml", profile="mixed")
    told = str(pipeline.plan())
    assert [line.split()[:2] for line in told.splitlines()[:4]] == [
        ["stage", "executor"], ["first", "serial"], ["second", "processes"], ["third", "serial"],
    ]  # fmt: skip
    report = pipeline.run()
    first, second, third = (int(text) for text in report.files["pids.json"].read_text().strip("[]\n").split(","))
    assert first == third == os.getpid() != second
    assert "executor" not in str(pipeline.plan_in(pipeline.settings(executor="serial")))  # asked for now: for all
    assert pipeline.settings(executor="serial").elsewhere == ()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.chdir(tmp_path)
    made = Bench(tmp_path)
    for number in range(6):
        made.file(f"f{number}.txt", f"abc{number} hello world\n")
    return made


def test_two_executors_at_once_end_with_the_same_bytes(bench: Bench) -> None:
    alone = bench.run(WHOLE, settings={"store": "alone", "results": str(bench.folder / "alone-results")})
    sites = [Site("processes", ("bundle", "select"), 2)]
    mixed = bench.run(WHOLE, settings={"store": "mixed", "elsewhere": sites})
    assert alone.status is mixed.status is Status.DONE
    assert {name: file.read_bytes() for name, file in mixed.files.items()} == {
        name: file.read_bytes() for name, file in alone.files.items()
    }
    assert (mixed.ran, mixed.reused) == (alone.ran, alone.reused)


def test_a_store_in_memory_is_refused_for_every_executor(bench: Bench) -> None:
    with pytest.raises(OptionError, match="'processes'"):
        bench.run(WHOLE, settings={"store": "memory://sites", "elsewhere": [Site("processes", ("count",))]})


def test_an_executor_whose_stages_are_not_in_the_graph_is_not_opened(bench: Bench) -> None:
    settings = {"store": "memory://sites", "elsewhere": [Site("processes", ("dropped",))]}
    assert bench.run(WHOLE, settings=settings).status is Status.DONE
