"""Giving a whole file its name unless the name is taken: the step that makes put-if-absent atomic on a local disk.

Never O_EXCL on the name itself: a writer killed halfway would hold it for ever (engine-notes.md: 63 of 64, for ever).
link(2) fails when the name exists, on every POSIX file system that has links; where links are missing (exFAT, some
FUSE mounts) renameat2(2) with RENAME_NOREPLACE does the same. Where both are missing the store is refused.
Imports `model.errors`.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from flowbutton.model.errors import OptionError

_UNSUPPORTED = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}
_AT_FDCWD, _RENAME_NOREPLACE = -100, 1

Way = Callable[[Path, Path], None]
"""Gives the file at the first path the second as name; raises FileExistsError if that is taken."""


def by_link(file: Path, name: Path) -> None:
    """Link: the old name stays until it is removed."""
    try:
        os.link(file, name)
    except FileExistsError:
        # On NFS the answer of a link that worked can be lost, and the client's second try finds our own file.
        if file.stat().st_nlink != 2:
            raise


def by_rename(file: Path, name: Path) -> None:
    """Rename without replacing; Linux 3.15 with glibc 2.28."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), str(name))
    answer = libc.renameat2(
        _AT_FDCWD, os.fsencode(file), _AT_FDCWD, os.fsencode(name), ctypes.c_uint(_RENAME_NOREPLACE)
    )
    if answer != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(name))


def place_if_absent(file: Path, name: Path, ways: Sequence[Way] = (by_link, by_rename)) -> bool:
    """Give ``file`` the ``name`` if nobody has it; return whether it was given. ``file`` may be left behind.

    Raises:
        OptionError: the file system knows none of the ways.
        OSError: any other failure, such as a full disk or a missing folder.
    """
    refused: OSError | None = None
    for way in ways:
        try:
            way(file, name)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            refused = error
        else:
            return True
    raise OptionError(
        "this folder can't hold a store",
        why="its file system has neither links nor a rename that never replaces, so two writers could lose a result",
        hint="choose a folder on another file system with --store",
        file=str(name),
    ) from refused
