"""What a worker process keeps of what it has read, within bounds: fetched files on disk, task records in memory.

Both drop what was not used for the longest time. Imports `flowbutton.model`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections import OrderedDict
from pathlib import Path

from flowbutton.model.records import TaskRecord

FILES_LIMIT_BYTES = 4 * 1024**3
RECORDS_LIMIT_BYTES = 32 * 1024**2


class FetchCache:
    """A folder of fetched files.

    Holds: after `tidy` the files have at most ``limit_bytes``, and those that `used` named last are there. Nothing is
    removed in between, so what a call's tasks use stays while they run.
    """

    def __init__(self, limit_bytes: int = FILES_LIMIT_BYTES) -> None:
        self._limit = limit_bytes
        self._folder: Path | None = None

    @property
    def folder(self) -> Path:
        """The folder, made when first asked for; it goes with the process."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="flowbutton-cache-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder

    def used(self, place: Path) -> Path:
        """Note that a file is used now; return it. One that lies elsewhere, in the store itself, is left alone."""
        if place.parent == self._folder:
            os.utime(place, follow_symlinks=False)
        return place

    def tidy(self) -> None:
        """Remove what was not used for the longest time until the rest fits. Only while no task runs."""
        if self._folder is None:
            return
        try:
            found = [(entry.stat(follow_symlinks=False), entry.path) for entry in os.scandir(self._folder)]
        except FileNotFoundError:  # a run that ended took it away with its scratch folder; the process may stay
            self._folder = None
            return
        held = sum(status.st_size for status, _ in found)
        for status, path in sorted(found, key=lambda one: one[0].st_mtime_ns):
            if held <= self._limit:
                return
            Path(path).unlink(missing_ok=True)
            held -= status.st_size


class RecordCache:
    """Task records by the digest of their lines, up to a number of bytes of inline data and logs."""

    def __init__(self, limit_bytes: int = RECORDS_LIMIT_BYTES) -> None:
        self._limit, self._held = limit_bytes, 0
        self._records: OrderedDict[str, TaskRecord] = OrderedDict()

    def get(self, digest: str) -> TaskRecord | None:
        """Return a record if it is here."""
        found = self._records.get(digest)
        if found is not None:
            self._records.move_to_end(digest)
        return found

    def add(self, digest: str, record: TaskRecord) -> None:
        """Take a record in; those that were not used for the longest time make room."""
        if digest in self._records:
            return
        self._records[digest] = record
        self._held += record.bytes_held
        while self._held > self._limit and len(self._records) > 1:
            _, dropped = self._records.popitem(last=False)
            self._held -= dropped.bytes_held
