"""Whatever ends a run ends the program of its command stage, and what that started."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from bench import Bench
from driver import start, until

PROGRAM = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with open(sys.argv[1] + ".tmp", "w") as file:
    file.write(f"{{os.getpid()}} {{child.pid}}")
os.rename(sys.argv[1] + ".tmp", sys.argv[1])
child.wait()
"""


def alive(pid: int) -> bool:
    """Return whether a process runs; a dead one that nobody has reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("executor", "number"),
    [("processes", signal.SIGINT), ("processes", signal.SIGKILL), ("serial", signal.SIGINT)],
)
def test_programs_end_with_the_run(bench: Bench, executor: str, number: signal.Signals) -> None:
    mark = bench.folder / "pids"
    command = json.dumps(["python3", "-c", PROGRAM, str(mark)])
    text = (
        "flowbutton: 1\nname: stopped\n"
        f"stages: {{go: {{command: {command}, stdout: out.txt}}}}\noutputs: {{out.txt: go}}\n"
    )
    driver = start(bench, text, executor=executor, workers=1)
    until(mark.exists)
    os.kill(driver.process.pid, number)
    assert driver.wait() == (130 if number == signal.SIGINT else -9)
    pids = [int(pid) for pid in mark.read_text().split()]
    until(lambda: not alive(pids[0]))
    if executor == "serial":  # only a terminal reaches what a program of the driver's own process has started
        os.kill(pids[1], signal.SIGKILL)
    until(lambda: not alive(pids[1]))
