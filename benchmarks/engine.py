"""What the engine costs per task, against a bare `ProcessPoolExecutor` that does the same work, in one run.

N tasks make a small value, N tasks take one each, one task gathers: 2N + 1 tasks whose functions do next to nothing
(and one more of ours, which makes the N items). The pool's tasks read and write a file each (temporary file and
rename), which is what remembering results costs at least; with chunks of one and of 64. Rounds alternate; medians are
compared, of wall time, and of the CPU time of all processes (ours with the second run), which others on the machine
sway less. A second run of ours, which reuses everything, is the cost of resuming. `--peers` adds other engines
(`peers.py`); one that is not installed is left out, and named.

    python benchmarks/engine.py [--tasks 1000] [--rounds 3] [--folder DIR] [--peers joblib,distributed] [--json FILE]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from peers import OPTIONAL, Peer, pool, seconds

from flowbutton.dag.pipeline import prepare, read_pipeline
from flowbutton.engine.run import run
from flowbutton.engine.settings import Settings
from flowbutton.executors.births import forked_ahead
from flowbutton.model.registry import partitioner_named
from flowbutton.stages.define import find_stage
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
    """Return seconds of a first run, its driver's CPU seconds and growth in bytes, and seconds of a second run.

    Both run as the command does: it forks its workers' nursery, reads the pipeline, makes the graph and runs it.
    """
    settings = Settings(store=str(folder / "store"), results=str(folder / "results"), workers=workers)
    told = []
    for _ in range(2):
        meter, cpu = Meter(), time.process_time()
        with forked_ahead():
            graph = prepare(
                read_pipeline(folder / "tiny.yaml", PIPELINE),
                find_stage=find_stage,
                find_partitioner=partitioner_named,
                env=os.environ,
                cwd=folder,
                command_line={"count": str(count)},
            )
            before = peak_bytes()
            report = run(graph, settings, spec_text=PIPELINE)
        assert report.ran in (2 * count + 2, 0), report
        found = meter.stop(0, 0)
        told.append((found.wall_s, time.process_time() - cpu, peak_bytes() - before))
    return *told[0], told[1][0]


def peak_bytes() -> int:
    """Return the peak of this process alone since the last `Meter` was made (Linux: proc(5), VmHWM)."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024


def cpu_s() -> float:
    """Return the CPU seconds of this process and of those that it has waited for."""
    return sum(os.times()[:4])


def one_round(folder: Path, tasks: int, workers: int, others: Mapping[str, Peer]) -> dict[str, float]:
    """Run everything once, one after the other; return the figures by name."""
    walls, cpus = {}, {}
    pools = {f"pool_chunk_{chunk}": partial(pool, chunk=chunk) for chunk in (1, 64)}
    for name, peer in {**pools, **others}.items():
        before = cpu_s()
        walls[name] = seconds(peer, folder / name, tasks, workers)
        cpus[name] = cpu_s() - before
    before = cpu_s()
    first, driver, grown, again = ours(folder, tasks, workers)
    cpu, total = cpu_s() - before, 2 * tasks + 2
    return {
        "ratio_to_chunk_1": first / walls["pool_chunk_1"],
        "ratio_to_chunk_64": first / walls["pool_chunk_64"],
        "cpu_ratio_to_chunk_1": cpu / cpus["pool_chunk_1"],
        "cpu_ratio_to_chunk_64": cpu / cpus["pool_chunk_64"],
        "first_run_s": first,
        "second_run_s": again,
        "driver_us_per_task": driver / total * 1e6,
        "driver_bytes_per_task": grown / total,
        "cpu_s": cpu,
        **{f"{name}_s": wall for name, wall in walls.items()},
        **{f"{name}_cpu_s": spent for name, spent in cpus.items()},
    }


def installed(names: Sequence[str]) -> dict[str, Peer]:
    """Return those peers that are installed, and say which are not."""
    found = {}
    for name in names:
        if importlib.util.find_spec(name) is None:
            print(f"left out: {name} is not installed", file=sys.stderr)
        else:
            found[name] = OPTIONAL[name]
    return found


def main() -> None:
    """Run all in turn, print a table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where stores and files are made: a tmpfs is the quieter medium")
    parser.add_argument("--peers", default="", help=f"comma-separated, of {', '.join(OPTIONAL)}")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    others = installed([name for name in options.peers.split(",") if name])
    rows = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            rows.append(one_round(Path(name), options.tasks, options.workers, others))
    middle = {name: round(statistics.median(row[name] for row in rows), 3) for name in rows[0]}
    # The peak of this process grows in the round that is its first, and hardly after it.
    middle["driver_bytes_per_task"] = round(max(row["driver_bytes_per_task"] for row in rows), 3)
    told = {"tasks": 2 * options.tasks + 2, **middle}
    print("\n".join(f"{name:>21}: {value}" for name, value in told.items()))
    if options.json:
        options.json.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    here = str(Path(__file__).parent)
    if here not in os.environ.get("PYTHONPATH", "").split(os.pathsep):  # workers import the stages from there
        # Bytecode is cached, as it is where flowbutton is installed: else each start of workers would compile it.
        env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [here, env.get("PYTHONPATH")]))
        sys.exit(subprocess.call([sys.executable, *sys.argv], env=env))
    main()
