"""The contract of partitioners as a test suite, and a `DataAccess` for tests.

Here: `MemoryAccess`, `PartitionerContract`. Not here: the contract's words (`model.partitioner`).
Imports `flowbutton.model`, pytest, hypothesis.
"""

from __future__ import annotations

import fnmatch
from pathlib import Path

from flowbutton.model.canonical import digest_bytes
from flowbutton.model.errors import MissingInput
from flowbutton.model.pieces import ObjectInfo


class MemoryAccess:
    """Reads files by their paths and objects from memory, keeps derived bytes in memory, and notes every read.

    Args:
        scratch: A folder for `fetch` of what is in memory.

    Attributes:
        objects: Bytes by URI, kept ones and those that a test puts there.
        reads: (URI, start, stop) of every read, in order.
    """

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.objects: dict[str, bytes] = {}
        self.reads: list[tuple[str, int, int | None]] = []

    def head(self, uri: str) -> ObjectInfo:
        """Return size and identity."""
        if uri in self.objects:
            return ObjectInfo(uri, len(self.objects[uri]), digest_bytes(self.objects[uri]))
        path = self._path(uri)
        try:
            stat = path.stat()
        except OSError as error:
            raise self._missing(uri, error) from error
        return ObjectInfo(uri, stat.st_size, f"{stat.st_size}-{stat.st_mtime_ns}")

    def glob(self, pattern: str) -> list[str]:
        """Return the URIs that match, sorted."""
        path = self._path(pattern)
        folder = Path(path.anchor)
        found = map(str, folder.glob(str(path.relative_to(folder))))
        return sorted([*found, *fnmatch.filter(self.objects, pattern)])

    def read(self, uri: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes of a file or an object."""
        self.reads.append((uri, start, stop))
        if uri in self.objects:
            return self.objects[uri][start:stop]
        try:
            with self._path(uri).open("rb") as file:
                file.seek(start)
                return file.read() if stop is None else file.read(max(stop - start, 0))
        except OSError as error:
            raise self._missing(uri, error) from error

    def keep(self, data: bytes) -> str:
        """Keep bytes under their digest."""
        uri = f"object:{digest_bytes(data)}"
        self.objects[uri] = data
        return uri

    def fetch(self, uri: str) -> Path:
        """Return a file with the bytes."""
        if uri not in self.objects:
            self.head(uri)
            return self._path(uri)
        path = self.scratch / uri.replace("/", "_").replace(":", "_")
        path.write_bytes(self.objects[uri])
        return path

    @staticmethod
    def _path(uri: str) -> Path:
        return Path(uri.removeprefix("file://"))

    @staticmethod
    def _missing(uri: str, error: OSError) -> MissingInput:
        return MissingInput(
            "a file is missing or can't be read", why=str(error.strerror), hint="check the path", file=uri
        )
