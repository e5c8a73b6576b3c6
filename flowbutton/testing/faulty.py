"""Stores that fail on purpose: wrap a sound store, give a fault, and see what the code around it does.

Here: the wrapper, and a few faults. A step is one call of a store's method; puts are counted from 1.
Imports `model`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from flowbutton.model.errors import NoSpace, Throttled
from flowbutton.model.store import Entry, Store


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

    def entries(self, prefix: str) -> Iterator[Entry]:
        """List with sizes and times."""
        self.step("entries", prefix)
        return self.inner.entries(prefix)

    def leftovers(self) -> Iterator[Entry]:
        """List what killed writers left."""
        self.step("leftovers", "")
        return self.inner.leftovers()

    def drop_leftover(self, name: str) -> None:
        """Remove what a killed writer left."""
        self.step("drop_leftover", name)
        self.inner.drop_leftover(name)

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
    """Counts puts of both kinds; around the ``nth``, `before` and `after` fail."""

    def __init__(self, inner: Store, nth: int) -> None:
        super().__init__(inner)
        self.nth, self.puts = nth, 0

    def put(self, key: str, data: bytes | Path) -> None:
        """Put, or fail."""
        mine = self._count(key)
        super().put(key, data)
        if mine:
            self.after(key)

    def put_if_absent(self, key: str, data: bytes | Path) -> bool:
        """Put if absent, or fail."""
        mine = self._count(key)
        answer = super().put_if_absent(key, data)
        if mine:
            self.after(key)
        return answer

    def before(self, key: str) -> None:
        """Fail before the put, or let it happen."""

    def after(self, key: str) -> None:
        """Fail after the put, or let its answer pass."""

    def _count(self, key: str) -> bool:
        self.puts += 1
        if self.puts == self.nth:
            self.before(key)
        return self.puts == self.nth


class FullStore(_FailingPut):
    """The disk is full at the ``nth`` put; somebody makes room before the next."""

    def before(self, key: str) -> None:
        """Put nothing."""
        raise NoSpace("the disk of the store is full", why="a test says so", hint="make room", key=key)


class LostAnswer(_FailingPut):
    """The ``nth`` put happens, but its answer is lost on the way back."""

    def after(self, key: str) -> None:
        """Say that the connection was cut."""
        raise Throttled("the connection was cut", why="a test says so", hint="try again", key=key)


class CrashingStore(_FailingPut):
    """The process 'is killed' before, or after, its ``nth`` put: it raises `Crash`, and so does every later call."""

    def __init__(self, inner: Store, nth: int, *, after_put: bool) -> None:
        super().__init__(inner, nth)
        self._after_put = after_put

    def before(self, key: str) -> None:
        """Die without the put."""
        if not self._after_put:
            self._die("put", key)

    def after(self, key: str) -> None:
        """Die with the put done."""
        if self._after_put:
            self._die("put", key)

    def _die(self, method: str, key: str) -> None:
        self.step = self._die
        raise Crash(f"{method} {key}")
