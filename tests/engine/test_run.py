"""Whole runs over small files: order, trees, the shuffle, reuse, early cut-off, publishing."""

from __future__ import annotations

import json
import os
import shutil
from unittest.mock import ANY

import pytest
from bench import WHOLE, Bench
from unprivileged import unprivileged

from flowbutton.engine.folders import last_event, read_trace, run_folders
from flowbutton.engine.run import Status
from flowbutton.model.errors import BadInput, FlowbuttonError, LedgerBroken, Locked, MissingInput, OptionError


def test_gathers_keep_the_order_of_the_files(bench: Bench) -> None:
    report = bench.run()
    assert report.status is Status.DONE
    order = json.loads(bench.result("order.json"))
    assert [part[1] for part in order.split("|")] == ["1", "2", "3", "4", "5"]
    everything = "".join((bench.folder / "in" / f"f{n}.txt").read_text().replace("\n", "") for n in range(1, 6))
    assert sorted(bench.result("all.txt")) == sorted(everything)


def test_processes_answer_what_serial_answers(bench: Bench) -> None:
    bench.run()
    first = {name: bench.result(name) for name in ("total.json", "order.json", "all.txt")}
    bench.run(settings={"executor": "processes", "workers": 3, "store": str(bench.folder / "other")})
    assert {name: bench.result(name) for name in first} == first


def test_a_second_run_does_nothing_and_the_plan_says_so(bench: Bench) -> None:
    first = bench.run()
    shown = bench.plan()
    assert shown.nothing_to_run
    second = bench.run()
    assert (second.ran, second.reused) == (0, first.ran + first.reused)


def test_results_that_may_not_be_written_to_stop_only_a_run_that_has_something_to_do(bench: Bench) -> None:
    first = bench.run()
    (bench.folder / "results").chmod(0o555)
    with unprivileged():
        again = bench.run()
        assert (again.ran, again.files) == (0, first.files)
        bench.file("f3.txt", "other text\n")
        assert not bench.plan().nothing_to_run
        with pytest.raises(OptionError, match="the results folder can't be written to"):
            bench.run()
    assert bench.stages_run() == {}


TWINS = """
flowbutton: 1
name: letters
sources:
  files: {partitioner: whole, from: "in/*.txt"}
stages:
  one: {uses: "letters:count", for_each: {file: files}}
  two: {uses: "letters:count", for_each: {file: files}}
  total: {uses: "letters:add", gather: {parts: one}}
  again: {uses: "letters:add", gather: {parts: two}}
outputs:
  total.json: total
  again.json: again
"""


def test_what_two_stages_do_alike_runs_and_costs_once(bench: Bench) -> None:
    report = bench.run(TWINS)
    assert bench.stages_run() == {"files": 5, "one": 5, "total": 1}
    assert (report.ran, report.reused) == (11, 6)
    assert bench.result("again.json") == bench.result("total.json")
    paid = [task.stage for task in read_trace(report.folder) if task.status == "done"]
    assert (len(paid), {*paid}) == (11, {"files", "one", "total"})


def test_the_plan_is_what_runs(bench: Bench) -> None:
    bench.run()
    bench.file("f3.txt", "other text\n")
    shown = {stage.name: stage.ready for stage in bench.plan().stages}
    assert {name: count for name, count in shown.items() if count} == {"files": 1}
    bench.run()
    assert bench.stages_run()["files"] == 1


def test_touched_copied_and_renamed_folders_run_nothing_below_the_index(bench: Bench) -> None:
    bench.run()
    for file in (bench.folder / "in").iterdir():
        os.utime(file, (1, 1))
    bench.run()
    assert bench.stages_run() == {"files": 5}
    shutil.copytree(bench.folder / "in", bench.folder / "copy")
    bench.run(files=str(bench.folder / "copy" / "*.txt"))
    assert bench.stages_run() == {"files": 5}


def test_a_changed_file_runs_only_what_depends_on_it(bench: Bench) -> None:
    bench.run()
    bench.file("f3.txt", "abc3 hello worlds\n")
    bench.run()
    ran = bench.stages_run()
    assert (ran["files"], ran["count"], ran["bundle"]) == (1, 1, 1)
    assert ran["select"] < 22  # only the intervals in which a part changed


def test_an_equal_result_stops_the_wave(bench: Bench) -> None:
    bench.run()
    bench.file("f3.txt", "abc3 hello world\n\n")  # the blank line is not counted
    bench.run()
    assert bench.stages_run() == {"files": 1, "count": 1, "bundle": 1}


def test_an_option_reaches_only_the_stage_that_has_it(bench: Bench) -> None:
    bench.run()
    bench.run(ignore="z")  # nothing holds a z: counts stay equal
    assert bench.stages_run() == {"count": 5}


