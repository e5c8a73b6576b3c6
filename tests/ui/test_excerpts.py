"""The line that is shown under a problem: the mark stands under the column, whatever the line is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowbutton.model.errors import Problem
from flowbutton.ui.errors import excerpt, warn


def marked(excerpt: str) -> str:
    """Return the character over the mark."""
    _, line, mark = excerpt.split("\n")
    assert line.index("|") == mark.index("|")
    return line[mark.index("^")]


@given(line=st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=400), data=st.data())
def test_the_mark_stands_under_the_column(
    tmp_path_factory: pytest.TempPathFactory, line: str, data: st.DataObject
) -> None:
    column = data.draw(st.integers(1, len(line)))
    file = tmp_path_factory.mktemp("excerpt") / "p.yaml"
    file.write_text(f"first\n{line}\n", encoding="utf-8")
    told = excerpt({"file": str(file), "line": 2, "column": column})
    if line.strip():
        shown = marked(told)
        assert shown == line[column - 1] or not line[column - 1].isprintable()
        assert all(len(part) < 120 for part in told.split("\n"))


def test_tabs_are_seen_and_line_ends_of_all_kinds_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_bytes(b"\xef\xbb\xbfa\r\nb\rc\n\tname: x\x07\n")
    assert excerpt({"file": str(file), "line": 4, "column": 2}) == "\n  4 | →name: x�\n    |  ^"
    assert excerpt({"file": str(file), "line": 2, "column": 1}) == "\n  2 | b\n    | ^"


@pytest.mark.parametrize(
    "where",
    [{}, {"file": "p.yaml"}, {"file": "no.yaml", "line": 1, "column": 1}, {"file": "p.yaml", "line": 9, "column": 1}],
)
def test_without_a_line_there_is_no_excerpt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: dict) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p.yaml").write_text("name: x\n")
    assert excerpt(where) == ""


def test_colours_are_for_terminals_and_not_with_no_color(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("name: x\n")
    problem = Problem("wrong", why="", hint="right", file=str(file), line=1, column=7)
    monkeypatch.delenv("NO_COLOR", raising=False)
    warn(problem)
    assert "\x1b" not in capsys.readouterr().err
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    warn(problem)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"\x1b[33mwarning: {file}:1:7: wrong\x1b[0m"
    assert not re.search("\x1b", "".join(lines[1:]))
    monkeypatch.setenv("NO_COLOR", "1")
    warn(problem)
    assert "\x1b" not in capsys.readouterr().err
