"""The contracts of what holds bytes: `Store` for the run's own objects, `DataAccess` for reading sources.

Not here: which keys exist and what they mean (`stores.layout`). Imports `model.pieces`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from flowbutton.model.pieces import ObjectInfo


@dataclass(frozen=True, slots=True)
class Entry:
    """What a listing says of an object: its key, its size in bytes, and when it was put, on the store's own clock.

    ``modified_s`` counts from 1970; only differences between entries of one store mean something.
    """

    key: str
    size: int
    modified_s: float


class Store(ABC):
    """Objects under keys.

    Holds: an object is visible whole or not at all, also when the writer is killed; what a put returned from can be
    read at once by everybody; of several `put_if_absent` of one key exactly one returns True, and its bytes stay.
    Does not hold: order between writers of `put` on one key (the last one wins, some whole object stays);
    protection from somebody who writes beside the store.
    Keys are relative POSIX paths of ``[A-Za-z0-9._=-]`` segments; ``..``, ``.``, empty segments, a leading ``/`` and
    anything else raise ValueError: keys can't leave the prefix. Ranges are half-open, in bytes.
    A full disk raises `NoSpace`; a temporary failure raises an error of class transient; nothing half is left visible.
    """

    uri: str
    """What opens this store again in another process: ``file:///data/.flowbutton``."""

    @abstractmethod
    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes ``[start, stop)`` of an object; to its end when ``stop`` is None or beyond it.

        Raises:
            NotInStore: there is no object under ``key``.
        """

    @abstractmethod
    def put(self, key: str, data: bytes | Path) -> None:
        """Put bytes, or a file's bytes (the file stays), replacing what is there."""

    @abstractmethod
    def put_if_absent(self, key: str, data: bytes | Path) -> bool:
        """Put unless ``key`` exists; return whether this call's bytes are the ones that stay."""

    @abstractmethod
    def head(self, key: str) -> int | None:
        """Return the size in bytes of an object, None if there is none."""

    def present(self, keys: Collection[str]) -> set[str]:
        """Return those of ``keys`` under which there is an object. Here by a `head` each; a server may do better."""
        return {key for key in keys if self.head(key) is not None}

    def list(self, prefix: str) -> Iterator[str]:
        """Yield all keys that begin with ``prefix`` (any text, not only whole segments), sorted by code point.

        Here those of `entries`; a store that knows keys sooner than sizes does better.
        """
        return (entry.key for entry in self.entries(prefix))

    @abstractmethod
    def entries(self, prefix: str) -> Iterator[Entry]:
        """Yield what `list` yields, with sizes and times; what is deleted meanwhile may be left out."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete an object; no error if there is none."""

    @abstractmethod
    def local_path(self, key: str) -> Path | None:
        """Return where the object lies as a file that may be read in place (never written), None if it doesn't."""

    def leftovers(self) -> Iterator[Entry]:
        """Yield what killed writers left: nobody can get it, and it has no key, but a name for `drop_leftover`."""
        return iter(())

    def drop_leftover(self, name: str) -> None:
        """Remove one of `leftovers`; no error if it is gone."""
        del name


class DataAccess(Protocol):
    """What a partitioner may do with data: read ranges of sources, and keep derived bytes in the run's store.

    A URI is a local path, ``file://``, or ``object:<digest>`` for what `keep` has put.
    """

    def head(self, uri: str) -> ObjectInfo:
        """Return size and identity. Raises `MissingInput`."""

    def glob(self, pattern: str) -> list[str]:
        """Return the URIs that match, sorted; an empty list if none does."""

    def read(self, uri: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes ``[start, stop)``, fewer where the object ends before. Raises `MissingInput`."""

    def keep(self, data: bytes) -> str:
        """Put derived bytes by their content; return ``object:<digest>``. Equal bytes, equal URI."""

    def fetch(self, uri: str) -> Path:
        """Return a local file with the object's bytes, for libraries that need a path; never write to it."""