def test_an_appended_file_runs_alone(bench: Bench) -> None:
    bench.run()
    bench.file("f6.txt", "zzz\n")
    bench.run()
    ran = bench.stages_run()
    assert (ran["files"], ran["count"], ran["bundle"]) == (1, 1, 1)
    assert bench.result("order.json").endswith('|z"')


def test_equal_files_are_counted_twice_and_computed_once(bench: Bench) -> None:
    bench.file("f1.txt", "same\n")
    bench.file("g1.txt", "same\n")
    report = bench.run()
    assert json.loads(bench.result("total.json"))["letters"]["m"] == 2
    assert report.status is Status.DONE


def test_no_items_give_an_empty_result(bench: Bench) -> None:
    bench.file("f1.txt", "\n")
    bench.run(files="in/f1.txt")
    assert bench.result("all.txt") == ""
    assert json.loads(bench.result("total.json")) == {"letters": {}}


def test_a_missing_file_is_an_error_before_anything_runs(bench: Bench) -> None:
    with pytest.raises(MissingInput) as caught:
        bench.run(files="in/f9.txt")
    assert "f9.txt" in str(caught.value)


def test_published_files_are_not_the_stores(bench: Bench) -> None:
    bench.run()
    (bench.folder / "results" / "total.json").write_text("edited by hand")
    bench.run()
    assert json.loads(bench.result("total.json"))["letters"]["a"] == 5


def test_one_result_of_a_fan_out_needs_a_column_in_its_name(bench: Bench) -> None:
    text = WHOLE.replace("  total.json: total\n", '  total.json: total\n  "counts/{file}.json": count\n')
    bench.run(text)
    assert sorted(place.name for place in (bench.folder / "results" / "counts").iterdir()) == [
        f"f{n}.txt.json" for n in range(1, 6)
    ]


def test_names_that_are_one_when_made_safe_are_kept_apart(bench: Bench) -> None:
    for name in ("a:b.txt", "a_b.txt", "é" * 120 + ".txt"):
        bench.file(name, "text\n")
    bench.run(WHOLE.replace("  total.json: total\n", '  total.json: total\n  "counts/{file}.json": count\n'))
    names = {place.name for place in (bench.folder / "results" / "counts").iterdir()}
    assert names >= {"a_b.txt.json", "a%5Fb%2Etxt.json", "é" * 100 + ".json"}


def test_two_drivers_on_one_target_do_not_meet(bench: Bench) -> None:
    seen: list[FlowbuttonError] = []

    def second(kind: str, _fields: dict[str, object]) -> None:
        if kind == "planned":
            try:
                Bench(bench.folder).run()
            except Locked as error:
                seen.append(error)

    bench.run(settings={"listeners": [second]})
    assert len(seen) == 1
    assert "--on-conflict wait" in seen[0].hint


def test_a_run_that_a_fault_ends_has_failed_and_was_not_killed(bench: Bench) -> None:
    def faulty(kind: str, _fields: dict[str, object]) -> None:
        if kind != "planned":
            raise ZeroDivisionError("of a listener")

    with pytest.raises(ZeroDivisionError):
        bench.run(settings={"listeners": [faulty]})
    [folder] = run_folders(bench.folder / ".flowbutton" / "runs")
    assert last_event(folder) == {"event": "error", "error": "ZeroDivisionError: of a listener", "at": ANY}


def test_a_stage_that_drops_records_breaks_the_ledger(bench: Bench) -> None:
    text = WHOLE.replace(
        '"letters:count", for_each: {file: files}, with: {ignore: "${params.ignore}"}',
        '"letters:count_some", for_each: {file: files}',
    ).replace('  ignore: {type: string, default: ""}\n', "")
    with pytest.raises(LedgerBroken, match="consumed 4 of 5"):
        bench.run(text)
    assert not (bench.folder / "results").exists()


def test_records_set_aside_are_tolerated_up_to_the_limit(bench: Bench) -> None:
    stage = '{uses: "letters:keep_even", for_each: {file: files}, tolerate: {records: %d}}'
    text = WHOLE.replace("  total:", f"  even: {stage}\n  total:", 1)
    text = text.replace("  all.txt: all", '  all.txt: all\n  "even/{file}": even')
    report = bench.run(text % 3)
    line = next(line for line in report.ledger if line.stage == "even")
    assert (line.consumed, line.counts.out, line.counts.set_aside) == (5, 2, {"odd": 3})
    with pytest.raises(BadInput, match="set 3 files aside, more than the 2 tolerated"):
        bench.run(text % 2)
