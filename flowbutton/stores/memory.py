"""A store in this process's memory, for tests and for trying things out.

``memory://name`` is one store per name and process, so it can be opened again while the process lives.
Imports `model`, `stores.layout`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

from flowbutton.model.errors import OptionError
from flowbutton.model.store import Entry, Store
from flowbutton.stores.layout import check_key, check_prefix, check_range, not_in_store

_SCHEME = "memory://"
_Object = tuple[bytes, float]
_objects: dict[str, dict[str, _Object]] = {}
_lock = threading.Lock()


class MemoryStore(Store):
    """Objects in a dict: all that `Store` promises, for the threads of one process."""

    def __init__(self, name: str) -> None:
        self.uri = _SCHEME + name
        self._objects = _objects.setdefault(name, {})

    @classmethod
    def open(cls, uri: str) -> MemoryStore:
        """Open ``memory://name``.

        Raises:
            OptionError: there is no name.
        """
        name = uri.removeprefix(_SCHEME)
        if not name or name == uri:
            raise OptionError(f"'{uri}' names no memory store", why="", hint="write memory://name")
        return cls(name)

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes ``[start, stop)``."""
        found = self._objects.get(check_key(key))
        if found is None:
            raise not_in_store(key, self.uri)
        check_range(start, stop)
        return found[0][start:stop]

    def put(self, key: str, data: bytes | Path) -> None:
        """Put, replacing what is there."""
        self._objects[check_key(key)] = _object(data)

    def put_if_absent(self, key: str, data: bytes | Path) -> bool:
        """Put unless there is something; say whether this call did."""
        check_key(key)
        content = _object(data)
        with _lock:
            absent = key not in self._objects
            if absent:
                self._objects[key] = content
        return absent

    def head(self, key: str) -> int | None:
        """Return the size in bytes."""
        found = self._objects.get(check_key(key))
        return None if found is None else len(found[0])

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Yield entries, sorted."""
        check_prefix(prefix)
        with _lock:
            found = [*self._objects.items()]
        return (Entry(key, len(data), put_s) for key, (data, put_s) in sorted(found) if key.startswith(prefix))

    def delete(self, key: str) -> None:
        """Delete if it is there."""
        self._objects.pop(check_key(key), None)

    def local_path(self, key: str) -> Path | None:
        """Return None: memory has no files."""
        check_key(key)
        return None


def _object(data: bytes | Path) -> _Object:
    return data.read_bytes() if isinstance(data, Path) else bytes(data), time.time()
