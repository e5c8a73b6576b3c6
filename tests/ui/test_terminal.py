"""What a terminal sees: bars, colours, and that NO_COLOR is honoured; what a pipe sees in a long silence."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import threading
from contextlib import suppress

import pytest
from rich.console import Console

from flowbutton.ui.bars import state_text
from flowbutton.ui.tables import print_table
from flowbutton.ui.view import StageView
from flowbutton.ui.watch import Lines

_COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7]m|\x1b\[[0-9;]*38;")


def on_terminal(place, *arguments: str, **env: str) -> tuple[int, str]:
    """Run the command with a terminal as its output; return its exit code and all that it drew."""
    driver, terminal = pty.openpty()
    wide = {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    with subprocess.Popen(
        place.command(*arguments), cwd=place.folder, env={**place.env, **wide, **env}, stdout=terminal, stderr=terminal
    ) as started:
        os.close(terminal)
        drawn = b""
        with suppress(OSError):  # Linux: EIO when the last writer has left
            while data := os.read(driver, 65536):
                drawn += data
        os.close(driver)
    return started.returncode, drawn.decode()


def plain_of(drawn: str) -> str:
    """Return what was drawn as lines without escapes; a line that was drawn over stands before its successor."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn).replace("\r", "\n").lstrip("\n")


@pytest.mark.parametrize("executor", ["processes", "serial"])
def test_a_terminal_gets_a_bar_per_stage(place, executor):
    code, drawn = on_terminal(place, "run", "texts.yaml", "--executor", executor)
    assert code == 0, drawn
    plain = plain_of(drawn)
    assert plain.startswith("texts: results in results, store .flowbutton, run ")
    for stage, tasks in {"files": 2, "count": 2, "total": 1}.items():
        assert re.search(rf"^{stage} +━+ {tasks}/{tasks}, [\d.]+ m?s\s*$", plain, re.MULTILINE), plain
    assert "\x1b[?25h" in drawn  # the cursor is shown again


def test_a_bar_tells_reused_and_failed(place):
    place.call("run", "texts.yaml")
    place.write("in/bad.txt", "refuse\n")
    code, drawn = on_terminal(place, "run", "texts.yaml")
    assert code == 1
    plain = plain_of(drawn)
    assert re.search(r"^count +[━╸╺]+ 2/[3?], 2 reused, 1 failed", plain, re.MULTILINE), plain
    assert "count: failed: the stage's code raised ValueError" in plain


def test_no_color_is_honoured(place):
    place.write("in/bad.txt", "refuse\n")
    assert _COLOUR.search(on_terminal(place, "run", "texts.yaml")[1])
    assert not _COLOUR.search(on_terminal(place, "run", "texts.yaml", NO_COLOR="1")[1])


def test_lines_do_not_stay_silent_while_tasks_run(tmp_path):
    said: list[str] = []
    heard = threading.Event()

    def out(line: str) -> None:
        said.append(line)
        if "running" in line:
            heard.set()

    (tmp_path / "plan.json").write_text('{"stages": [{"name": "align", "tasks": 3}]}')
    with Lines(out, "demo", silence_s=0.02) as lines:
        lines("planned", {"run": "r1", "folder": str(tmp_path), "nothing": False})
        lines("started", {"call": 1, "stage": "align"})
        assert heard.wait(300)
    told = [line for line in said if line != "demo" and not line.endswith("waiting")]  # whom that makes wait, it tells
    assert told[0] == "demo, run r1"
    assert told[1].endswith("align: started, 3 tasks")
    assert said[-1].endswith("running: align 0/3 (1 at work)")


def test_the_first_line_says_where_results_and_store_are_also_when_planning_takes_long():
    said: list[str] = []
    heard = threading.Event()

    def out(line: str) -> None:
        said.append(line)
        if line.endswith("waiting"):
            heard.set()

    with Lines(out, "demo: results in results, store .flowbutton", silence_s=0.02):
        assert heard.wait(300)
    assert said[0] == "demo: results in results, store .flowbutton"
    assert said[1].endswith("waiting")


def test_a_bar_tells_what_runs_how_fast_and_how_long_still():
    stage = StageView("align", expected=40, done=10, reused=4, failed=1, running={1, 2}, first_s=100.0, last_s=105.0)
    assert state_text(stage, 105.0) == "14/40, 4 reused, 2 running, 1 failed, 2.0/s, 13.0 s left"
    stage.done, stage.reused = 1, 0
    assert state_text(stage, 160.0) == "1/40, 2 running, 1 failed, 1.0/min, 39 m 00 s left"
    stage.expected, stage.done = None, 0
    assert state_text(stage, 160.0) == "0/?, 2 running, 1 failed"
    stage.finished, stage.running, stage.done, stage.failed = True, set(), 40, 0
    stage.expected = 40
    assert state_text(stage, 999.0) == "40/40, 5.0 s"


@pytest.mark.parametrize(
    ("width", "first"),
    [
        (100, "stage                    tasks  elapsed  records"),
        (44, "stage                    tasks  records"),
    ],
)
def test_a_narrow_terminal_gets_fewer_columns_and_whole_names(width: int, first: str) -> None:
    rows = [{"stage": "align.alignments by key", "tasks": "12", "elapsed": "1.2 s", "records": "4 reads in, 4 out"}]
    console = Console(width=width, file=io.StringIO())
    print_table(console, rows, first_to_go=("elapsed",), wraps="records")
    drawn = console.file.getvalue().splitlines()[0]
    assert drawn.rstrip() == first
