"""``run --junit`` and ``--summary``: what CI reads, of runs that went through, failed, never began or were stopped."""

from __future__ import annotations

import re
import signal
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from flowbutton.ui.ci_files import Outcome, step_summary

# Attributes and children that the JUnit schema (windyroad) allows, and that Jenkins and GitLab read.
ALLOWED = {
    "testsuites": ({"name", "time", "tests", "failures", "errors", "skipped"}, {"testsuite"}),
    "testsuite": ({"name", "time", "tests", "failures", "errors", "skipped", "timestamp"}, {"properties", "testcase"}),
    "properties": (set(), {"property"}),
    "property": ({"name", "value"}, set()),
    "testcase": ({"classname", "name", "time"}, {"failure", "error", "skipped"}),
    "failure": ({"message", "type"}, set()),
    "error": ({"message", "type"}, set()),
    "skipped": ({"message"}, set()),
}


def junit(place) -> ElementTree.Element:
    """Read the file, and hold it against the schema."""
    root = ElementTree.parse(place.folder / "ci/junit.xml").getroot()
    for element in root.iter():
        attributes, children = ALLOWED[element.tag]
        assert set(element.keys()) == attributes
        assert {child.tag for child in element} <= children
    cases = root.findall("testsuite/testcase")
    assert all(len(case) <= 1 for case in cases)
    for suite in (root, root[0]):
        assert int(suite.get("tests", "")) == len(cases)
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(attribute, "")) == sum(case.find(tag) is not None for case in cases)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", root[0].get("timestamp", ""))
    return root


def cases(place) -> dict[str | None, str]:
    """Return what became of each testcase."""
    return {case.get("name"): "".join(child.tag for child in case) for case in junit(place).iter("testcase")}


def run(place, *arguments: str) -> int:
    files = ("--junit", "ci/junit.xml", "--summary", "ci/summary.md")
    return place.call("run", "texts.yaml", "-q", *files, *arguments).returncode


def test_a_run_that_went_through_has_a_testcase_per_stage(place):
    assert run(place) == 0
    assert cases(place) == {"files": "", "count": "", "total": ""}
    summary = (place.folder / "ci/summary.md").read_text()
    assert re.match(r"### texts: done: 5 tasks ran, 0 reused, in [\d.]+ m?s; 1 output in results", summary)
    assert re.search(r"^\| count \| 2 \|  \|  \| [\d.]+ m?s \|$", summary, re.MULTILINE)
    assert re.search(r"^\| total.json \| 11 B \| `[0-9a-f]{16}` \|$", summary, re.MULTILINE)
    assert run(place) == 0
    assert cases(place) == {"files": "", "count": "", "total": ""}
    again = (place.folder / "ci/summary.md").read_text()
    assert again.startswith(summary), "steps append"
    assert "### texts: nothing to do" in again


def test_a_failed_stage_is_a_failure_with_the_report(place):
    place.write("in/bad.txt", "refuse\n")
    text = (place.folder / "texts.py").read_text()
    place.write("texts.py", text.replace('"reading a bad text"', '"\\x1b[31m\\x00reading & a <bad> text\\n```"'))
    assert run(place, "--workers", "1") == 1  # with more, the failure may stop the run before all files are looked at
    assert cases(place) == {"files": "", "count": "failure", "total": "skipped"}
    failure = next(junit(place).iter("failure"))
    assert failure.get("type") == "bug"
    assert failure.get("message") == "the stage's code raised ValueError: the text says refuse"
    assert "task:  count[file=bad.txt,ordinal=2]" in (failure.text or "")
    assert "reading & a <bad> text" in (failure.text or "")
    summary = (place.folder / "ci/summary.md").read_text()
    assert summary.startswith("### texts: failed: ")
    assert summary.count("````") == 2
    assert "redo:  flowbutton debug" in summary


@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [(["-p", "files=nothing/*"], 4, "MissingInput"), (["-p", "fils=x"], 2, "SpecError")],
)
def test_a_run_that_never_began_is_an_error(place, arguments, code, kind):
    assert run(place, *arguments) == code
    assert cases(place) == {"run": "error"}
    assert next(junit(place).iter("error")).get("type") == kind
    assert "failed: " in (place.folder / "ci/summary.md").read_text()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_was_stopped_is_an_error(place, number, code):
    started = place.start_waiting("--junit", "ci/junit.xml", "--workers", "1")
    started.send_signal(number)
    place.gate.touch()
    started.communicate(timeout=300)
    assert started.returncode == code
    found = cases(place)
    assert (found["count"], found["wait"], found["waited"], found["run"]) == ("", "skipped", "skipped", "error")


def test_the_summary_tells_what_stages_warn_of():
    outcome = Outcome("texts", datetime(2026, 11, 29, tzinfo=UTC))
    outcome.view.stage("count").warnings = ["no word\nwas found"]
    outcome.end([], "done", elapsed_s=1.0)
    assert "Warnings:\n\n- count: no word was found\n" in step_summary(outcome)


@pytest.mark.parametrize("option", ["--junit", "--summary"])
def test_a_file_that_can_not_be_written_is_told_before_anything_runs(place, option):
    ended = place.call("run", "texts.yaml", option, "in")
    assert ended.returncode == 2
    assert f"the file of {option} can't be written" in ended.stderr
    assert not (place.folder / ".flowbutton").exists()
