"""Where things are by default, and how a path is shown. Imports nothing of flowbutton."""

from __future__ import annotations

from pathlib import Path


def default_store(results: Path) -> str:
    """Return where work is kept when nobody says: ``.flowbutton`` beside the results folder."""
    return str(results.resolve().parent / ".flowbutton")


def shown(path: Path | str) -> str:
    """Return a path as people would write it here: relative, where it lies below the current folder."""
    place = Path(path).absolute()
    return str(place.relative_to(Path.cwd())) if place.is_relative_to(Path.cwd()) else str(path)
