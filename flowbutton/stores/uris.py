"""URIs of things on this machine: telling schemes from paths.

Not here: what a scheme's data look like (`stores.access`, the stores). Imports `model.errors`.
"""

from __future__ import annotations

import re
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


def default_store(results: str) -> str:
    """Return where work is kept when nobody says: ``.flowbutton`` beside the results, here if those are elsewhere."""
    beside = path_of(results) if scheme_of(results) == "file" else Path("results")
    return str(beside.resolve().parent / ".flowbutton")
