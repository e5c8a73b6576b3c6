"""Files on their way into a folder: each written beside its place under a name that no other writer uses, then renamed.

Two runs may publish into one folder at once, or one that stood still wakes up behind its successor: neither may write
into, or rename, what the other is writing. So the names are drawn, and who is at work shares a lock of the folder.
Whoever finds nobody at work removes what killed writers left under the names that it is about to write. Where the
file system has no locks nothing is removed. Imports the standard library alone.
"""

from __future__ import annotations

import fcntl
import os
import re
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK = ".flowbutton-publishing"
_LEFTOVER = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{12}\.partial", re.DOTALL)


class Staged:
    """What one writer has on its way: ``at`` names a file beside its place, ``name_all`` renames all of them."""

    def __init__(self) -> None:
        self._token = uuid.uuid4().hex[:12]
        self._begun: list[tuple[Path, Path]] = []

    def at(self, place: Path) -> Path:
        """Return where to write what is going to ``place``, whose folder is made."""
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = place.with_name(f".{place.name}.{self._token}.partial")
        self._begun.append((fresh, place))
        return fresh

    def name_all(self) -> None:
        """Give each file its name, in the order in which they were begun."""
        for fresh, place in self._begun:
            fresh.replace(place)
        self._begun.clear()

    def drop(self) -> None:
        """Remove what was not named."""
        for fresh, _ in self._begun:
            fresh.unlink(missing_ok=True)


@contextmanager
def staged(folder: Path, places: Sequence[Path]) -> Iterator[Staged]:
    """Hand out what is on its way to ``places`` in ``folder``, which exists; at the end nothing unnamed is left."""
    work = Staged()
    with _among_writers(folder, places):
        try:
            yield work
        finally:
            work.drop()


@contextmanager
def _among_writers(folder: Path, places: Sequence[Path]) -> Iterator[None]:
    lock = _opened(folder / LOCK)
    try:
        if lock is not None:
            with suppress(OSError):  # others are at work, or there are no locks here
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _sweep(places)
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_SH)
        yield
    finally:
        if lock is not None:
            os.close(lock)


def _opened(place: Path) -> int | None:
    """Return a descriptor of the lock; None where it can't be made: what can't be written is told later."""
    try:
        return os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        return None


def _sweep(places: Collection[Path]) -> None:
    """Remove the leftovers of files that were on their way to these places."""
    wanted = set(places)
    for parent in {place.parent for place in places}:
        with suppress(FileNotFoundError, NotADirectoryError):
            for entry in [*os.scandir(parent)]:
                found = _LEFTOVER.fullmatch(entry.name)
                if found and parent / found["name"] in wanted:
                    Path(entry.path).unlink(missing_ok=True)
