"""A soak: drivers and workers are killed at random moments, again and again, for as long as ``--soak`` says.

``pytest -m slow tests/slow/faults/test_soak.py --soak 600`` for ten minutes; the seed is printed with a failure.
"""

from __future__ import annotations

import os
import random
import signal
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


def events(bench: Bench) -> int:
    """Return how many events all runs of a bench have written."""
    places = (bench.folder / ".flowbutton" / "runs").glob("2*/events.jsonl")
    return sum(place.read_bytes().count(b"\n") for place in places)


def disturb(driver: Driver, draw: random.Random, killed: Counter[str], whole: int) -> None:
    """Kill workers at random moments, and more often than not the driver; count them.

    A moment is a number of events, of which a run that is not disturbed writes ``whole``: seconds would mean less on a
    busy machine.
    """
    before, last = events(driver.bench), draw.randrange(whole)
    over = driver.process.poll
    for moment in sorted([*draw.choices(range(last + 1), k=draw.randrange(3)), last]):
        until(lambda moment=moment: over() is not None or events(driver.bench) - before > moment, timeout_s=PATIENCE_S)
        workers = workers_of(driver.process.pid)
        if workers and draw.random() < 0.5:
            with suppress(ProcessLookupError):
                os.kill(draw.choice(workers), signal.SIGKILL)
                killed["workers"] += 1
    if draw.random() < 0.75 and over() is None:
        driver.process.kill()
        killed["drivers"] += 1


def test_soak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    undisturbed = with_files(tmp_path / "undisturbed")
    assert start(undisturbed, WHOLE).wait(PATIENCE_S) == 0
    expected, whole = answers(undisturbed), events(undisturbed)
    seed = random.randrange(1 << 32)
    draw, end, rounds = random.Random(seed), time.monotonic() + pytestconfig.getoption("soak"), 0
    killed: Counter[str] = Counter()
    print(f"seed {seed}")
    while time.monotonic() < end or rounds < 2:
        bench = with_files(tmp_path / str(rounds))
        for _ in range(draw.randrange(1, 5)):
            driver = start(bench, WHOLE, workers=draw.randrange(1, 4))
            disturb(driver, draw, killed, whole)
            assert driver.wait(PATIENCE_S) in (0, -signal.SIGKILL)
            killed["runs"] += 1
        assert start(bench, WHOLE).wait(PATIENCE_S) == 0, "the lease of a process that is gone is no obstacle"
        check_recovery(bench, expected)
        rounds += 1
    print(f"{rounds} stores, {killed['runs']} runs: {killed['drivers']} drivers and {killed['workers']} workers killed")
