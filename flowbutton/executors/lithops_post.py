"""Small messages between a driver and its calls, as objects in Lithops' own storage, under one prefix per executor.

Signs of life come from calls, with what these said since the last one; the driver answers by an object that says stop.
An empty sign of life costs the driver no read: the key says all. Here: names and bytes of these objects.
Not here: when they are written (`executors.lithops_call`) and what follows (`executors.lithops`).
Imports lithops inside functions.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

_SIZE = struct.Struct(">I")
_DELETE_AT_ONCE = 1000
"""Keys that S3 takes in one request."""


class Beat(NamedTuple):
    """A sign of life of a call, and what it said since the one before."""

    call: int
    messages: list[bytes]


class Post:
    """One executor's corner of Lithops' storage. Reading and writing raise what the storage raises."""

    def __init__(self, storage: Any, bucket: str, prefix: str) -> None:
        self._storage, self._bucket, self._prefix = storage, bucket, prefix

    def open(self) -> None:
        """Put the first object."""
        # Lithops' local storage removes a folder with its last object, also while another process writes into it.
        self._put("open", b".")

    def stop(self, calls: Iterable[int]) -> None:
        """Tell calls that nobody wants them any more."""
        for call in calls:
            self._put(f"stop-{call}", b".")

    def stop_all(self) -> None:
        """Tell all calls that nobody wants them any more."""
        self._put("stop-all", b".")

    def is_stopped(self, call: int) -> bool:
        """Whether this call, or all, should stop."""
        return self._exists("stop-all") or self._exists(f"stop-{call}")

    def beat(self, call: int, number: int, messages: Sequence[bytes]) -> None:
        """Give the ``number``-th sign of life of a call."""
        self._put(f"beat-{call}-{number}-{'said' if messages else 'alive'}", framed(messages))

    def collect(self) -> list[Beat]:
        """Return all signs of life since the last time, those of a call in order, and remove them."""
        start = f"{self._prefix}/beat-"
        names = (key.removeprefix(start).split("-") for key in self._storage.list_keys(self._bucket, start))
        beats, read, torn = list[Beat](), list[str](), set[int]()
        for call, number, kind in sorted((int(call), int(number), kind) for call, number, kind in names):
            if call in torn:
                continue
            messages = self._read(f"{start}{call}-{number}-said") if kind == "said" else []
            if messages is None:
                torn.add(call)  # it is being written; it and what follows it are taken the next time
                continue
            read.append(f"{start}{call}-{number}-{kind}")
            beats.append(Beat(call, messages))
        self.delete(read)
        return beats

    def clear(self) -> None:
        """Remove all that is left."""
        self.delete(self._storage.list_keys(self._bucket, f"{self._prefix}/"))

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects of Lithops' storage by their whole keys."""
        for start in range(0, len(keys), _DELETE_AT_ONCE):
            self._storage.delete_objects(self._bucket, list(keys[start : start + _DELETE_AT_ONCE]))

    def _put(self, name: str, data: bytes) -> None:
        self._storage.put_object(self._bucket, f"{self._prefix}/{name}", data)

    def _read(self, key: str) -> list[bytes] | None:
        return unframed(self._storage.get_object(self._bucket, key))

    def _exists(self, name: str) -> bool:
        from lithops.storage.utils import StorageNoSuchKeyError

        with contextlib.suppress(StorageNoSuchKeyError):
            self._storage.head_object(self._bucket, f"{self._prefix}/{name}")
            return True
        return False


def framed(messages: Sequence[bytes]) -> bytes:
    """Return messages as one object; its last byte shows that it is whole."""
    return b"".join(_SIZE.pack(len(message)) + message for message in messages) + b"."


def unframed(data: bytes) -> list[bytes] | None:
    """Read what `framed` wrote; None if it is not whole."""
    found, at = [], 0
    while at + _SIZE.size <= len(data):
        (size,) = _SIZE.unpack_from(data, at)
        found.append(data[at + _SIZE.size : at + _SIZE.size + size])
        at += _SIZE.size + size
    return found if data[at:] == b"." else None
