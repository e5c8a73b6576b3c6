"""A document without what is wrong in it: what is right can still be checked, and all is told at once.

A stage, source or param that has a mistake stays, by its name, with what is right of it; `Problems.touched` tells that
nothing more should be said of it. Imports nothing of flowbutton but paths.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flowbutton.dag.problems import Path

_NEEDED: dict[str, dict[str, Any]] = {
    "params": {"type": "string"},
    "sources": {"partitioner": "", "from": ""},
    "stages": {},
    "profiles": {},
}
"""What an entry of a section can't be without."""


def without(document: Any, wrong: Iterable[Path]) -> Any:
    """Return ``document`` without what stands at the paths ``wrong``; what is missing there is filled up."""
    if not isinstance(document, dict):
        return None
    rest = {name: dict(value) if isinstance(value, dict) else value for name, value in document.items()}
    for path in wrong:
        _cut(rest, path)
    return rest


def _cut(rest: dict[str, Any], path: Path) -> None:
    section, *inner = path or ("",)
    entries = rest.get(str(section))
    if section == "name":
        rest["name"] = "unnamed"
    elif not inner or not isinstance(entries, dict):
        rest.pop(str(section), None)
    elif section not in _NEEDED:
        entries.pop(inner[0], None)
    elif inner[0] in entries:
        entries[inner[0]] = _filled(str(section), entries[inner[0]], inner[1:])


def _filled(section: str, entry: Any, inner: list[Any]) -> dict[str, Any]:
    """Return an entry of a section without what is wrong in it, and with what it can't be without."""
    kept = {name: value for name, value in entry.items() if name not in inner[:1]} if isinstance(entry, dict) else {}
    if section == "stages" and ("uses" in kept) == ("command" in kept):
        kept = {name: value for name, value in kept.items() if name != "command"} | {"uses": ""}
    return _NEEDED[section] | kept
