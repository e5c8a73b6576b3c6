"""The page on cron and CI: every command on it is run, in the order of the page, as cron, CI or a shell runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from documents import ROOT, blocks

PAGE = ROOT / "docs/operating.md"
FOLDER = "/data/words"


@pytest.fixture
def shell(place):
    """Run a text as a shell does, with this Python's programs in its path; return what it printed."""
    (place.folder / "texts.yaml").unlink()

    def run(text: str, *, code: int = 0, **env: str) -> str:
        path = os.pathsep.join([str(Path(sys.executable).parent), place.env["PATH"]])
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text.replace(FOLDER, str(place.folder))],
            cwd=place.folder,
            env={**place.env, "PATH": path, **env},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ended.returncode == code, f"{text}\n{ended.stdout}{ended.stderr}"
        return ended.stdout + ended.stderr

    return run


def written(place) -> None:
    """Write the files that the page titles."""
    for block in blocks():
        title = re.search(r'title="([^"]+)"', block.about)
        if block.page == PAGE and title:
            file = place.folder / title[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)


def plain(text: str) -> str:
    """Leave out what differs from run to run."""
    return re.sub(r"\d{8}-\d{6}-[0-9a-f]{4}", "RUN", text)


def cron_lines() -> Iterator[str]:
    [table] = [block.text for block in blocks("cron") if block.page == PAGE]
    return (line.split(maxsplit=5)[5] for line in table.splitlines() if line[0].isdigit())


def test_the_page_works_from_its_first_line_to_its_last(place, shell):
    written(place)
    told = [shell(block.text) for block in blocks("sh") if block.page == PAGE]
    first, failed, looked, repaired, cleaned = told
    assert "done: 3 tasks ran" in first
    [shown] = [block.text for block in blocks("text") if block.page == PAGE]
    assert set(plain(shown).splitlines()) <= set(plain(failed.replace(str(place.folder), FOLDER)).splitlines())
    assert "words: failed" in looked
    assert "ValueError: a text with gaps" in looked
    assert "nothing to do" in repaired
    assert (place.folder / "results/total.txt").read_text() == "6\n"
    assert "would go: " in cleaned


def test_the_cron_lines_are_quiet_if_locked_or_if_nothing_is_new_and_print_failures(place, shell):
    written(place)
    (place.folder / "texts").mkdir()
    place.write("texts/one.txt", "one")
    run, clean = cron_lines()
    assert shell(run) == shell(run) == shell(clean) == ""
    log = (place.folder / "run.log").read_text().splitlines()
    assert [line.split(":")[0] for line in log] == ["done", "nothing to do"]
    place.write("texts/two.txt", "???")
    assert "redo:  flowbutton debug " in shell(run)
    locked = "flowbutton() { return 3; }\n"  # what a run at work gives: tests/ui/test_signals.py
    assert shell(locked + run) == ""


@pytest.mark.parametrize("name", [".github/workflows/words.yml", ".gitlab-ci.yml"])
def test_the_steps_of_ci_run_and_write_what_ci_reads(place, shell, name):
    written(place)
    (place.folder / "texts").mkdir()
    place.write("texts/one.txt", "one two")
    told = yaml.safe_load((place.folder / name).read_text())
    if name.startswith(".github"):
        steps = [step["run"] for step in told["jobs"]["words"]["steps"] if "run" in step]
    else:
        steps = told["words"]["script"]
    assert steps[0] == "pip install flowbutton"
    for step in steps[1:]:
        shell(step, GITHUB_STEP_SUMMARY=str(place.folder / "summary.md"))
    cases = ElementTree.parse(place.folder / "reports/words.xml").iter("testcase")
    assert [case.get("name") for case in cases] == ["texts", "count", "total"]
    if name.startswith(".github"):
        assert (place.folder / "summary.md").read_text().startswith("### words: done: 3 tasks ran")
    assert "nothing to do" in shell("flowbutton run words.yaml -q"), "clean left what the next run reuses"


def test_the_page_tells_every_exit_code():
    told = re.findall(r"^\| ([\d, ]+) \|", PAGE.read_text(), re.MULTILINE)
    told_by_cli = re.findall(r"^\| (\d+) \|", (ROOT / "docs/cli.md").read_text(), re.MULTILINE)
    assert [code for row in told for code in row.split(", ")] == told_by_cli
