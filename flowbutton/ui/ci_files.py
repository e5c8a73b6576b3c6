"""What CI reads of a run: JUnit XML and a step summary in Markdown.

Here: the texts, pure, and writing them. JUnit: a testcase per stage, by the schema that Jenkins and GitLab read
(https://github.com/windyroad/JUnit-Schema). Step summary: GitHub's, to which steps append.
Imports `flowbutton.model`, `ui`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from flowbutton.model.errors import FlowbuttonError, OptionError
from flowbutton.model.units import counted, show_bytes
from flowbutton.ui.errors import show
from flowbutton.ui.failures import Told, failure_text
from flowbutton.ui.view import RunView, StageView
from flowbutton.ui.words import shown_time

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SHOWN_FAILURES = 10


@dataclass(slots=True)
class Outcome:
    """What came of a command ``run``; until it is told, it was stopped. No stage is to blame for its ``error``."""

    pipeline: str
    began: datetime
    view: RunView = field(default_factory=RunView)
    elapsed_s: float = 0.0
    line: str = "stopped before its end"
    errors: Sequence[Told] = ()
    error: str = "it was stopped before its end"
    kind: str = "stopped"

    def end(self, errors: Sequence[Told], line: str, *, elapsed_s: float) -> None:
        """Take in how the run ended by itself."""
        self.errors, self.line, self.error, self.elapsed_s = errors, line, "", elapsed_s

    def end_with(self, error: FlowbuttonError) -> None:
        """Take in an error that ended the run, or kept it from beginning."""
        self.error, self.kind, self.line = show(error), type(error).__name__, f"failed: {error.what}"


@dataclass(frozen=True, slots=True)
class CiFiles:
    """Which files to write."""

    junit: Path | None
    summary: Path | None

    def check(self) -> None:
        """Make their folders, before anything runs for hours.

        Raises:
            OptionError: one of them can't be written.
        """
        for option, place in (("--junit", self.junit), ("--summary", self.summary)):
            if place is not None:
                _check(option, place)

    def write(self, outcome: Outcome) -> None:
        """Write them: the JUnit file anew, the summary at the end of what is there."""
        if self.junit is not None:
            self.junit.write_bytes(junit(outcome))
        if self.summary is not None:
            with self.summary.open("a", encoding="utf-8") as file:
                file.write(step_summary(outcome))


def _check(option: str, place: Path) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        usable = not place.is_dir() and os.access(place if place.exists() else place.parent, os.W_OK)
        why = "" if usable else "it is a folder" if place.is_dir() else "it is not allowed"
    except OSError as error:
        usable, why = False, error.strerror or ""
    if not usable:
        raise OptionError(f"the file of {option} can't be written", why=why, hint="name another file", file=str(place))


def junit(outcome: Outcome) -> bytes:
    """Return JUnit XML: a testcase per stage; what ended the run beside its stages is a testcase called 'run'."""
    cases = [*_cases(outcome)]
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": str(sum(case.find("error") is not None for case in cases)),
        "skipped": str(sum(case.find("skipped") is not None for case in cases)),
        "time": f"{outcome.elapsed_s:.3f}",
    }
    root = Element("testsuites", {"name": "flowbutton", **counts})
    stamp = outcome.began.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    suite = SubElement(root, "testsuite", {"name": _clean(outcome.pipeline), "timestamp": stamp, **counts})
    properties = SubElement(suite, "properties")
    SubElement(properties, "property", {"name": "run", "value": outcome.view.run})
    suite.extend(cases)
    indent(root)
    data: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


def _cases(outcome: Outcome) -> Iterator[Element]:
    failed: dict[str, list[Told]] = {}
    for told in outcome.errors:
        failed.setdefault(told["stage"], []).append(told)
    for stage in outcome.view.stages.values():
        case = _case(outcome, stage.name, stage.elapsed_s)
        if stage.name in failed:
            found = failed[stage.name]
            _add(case, "failure", _message(found), found[0]["class"], _report(found))
        elif not stage.finished:
            SubElement(case, "skipped", {"message": f"it did not finish: {_progress(stage)}"})
        yield case
    if outcome.error:
        case = _case(outcome, "run", outcome.elapsed_s)
        _add(case, "error", outcome.line, outcome.kind, outcome.error)
        yield case


def _case(outcome: Outcome, name: str, time_s: float) -> Element:
    return Element("testcase", {"classname": _clean(outcome.pipeline), "name": name, "time": f"{time_s:.3f}"})


def _add(case: Element, tag: str, message: str, kind: str, text: str) -> None:
    SubElement(case, tag, {"message": _clean(message), "type": kind}).text = _clean(text)


def _clean(text: str) -> str:
    """Replace what XML can't hold: logs may have anything in them."""
    return _NO_XML.sub("\ufffd", text)


def _message(failures: Sequence[Told]) -> str:
    more = f" ({counted(len(failures) - 1, 'other task')} failed too)" if len(failures) > 1 else ""
    return f"{failures[0]['what']}: {failures[0]['why']}{more}"


def _report(failures: Sequence[Told]) -> str:
    return "\n\n".join(failure_text(told) for told in failures[:_SHOWN_FAILURES])


def _progress(stage: StageView) -> str:
    return f"{stage.completed} of {'?' if stage.expected is None else stage.expected} tasks are done"


def step_summary(outcome: Outcome) -> str:
    """Return Markdown: how it ended, a table of stages, the outputs, what stages warn of, the first failure."""
    rows = [f"### {_cell(outcome.pipeline)}: {_cell(outcome.line)}", ""]
    if outcome.view.stages and not outcome.view.nothing:
        rows += _table(
            ("stage", "tasks", "reused", "failed", "elapsed"),
            [
                (
                    stage.name,
                    str(stage.completed),
                    str(stage.reused or ""),
                    str(stage.failed or ""),
                    shown_time(stage.elapsed_s) if stage.done else "",
                )
                for stage in outcome.view.stages.values()
                if stage.begun
            ],
        )
    if outcome.view.outputs:
        rows += _table(("output", "size", "digest"), [_output(item) for item in outcome.view.outputs])
    warnings = [f"- {stage.name}: {_cell(text)}" for stage in outcome.view.stages.values() for text in stage.warnings]
    if warnings and not outcome.view.nothing:
        rows += ["Warnings:", "", *warnings, ""]
    report = outcome.error or (failure_text(outcome.errors[0]) if outcome.errors else "")
    if report:
        rows += ["````text", report, "````", ""]  # four, since a log may hold a line of three
    return "\n".join(rows) + "\n"


def _output(item: Mapping[str, Any]) -> tuple[str, ...]:
    return str(item["name"]), show_bytes(int(item["bytes"])), f"`{str(item['digest'])[:16]}`"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines] + [""]


def _cell(text: str) -> str:
    """Make a text fit for a table's cell."""
    return text.replace("|", "\\|").replace("\n", " ")
