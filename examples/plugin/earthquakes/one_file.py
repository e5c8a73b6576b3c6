"""A store in one file: objects are rows of an SQLite database, which many processes of a machine may use at once.

Good for a result that is handed on with all that it was made of. Not good for large data: an object has at most 10⁹
bytes, and writers wait for each other. Not here: what the keys mean (`flowbutton.stores.layout`).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from flowbutton.model.errors import NoSpace, OptionError, Throttled
from flowbutton.model.store import Entry, Store
from flowbutton.stores.layout import check_key, check_prefix, check_range, not_in_store

LARGEST = 10**9
"""Bytes that an object may have: SQLite's own limit."""

_SCHEME = "sqlite://"
_TABLE = "CREATE TABLE IF NOT EXISTS objects (key TEXT PRIMARY KEY, data BLOB NOT NULL, modified_s REAL NOT NULL)"
_PATIENCE_S = 60.0
_BEHIND_ALL = "\x7f"  # keys are of ASCII


class OneFileStore(Store):
    """All objects in the SQLite file at ``path``, which the first put makes."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.uri = _SCHEME + quote(str(self.path))

    @classmethod
    def open(cls, uri: str) -> OneFileStore:
        """Open ``sqlite:///absolute/path``.

        Raises:
            OptionError: the URI has no absolute path.
        """
        path = unquote(uri.removeprefix(_SCHEME))
        if not path.startswith("/"):
            raise OptionError(f"'{uri}' names no file", why="", hint="write sqlite:///absolute/path.sqlite")
        return cls(Path(path))

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes ``[start, stop)``."""
        check_key(key)
        check_range(start, stop)
        length = LARGEST if stop is None else min(max(stop - start, 0), LARGEST)
        rows = self._ask("SELECT substr(data, ?, ?) FROM objects WHERE key = ?", min(start, LARGEST) + 1, length, key)
        if not rows:
            raise not_in_store(key, self.uri)
        data: bytes | None = rows[0][0]
        return data or b""  # of an empty object, a part is NULL

    def put(self, key: str, data: bytes | Path) -> None:
        """Put, replacing what is there."""
        self._write("INSERT OR REPLACE INTO objects VALUES (?, ?, ?)", check_key(key), data)

    def put_if_absent(self, key: str, data: bytes | Path) -> bool:
        """Put unless there is something; say whether this call did."""
        return self._write("INSERT OR IGNORE INTO objects VALUES (?, ?, ?)", check_key(key), data) == 1

    def head(self, key: str) -> int | None:
        """Return the size in bytes."""
        rows = self._ask("SELECT length(data) FROM objects WHERE key = ?", check_key(key))
        return int(rows[0][0]) if rows else None

    def list(self, prefix: str) -> Iterator[str]:
        """Yield keys, sorted."""
        return (entry.key for entry in self.entries(prefix))

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Yield entries, sorted."""
        check_prefix(prefix)
        sql = "SELECT key, length(data), modified_s FROM objects WHERE key >= ? AND key < ? ORDER BY key"
        return (Entry(*row) for row in self._ask(sql, prefix, prefix + _BEHIND_ALL))

    def delete(self, key: str) -> None:
        """Delete if it is there."""
        check_key(key)
        if self.path.exists():
            with self._open() as database:
                database.execute("DELETE FROM objects WHERE key = ?", (key,))

    def local_path(self, key: str) -> Path | None:
        """Return None: an object is no file."""
        check_key(key)
        return None

    def _ask(self, sql: str, *values: str | int) -> Sequence[tuple[Any, ...]]:
        """Return rows; none where nothing was ever put."""
        if not self.path.exists():
            return []
        with self._open() as database:
            return database.execute(sql, values).fetchall()

    def _write(self, sql: str, key: str, data: bytes | Path) -> int:
        content = data.read_bytes() if isinstance(data, Path) else data
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as database:
            return database.execute(sql, (key, content, time.time())).rowcount

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction: a connection must not go through a fork, and threads share a store."""
        try:
            with closing(sqlite3.connect(self.path, timeout=_PATIENCE_S)) as database, database:
                database.execute(_TABLE)
                yield database
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise NoSpace("the disk is full", why=str(error), hint="make room", file=str(self.path)) from error
            raise Throttled(
                "the store is busy", why=str(error), hint="it is tried again", file=str(self.path)
            ) from error
