"""Stores that fail on purpose: wrap a sound store, give a fault, and see what the code around it does.

Here: the wrapper, and a few faults. A step is one call of a store's method; puts are counted from 1.
Imports `model`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path

from flowbutton.model.errors import NoSpace, Throttled
from flowbutton.model.store import Store


class Crash(BaseException):
    """The process is killed here: nobody may catch it but the test."""


class WrappedStore(Store):
    """Hands everything on to ``inner``; ``step(method, key)`` is called before each operation."""

    def __init__(self, inner: Store, step: Callable[[str, str], None] | None = None) -> None:
        self.inner, self.uri = inner, inner.uri
        self.step = step or _pass

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Get."""
        self.step("get", key)
        return self.inner.get(key, start, stop)

    def put(self, key: str, data: bytes | Path) -> None:
        """Put."""
        self.step("put", key)
        self.inner.put(key, data)

    def put_if_absent(self, key: str, data: bytes | Path) -> bool:
        """Put if absent."""
        self.step("put_if_absent", key)
        return self.inner.put_if_absent(key, data)

    def head(self, key: str) -> int | None:
        """Head."""
        self.step("head", key)
        return self.inner.head(key)

    def list(self, prefix: str) -> Iterator[str]:
        """List."""
        self.step("list", prefix)
        return self.inner.list(prefix)

    def delete(self, key: str) -> None:
        """Delete."""
        self.step("delete", key)
        self.inner.delete(key)

    def local_path(self, key: str) -> Path | None:
        """Tell the path."""
        self.step("local_path", key)
        return self.inner.local_path(key)


def _pass(method: str, key: str) -> None:
    """Let every step happen."""


class _FailingPut(WrappedStore):
    """Counts puts of both kinds, and hands the ``nth`` to `fail`."""

    def __init__(self, inner: Store, nth: int) -> None:
        super().__init__(inner)
        self.nth, self.puts = nth, 0

    def put(self, key: str, data: bytes | Path) -> None:
        """Put, or fail."""
        self._counted(key, lambda: self.inner.put(key, data))

    def put_if_absent(self, key: str, data: bytes | Path) -> bool:
        """Put if absent, or fail."""
        answers: list[bool] = []
        self._counted(key, lambda: answers.append(self.inner.put_if_absent(key, data)))
        return answers[0]

    def _counted(self, key: str, do: Callable[[], None]) -> None:
        self.puts += 1
        if self.puts == self.nth:
            self.fail(key, do)
        else:
            do()

    @abstractmethod
    def fail(self, key: str, do: Callable[[], None]) -> None:
        """Fail in place of the put ``do``, or around it."""


class FullStore(_FailingPut):
    """The disk is full at the ``nth`` put; somebody makes room before the next."""

    def fail(self, key: str, do: Callable[[], None]) -> None:
        """Put nothing."""
        raise NoSpace("the disk of the store is full", why="a test says so", hint="make room", key=key)


class LostAnswer(_FailingPut):
    """The ``nth`` put happens, but its answer is lost on the way back."""

    def fail(self, key: str, do: Callable[[], None]) -> None:
        """Do it, and say that the connection was cut."""
        do()
        raise Throttled("the connection was cut", why="a test says so", hint="try again", key=key)


class CrashingStore(_FailingPut):
    """The process 'is killed' before, or after, its ``nth`` put: it raises `Crash`, and every later call does."""

    def __init__(self, inner: Store, nth: int, *, after: bool) -> None:
        super().__init__(inner, nth)
        self._after, self._dead = after, False
        self.step = self._only_alive

    def _counted(self, key: str, do: Callable[[], None]) -> None:
        self._only_alive("put", key)
        super()._counted(key, do)

    def fail(self, key: str, do: Callable[[], None]) -> None:
        """Die, with or without the put."""
        if self._after:
            do()
        self._dead = True
        raise Crash(key)

    def _only_alive(self, method: str, key: str) -> None:
        if self._dead:
            raise Crash(f"{method} {key} of a process that is dead")
