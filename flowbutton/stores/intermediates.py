"""Small intermediate objects in a fast store, everything else in a durable one.

Records, lists, leases and run folders, and objects above the fast store's limit, go to the durable store. So a record
may name an object that the fast one has lost: it counts as absent then, and its task runs again. Where the fast store
is full or can't be reached, objects go to the durable one: that costs time, never a result.
The URI is ``intermediates:FAST|DURABLE``, both percent-encoded; people write the two apart (``intermediates:`` and
``store:`` of a profile). Imports `model`, `stores.layout`, `stores.opening`.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator
from pathlib import Path
from urllib.parse import quote, unquote

from flowbutton.model.errors import NoSpace, NotInStore, OptionError, Throttled
from flowbutton.model.store import Entry, Store
from flowbutton.stores.layout import check_key
from flowbutton.stores.opening import open_store
from flowbutton.stores.redis_store import RedisStore

SCHEME = "intermediates"
_OBJECTS = "objects/"


def joined(fast: str, durable: str) -> str:
    """Return the URI of both together."""
    return f"{SCHEME}:{quote(fast, safe='')}|{quote(durable, safe='')}"


def fast_part(uri: str) -> str | None:
    """Return the fast store's URI of one that `joined` made; None of any other."""
    return unquote(uri.partition(":")[2].partition("|")[0]) if uri.startswith(f"{SCHEME}:") else None


def durable_part(uri: str) -> str:
    """Return the durable store's URI of one that `joined` made; any other as it is."""
    return unquote(uri.partition("|")[2]) if uri.startswith(f"{SCHEME}:") else uri


class Intermediates(Store):
    """Two stores as one. Holds what `Store` promises, but that an object of the fast one may be lost."""

    def __init__(self, fast: RedisStore, durable: Store) -> None:
        self.uri, self.fast, self.durable = joined(fast.uri, durable.uri), fast, durable

    @classmethod
    def open(cls, uri: str) -> Intermediates:
        """Open what `joined` made.

        Raises:
            OptionError: the first is no Redis.
        """
        fast = fast_part(uri) or ""
        if not fast.startswith(("redis://", "rediss://")):
            raise OptionError(
                "intermediates can't be kept there",
                why="it is no Redis",
                hint="write redis://host:6379/0?ttl=7d, or leave intermediates out: they are in the store then",
                uri=fast.partition("?")[0],
            )
        return cls(RedisStore.open(fast), open_store(durable_part(uri)))

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes ``[start, stop)``."""
        if key.startswith(_OBJECTS):
            try:
                return self.fast.get(key, start, stop)
            except NotInStore:
                pass
        return self.durable.get(key, start, stop)

    def put(self, key: str, data: bytes | Path) -> None:
        """Put, replacing what is there."""
        if self._is_fast(key, data):
            try:
                self.fast.put(key, data)
            except (NoSpace, Throttled):
                self.durable.put(key, data)
        else:
            self.durable.put(key, data)

    def put_if_absent(self, key: str, data: bytes | Path) -> bool:
        """Put unless there is something; say whether this call did."""
        if self._is_fast(key, data):
            try:
                return self.fast.put_if_absent(key, data)
            except (NoSpace, Throttled):
                pass
        return self.durable.put_if_absent(key, data)

    def head(self, key: str) -> int | None:
        """Return the size in bytes."""
        found = self.fast.head(key) if key.startswith(_OBJECTS) else None
        return self.durable.head(key) if found is None else found

    def present(self, keys: Collection[str]) -> set[str]:
        """Return those of ``keys`` that have an object."""
        there = self.fast.present([key for key in keys if key.startswith(_OBJECTS)])
        return there | self.durable.present(set(keys) - there)

    def list(self, prefix: str) -> Iterator[str]:
        """Yield keys, sorted."""
        return (entry.key for entry in self.entries(prefix))

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Yield entries, sorted; of a key in both stores the durable one's."""
        last = ""
        for entry in heapq.merge(self.durable.entries(prefix), self.fast.entries(prefix), key=lambda entry: entry.key):
            if entry.key != last:
                yield entry
            last = entry.key

    def delete(self, key: str) -> None:
        """Delete in both."""
        if key.startswith(_OBJECTS):
            self.fast.delete(key)
        self.durable.delete(key)

    def local_path(self, key: str) -> Path | None:
        """Return where the durable store has it as a file."""
        return self.durable.local_path(key)

    def leftovers(self) -> Iterator[Entry]:
        """Yield what killed writers left in the durable store; the other has none."""
        return self.durable.leftovers()

    def drop_leftover(self, name: str) -> None:
        """Remove one of `leftovers`."""
        self.durable.drop_leftover(name)

    def _is_fast(self, key: str, data: bytes | Path) -> bool:
        size = data.stat().st_size if isinstance(data, Path) else len(data)
        return check_key(key).startswith(_OBJECTS) and size <= self.fast.place.limit
