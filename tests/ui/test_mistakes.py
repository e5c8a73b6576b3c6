"""What is told of mistakes, to the letter: each case is a session of a user, with all that was printed.

A case is a file under `mistakes/`: a title, the files of the working folder, and the session. Lines of it that begin
with ``$`` are commands; ``$ flowbutton`` is called in this process, all else by a shell. `files/` is there in every
case. ``FLOWBUTTON_GOLDEN=write pytest tests/ui/test_mistakes.py`` writes the sessions and `docs/errors.md` anew.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from unprivileged import unprivileged

from flowbutton.stores.s3_client import client_for
from flowbutton.stores.s3_places import S3Access
from flowbutton.ui.cli import call

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).with_name("mistakes")
CASES = sorted(HERE.glob("*/*.txt"))
WRITE = os.environ.get("FLOWBUTTON_GOLDEN") == "write"
assert not (WRITE and "CI" in os.environ), "goldens are read by people before they are kept"
SESSION = "session"
PAGE = ROOT / "docs/errors.md"
INTRODUCTION = """\
# Errors, looked up
What flowbutton says of mistakes, word for word: the page is made of the tests that hold these words. A problem of a
pipeline file has its place (`file:line:column`), where that is in the YAML, what is wrong, the line with a mark under
the column, and, where they are known, why and what to write instead. All problems of a file, its params and its graph
are told at once, sorted by line; what only follows of another problem is not told.

Where no command is shown it is `flowbutton validate mine.yaml`, and where no exit code is shown it is
[2](cli.md#exit-codes).
"""
GROUPS = {
    "yaml": ("YAML", "The text is no YAML, or more YAML than is good for it."),
    "keys": ("Keys", "What a pipeline file, a stage, a source, a param may say, and must."),
    "names": ("Names", "Of stages, sources, functions, options, and whatever else has one."),
    "values": ("Values", "Numbers, amounts, times, and words that are one of a few."),
    "params": ("Params", "Declared in the file, given by `-p` or `--params-file`."),
    "placeholders": ("Placeholders", "`${params.NAME}` and `${env:NAME}`."),
    "arguments": ("Arguments", "What is bound to a stage's function by `for_each`, `gather` and `share`."),
    "commands": ("Commands", "Stages that run a program."),
    "outputs": ("Outputs", "The names under which results are published."),
    "code": ("Code", "Of stages, and the libraries that it needs."),
    "inputs": ("Inputs and folders", "Data that are not there, not readable, or not what they should be."),
    "s3": ("S3", "Asked of a server that has the bucket `lab-data`; most of it can happen to a `--store`, too."),
    "command-line": ("The command line", ""),
    "fine": ("No mistakes", "What looks odd and is right."),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One mistake: what it is, the files that it needs, and what a user sees."""

    title: str
    files: dict[str, str]
    session: str

    @classmethod
    def read(cls, place: Path) -> Case:
        """Read a case's file."""
        title, *sections = re.split(r"^--- (.+)\n", place.read_text(encoding="utf-8"), flags=re.MULTILINE)
        parts = dict(zip(sections[::2], sections[1::2], strict=True))
        return cls(title.strip(), {name: text for name, text in parts.items() if name != SESSION}, parts[SESSION])

    def text(self) -> str:
        """Return the text of the case's file."""
        sections = "".join(f"--- {name}\n{text}" for name, text in {**self.files, SESSION: self.session}.items())
        return f"{self.title}\n{sections}"

    def commands(self) -> list[str]:
        """Return the commands of the session."""
        return [line.removeprefix("$ ") for line in self.session.splitlines() if line.startswith("$ ")]


def play(case: Case, folder: Path) -> str:
    """Do what the user did, in ``folder``, and return the session."""
    shutil.copytree(HERE / "files", folder, dirs_exist_ok=True)
    for name, text in case.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    told = ""
    for command in case.commands():
        words = shlex.split(command)
        code, said = inside(words[1:], folder) if words[0] == "flowbutton" else outside(command, folder)
        told += f"$ {command}\n{clean(said, folder)}" + (f"[exit {code}]\n" if code else "")
    return told


def inside(arguments: list[str], folder: Path) -> tuple[int, str]:
    """Call the command in this process, and leave the process as it was."""
    said = io.StringIO()
    path, modules, env = [*sys.path], {*sys.modules}, dict(os.environ)
    terminate = signal.getsignal(signal.SIGTERM)
    os.environ.pop("PYTHONPATH", None)
    os.environ |= {"COLUMNS": "100", "SECRET": "12"}
    try:
        with (
            contextlib.chdir(folder),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
            unprivileged(),
        ):
            return call(arguments), said.getvalue()
    finally:
        signal.signal(signal.SIGTERM, terminate)
        sys.path[:] = path
        os.environ.clear()
        os.environ.update(env)
        for name in {*sys.modules} - modules:
            if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]


def outside(command: str, folder: Path) -> tuple[int, str]:
    """Call a command by a shell, in an environment without the modules of this checkout's tests."""
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "FORCE_COLOR")}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    ended = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=300, check=False,
    )  # fmt: skip
    return ended.returncode, ended.stdout


def clean(said: str, folder: Path) -> str:
    """Return what was said without what differs from machine to machine and from day to day."""
    said = said.replace(str(folder), "/home/me/words").replace(str(ROOT), "/flowbutton")
    said = re.sub(r"\b\d{8}-\d{6}-\w+", "20260101-120000-abcd", said)
    said = re.sub(r"\bin \d+(\.\d+)? m?s\b", "in 0.1 s", said)
    said = re.sub(r"\b[0-9a-f]{32}\b", "0123456789abcdef0123456789abcdef", said)
    return "".join(f"{line.rstrip()}\n" for line in said.splitlines())


@pytest.mark.parametrize(
    "place",
    [place for place in CASES if place.parent.name != "s3"],
    ids=lambda place: f"{place.parent.name}/{place.stem}",
)
def test_a_mistake_is_told_in_these_words(place: Path, tmp_path: Path) -> None:
    _is_told(place, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("place", [place for place in CASES if place.parent.name == "s3"], ids=lambda place: place.stem)
def test_a_mistake_with_s3_is_told_in_these_words(place: Path, tmp_path: Path, s3: str) -> None:
    del s3  # the variables of a server
    client_for(S3Access()).create_bucket(Bucket="lab-data")
    _is_told(place, tmp_path)


def _is_told(place: Path, folder: Path) -> None:
    case = Case.read(place)
    told = play(case, folder)
    assert "Traceback" not in told
    assert "fault of flowbutton" not in told
    if WRITE:
        place.write_text(Case(case.title, case.files, told).text(), encoding="utf-8")
    assert WRITE or told == case.session


def test_the_page_of_errors_is_current() -> None:
    text = page()
    if WRITE:
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text


def test_every_group_of_mistakes_is_on_the_page() -> None:
    assert {place.parent.name for place in CASES} == {*GROUPS}


def page() -> str:
    """Return `docs/errors.md`: every case, in groups, shortened to what differs."""
    text = INTRODUCTION
    for group, (title, about) in GROUPS.items():
        text += f"\n## {title}\n{about}\n"
        for case in (Case.read(place) for place in CASES if place.parent.name == group):
            text += f"\n### {case.title}\n```text\n{shortened(case.session)}```\n"
    return text


def shortened(session: str) -> str:
    """Return a session without what is the same in most."""
    lines = session.splitlines()
    if lines[0] == "$ flowbutton validate mine.yaml":
        lines = lines[1:]
    return "".join(f"{line}\n" for line in lines if line not in ("error: the pipeline has 1 problem", "[exit 2]"))
