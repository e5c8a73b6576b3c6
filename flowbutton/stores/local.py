"""A store in a local folder: one file per key.

Every object is written whole to a temporary file of the same file system, then named (`stores.placing`) or renamed.
A file that a killed writer leaves in ``~tmp`` is harmless: no key can have that name, and it is never listed.
Files are synced, with their folders, by key (`layout.is_durable`), not by an option: what a lost write costs depends
on what it is, and two openers of one store must not differ in it. Files are read-only: an editor must not change them.
Imports `model`, `stores.copying`, `stores.layout`, `stores.placing`, `stores.uris`.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from flowbutton.model.errors import NoSpace, OptionError
from flowbutton.model.store import Entry, Store
from flowbutton.stores.copying import copy_bytes
from flowbutton.stores.layout import check_key, check_prefix, check_range, is_durable, is_segment, not_in_store
from flowbutton.stores.placing import place_if_absent
from flowbutton.stores.uris import path_of

TEMPORARY = "~tmp"
_LEFTOVER = re.compile(r"[0-9a-f]{32}")
_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EROFS, errno.EPERM}


class LocalStore(Store):
    """Objects as files under ``root``; any number of processes, and of hosts that share the folder."""

    def __init__(self, root: Path, *, sync: Callable[[int], None] = os.fsync) -> None:
        self.root, self._sync = root.absolute(), sync
        self.uri = self.root.as_uri()
        self._temporary = self.root / TEMPORARY
        self._synced: set[Path] = set()  # folders whose own names are durable

    @classmethod
    def open(cls, uri: str) -> LocalStore:
        """Open ``file:///folder`` or a plain path; folders are made at the first put.

        Raises:
            OptionError: it is a file, or lies in one.
        """
        root = path_of(uri)
        for place in (root, *root.parents):
            if place.is_file():
                raise OptionError(
                    "the store can't be in a file",
                    why=f"'{place}' is a file",
                    hint="give a folder as --store",
                    file=uri,
                )
        return cls(root)

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes ``[start, stop)``."""
        check_range(start, stop)
        try:
            with self._path(key).open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                end = size if stop is None else min(stop, size)
                file.seek(min(start, end))
                return file.read(max(0, end - start))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise not_in_store(key, self.uri) from error

    def put(self, key: str, data: bytes | Path) -> None:
        """Put, replacing what is there."""
        path = self._path(key)
        with self._written(key, path, data) as temporary:
            temporary.replace(path)
        self._sync_folders(key, path)

    def put_if_absent(self, key: str, data: bytes | Path) -> bool:
        """Put unless there is something; say whether this call did."""
        path = self._path(key)
        if path.exists():
            return False
        with self._written(key, path, data) as temporary:
            placed = place_if_absent(temporary, path)
        self._sync_folders(key, path)
        return placed

    def head(self, key: str) -> int | None:
        """Return the size in bytes."""
        try:
            status = self._path(key).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def list(self, prefix: str) -> Iterator[str]:
        """Yield keys, sorted by code point."""
        folder, slash, _ = check_prefix(prefix).rpartition("/")
        return _walk(self.root / folder, folder + slash, prefix)

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Yield entries, sorted as `list` sorts."""
        for key in self.list(prefix):
            entry = _entry(key, self.root / key)
            if entry is not None:
                yield entry

    def leftovers(self) -> Iterator[Entry]:
        """Yield the temporary files; those of writers at work are among them, and are young."""
        with suppress(FileNotFoundError):
            for place in sorted((self.root / TEMPORARY).iterdir()):
                if _LEFTOVER.fullmatch(place.name) and (entry := _entry(place.name, place)) is not None:
                    yield entry

    def drop_leftover(self, name: str) -> None:
        """Remove a temporary file."""
        if _LEFTOVER.fullmatch(name):
            (self.root / TEMPORARY / name).unlink(missing_ok=True)

    def delete(self, key: str) -> None:
        """Delete if it is there; its folders stay, since another writer may be about to use them."""
        path = self._path(key)
        if path.is_file():
            path.unlink(missing_ok=True)

    def local_path(self, key: str) -> Path | None:
        """Return the file."""
        path = self._path(key)
        return path if path.is_file() else None

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    @contextmanager
    def _written(self, key: str, path: Path, data: bytes | Path) -> Iterator[Path]:
        """Write a temporary file, hand it out to be named, remove what is left of it."""
        temporary = self._temporary / uuid.uuid4().hex
        with self._explained(key, data):
            for folder in (self._temporary, path.parent):
                if not folder.is_dir():
                    folder.mkdir(parents=True, exist_ok=True)
            try:
                self._write(temporary, data, durable=is_durable(key))
                yield temporary
            finally:
                temporary.unlink(missing_ok=True)

    def _write(self, path: Path, data: bytes | Path, *, durable: bool) -> None:
        # O_EXCL is right here: the name is ours alone, and nobody reads it.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        with os.fdopen(descriptor, "wb") as file:
            if isinstance(data, Path):
                with data.open("rb") as source:
                    copy_bytes(source.fileno(), descriptor, 0, os.fstat(source.fileno()).st_size)
            else:
                file.write(data)
            if durable:
                file.flush()
                self._sync(descriptor)

    def _sync_folders(self, key: str, path: Path) -> None:
        """Sync the folder that holds a durable name; at its first use here those above it too: any of them may be new.

        They stay (`delete` leaves them), so once they are durable they remain so.
        """
        if not is_durable(key):
            return
        holder = path.parent
        above = [] if holder in self._synced else [self.root / name for name in holder.relative_to(self.root).parents]
        for folder in (holder, *above):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                self._sync(descriptor)
            finally:
                os.close(descriptor)
        self._synced.add(holder)

    @contextmanager
    def _explained(self, key: str, data: bytes | Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                raise NoSpace(
                    "the disk of the store is full",
                    why=error.strerror or "",
                    hint=f"make room on the disk of {self.root} or move the store; then run again, finished tasks "
                    "are kept",
                    file=str(self.root),
                    key=key,
                ) from error
            if error.errno in _FORBIDDEN and not (isinstance(data, Path) and error.filename == str(data)):
                raise OptionError(
                    "the store's folder can't be written",
                    why=error.strerror or "",
                    hint="change its permissions or choose another folder with --store",
                    file=str(self.root),
                    key=key,
                ) from error
            raise


def _entry(name: str, place: Path) -> Entry | None:
    """Return what the file system says of a file; None if it is gone."""
    try:
        status = place.stat()
    except FileNotFoundError:
        return None
    return Entry(name, status.st_size, status.st_mtime)


def _walk(folder: Path, path: str, prefix: str) -> Iterator[str]:
    """Yield the keys under ``folder`` (``path`` ends with a slash or is empty) that begin with ``prefix``."""
    try:
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.is_dir()) for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return
    # A folder sorts as its name with the slash: "a-b" and "a.b" come before "a/b".
    for name in sorted(f"{name}/" if is_folder else name for name, is_folder in found):
        key = path + name
        if not is_segment(name.removesuffix("/")):
            continue
        if not name.endswith("/"):
            if key.startswith(prefix):
                yield key
        elif key.startswith(prefix) or prefix.startswith(key):
            yield from _walk(folder / name, key, prefix)
