"""Progress, times and paths as people read them. Imports nothing of flowbutton."""

from __future__ import annotations

from pathlib import Path


def out_of(done: int, expected: int | None) -> str:
    """Write how far something is: ``1,200/36,000``; ``12/?`` where it is not known of how many."""
    return f"{done:,}/{'?' if expected is None else f'{expected:,}'}"


def shown_time(seconds: float) -> str:
    """Write a span of time for people: ``850 ms``, ``12.3 s``, ``4 m 05 s``, ``2 h 10 m``."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} m {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} m"


def shown_path(path: Path | str) -> str:
    """Return a path as people would write it here: relative, where it lies below the current folder. A URI stays."""
    if "://" in str(path):
        return str(path)
    place, here = Path(path).absolute(), Path.cwd()
    return str(place.relative_to(here)) if place.is_relative_to(here) else str(path)
