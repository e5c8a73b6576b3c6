"""Stores that fail on purpose, as plug-ins (the dist-info folder beside this file registers them).

``lossy://folder`` loses the answer to each first put; ``full:///folder`` is full while the file ``<folder>.full``
exists; ``dying:///folder`` kills its process around the put whose number FLOWBUTTON_DIES_AT names (negative: after it);
``unlocked:URI`` has leases that no other process sees.
Each is a local folder otherwise.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

from flowbutton.model.errors import NoSpace, Throttled
from flowbutton.model.store import Store
from flowbutton.stores.local import LocalStore
from flowbutton.stores.opening import open_store
from flowbutton.testing.faulty import WrappedStore


def inner_of(uri: str) -> LocalStore:
    """Return the folder that a store of this file stands on."""
    return LocalStore(Path(uri.partition("://")[2]))


class LossyStore(WrappedStore):
    """Every first `put_if_absent` of a key happens, but its answer is lost on the way back; not those of leases."""

    def __init__(self, inner: Store, uri: str) -> None:
        super().__init__(inner)
        self.uri = uri

    @classmethod
    def open(cls, uri: str) -> LossyStore:
        """Open ``lossy:///folder``."""
        return cls(inner_of(uri), uri)

    def put_if_absent(self, key: str, data: bytes | Path) -> bool:
        """Put, and say for the first time that the connection was cut."""
        done = super().put_if_absent(key, data)
        if done and not key.startswith("leases/"):
            raise Throttled("the connection was cut", why="a test says so", hint="try again", key=key)
        return done


class FullUntil(WrappedStore):
    """Full for all but leases while the file ``<folder>.full`` exists; what it holds names the keys that don't fit."""

    @classmethod
    def open(cls, uri: str) -> FullUntil:
        """Open ``full:///folder``."""
        made = cls(inner_of(uri))
        made.uri = uri
        sign = Path(f"{uri.partition('://')[2]}.full")

        def step(method: str, key: str) -> None:
            if method.startswith("put") and sign.exists() and key.startswith(tuple(sign.read_text().split())):
                raise NoSpace("the disk of the store is full", why="a test says so", hint="make room", key=key)

        made.step = step
        return made


class DyingStore(WrappedStore):
    """Kills its process with SIGKILL before or after the put of a given number; workers are not concerned."""

    @classmethod
    def open(cls, uri: str) -> DyingStore:
        """Open ``dying:///folder``."""
        made = cls(inner_of(uri))
        made.uri = uri
        made._left = int(os.environ.pop("FLOWBUTTON_DIES_AT", "0"))  # popped: workers inherit what is left
        return made

    _left = 0

    def put(self, key: str, data: bytes | Path) -> None:
        """Put, or die."""
        with_after = self._count()
        super().put(key, data)
        self._die_if(with_after)

    def put_if_absent(self, key: str, data: bytes | Path) -> bool:
        """Put if absent, or die."""
        with_after = self._count()
        done = super().put_if_absent(key, data)
        self._die_if(with_after)
        return done

    def _count(self) -> bool:
        """Count a put; die before it if it is the one, and return whether to die after it."""
        if self._left > 0:
            self._left -= 1
            self._die_if(self._left == 0)
        elif self._left < 0:
            self._left += 1
            return self._left == 0
        return False

    def _die_if(self, is_the_one: bool) -> None:
        if is_the_one:
            os.kill(os.getpid(), signal.SIGKILL)


class UnlockedStore(WrappedStore):
    """Each process has leases of its own: whoever else drives is not seen. Around any store: ``unlocked:URI``."""

    @classmethod
    def open(cls, uri: str) -> UnlockedStore:
        """Open ``unlocked:s3://bucket/prefix``."""
        made = cls(open_store(uri.removeprefix("unlocked:")))
        made.uri = uri
        return made

    def put(self, key: str, data: bytes | Path) -> None:
        """Put."""
        super().put(self._own(key), data)

    def put_if_absent(self, key: str, data: bytes | Path) -> bool:
        """Put if absent."""
        return super().put_if_absent(self._own(key), data)

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Get."""
        return super().get(self._own(key), start, stop)

    def list(self, prefix: str) -> Iterator[str]:
        """List, leases under their common names."""
        return (key.replace(f"leases/{os.getpid()}-", "leases/") for key in super().list(self._own(prefix)))

    def delete(self, key: str) -> None:
        """Delete."""
        super().delete(self._own(key))

    def _own(self, key: str) -> str:
        return key.replace("leases/", f"leases/{os.getpid()}-") if key.startswith("leases/") else key
