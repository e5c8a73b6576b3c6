"""Runs of a pipeline that ships, as a user starts them, and the scripts that hold results against reference answers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import warm

ROOT = Path(__file__).resolve().parent.parent.parent
RUN_S = 1800.0


@dataclass(frozen=True)
class PipelineRun:
    """A store and results folder for runs of one pipeline over the dataset in ``data``."""

    pipeline: ClassVar[str]
    folder: Path
    data: Path

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def start(
        self, given: Mapping[str, object], options: Sequence[str] = (), expect: int = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run the pipeline with the params ``given``; ``expect`` is the exit code that the test wants."""
        command = ["run", str(ROOT / "pipelines" / f"{self.pipeline}.yaml")]
        command += ["--store", str(self.folder / "store"), "--results", str(self.results), *options]
        for name, value in given.items():
            command += ["-p", f"{name}={value}"]
        done = warm.call(command, self.folder, os.environ, timeout_s=RUN_S)
        assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done

    def call(self, *words: str) -> str:
        """Call another command in the folder; return what it says."""
        command = [sys.executable, "-m", "flowbutton", *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=self.folder, check=True).stdout

    def published(self) -> dict[str, bytes]:
        """Return the files of the results by their names, but for notes of the engine's own."""
        files = (place for place in self.results.rglob("*") if place.is_file() and not place.name.startswith("."))
        return {str(place.relative_to(self.results)): place.read_bytes() for place in files}

    def hold(self, shared: Path, answer: Path, *arguments: str) -> str:
        """Hold results against a reference answer by the domain's own script; return what it says."""
        command = [sys.executable, str(shared / "check" / f"{self.pipeline}.py"), "--expect", str(answer), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
