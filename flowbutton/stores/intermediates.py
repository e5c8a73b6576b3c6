"""Small intermediate objects in a fast store, everything else in a durable one.

Records, lists, leases and run folders, and objects above the fast store's limit with the lists of their blocks, go to
the durable store. So a record may name an object that the fast one has lost: it counts as absent then, and its task
runs again. Where the fast store is full or can't be reached, objects go to the durable one: that costs time, never a
result. What only a store that can't be reached may know is an error: it may be back in a minute with all that it held.
The URI is ``intermediates:FAST|DURABLE``, both percent-encoded; people write the two apart (``intermediates:`` and
``store:`` of a profile). Imports `model`, `stores.layout`, `stores.opening`.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, unquote

from flowbutton.model.errors import NoSpace, NotInStore, OptionError, Throttled
from flowbutton.model.store import Entry, Store
from flowbutton.stores.layout import check_key, is_list
from flowbutton.stores.opening import open_store
from flowbutton.stores.redis_store import RedisStore

SCHEME = "intermediates"
T = TypeVar("T")

_OBJECTS = "objects/"
_PAUSE_S = 10.0


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
        self._away_until = 0.0

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
        if not key.startswith(_OBJECTS):
            return self.durable.get(key, start, stop)
        found = self._first(lambda store: _bytes_in(store, key, start, stop))
        if found is None:
            raise self._lost(key)
        return found

    def put(self, key: str, data: bytes | Path) -> None:
        """Put, replacing what is there."""

        def put_there() -> bool:
            self.fast.put(key, data)
            return True

        if not (self._is_fast(key, data) and self._tried(put_there)):
            self.durable.put(key, data)

    def put_if_absent(self, key: str, data: bytes | Path) -> bool:
        """Put unless there is something; say whether this call did."""
        won = self._tried(lambda: self.fast.put_if_absent(key, data)) if self._is_fast(key, data) else None
        return self.durable.put_if_absent(key, data) if won is None else won

    def head(self, key: str) -> int | None:
        """Return the size in bytes."""
        return self._first(lambda store: store.head(key)) if key.startswith(_OBJECTS) else self.durable.head(key)

    def present(self, keys: Collection[str]) -> set[str]:
        """Return those of ``keys`` that have an object."""
        objects = {key for key in keys if key.startswith(_OBJECTS)}
        there: set[str] = set()
        away: Throttled | None = None
        try:
            there = self.fast.present(objects)
        except Throttled as error:
            away = self._noted(error)
        there |= self.durable.present(set(keys) - there)
        if away is not None and not objects <= there:
            raise away
        return there

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Yield entries, sorted; of a key in both stores the durable one's."""
        last = ""
        # What lies elsewhere needn't be looked for in a server's memory, which has to look at all its keys for it.
        fast = self.fast.entries(prefix) if _OBJECTS.startswith(prefix) or prefix.startswith(_OBJECTS) else ()
        for entry in heapq.merge(self.durable.entries(prefix), fast, key=lambda entry: entry.key):
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

    def _tried(self, ask: Callable[[], bool]) -> bool | None:
        """Ask the fast store; None where it is full, can't be reached, or could not a moment ago."""
        if self._is_away():
            return None
        try:
            return ask()
        except NoSpace:
            return None
        except Throttled as error:
            self._noted(error)
            return None

    def _first(self, ask: Callable[[Store], T | None]) -> T | None:
        """Return what the fast store answers, or else the durable one; that one first while the other is away.

        Raises:
            Throttled: a store can't be reached that alone may have an answer.
        """
        away: Throttled | None = None
        for store in (self.durable, self.fast) if self._is_away() else (self.fast, self.durable):
            try:
                answer = ask(store)
            except Throttled as error:
                if store is self.durable:
                    raise
                away = self._noted(error)
                continue
            if answer is not None:
                return answer
        if away is not None:
            raise away
        return None

    def _is_away(self) -> bool:
        return time.monotonic() < self._away_until

    def _noted(self, error: Throttled) -> Throttled:
        """Each call to a server that is away takes seconds: remember that it is, for a while."""
        self._away_until = time.monotonic() + _PAUSE_S
        return error

    def _is_fast(self, key: str, data: bytes | Path) -> bool:
        # The list of an object's blocks lies where the object does: alone, nobody would miss it before it is read.
        size = data.stat().st_size if isinstance(data, Path) else len(data)
        return check_key(key).startswith(_OBJECTS) and not is_list(key) and size <= self.fast.place.limit

    def _lost(self, key: str) -> NotInStore:
        return NotInStore(
            "an intermediate result is gone",
            why="Redis dropped it, was started anew or its time to live passed; or it was deleted, or never put",
            hint="run again: what is missing is made again; if this comes back, give Redis more memory or a longer ttl",
            key=key,
            store=self.fast.uri,
        )


def _bytes_in(store: Store, key: str, start: int, stop: int | None) -> bytes | None:
    try:
        return store.get(key, start, stop)
    except NotInStore:
        return None
