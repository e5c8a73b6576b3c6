"""What a worker process keeps between tasks: the open store, its objects, and records that were read.

One context per (process, store). Imports `flowbutton.model`, `stores`, `stages` (codecs).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path

from flowbutton.model.composite import Stored
from flowbutton.model.errors import FlowbuttonError
from flowbutton.model.records import Artifact, Row, TaskRecord
from flowbutton.stores.access import StoreAccess
from flowbutton.stores.artifacts import Artifacts
from flowbutton.stores.layout import object_key
from flowbutton.stores.objects import Objects
from flowbutton.stores.opening import open_store
from flowbutton.stores.records import RecordLog
from flowbutton.worker.cache import FetchCache, RecordCache
from flowbutton.worker.payload import StoredRow
from flowbutton.worker.transpose import TransposedHead, read_head


class WorkerContext:
    """The open store of a worker, with a cache of fetched objects that lives as long as the process."""

    def __init__(self, store_uri: str) -> None:
        self.store = open_store(store_uri)
        self.objects = Objects(self.store)
        self._artifacts = Artifacts(self.objects)
        self._files, self._records = FetchCache(), RecordCache()
        self.transposed_head = lru_cache(maxsize=8)(self._transposed_head)

    def tidy(self) -> None:
        """Keep what was fetched within its bound; before a call, while no task runs."""
        self._files.tidy()

    def access(self) -> StoreAccess:
        """Return a fresh way to the sources' bytes: it counts what one task reads."""
        return StoreAccess(self.store, self._files.folder)

    def record(self, stored: StoredRow) -> TaskRecord:
        """Return a task record. Raises `CorruptObject` where it is damaged or gone."""
        digest = stored.packed.digest
        found = self._records.get(digest)
        if found is None:
            found = RecordLog(self.store, stored.stage).read(stored.row)
            self._records.add(digest, found)
        return found

    def read_ahead(self, wanted: Sequence[StoredRow]) -> None:
        """Read the records that a call's tasks ask for one by one: those that lie together, together."""
        by_stage: dict[str, list[Row]] = defaultdict(list)
        for stored in wanted:
            if self._records.get(stored.packed.digest) is None:
                by_stage[stored.stage].append(stored.row)
        for stage, rows in by_stage.items():
            with suppress(FlowbuttonError):  # whose task it is hears of it when it reads the record itself
                found = RecordLog(self.store, stage).read_many(rows)
                for row, record in zip(rows, found, strict=True):
                    self._records.add(row.digest, record)

    def _transposed_head(self, index: Artifact) -> TransposedHead:
        return read_head(index.size, self.reader(index))

    def read_unchecked(self, digest: str, start: int, stop: int) -> bytes:
        """Return bytes of an object that the caller checks: for parts, which have digests of their own."""
        return self.store.get(object_key(digest), start, stop)

    def read(self, artifact: Artifact, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes ``[start, stop)`` of an artifact."""
        return self._artifacts.read(artifact, start, stop)

    def reader(self, artifact: Artifact) -> Callable[[int, int], bytes]:
        """Return ``read(start, stop)`` for an artifact."""
        return lambda start, stop: self.read(artifact, start, stop)

    def fetch(self, artifact: Artifact) -> Path:
        """Return a local file with an artifact's bytes, kept once per process and digest; never write to it."""
        return self._files.used(self._artifacts.fetch(artifact, self._files.folder))

    def stored(self, artifact: Artifact) -> Stored:
        """Return an artifact as it lies in the store; of a composite, its list is read."""
        return Stored(self._artifacts.composition(artifact), self.reader(artifact))


@cache
def context_for(store_uri: str) -> WorkerContext:
    """Return this process's context for a store."""
    return WorkerContext(store_uri)


def forget_contexts() -> None:
    """Let this process open stores anew: what it knows of their objects may be of the past."""
    context_for.cache_clear()
