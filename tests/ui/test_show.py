"""``flowbutton show`` and ``logs``: a run read back in full, and what its tasks printed."""

from __future__ import annotations

import json
import re

import pytest


@pytest.fixture
def failed(place):
    """A folder in which two runs were: one went through, one has a failed task; all tasks of 'count' print."""
    text = (place.folder / "texts.py").read_text()
    place.write(
        "texts.py", text.replace("    text = file", "    print('counting', file.key['file'])\n    text = file", 1)
    )
    assert place.call("run", "texts.yaml", "-q").returncode == 0
    place.write("in/bad.txt", "refuse\n")
    assert place.call("run", "texts.yaml", "-q").returncode == 1
    return place


def logs(place, *arguments: str) -> str:
    ended = place.call("logs", *arguments)
    assert ended.returncode == 0, ended.stderr
    return re.sub(r"^== \d+ ", "== ", ended.stdout, flags=re.MULTILINE)


def first_run(place) -> str:
    return min(folder.name for folder in (place.folder / ".flowbutton/runs").glob("*-*-*"))


def test_a_run_is_shown_in_full(place):
    place.call("run", "texts.yaml", "-q", "--workers", "2")
    told = place.call("show").stdout
    assert re.match(r"\d{8}-\d{6}-[0-9a-f]{4}  texts: done, 5 ran, 0 reused, from ", told)
    assert f'  files: "{place.folder}/in/*.txt"\n' in told
    assert "of texts.yaml, by executor processes, 2 workers\n" in told
    assert re.search(r"^count +2 .* 2 files in$", told, re.MULTILINE), "the ledger stands with its stage"
    assert re.search(r"^count +[\d.]+ m?s \(\d\) +[\d.]+ MiB +\d+% +19 B +1.00$", told, re.MULTILINE)
    assert re.search(r"^output total.json: 11 B, digest [0-9a-f]{64}$", told, re.MULTILINE)


def test_the_json_of_a_run_has_the_figures(failed):
    [first, latest] = [json.loads(failed.call("show", run, "--json").stdout) for run in (first_run(failed), "latest")]
    assert (first["status"], latest["status"]) == ("done", "failed")
    assert [(stage["stage"], stage["ran"], stage["reused"], stage["failed"]) for stage in latest["stages"]] == [
        ("files", 1, 2, 0),
        ("count", 0, 2, 1),
    ]
    count = first["stages"][1]
    assert (count["owned_bytes"], count["read_bytes"], count["ledger"]["consumed"]) == (19, 19, 2)
    assert 0 < count["peak_bytes"] < count["declared_bytes"]
    assert len(first["slowest"]) == 5
    assert first["asked"]["params"]["waits"] is False
    assert latest["errors"][0]["repeat"].startswith("flowbutton debug ")


def test_a_failed_run_is_shown_with_its_report(failed):
    told = failed.call("show", "latest").stdout
    assert "texts: failed, 1 ran, 4 reused" in told
    assert re.search(r"redo:  flowbutton debug \S+ \d+\n", told)


def test_a_killed_run_is_shown_as_far_as_it_came(place):
    started = place.start_waiting()
    started.kill()
    started.wait()
    told = place.call("show").stdout
    assert "texts: killed, 5 ran" in told
    assert re.search(r"^wait +0/2 ", told, re.MULTILINE)


def test_logs_are_what_tasks_printed(failed):
    assert logs(failed, first_run(failed)).count("counting") == 2
    bad = "== count[file=bad.txt,ordinal=2], failed\ncounting bad.txt\nreading a bad text\nTraceback"
    assert bad in logs(failed)
    assert "== count[file=a.txt,ordinal=0], reused\ncounting a.txt\n" in logs(failed)
    assert logs(failed, "--failed").startswith(bad)
    assert logs(failed, "--stage", "count", "--task", "count[file=b.txt]").endswith("reused\ncounting b.txt\n")
    silent = failed.call("logs", "--stage", "files")
    assert (silent.returncode, silent.stdout, silent.stderr) == (0, "", "nothing was printed\n")
    assert failed.call("logs", "--task", "99").returncode == 4


def test_a_long_log_is_whole(place):
    text = (place.folder / "texts.py").read_text()
    place.write("texts.py", text.replace("    text = file", "    print('x' * 20_000)\n    text = file", 1))
    place.call("run", "texts.yaml", "-q")
    told = logs(place, "--task", "count[file=a.txt]")
    assert told == f"== count[file=a.txt,ordinal=0], done\n{'x' * 20_000}\n"


def test_a_run_of_which_files_are_torn_is_told_and_cleaned_all_the_same(failed):
    """A driver that is killed while it writes leaves half a file."""
    folder = next((failed.folder / ".flowbutton/runs").glob("latest")).resolve()
    for place in (*folder.glob("*.json"), *folder.glob("calls/*.json"), folder / "events.jsonl", folder / "trace.tsv"):
        place.write_bytes(place.read_bytes()[:-20])
    for command in ("status", "show", "logs", "clean -n"):
        ended = failed.call(*command.split())
        assert ended.returncode == 0, ended.stderr
    assert "killed" in failed.call("status").stdout
    assert failed.call("clean", "--all", "--grace", "0s").returncode == 0
    assert not folder.exists()
