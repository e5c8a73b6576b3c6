"""Two drivers on one pipeline, results folder and store: one waits or fails, and without locks both are right.

On a local folder and on a real S3 server.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from bench import WHOLE, Bench, bench_with_files
from driver import Driver, events, runs, start, until
from recovery import OUTPUTS, answers, damaged_objects, recorded

from flowbutton.model.store import Store
from flowbutton.stores.opening import open_store

pytestmark = pytest.mark.slow

GATED = WHOLE.replace(
    """outputs:
""",
    """  wait: {uses: "troubled:wait", for_each: {file: files}, with: {gate: "%s"}}
outputs:
  "waited/{ordinal}.txt": wait
""",
)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    (tmp_path / "gate").mkdir()
    return bench_with_files(tmp_path, monkeypatch)


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, bench: Bench) -> str:
    return f"{request.getfixturevalue('s3')}/work" if request.param == "s3" else str(bench.folder / ".flowbutton")


def begin(bench: Bench, store: str, **options: object) -> Driver:
    """Start a driver whose tasks 'wait' are at work until the gate is open."""
    driver = start(bench, GATED % (bench.folder / "gate"), store=store, **options)
    until(lambda: [*(bench.folder / "gate").glob("began-*")] or driver.process.poll() is not None)
    assert driver.process.poll() is None
    return driver


def second(bench: Bench, store: str, **options: object) -> Driver:
    return start(bench, GATED % (bench.folder / "gate"), store=store, **options)


def open_gate(bench: Bench) -> None:
    (bench.folder / "gate/open").touch()


def check(bench: Bench, store: str, results: tuple[str, ...] = ("results",)) -> None:
    """All results are what one undisturbed driver gives, and the store holds one answer of each task."""
    alone = Bench(bench.folder / "alone")
    (alone.folder / "in").mkdir(parents=True, exist_ok=True)
    for file in (bench.folder / "in").iterdir():
        alone.file(file.name, file.read_text())
    alone.run()
    opened: Store = open_store(store)
    assert all(answers(bench, one) == {name: alone.result(name) for name in OUTPUTS} for one in results)
    assert all(len(artifacts) == 1 for artifacts in recorded(opened).values())
    assert not damaged_objects(opened)


def test_one_fails_at_once_and_one_waits(bench: Bench, store: str) -> None:
    first = begin(bench, store, wait_s=0.0)
    failing = second(bench, store, wait_s=0.0)
    _, told = failing.process.communicate(timeout=300)
    assert failing.process.returncode == 4
    assert "another run holds the same pipeline and results" in told
    waiting = second(bench, store, wait_s=None)
    open_gate(bench)
    assert (first.wait(), waiting.wait()) == (0, 0)
    ended = sorted(events(folder)[-1]["ran"] for folder in runs(bench))
    assert ended[0] == 0, "who waited found all of it done"
    assert len(ended) == 2
    check(bench, store)


def test_without_locks_both_end_with_the_same_results(bench: Bench, store: str) -> None:
    unlocked = f"unlocked:{store}"
    both = [begin(bench, unlocked, results=str(bench.folder / name)) for name in ("one", "two")]
    open_gate(bench)
    assert [driver.wait() for driver in both] == [0, 0]
    check(bench, store, ("one", "two"))
    same = [start(bench, WHOLE, store=unlocked) for _ in range(2)]  # the same results folder, too
    assert [driver.wait() for driver in same] == [0, 0]
    check(bench, store)


def test_who_stood_still_is_followed_and_stops(bench: Bench, store: str) -> None:
    """The clock of the first one stands: its lease goes to the second, and when it wakes it says so and ends."""
    first = begin(bench, store, wait_s=0.0, lease_ttl_s=2.0)
    os.kill(first.process.pid, signal.SIGSTOP)
    try:
        waiting = second(bench, store, wait_s=None, lease_ttl_s=2.0)
        open_gate(bench)
        assert waiting.wait() == 0
        check(bench, store)
    finally:
        os.kill(first.process.pid, signal.SIGCONT)
    _, told = first.process.communicate(timeout=300)
    assert (first.process.returncode, "the lease was taken over" in told) in ((4, True), (0, False))
    check(bench, store)
