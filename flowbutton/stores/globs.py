"""Globs over the keys of a bucket: ``*`` and ``?`` stay within a folder, ``**`` does not. Pure; imports nothing."""

from __future__ import annotations

import re

_WILD = re.compile(r"[*?\[]")
_TOKENS = re.compile(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])")
_MEANS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def literal_prefix(pattern: str) -> str:
    """Return what all keys that match begin with."""
    wild = _WILD.search(pattern)
    return pattern[: wild.start()] if wild else pattern


def key_pattern(pattern: str) -> re.Pattern[str]:
    """Return what a glob over keys means."""
    parts = _TOKENS.split(pattern)
    return re.compile("".join(_meaning(part) if place % 2 else re.escape(part) for place, part in enumerate(parts)))


def _meaning(token: str) -> str:
    if token in _MEANS:
        return _MEANS[token]
    negated, letters = token[1] == "!", token[1:-1].lstrip("!") if token[1] == "!" else token[1:-1]
    safe = letters.replace("\\", r"\\").replace("^", r"\^").replace("[", r"\[")
    return f"[{'^/' if negated else ''}{safe}]"
