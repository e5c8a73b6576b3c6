"""What the plan says of real changes: options, files, results that went, runs that failed in between."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from bench import WHOLE, Bench

from flowbutton.engine.run import Status

IGNORE = '  ignore: {type: string, default: ""}\n'
WITHOUT_PARAM = WHOLE.replace(IGNORE, "").replace('with: {ignore: "${params.ignore}"}', "with: {}")
REFUSING = WITHOUT_PARAM.replace("letters:count", "letters:refuse")


def whys(bench: Bench, text: str = WHOLE, **params: str) -> dict[str, list[str]]:
    """Return the words of each stage that has something to run."""
    return {stage.name: [str(why) for why in stage.why] for stage in bench.plan(text, **params).stages if stage.why}


def test_before_the_first_run_everything_is_new(bench: Bench) -> None:
    assert all(why[0] == "new" for why in whys(bench).values())
    assert len(whys(bench)) == len(bench.plan().stages)


def test_nothing_changed_nothing_said(bench: Bench) -> None:
    bench.run()
    assert whys(bench) == {}


def test_an_option(bench: Bench) -> None:
    bench.run()
    found = whys(bench, ignore="z")
    assert found["count"] == ['option changed: ignore "" → "z"']
    assert found["total"] == found["order"] == ["after count"]
    assert found["all"] == ["after select"]
    assert "files" not in found
    assert "bundle" not in found


def test_what_waits_is_not_promised_to_run_and_then_does_not(bench: Bench) -> None:
    bench.run()
    waiting = {stage.name for stage in bench.plan(ignore="z").stages if stage.may_be_reused}
    assert waiting == {"total", "order", "ranges", "select", "all"}
    bench.run(ignore="z")  # nothing holds a z
    assert bench.stages_run() == {"count": 5}


def test_a_changed_file(bench: Bench) -> None:
    bench.run()
    bench.file("f3.txt", "other text\n")
    found = whys(bench)
    assert found["files"] == ["changed: f3.txt"]
    assert found["count"] == ["after files"]


def test_a_new_file_and_a_lost_one(bench: Bench) -> None:
    bench.run()
    bench.file("f6.txt", "more\n")
    (bench.folder / "in" / "f1.txt").unlink()
    assert whys(bench)["files"] == ["new: f6.txt, gone: f1.txt"]


def test_runs_that_failed_in_between_hide_no_reason(bench: Bench) -> None:
    bench.run()
    with (bench.folder / "in" / "f2.txt").open("a") as file:
        file.write("x\n")
    assert whys(bench)["files"] == ["changed: f2.txt"]
    for _ in range(2):
        assert bench.run(REFUSING).status is Status.FAILED  # the file is indexed, and refused
        found = whys(bench)
        assert found["count"] == ["input changed: files (f2.txt)", "1 of 5 pieces is new"]
        assert "files" not in found
    bench.run()
    assert whys(bench) == {}


def test_another_stage_by_its_name(bench: Bench) -> None:
    bench.run()
    assert whys(bench, REFUSING)["count"] == ["uses letters:count → letters:refuse"]


def test_a_touched_file_is_indexed_again_and_nothing_else(bench: Bench) -> None:
    bench.run()
    os.utime(bench.folder / "in" / "f4.txt", (1, 1))
    found = whys(bench)
    assert found["files"] == ["changed: f4.txt"]
    assert all(why == [f"after {name}"] for why, name in ((found["count"], "files"), (found["total"], "count")))
    bench.run()
    assert bench.stages_run() == {"files": 1}
    assert whys(bench) == {}


def test_another_place(bench: Bench) -> None:
    bench.run()
    shutil.copytree(bench.folder / "in", bench.folder / "copy")
    found = whys(bench, files=str(bench.folder / "copy" / "*.txt"))
    assert found["files"][0].startswith("new: f1.txt, f2.txt, f3.txt and 2 more, gone: f1.txt")
    assert found["files"][1].startswith("option changed: from ")


def test_a_tree_of_another_width(bench: Bench) -> None:
    bench.run()
    found = whys(bench, WHOLE.replace("fan_in: 2", "fan_in: 3"))
    assert found["total"] == ["option changed: fan_in 2 → 3"]


@pytest.mark.parametrize("what", ["objects", "records", "packs"])
def test_results_that_were_deleted(bench: Bench, what: str) -> None:
    bench.run()
    store = bench.folder / ".flowbutton"
    if what == "objects":
        shutil.rmtree(store / "objects")
    else:
        for stage in (store / "records").iterdir():
            shutil.rmtree(stage / "packs" if what == "packs" else stage)
        if what == "records":
            shutil.rmtree(store / "manifests")
    found = whys(bench)
    first = "all" if what == "objects" else "files"  # small results are in the records themselves
    if what == "objects":
        assert all("gone from the store" in why[0] or why[0].startswith("after ") for why in found.values())
    else:
        assert found[first] == ["its results are gone from the store"]
    bench.run()
    assert whys(bench) == {}


def test_each_results_folder_has_its_own_past(bench: Bench) -> None:
    bench.run(ignore="a")
    bench.run(ignore="b", settings={"results": str(bench.folder / "other")})
    assert whys(bench, ignore="a") == {}
    assert whys(bench, ignore="c")["count"] == ['option changed: ignore "a" → "c"']


def test_a_damaged_past_says_new_and_no_more(bench: Bench) -> None:
    bench.run()
    [kept] = (bench.folder / ".flowbutton" / "pasts").iterdir()
    kept.chmod(0o644)
    kept.write_bytes(kept.read_bytes()[:-100])
    assert whys(bench) == {}
    assert whys(bench, ignore="z")["count"] == ["new"]
    bench.run(ignore="z")
    assert whys(bench, ignore="y")["count"] == ['option changed: ignore "z" → "y"']


def test_a_run_without_news_writes_nothing_of_the_past(bench: Bench) -> None:
    bench.run()
    [kept] = (bench.folder / ".flowbutton" / "pasts").iterdir()
    before = kept.stat()
    bench.run()
    after = kept.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_secrets_are_not_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    text = WITHOUT_PARAM.replace("with: {}", 'with: {ignore: "${env:LETTERS_SECRET}"}')
    monkeypatch.setenv("LETTERS_SECRET", "qqqqqqqq1")
    bench.run(text)
    monkeypatch.setenv("LETTERS_SECRET", "qqqqqqqq2")
    [why] = whys(bench, text)["count"]
    assert why.startswith('option changed: ignore "${env:LETTERS_SECRET}" (')
    told = json.dumps(bench.plan(text).to_json()) + "".join(
        place.read_text() for place in (bench.folder / ".flowbutton" / "pasts").iterdir()
    )
    assert "qqqqqqqq" not in told
