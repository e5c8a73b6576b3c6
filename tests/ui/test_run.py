"""``flowbutton run`` from outside: what it prints, what it leaves, how it ends."""

from __future__ import annotations

import json
import shutil
from pathlib import Path


def test_a_run_says_where_it_works_and_what_came_of_it(place):
    ended = place.call("run", "texts.yaml")
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    run = lines[0].rpartition("run ")[2]
    assert lines[0] == f"texts: results in results, store .flowbutton, run {run}"
    assert any(line.endswith("count: done, 2 tasks in " + line.rpartition(" in ")[2]) for line in lines)
    assert "2 files in" in ended.stdout
    assert f"run folder: .flowbutton/runs/{run}" in lines
    assert lines[-1].startswith("done: 5 tasks ran, 0 reused, in ")
    assert lines[-1].endswith(f"1 output in results (run {run})")
    assert json.loads((place.folder / "results/total.json").read_text()) == {"count": 4}
    assert ended.stderr == ""


def test_a_run_that_changes_nothing_is_one_line(place):
    place.call("run", "texts.yaml")
    again = place.call("run", "texts.yaml")
    assert again.returncode == 0
    assert len(again.stdout.splitlines()) == 1
    assert again.stdout.startswith("nothing to do: all 5 tasks are done; 1 output in results")


def test_only_what_is_new_runs(place):
    place.call("run", "texts.yaml")
    place.write("in/c.txt", "five six\n")
    ended = place.call("run", "texts.yaml")
    assert "done: 3 tasks ran, 4 reused" in ended.stdout
    assert json.loads((place.folder / "results/total.json").read_text()) == {"count": 6}


def test_quiet_prints_the_last_line_alone(place):
    ended = place.call("run", "texts.yaml", "-q")
    assert len(ended.stdout.splitlines()) == 1
    assert ended.stdout.startswith("done: 5 tasks ran")


def test_json_lines_are_the_events_of_the_run_folder(place):
    ended = place.call("run", "texts.yaml", "--log-format", "json")
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    [folder] = [event["folder"] for event in told if event["event"] == "planned"]
    kept = [json.loads(line) for line in (place.folder / folder / "events.jsonl").read_text().splitlines()]
    assert [{**event, "at": ""} for event in told] == [{**event, "at": ""} for event in kept]
    assert told[-1]["status"] == "done"


def test_stage_lines_are_stamped_and_few(place):
    for number in range(40):
        place.write(f"in/{number}.txt", "word\n")
    lines = place.call("run", "texts.yaml").stdout.splitlines()
    about_count = [line for line in lines if line[9:].startswith("count: ")]
    assert [line[9:].split(",")[0] for line in about_count] == ["count: started", "count: done"]
    assert all(line[2] == line[5] == ":" for line in about_count)


def test_dry_run_and_plan_are_the_same_and_run_nothing(place):
    dry, planned = place.call("run", "texts.yaml", "-n"), place.call("plan", "texts.yaml")
    assert dry.stdout == planned.stdout
    assert dry.returncode == planned.returncode == 0
    assert "known after files" in dry.stdout
    assert not (place.folder / "results").exists()
    place.call("run", "texts.yaml")
    assert place.call("plan", "texts.yaml").stdout.splitlines()[-1] == "nothing to run: every task is done"


def test_command_line_over_profile_over_default(place):
    assert "in of_profile" in place.call("run", "texts.yaml", "--profile", "one", "-q").stdout
    assert "in mine" in place.call("run", "texts.yaml", "--profile", "one", "--results", "mine", "-q").stdout
    assert place.folder.joinpath("of_profile/total.json").exists()
    assert place.folder.joinpath("mine/total.json").exists()
    assert not (place.folder / "results").exists()


def test_the_store_lies_beside_the_results_unless_named(place):
    place.call("run", "texts.yaml", "--results", "deep/results", "-q")
    assert (place.folder / "deep/.flowbutton/runs").is_dir()
    place.call("run", "texts.yaml", "--store", f"file://{place.folder}/kept", "-q")
    assert (place.folder / "kept/runs").is_dir()
    assert not (place.folder / ".flowbutton").exists()


def test_params_file_below_command_line(place):
    shutil.copytree(place.folder / "in", place.folder / "other")
    place.write("other/a.txt", "one\n")
    place.write("third.txt", "one two three four five\n")
    place.write("params.yaml", "files: other/*.txt\n")
    place.write("params.json", '{"files": "third.txt"}\n')

    def total(*arguments: str) -> int:
        place.call("run", "texts.yaml", "-q", *arguments)
        return json.loads((place.folder / "results/total.json").read_text())["count"]

    assert total() == 4
    assert total("--params-file", "params.yaml") == 2
    assert total("--params-file", "params.json") == 5
    assert total("--params-file", "params.json", "-p", "files=in/b.txt") == 1


def test_modules_beside_the_pipeline_file_are_found_from_anywhere(place, tmp_path_factory):
    place.folder = tmp_path_factory.mktemp("elsewhere")
    ended = place.call("run", str(place.gate.parent / "texts.yaml"), "-q")
    assert ended.returncode == 0, ended.stderr
    assert (place.folder / "results/total.json").exists()


def test_status_tells_the_latest_run_a_named_one_and_all(place):
    place.call("run", "texts.yaml", "-q")
    place.call("run", "texts.yaml", "-q")
    listed = place.call("status", "--all").stdout.splitlines()
    assert ["done, 5 ran, 0 reused" in listed[0], "done, 0 ran, 5 reused" in listed[1]] == [True, True]
    latest, first = place.call("status").stdout, place.call("status", listed[0].split()[0]).stdout
    assert latest.splitlines()[0].startswith(listed[1].split(" for ")[0])
    assert first.splitlines()[0] == listed[0]
    assert Path(place.folder, latest.splitlines()[-1].removeprefix("run folder: "), "events.jsonl").exists()


def test_status_of_a_failed_run_tells_the_failure(place):
    place.write("in/bad.txt", "refuse\n")
    place.call("run", "texts.yaml", "-q")
    told = place.call("status").stdout
    assert "texts: failed" in told
    assert "failed: count: the stage's code raised ValueError: the text says refuse" in told


def test_status_tells_a_run_at_work_from_one_that_was_killed(place):
    started = place.start_waiting()
    assert "texts: running, 5 ran" in place.call("status").stdout
    started.kill()
    started.wait()
    assert "texts: killed, 5 ran" in place.call("status").stdout
    assert "texts: killed" in place.call("status", "--all").stdout
