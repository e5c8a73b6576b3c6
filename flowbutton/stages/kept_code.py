"""Code identities kept between processes: following a function's code costs up to a second, reading it again little.

A cache only, in the user's cache folder, thrown away at will. An entry holds while the same Python follows code by the
same rules, the same distributions are installed, and each module that was read lies where it lay with the same bytes;
no time or size of a file is trusted. Imports `stages.code` and what that imports.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from flowbutton.stages import code, libraries, syntax
from flowbutton.stages.code import CodeIdentity, Witness, follow, global_name


def cache_folder() -> Path | None:
    """Return where identities are kept: below ``XDG_CACHE_HOME`` or ``~/.cache``; None for a user without a home."""
    named = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(named) if named else Path.home() / ".cache") / "flowbutton" / "code"
    except RuntimeError:
        return None


@cache
def identify_kept(function: Callable[..., Any]) -> CodeIdentity:
    """Return what `stages.code.identify` returns, from the cache where that still holds."""
    name, folder = global_name(function), cache_folder()
    if name is None or folder is None:
        return code.identify(function)
    stamp, source = _stamp(tuple(sys.path)), getattr(sys.modules.get(name[0]), "__file__", None)
    place = folder / f"{_digest([sys.prefix, str(source), *name])}.json"
    found = _read(place, stamp)
    if found is None:
        found, witness = follow(*name)
        _write(place, stamp, found, witness)
    return found


@cache
def _stamp(path: tuple[str, ...]) -> str:
    """Return what else an identity depends on: Python, the rules of following code, and the installed distributions."""
    rules = b"".join(Path(str(module.__file__)).read_bytes() for module in (code, syntax, libraries))
    places = filter(None, map(_installed, dict.fromkeys(path)))
    return _digest([sys.version, hashlib.sha256(rules).hexdigest(), *places])


def _installed(place: str) -> str:
    """Return what of a place on the path names distributions and their versions."""
    try:
        names = sorted(name for name in os.listdir(place or ".") if name.endswith((".dist-info", ".egg-info")))  # noqa: PTH208
    except NotADirectoryError:  # an archive
        status = Path(place).stat()
        names = [f"{status.st_size}-{status.st_mtime_ns}"]
    except OSError:
        names = []
    return f"{place}: {' '.join(names)}" if names else ""


def _read(place: Path, stamp: str) -> CodeIdentity | None:
    """Return the identity that is kept, None if there is none or what it was found from is other now."""
    try:
        value = json.loads(place.read_bytes())
    except (OSError, ValueError):  # not there, not to be read, or torn by a power cut
        return None
    if value["stamp"] != stamp or not Witness(value["sources"], value["places"]).holds():
        return None
    return CodeIdentity(value["digest"], value["parts"], value["libraries"])


def _write(place: Path, stamp: str, found: CodeIdentity, witness: Witness) -> None:
    value = {
        "stamp": stamp,
        "digest": found.digest,
        "parts": found.parts,
        "libraries": found.libraries,
        "sources": witness.sources,
        "places": witness.places,
    }
    fresh = place.with_suffix(f".{os.getpid()}")
    with suppress(OSError):  # no home, no room, no permission: then it is followed again next time
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(value), encoding="utf-8")
        fresh.replace(place)


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
