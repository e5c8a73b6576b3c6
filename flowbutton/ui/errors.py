"""How errors print: what, why, hint and where; problems of a pipeline file as ``file:line:column``.

Here: the only place that turns errors into text for people, and the wall that everything else ends at.
Not here: what an exit code means (`ui.exits`). Imports `flowbutton.model`, click.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from flowbutton import __version__
from flowbutton.model.errors import FlowbuttonError, Problem, SpecError
from flowbutton.ui.exits import Exit, exit_of
from flowbutton.ui.usage import usage_text

GOES_ON = "Finished tasks are kept: the same command goes on from there"
"""What ends the last line of a run that was stopped."""

_LINE = ("file", "line", "column")
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # as YAML counts lines
_VISIBLE = {"\t": "→"}
_WIDTH = 100  # of the line that is shown; of a longer one, the part around the column


class Unread(Exception):
    """Whoever read the output has left, as ``| head`` does."""


def show(error: FlowbuttonError) -> str:
    """Write an error for people: what, then why, where and hint on lines of their own."""
    if isinstance(error, SpecError):
        return "\n".join([*(show_problem(problem) for problem in error.problems), f"error: {error.what}"])
    rows = {"why": error.why, "where": show_place(error.where), "hint": error.hint}
    return f"error: {error.what}{_rows(rows)}"


def show_problem(problem: Problem) -> str:
    """Write a problem of a pipeline file: ``file:line:column: at: what``, then the line with a mark under the column.

    One of no file has its origin instead.
    """
    place = ":".join(str(problem.where[name]) for name in _LINE if name in problem.where)
    rest = [str(value) for name, value in problem.where.items() if name not in _LINE]
    head = ": ".join(part for part in (place, *rest, problem.what) if part)
    return head + excerpt(problem.where) + _rows({"why": problem.why, "hint": problem.hint})


def excerpt(where: Mapping[str, str | int]) -> str:
    """Return the line that ``where`` names and a mark under its column; nothing where the file can't be read."""
    if not {*_LINE} <= {*where}:
        return ""
    try:
        text = Path(str(where["file"])).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return ""
    number, column = int(where["line"]), int(where["column"])
    lines = _BREAK.split(text)
    if number > len(lines) or not lines[number - 1].strip():
        return ""
    line = "".join(_VISIBLE.get(char, char if char.isprintable() else "�") for char in lines[number - 1])
    begin = max(0, column - 1 - _WIDTH * 3 // 4) if len(line) > _WIDTH else 0
    shown = ("…" if begin else "") + line[begin : begin + _WIDTH] + ("…" if begin + _WIDTH < len(line) else "")
    mark = " " * (column - 1 - begin + bool(begin)) + "^"
    return f"\n  {number} | {shown}\n  {' ' * len(str(number))} | {mark}"


def show_place(where: Mapping[str, str | int]) -> str:
    """Write a place: ``reads.fastq, record 48,112, byte 9,437,184``, or ``file:line:column``."""
    place = ":".join(str(where[name]) for name in _LINE if name in where)
    rest = [f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}" for name, value in _others(where)]
    return ", ".join(part for part in (place, *rest) if part)


def _others(where: Mapping[str, str | int]) -> list[tuple[str, str | int]]:
    return [(name.replace("_", " "), value) for name, value in where.items() if name not in _LINE]


def _rows(rows: Mapping[str, str]) -> str:
    return "".join(f"\n  {name + ':':6} {text}" for name, text in rows.items() if text)


def complain(text: str) -> None:
    """Print to standard error; in red on a terminal, unless NO_COLOR is set."""
    _print(text, "red")


def warn(problem: Problem) -> None:
    """Print a problem that does not stop anything."""
    _print(f"warning: {show_problem(problem)}", "yellow")


def _print(text: str, colour: str) -> None:
    """Print to standard error, where a terminal shows what is said in colour, and the details under it plainly."""
    lines = (line if line.startswith("  ") else click.style(line, fg=colour) for line in text.splitlines())
    click.echo("\n".join(lines), err=True, color=False if os.environ.get("NO_COLOR") else None)


def tell_raised(error: BaseException) -> Exit:
    """Print what a stage's function raised, with its traceback; return the exit code."""
    from flowbutton.worker.entry import classify

    traceback.print_exception(error)
    told = classify(error)
    complain(show(told))
    return exit_of(told)


def guarded(action: Callable[[], int]) -> int:
    """Run a command; return its exit code. This is the CLI's wall: whatever is raised is told here."""
    try:
        return action()
    except FlowbuttonError as error:
        complain(show(error))
        return exit_of(error)
    except click.ClickException as error:
        complain(usage_text(error))
        return Exit.USAGE
    except (KeyboardInterrupt, click.Abort):
        complain(f"stopped. {GOES_ON}")
        return Exit.INTERRUPTED
    except Unread:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.UNREAD
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        complain(f"error: the system refused{place}: {error.strerror or error}\n  trace: {_keep_traceback()}")
        return Exit.FAILED
    except Exception as error:  # noqa: BLE001  The wall.
        complain(
            f"error: a fault of flowbutton itself: {type(error).__name__}: {error}\n"
            f"  why:   this is a bug, not yours; finished tasks are kept\n"
            f"  hint:  report it with the file {_keep_traceback()}"
        )
        return Exit.INTERNAL


def _keep_traceback() -> Path:
    """Write the present exception's traceback, and what it ran on, to a file of its own."""
    fd, name = tempfile.mkstemp(prefix="flowbutton-fault-", suffix=".txt")
    with os.fdopen(fd, "w", encoding="utf-8") as sink:
        sink.write(f"flowbutton {__version__}, Python {sys.version}, {sys.platform}\n")
        sink.write(f"{datetime.now(UTC).isoformat()} {sys.argv}\n\n{traceback.format_exc()}")
    return Path(name)
