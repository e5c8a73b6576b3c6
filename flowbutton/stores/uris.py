"""URIs of things on this machine: telling schemes from paths, and names that can't be written down.

Not here: what a scheme's data look like (`stores.access`, the stores). Imports `model.errors`.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from flowbutton.model.errors import BadInput

# At least two letters, so that C:\data is a path.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")


def scheme_of(uri: str) -> str:
    """Return a URI's scheme in lower case; a plain path means ``file``. A path like ``a:b`` is written ``./a:b``."""
    match = _SCHEME.match(uri)
    return match[1].lower() if match else "file"


def path_of(uri: str) -> Path:
    """Return the path that a ``file`` URI or a plain path names.

    Raises:
        BadInput: the URI names a file of another machine, or no file.
    """
    if _SCHEME.match(uri) is None:
        return Path(uri)
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise BadInput(
            f"'{uri}' names no file of this machine",
            why="a file URI has three slashes and an absolute path",
            hint="write file:///absolute/path or a plain path",
            file=uri,
        )
    # '?' and '#' can be in a file's name; only %-escapes mean something else.
    return Path(unquote(uri[len("file:") :].removeprefix("//").removeprefix("localhost")))


def named(path: Path) -> Path:
    """Refuse a path whose name can't be written into plans and records.

    Raises:
        BadInput: the bytes of a name in it are no text in UTF-8, or this Python takes them for something else.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        read_as = sys.getfilesystemencoding()
        if read_as != "utf-8":
            raise BadInput(
                f"a name has characters outside {read_as}, the encoding in which Python reads names here",
                why="the locale says so, and UTF-8 mode is off",
                hint="set LC_ALL=C.UTF-8, or leave out PYTHONUTF8=0 and -X utf8=0",
                file=shown,
            ) from error
        raise BadInput(
            "the name of a file or folder is not text in UTF-8",
            why="names are part of plans and records",
            hint="rename it; convmv does it for many",
            file=shown,
        ) from error
    return path


def default_store(results: str) -> str:
    """Return where work is kept when nobody says: ``.flowbutton`` beside the results, here if those are elsewhere.

    Raises:
        BadInput: as `named`.
    """
    beside = path_of(results) if scheme_of(results) == "file" else Path("results")
    return str(named(beside.resolve()).parent / ".flowbutton")
