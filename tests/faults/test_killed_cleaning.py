"""A cleaning that is killed after any of its steps: running again gives the same results, cleaning again ends it."""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path

import pytest
from bench import Bench

from flowbutton.engine.clean import clean
from flowbutton.engine.cleaning import Wish
from flowbutton.engine.run import Status
from flowbutton.model.errors import Locked
from flowbutton.stores.leases import CLEANING, LeaseOwner, acquire
from flowbutton.stores.local import LocalStore
from flowbutton.testing.faulty import Crash, WrappedStore

OUTPUTS = ("total.json", "order.json", "all.txt")
ALL = Wish(everything=True)


def killed_after(folder: Path, deletes: int) -> bool:
    """Clean away everything, and die after some deletes; return whether there were so many."""
    left = deletes

    def step(method: str, key: str) -> None:
        nonlocal left
        if method == "delete" and not key.startswith(("leases/", "runs/")):
            if not left:
                raise Crash(key)
            left -= 1

    try:
        clean(WrappedStore(LocalStore(folder), step), folder / "runs", ALL, grace_s=0)
    except Crash:
        return True
    return False


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.8, 0.99])
def test_a_killed_cleaning_leaves_a_store_that_works(bench: Bench, share: float) -> None:
    first = bench.run()
    store, results = bench.folder / ".flowbutton", bench.folder / "results"
    before = {name: bench.result(name) for name in OUTPUTS}
    steps = len([*LocalStore(store).list("objects/"), *LocalStore(store).list("records/")])
    assert killed_after(store, int(share * steps))
    shutil.rmtree(results)
    assert bench.run().status is Status.DONE
    assert {name: bench.result(name) for name in OUTPUTS} == before
    assert not killed_after(store, 10**9)
    assert [key for key in LocalStore(store).list("") if not key.startswith("leases/")] == []
    assert bench.run().ran == first.ran


def test_who_lost_the_lease_while_looking_removes_nothing(bench: Bench) -> None:
    bench.run()
    store = LocalStore(bench.folder / ".flowbutton")
    before = [*store.list("objects/"), *store.list("records/")]

    def step(method: str, key: str) -> None:
        if (method, key) == ("leftovers", ""):  # the end of looking: somebody has waited too long, and takes over
            other = LeaseOwner("elsewhere", 1, "1")
            clock = count(step=20)
            acquire(store, CLEANING, owner=other, ttl_s=30, now=lambda: next(clock), wait_s=None, pause=lambda _: None)

    with pytest.raises(Locked, match="taken over"):
        clean(WrappedStore(store, step), store.root / "runs", ALL, grace_s=0)
    assert [*store.list("objects/"), *store.list("records/")] == before
