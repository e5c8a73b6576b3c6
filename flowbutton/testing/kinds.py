"""Tests of a contract that not every kind of implementation can show: left out, not skipped.

Imports nothing of flowbutton.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

TestT = TypeVar("TestT", bound=Callable[..., object])
_NEEDS = "flowbutton_needs"


def needs(**kinds: bool) -> Callable[[TestT], TestT]:
    """Mark a test as one for implementations of these kinds only."""

    def mark(test: TestT) -> TestT:
        setattr(test, _NEEDS, frozenset(kind for kind, wanted in kinds.items() if wanted))
        return test

    return mark


def leave_out(suite: type, kinds: set[str]) -> None:
    """Take out of a suite the tests that need a kind which it has not; a subclass of another kind has them again."""
    for name in dir(suite):
        wanted = next((vars(base)[name] for base in suite.__mro__ if callable(vars(base).get(name))), None)
        marked: frozenset[str] = getattr(wanted, _NEEDS, frozenset())
        if marked:
            setattr(suite, name, wanted if marked <= kinds else None)
