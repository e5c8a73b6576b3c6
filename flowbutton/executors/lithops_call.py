"""What runs where Lithops runs functions: one call, after a look whether this place fits the driver.

`door` makes the function that travels by value, so that it can say what is wrong where flowbutton is missing or is
another one. Imports `flowbutton.model`, `executors`; of lithops nothing but the storage that it hands in.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from flowbutton.executors.lithops_post import Post
from flowbutton.executors.supervised import Outcome, supervise
from flowbutton.model.process import ProcessIdentity

Function = Callable[[bytes, float | None, int, Any], tuple[Any, ...]]
"""``function(payload, timeout_s, call, storage)``; returns the fields of an `Outcome`."""


@dataclass(frozen=True, slots=True)
class Trip:
    """What all calls of one executor have in common."""

    work: bytes
    bucket: str
    prefix: str
    driver: ProcessIdentity
    beat_s: float
    code: str


def door(trip: Trip, versions: Mapping[str, str]) -> Function:
    """Return a function for Lithops. It needs no flowbutton to be loaded, and looks at ``versions`` before all else.

    Its outcome is of the kind ``Unfit`` where flowbutton is missing or distributions have other versions; one that is
    missing is the business of the stage that needs it.
    """
    # A closure over plain values: cloudpickle sends a nested function by value, what it refers to by name.
    packed, wanted, look = pickle.dumps(trip), dict(versions), finder()

    def call(payload: bytes, timeout_s: float | None, number: int, storage: Any) -> tuple[Any, ...]:
        there = {"flowbutton": "none", **look(wanted)}
        differ = [name for name in wanted if there.get(name, wanted[name]) != wanted[name]]
        others = [f"{name} {there[name]} (here {wanted[name]})" for name in differ]
        if others:
            return ("Unfit", [], f"it has {', '.join(others)}".encode())
        from flowbutton.executors.lithops_call import perform_call

        return perform_call(packed, payload, timeout_s, number, storage)

    return call


def finder() -> Callable[[Collection[str]], dict[str, str]]:
    """Return a function that finds the versions of distributions, by their normalized names (PEP 503).

    It reads names of folders alone (``NAME-VERSION.dist-info``, PEP 427), a tenth of what `importlib.metadata` costs,
    and travels by value.
    """

    def find(names: Collection[str]) -> dict[str, str]:
        import os
        import re
        import sys

        found: dict[str, str] = {}
        for folder in sys.path:
            entries = os.listdir(folder or ".") if os.path.isdir(folder or ".") else []  # noqa: PTH208, PTH112
            for entry in entries:
                name, _, rest = entry.partition("-")
                name = re.sub(r"[-_.]+", "-", name).lower()
                if rest.endswith(".dist-info") and name in names:
                    found.setdefault(name, rest.removesuffix(".dist-info"))
        return found

    return find


def perform_call(packed: bytes, payload: bytes, timeout_s: float | None, number: int, storage: Any) -> tuple[Any, ...]:
    """Run a call with signs of life; return the fields of its `Outcome`."""
    trip: Trip = pickle.loads(packed)
    if trip.code != code_digest():
        return tuple(Outcome("Unfit", [], b"its flowbutton has the same version, but other code"))
    signs = _Signs(Post(storage, trip.bucket, trip.prefix), number, trip.driver)
    outcome = supervise(trip.work, payload, timeout_s, signs.give, trip.beat_s)
    return tuple(outcome._replace(messages=signs.unheard + outcome.messages))


class _Signs:
    """A call's signs of life. A storage that fails for a while costs none of its messages."""

    def __init__(self, post: Post, call: int, driver: ProcessIdentity) -> None:
        self._post, self._call, self._driver, self._number = post, call, driver, 0
        self.unheard: list[bytes] = []

    def give(self, messages: list[bytes]) -> bool:
        """Tell the driver; return whether it still wants the call."""
        if self._driver.is_gone(ProcessIdentity.current()):
            return False
        self.unheard += messages
        try:
            if self._post.is_stopped(self._call):
                return False
            self._post.beat(self._call, self._number, self.unheard)
        except Exception:  # noqa: BLE001  A wall: each storage of Lithops raises its own. The next sign tries again.
            return True
        self._number += 1
        self.unheard = []
        return True


@cache
def code_digest() -> str:
    """Return a digest of flowbutton's source files, as they are installed here."""
    root, found = Path(__file__).parents[1], hashlib.blake2b(digest_size=16)
    for file in sorted(root.rglob("*.py")):
        found.update(f"{file.relative_to(root).as_posix()}\0".encode() + file.read_bytes())
    return found.hexdigest()
