"""``flowbutton plan`` from outside: its table, its JSON, and what it says of changed code."""

from __future__ import annotations

import json
import shutil

GOLDEN = """\
plan of texts, store .flowbutton
stage  tasks  done  to run  bytes in  memory/task  why
files  3      2     1       34 B      256.0 MiB    new: c.txt
count  ?      2     ?       19 B                   known after files (2 last time)
total  1      0     ≤ 1                            after count
≤: may be reused, where what comes before gives its old answer again
dropped by 'when': wait, waited, waited.json
"""


def whys(place) -> dict[str, list[str]]:
    """Return the words of each stage that has something to run."""
    told = json.loads(place.call("plan", "texts.yaml", "--json").stdout)
    return {stage["name"]: [why["text"] for why in stage["why"]] for stage in told["stages"] if stage["why"]}


def change(place, name: str, old: str, new: str) -> None:
    text = (place.folder / name).read_text()
    assert old in text
    (place.folder / name).write_text(text.replace(old, new))


def test_the_table_after_a_file_was_added(place):
    place.call("run", "texts.yaml", "-q")
    place.write("in/c.txt", "five six seven\n")
    shown = place.call("plan", "texts.yaml")
    assert shown.stdout == GOLDEN.format(folder=place.folder)
    assert (shown.returncode, shown.stderr) == (0, "")


def test_the_json_of_plan_and_of_a_dry_run_are_that_of_the_run_folder(place):
    place.call("run", "texts.yaml", "-q")
    place.write("in/c.txt", "five\n")
    planned = place.call("plan", "texts.yaml", "--json").stdout
    assert place.call("run", "texts.yaml", "-n", "--log-format", "json").stdout == planned
    place.call("run", "texts.yaml", "-q")
    assert json.loads((place.folder / ".flowbutton/runs/latest/plan.json").read_text()) == json.loads(planned)


def test_plan_refuses_results_where_run_does(place):
    place.write("taken", "")
    for command in ("plan", "run"):
        refused = place.call(command, "texts.yaml", "--results", "taken")
        assert (refused.returncode, refused.stderr.splitlines()[0]) == (2, "error: the results can't go into a file")


def test_the_function_that_changed_is_named(place):
    place.call("run", "texts.yaml", "-q")
    change(place, "texts.py", "text.split()", "text.split(None)")
    assert whys(place) == {"count": ["code changed: texts:count"], "total": ["after count"]}
    place.call("run", "texts.yaml", "-q")
    assert whys(place) == {}


def test_a_comment_a_docstring_and_another_function_change_nothing(place):
    place.call("run", "texts.yaml", "-q")
    change(place, "texts.py", '"""Count words; refuse', '"""Count all words; refuse')
    change(place, "texts.py", "del after", "del after  # said to be there")
    change(place, "texts.py", "time.sleep(0.01)", "time.sleep(0.02)")
    assert whys(place) == {}


def test_a_raised_version(place):
    place.call("run", "texts.yaml", "-q")
    change(place, "texts.py", '@gather_stage("texts.add")', '@gather_stage("texts.add", version=2)')
    assert whys(place) == {"total": ["version 1 → 2"]}


def test_another_version_of_a_library(place):
    def install(version: str) -> None:
        info = place.folder / f"wordlib-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: wordlib\nVersion: {version}\n")
        (info / "top_level.txt").write_text("wordlib\n")

    place.write("wordlib.py", "def words(text):\n    return text.split()\n")
    install("1.0")
    change(place, "texts.py", "text.split()", "wordlib.words(text)")
    change(place, "texts.py", "import time\n", "import time\nimport wordlib\n")
    assert place.call("run", "texts.yaml", "-q").returncode == 0
    shutil.rmtree(place.folder / "wordlib-1.0.dist-info")
    install("1.1")
    assert whys(place) == {"count": ["library changed: wordlib 1.0 → 1.1"], "total": ["after count"]}


def test_a_module_that_counts_whole_is_told(place):
    place.write("wordlib.py", "def words(text):\n    return text.split()\n")
    change(place, "texts.py", "text.split()", "words(text)")
    change(place, "texts.py", "import time\n", "import time\nfrom wordlib import *\n")
    place.call("run", "texts.yaml", "-q")
    place.write("wordlib.py", "def words(text):\n    return text.split()\n\n\nSPARE = 1\n")
    shown = place.call("plan", "texts.yaml").stdout
    assert "count: any change of texts, wordlib counts, since it can't be told what is used of it" in shown
    assert "code changed: wordlib:*" in shown
