"""A folder with a small pipeline and its stages, and the real command run in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import warm

PIPELINE = """\
flowbutton: 1
name: texts
params:
  files: {type: uri, default: "in/*.txt"}
  gate: {type: string, default: ""}
  waits: {type: bool, default: false}
sources:
  files: {partitioner: whole, from: "${params.files}"}
stages:
  count: {uses: "texts:count", for_each: {file: files}}
  total: {uses: "texts:add", gather: {parts: count}}
  wait:
    uses: "texts:wait"
    for_each: {file: files}
    share: {after: total}
    with: {gate: "${params.gate}"}
    when: "${params.waits}"
  waited: {uses: "texts:add", gather: {parts: wait}}
outputs:
  total.json: total
  waited.json: waited
profiles:
  one: {executor: serial, results: of_profile}
"""


class Place:
    """A working folder, and the command run there as people run it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gate = folder / "gate"
        self.started: list[subprocess.Popen[str]] = []
        (folder / "in").mkdir()
        self.write("in/a.txt", "one two three\n")
        self.write("in/b.txt", "four\n")
        self.write("texts.yaml", PIPELINE)
        shutil.copy(Path(__file__).with_name("texts.py"), folder)
        self.env = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
        self.env["XDG_CONFIG_HOME"] = str(folder / "config")

    def write(self, name: str, text: str) -> Path:
        """Write a file of the folder."""
        place = self.folder / name
        place.write_text(text)
        return place

    def command(self, *arguments: str) -> list[str]:
        """Return the command line; ``python -m`` finds the same program as the script."""
        return [sys.executable, "-m", "flowbutton", *arguments]

    def call(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        return warm.call(arguments, self.folder, {**self.env, **(env or {})})

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command in a process group of its own; it is killed with the test, if it lives that long."""
        started = subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.started.append(started)
        return started

    def start_waiting(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a run whose stage 'wait' is at work until `gate` exists; all that comes before it is done."""
        started = self.start("run", "texts.yaml", "-p", "waits=true", "-p", f"gate={self.gate}", *arguments)
        assert started.stdout is not None
        seen = ""
        while "wait: started" not in seen:
            line = started.stdout.readline()
            assert line, seen + (started.stderr.read() if started.stderr else "")
            seen += line
        return started


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A working folder with a small pipeline."""
    made = Place(tmp_path)
    yield made
    for started in made.started:
        started.kill()
        started.communicate()
