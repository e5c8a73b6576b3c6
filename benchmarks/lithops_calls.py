"""What a task costs as a function, against a bare `lithops.FunctionExecutor.map` that does the same, in one run.

Both read a file and write one durably (synced, renamed) per task. Ours, one task per call: `LithopsExecutor` alone,
with its process per call, signs of life and check of versions. Ours, a run: the whole engine with its store, task
records and batches, over as many tasks. Each measurement is a process of its own; its CPU time, with that of all that
it started, and its wall time are compared. Rounds alternate; medians are told.

    python benchmarks/lithops_calls.py [--tasks 24] [--rounds 3] [--version 2] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from flowbutton.model.executor import Call, Emit, Raised, Returned

WORKERS = 2


def step(number: int, folder: str) -> int:
    """Do what a task does: read a file, write one durably."""
    value = (Path(folder) / "in").read_text()
    fresh = Path(folder) / f"out-{number}.tmp"
    with fresh.open("w") as file:
        file.write(f"{value}{number:0200d}")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(fresh.with_suffix(""))
    return number


def carried(payload: bytes, emit: Emit) -> bytes:
    """The same, as an executor carries it."""
    del emit
    number, folder = payload.decode().split(" ", 1)
    return b"%d" % step(int(number), folder)


def peer(folder: Path, count: int) -> None:
    """Run the steps by Lithops alone."""
    from flowbutton.executors.lithops_backend import lithops_home

    os.environ["TMPDIR"] = str(lithops_home())  # a folder of its own, as ours has
    import lithops

    with lithops.FunctionExecutor(log_level=None) as functions:
        found = functions.get_result(functions.map(step, [(number, str(folder)) for number in range(count)]))
    assert found == list(range(count))


def calls(folder: Path, count: int) -> None:
    """Run the steps by our executor, a call for each."""
    from flowbutton.executors.lithops import LithopsExecutor

    executor = LithopsExecutor(carried, slots=WORKERS)
    executor.submit([Call(number, f"{number} {folder}".encode(), 1 << 20, None) for number in range(count)])
    answers: set[int] = set()
    while len(answers) < count:
        for event in executor.events(1.0):
            assert not isinstance(event, Raised), event
            if isinstance(event, Returned):
                answers.add(int(event.answer))
    executor.close()


def pipeline(folder: Path, count: int) -> None:
    """Run as many tasks and two, in two stages, by the engine, which keeps a record and a result of each."""
    file = folder / "tiny.yaml"
    file.write_text(PIPELINE)
    command = [sys.executable, "-m", "flowbutton", "run", str(file), "-q", "-p", f"count={count // 2}"]
    command += ["--executor", "lithops", "--workers", str(WORKERS)]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


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
KINDS = {"peer": peer, "calls": calls, "pipeline": pipeline}


def measure(kind: str, count: int, config: Path) -> tuple[float, float]:
    """Return CPU and wall seconds of one measurement in a process of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        (Path(folder) / "in").write_text("in ")
        command = [sys.executable, __file__, "--one", kind, "--tasks", str(count), "--folder", folder]
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        subprocess.run(command, check=True, env={**os.environ, "LITHOPS_CONFIG_FILE": str(config), "TMPDIR": folder})
        wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def compare(options: argparse.Namespace) -> None:
    """Run all in turn, print ratios and write them as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "lithops.yaml"
        local = {"version": options.version, "runtime": sys.executable, "worker_processes": WORKERS}
        config.write_text(
            json.dumps(
                {"lithops": {"backend": "localhost", "storage": "localhost", "data_cleaner": False}, "localhost": local}
            )
        )
        rounds = [{kind: measure(kind, options.tasks, config) for kind in KINDS} for _ in range(options.rounds)]
    told: dict[str, float] = {"tasks": options.tasks, "version": options.version}
    for kind in ("calls", "pipeline"):
        for place, what in enumerate(("cpu", "wall")):
            ratio = statistics.median(row[kind][place] / row["peer"][place] for row in rounds)
            told[f"{kind}_{what}_to_peer"] = round(ratio, 3)
    for kind in KINDS:
        told[f"{kind}_cpu_s"] = round(statistics.median(row[kind][0] for row in rounds), 2)
    print("\n".join(f"{name:>22}: {value}" for name, value in told.items()))
    if options.json:
        options.json.write_text(json.dumps(told, indent=2) + "\n")


def main() -> None:
    """Compare, or do one measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--version", type=int, default=2, choices=(1, 2), help="of Lithops' localhost backend")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        KINDS[options.one](options.folder, options.tasks)
    else:
        compare(options)


if __name__ == "__main__":
    here = str(Path(__file__).parent)
    if here not in os.environ.get("PYTHONPATH", ""):  # workers import the functions above from this file's folder
        sys.exit(subprocess.call([sys.executable, *sys.argv], env={**os.environ, "PYTHONPATH": here}))
    import lithops_calls  # functions of __main__ would travel by value on one side only

    lithops_calls.main()
