"""A soak: drivers and workers are killed at random moments, again and again, for as long as ``--soak`` says.

``pytest -m slow tests/slow/faults/test_soak.py --soak 600`` for ten minutes; the seed is printed with a failure.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from bench import HERE, WHOLE, Bench
from driver import Driver, start, until
from recovery import answers, check_recovery, workers_of

pytestmark = pytest.mark.slow

PATIENCE_S = 300.0
"""For a machine that is busy with other things; what takes this long hangs."""


def with_files(folder: Path) -> Bench:
    folder.mkdir()
    made = Bench(folder)
    for number in range(1, 6):
        made.file(f"f{number}.txt", f"abc{number} hello world\n")
    return made


def journals(bench: Bench) -> int:
    return len([*(bench.folder / ".flowbutton" / "runs").glob("*/events.jsonl")])


def disturb(driver: Driver, draw: random.Random, killed: Counter[str], known: int) -> None:
    """Kill random workers for a while, then, more often than not, the driver; count them.

    Most times the clock starts with the run's first event: on a busy machine the interpreter's start would be all.
    """
    if draw.random() < 0.8:
        until(lambda: driver.process.poll() is not None or journals(driver.bench) > known, timeout_s=PATIENCE_S)
    end = time.monotonic() + draw.uniform(0.0, 2.5)
    while driver.process.poll() is None and time.monotonic() < end:
        with suppress(subprocess.TimeoutExpired):
            driver.process.wait(draw.uniform(0.05, 0.6))
        workers = workers_of(driver.process.pid)
        if workers and draw.random() < 0.3:
            with suppress(ProcessLookupError):
                os.kill(draw.choice(workers), signal.SIGKILL)
                killed["workers"] += 1
    if draw.random() < 0.75 and driver.process.poll() is None:
        driver.process.kill()
        killed["drivers"] += 1


def test_soak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    undisturbed = with_files(tmp_path / "undisturbed")
    assert start(undisturbed, WHOLE).wait(PATIENCE_S) == 0
    expected = answers(undisturbed)
    seed = random.randrange(1 << 32)
    draw, end, rounds = random.Random(seed), time.monotonic() + pytestconfig.getoption("soak"), 0
    killed: Counter[str] = Counter()
    print(f"seed {seed}")
    while time.monotonic() < end or rounds < 2:
        bench = with_files(tmp_path / str(rounds))
        for _ in range(draw.randrange(1, 5)):
            known = journals(bench)
            driver = start(bench, WHOLE, workers=draw.randrange(1, 4))
            disturb(driver, draw, killed, known)
            assert driver.wait(PATIENCE_S) in (0, -signal.SIGKILL)
            killed["runs"] += 1
        assert start(bench, WHOLE).wait(PATIENCE_S) == 0, "the lease of a process that is gone is no obstacle"
        check_recovery(bench, expected)
        rounds += 1
    print(f"{rounds} stores, {killed['runs']} runs: {killed['drivers']} drivers and {killed['workers']} workers killed")
