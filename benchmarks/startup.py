"""Start-up: what a command costs before and without any work, against the bare interpreter and the libraries it needs.

    python benchmarks/startup.py --rounds 7

Prints a table and, with ``--json``, the same as JSON. Each round runs all commands, one after the other, so that a
change of the machine's load meets all of them; figures are medians over the rounds. Bytecode is cached, as it is where
flowbutton is installed; code identities are kept in a fresh cache that the first round fills.
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
from collections.abc import Mapping, Sequence
from pathlib import Path

FLOWBUTTON = (sys.executable, "-m", "flowbutton")
LIBRARIES = "import pydantic, yaml, networkx"
COMMANDS: Mapping[str, Sequence[str]] = {
    "python -c pass": (sys.executable, "-c", "pass"),
    f'python -c "{LIBRARIES}"': (sys.executable, "-c", LIBRARIES),
    "flowbutton --help": (*FLOWBUTTON, "--help"),
    "flowbutton validate genomics": (*FLOWBUTTON, "validate", "genomics"),
    "flowbutton plan genomics (all done)": (*FLOWBUTTON, "plan", "genomics"),
    "flowbutton run genomics (nothing to do)": (*FLOWBUTTON, "run", "genomics"),
}


def measure(command: Sequence[str], folder: Path, env: Mapping[str, str]) -> tuple[float, float]:
    """Run a command in a folder; return seconds of wall time and of CPU."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True)
    took, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def rounds(count: int, folder: Path) -> dict[str, list[tuple[float, float]]]:
    """Run all commands ``count`` times, after a run that does the work and one round that fills the caches."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env |= {"XDG_CACHE_HOME": str(folder / "cache"), "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    measure((*FLOWBUTTON, "run", "genomics", "-q"), folder, env)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for number in range(count + 1):
        for name, command in COMMANDS.items():
            figures = measure(command, folder, env)
            if number:
                found[name].append(figures)
    return found


def table(found: Mapping[str, Sequence[tuple[float, float]]]) -> list[dict[str, float | str]]:
    """Return medians: wall and CPU seconds, and how often the CPU of the libraries fits into a command's."""
    medians = {
        name: [statistics.median(column) for column in zip(*figures, strict=True)] for name, figures in found.items()
    }
    _, libraries = medians[f'python -c "{LIBRARIES}"']
    return [
        {"command": name, "wall_s": round(wall, 3), "cpu_s": round(cpu, 3), "ratio": round(cpu / libraries, 2)}
        for name, (wall, cpu) in medians.items()
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="flowbutton-startup-") as folder:
        rows = table(rounds(asked.rounds, Path(folder)))
    if asked.json:
        print(json.dumps(rows, indent=2))
        return
    print("| command | wall s | CPU s | CPU to that of the libraries |\n|---|---|---|---|")
    for row in rows:
        print(f"| `{row['command']}` | {row['wall_s']} | {row['cpu_s']} | {row['ratio']} |")


if __name__ == "__main__":
    main()
