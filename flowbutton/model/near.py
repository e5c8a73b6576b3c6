"""Which of the names that there are somebody meant who wrote another: "did you mean ...?".

Imports nothing of flowbutton.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str], *, listed: str = "there are") -> str:
    """Return a hint: the likeliest of the known names, else all of them after the words ``listed``."""
    names = sorted(set(known))
    close = closest(name, names)
    if close is not None:
        return f"did you mean '{close}'?"
    return f"{listed}: {', '.join(names)}" if names else "there are none"


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that somebody who wrote ``name`` is likely to have meant; case does not count."""
    by_lower = {text.lower(): text for text in sorted(set(known), reverse=True)}
    return next((by_lower[text] for text in get_close_matches(name.lower(), sorted(by_lower), n=1, cutoff=0.6)), None)
