"""What the engine costs per task, against a bare `ProcessPoolExecutor` that does the same work, in one run.

N tasks make a small value, N tasks take one each, one task gathers: 2N + 1 tasks whose functions do next to nothing.
The peer's tasks read and write a file each (temporary file and rename), which is what remembering results costs at
least; with chunks of one and of 64. Rounds alternate; medians are compared. A second run of ours, which reuses
everything, is the cost of resuming.

    python benchmarks/engine.py [--tasks 1000] [--rounds 3] [--folder DIR] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from flowbutton.dag.pipeline import prepare, read_pipeline
from flowbutton.engine.run import run
from flowbutton.engine.settings import Settings
from flowbutton.stages.define import find_stage
from flowbutton.worker.context import partitioner_named
from flowbutton.worker.perform import Meter

PIPELINE = """
flowbutton: 1
name: tiny
params: {count: {type: int, default: 10}}
stages:
  numbers: {uses: "tiny:numbers", with: {count: "${params.count}"}}
  double: {uses: "tiny:double", for_each: {number: numbers}}
  text: {uses: "tiny:text", for_each: {value: double}}
  total: {uses: "tiny:total", gather: {parts: text}}
outputs: {total.json: total}
"""


def ours(folder: Path, count: int, workers: int) -> tuple[float, float, float, float]:
    """Return seconds of a first run, its driver's CPU seconds and growth in bytes, and seconds of a second run."""
    pipeline = read_pipeline(folder / "tiny.yaml", PIPELINE)
    settings = Settings(store=str(folder / "store"), results=folder / "results", workers=workers)
    told = []
    for _ in range(2):
        graph = prepare(
            pipeline,
            find_stage=find_stage,
            find_partitioner=partitioner_named,
            env=os.environ,
            cwd=folder,
            command_line={"count": str(count)},
        )
        before = Meter().stop(0, 0).peak_rss_bytes
        meter, cpu = Meter(), time.process_time()
        report = run(graph, settings, spec_text=PIPELINE)
        assert report.ran in (2 * count + 2, 0), report
        found = meter.stop(0, 0)
        told.append((found.wall_s, time.process_time() - cpu, found.peak_rss_bytes - before))
    return *told[0], told[1][0]


def step(folder: Path, name: str, number: int) -> int:
    """Do what a peer's task does: read a file, write one."""
    source = folder / f"in-{number}"
    value = int(source.read_text()) if source.exists() else number
    fresh = folder / f"{name}-{number}.tmp"
    fresh.write_text(f"{2 * value:0200d}")
    fresh.replace(folder / f"{name}-{number}")
    return value


def peer(folder: Path, count: int, workers: int, chunk: int) -> float:
    """Return seconds of the bare pool, started and stopped."""
    folder.mkdir()
    start = time.monotonic()
    with ProcessPoolExecutor(workers) as pool:
        for name in ("double", "text"):
            list(pool.map(partial(step, folder, name), range(count), chunksize=chunk))
    sum(int((folder / f"text-{n}").read_text()) for n in range(count))
    return time.monotonic() - start


def main() -> None:
    """Run all in turn, print a table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where stores and files are made: a tmpfs is the quieter medium")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            folder = Path(name)
            one = peer(folder / "one", options.tasks, options.workers, 1)
            many = peer(folder / "many", options.tasks, options.workers, 64)
            first, cpu, grown, again = ours(folder, options.tasks, options.workers)
            total = 2 * options.tasks + 2
            rows.append((first / one, first / many, first, again, cpu / total * 1e6, grown / total))
    middle = [statistics.median(column) for column in zip(*rows, strict=True)]
    names = (
        "ratio_to_chunk_1",
        "ratio_to_chunk_64",
        "first_run_s",
        "second_run_s",
        "driver_us_per_task",
        "driver_bytes_per_task",
    )
    told = {"tasks": 2 * options.tasks + 2, **{n: round(v, 3) for n, v in zip(names, middle, strict=True)}}
    print("\n".join(f"{name:>20}: {value}" for name, value in told.items()))
    if options.json:
        options.json.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    here = str(Path(__file__).parent)
    if here not in os.environ.get("PYTHONPATH", ""):  # workers import the stages above from this file's folder
        sys.exit(subprocess.call([sys.executable, *sys.argv], env={**os.environ, "PYTHONPATH": here}))
    main()
