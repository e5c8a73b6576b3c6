"""Reading sources by range: local files, objects of S3, of the web and other clouds, derived bytes in the run's store.

Not here: how sources are cut (`partitioners`). Imports `model`, `stores.layout`, `stores.objects`, `stores.uris`;
`stores.s3_sources` or `stores.web_sources` where a source lies there.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Protocol

from flowbutton.model.errors import BadInput, ChangedInput, MissingInput, NotInStore
from flowbutton.model.pieces import ObjectInfo, split_query
from flowbutton.model.store import Store
from flowbutton.stores.layout import check_range, object_key
from flowbutton.stores.objects import Objects
from flowbutton.stores.uris import named, path_of, scheme_of

_OBJECT = "object:"
_COPY_BYTES = 8 * 1024**2


class StoreAccess:
    """What partitioners may do with data (`model.store.DataAccess`), for one process.

    ``read_bytes`` counts the bytes that `read` returned, ``kept`` has the digests of what `keep` put. A relative path
    is one of the current folder. Files fetched from a store without files of its own are kept in ``cache``.
    """

    def __init__(self, store: Store, cache: Path | None = None) -> None:
        self.read_bytes = 0
        self.kept: dict[str, None] = {}
        self._objects, self._cache = Objects(store), cache

    def head(self, uri: str) -> ObjectInfo:
        """Return size and identity: size and mtime of a file, the ETag in S3, the digest of an object."""
        digest = _digest(uri)
        if digest is not None:
            with _derived(uri):
                return ObjectInfo(uri, self._objects.size(digest), digest)
        if (remote := _remote(uri)) is not None:
            return remote.head(uri)
        path = _file(uri)
        with _readable(uri, path):
            status = path.stat()
            if not path.is_file():
                raise IsADirectoryError(errno.EISDIR, "it is not a file")
        return ObjectInfo(uri, status.st_size, f"{status.st_size}-{status.st_mtime_ns}")

    def glob(self, pattern: str) -> list[str]:
        """Return the files that match, sorted, in the way that the pattern is written; ``**`` means any folders."""
        if (remote := _remote(pattern)) is not None:
            return remote.find(pattern)
        path = _file(pattern)
        found = [str(path)] if path.is_file() else glob.glob(str(path), recursive=True)  # noqa: PTH207
        files = sorted(named(Path(name)) for name in found if Path(name).is_file())
        return [file.as_uri() if pattern.lower().startswith("file:") else str(file) for file in files]

    def read(self, uri: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes ``[start, stop)``, fewer where the object ends before."""
        check_range(start, stop)
        digest = _digest(uri)
        if digest is not None:
            with _derived(uri):
                data = self._objects.get(digest, start, stop)
        elif (remote := _remote(uri)) is not None:
            data = remote.read(uri, start, stop)
        else:
            path = _file(uri)
            with _readable(uri, path), path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                end = size if stop is None else min(stop, size)
                file.seek(min(start, end))
                data = file.read(max(0, end - start))
        self.read_bytes += len(data)
        return data

    def keep(self, data: bytes) -> str:
        """Put derived bytes by their content; return their URI."""
        digest, _ = self._objects.put(data)
        self.kept[digest] = None
        return _OBJECT + digest

    def fetch(self, uri: str) -> Path:
        """Return a local file: the source itself, or the object in place or in the cache.

        Raises:
            ValueError: there is no cache, and the source is not on this machine.
        """
        digest = _digest(uri)
        if digest is not None:
            with _derived(uri):
                return self._objects.fetch(digest, self._cache)
        info = self.head(uri)
        return self._copy(info) if _remote(uri) is not None else _file(uri)

    def _copy(self, info: ObjectInfo) -> Path:
        """Return a copy of a source from elsewhere, made once for each of its contents, complete when visible."""
        if self._cache is None:
            raise ValueError(f"{info.uri} needs a cache folder to become a file")
        known = hashlib.sha256(f"{info.uri}\0{info.identity}".encode()).hexdigest()
        place = self._cache / f"{known}-{PurePosixPath(split_query(info.uri)[0]).name}"
        if not place.exists():
            self._cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._cache) as folder:
                copy = Path(folder) / "copy"
                with copy.open("wb") as file:
                    for start in range(0, info.size, _COPY_BYTES):
                        file.write(self.read(info.uri, start, min(start + _COPY_BYTES, info.size)))
                if self.head(info.uri).identity != info.identity:
                    raise ChangedInput(
                        "a file changed while it was copied here",
                        why="its ETag is another one now",
                        hint="run again when nothing writes to it any more",
                        file=info.uri,
                    )
                copy.replace(place)
        return place


def _digest(uri: str) -> str | None:
    return uri.removeprefix(_OBJECT) if uri.startswith(_OBJECT) else None


class _Remote(Protocol):
    """A module that reads sources of other machines by range."""

    def head(self, uri: str) -> ObjectInfo: ...
    def find(self, pattern: str) -> list[str]: ...
    def read(self, uri: str, start: int, stop: int | None) -> bytes: ...


def _remote(uri: str) -> _Remote | None:
    """Return what reads sources of a scheme; None for files of this machine and what can't be read."""
    scheme = scheme_of(uri)
    if scheme == "s3":
        from flowbutton.stores import s3_sources

        return s3_sources
    if scheme in ("http", "https", "gs", "az"):
        from flowbutton.stores import web_sources

        return web_sources
    return None


def _file(uri: str) -> Path:
    if scheme_of(uri) != "file":
        raise BadInput(
            f"'{uri}' can't be read",
            why=f"there is no reader for '{scheme_of(uri)}:'",
            hint="supported: a path, file:///path, s3://bucket/key, https://host/path, gs://, az://, object:<digest>; "
            "write ./name for a file with a colon in its name",
            file=uri,
        )
    return named(path_of(uri))


@contextmanager
def _derived(uri: str) -> Iterator[None]:
    try:
        yield
    except NotInStore as error:
        raise MissingInput(
            "derived data are not in the store",
            why="they were cleaned away, or the store is another one",
            hint="run again: they are made again",
            file=uri,
            key=object_key(uri.removeprefix(_OBJECT)),
        ) from error


@contextmanager
def _readable(uri: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        missing = isinstance(error, FileNotFoundError | NotADirectoryError) or error.errno == errno.ENAMETOOLONG
        if not missing and not isinstance(error, IsADirectoryError | PermissionError):
            raise
        raise MissingInput(
            f"'{path.name}' " + ("does not exist" if missing else "can't be read"),
            why="" if missing else (error.strerror or ""),
            hint=_advice(path) if missing else _remedy(path),
            file=uri,
        ) from error


def _remedy(path: Path) -> str:
    return f"name its files: {path.name}/*" if path.is_dir() else f"you may not read it: chmod u+r {path.name}"


def _advice(path: Path) -> str:
    folder = path.absolute().parent
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return f"the folder {folder} does not exist or can't be listed"
    near = get_close_matches(path.name, names, n=1)
    return f"did you mean '{near[0]}'?" if near else f"check the name: {folder} has {len(names)} other entries"
