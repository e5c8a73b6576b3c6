"""A driver in a process of its own, to be killed: ``python driver.py '{"folder": ..., "store": ..., ...}'``.

It runs ``pipeline.yaml`` of the folder. ``die_at`` n: it kills itself with SIGKILL when its n-th event was written.
``die_publishing`` n: when it is about to send its n-th request that writes to S3; -n: when that was answered.
The exit code is 0 for a run that is done, 3 for any other status, 4 for an error, 130 for Ctrl-C.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import HERE, Bench

from flowbutton.engine.journal import read_events
from flowbutton.engine.run import Report, Status
from flowbutton.model.errors import FlowbuttonError
from flowbutton.stores.s3_client import client_for
from flowbutton.stores.s3_places import S3Access


@dataclass(frozen=True, slots=True)
class Driver:
    """A running driver process, and the folder that it works in."""

    bench: Bench
    process: subprocess.Popen[str]

    def wait(self, timeout_s: float = 300) -> int:
        """Return the exit code; what it said on its standard error goes to the test's output."""
        try:
            sys.stderr.write(self.process.communicate(timeout=timeout_s)[1])
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        return self.process.returncode


def start(bench: Bench, text: str, *, env: Mapping[str, str] | None = None, **options: Any) -> Driver:
    """Start a driver on a bench."""
    fresh = bench.folder / f"pipeline-{uuid.uuid4().hex}.yaml"
    fresh.write_text(text)
    fresh.replace(bench.folder / "pipeline.yaml")  # at once: another driver may be about to read it
    told = json.dumps({"folder": str(bench.folder), "executor": "processes", "workers": 2, **options})
    process = subprocess.Popen(
        [sys.executable, str(HERE / "driver.py"), told],
        env={**os.environ, "PYTHONPATH": str(HERE), **(env or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=bench.folder,
    )
    return Driver(bench, process)


def until(condition: Callable[[], object], *, timeout_s: float = 300.0) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.005)


def runs(bench: Bench) -> list[Path]:
    """Return the run folders, oldest first by their first event."""
    folders = [place for place in (bench.folder / ".flowbutton" / "runs").iterdir() if place.is_dir()]
    kept = [place for place in folders if not place.is_symlink()]
    return sorted(kept, key=lambda place: (place / "spec.yaml").stat().st_mtime_ns)


def events(folder: Path) -> list[dict[str, Any]]:
    """Return a run's events."""
    return read_events(folder)


def traced(folder: Path, status: str) -> list[str]:
    """Return the fingerprints of a run's tasks of one status."""
    lines = [line.split("\t") for line in (folder / "trace.tsv").read_text().splitlines()[1:]]
    return [line[3] for line in lines if len(line) > 4 and line[4] == status]


def main(options: dict[str, Any]) -> int:
    """Run as told; return the exit code."""
    bench = Bench(Path(options.pop("folder")))
    die_at = options.pop("die_at", 0)
    params = options.pop("params", {})
    _die_publishing(options.pop("die_publishing", 0))
    count = 0

    def listen(_kind: str, _fields: dict[str, Any]) -> None:
        nonlocal count
        count += 1
        if count == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    text = (bench.folder / "pipeline.yaml").read_text()
    try:
        report: Report = bench.run(text, settings={**options, "listeners": [listen]}, **params)
    except FlowbuttonError as error:
        print(error, file=sys.stderr)
        return 4
    except KeyboardInterrupt:
        return 130
    return 0 if report.status is Status.DONE else 3


def _die_publishing(number: int) -> None:
    """Make the one client of S3 that publishes deadly; 0: let it be."""
    if number == 0:
        return
    count = 0

    def die(model: Any, **_: Any) -> None:
        nonlocal count
        count += model.name not in ("GetObject", "HeadObject", "ListObjectsV2")
        if count == abs(number):
            os.kill(os.getpid(), signal.SIGKILL)

    events = client_for(S3Access()).meta.events
    events.register("before-call.s3" if number > 0 else "after-call.s3", die)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
