"""Finding implementations by name: ours are registered the way plug-ins are, by entry points, loaded when first used.

Not here: how stages are looked up inside their module (`stages.define`). Imports `model.errors`.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from flowbutton.model.errors import MissingExtra, OptionError
from flowbutton.model.near import did_you_mean

_EXTRAS = {
    **dict.fromkeys(("numpy", "pysam", "pyminimap2", "isal"), "genomics"),
    **dict.fromkeys(("IsoSpecPy", "scipy", "pyarrow"), "metabolomics"),
}


@cache
def registered(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of ``flowbutton.<group>`` by name."""
    return {point.name: point for point in entry_points(group=f"flowbutton.{group}")}


def load(group: str, name: str) -> Any:
    """Load the implementation called ``name``.

    Raises:
        OptionError: nothing has this name; the hint lists what there is.
        MissingExtra: a library that it needs is not installed.
    """
    point = registered(group).get(name)
    if point is None:
        raise OptionError(
            f"there is no {group.rstrip('s')} called '{name}'",
            why="",
            hint=did_you_mean(name, registered(group), listed="installed"),
        )
    try:
        return point.load()
    except ModuleNotFoundError as error:
        raise missing_extra(error, f"{group.rstrip('s')} '{name}'") from error
    except Exception as error:  # the plug-in's module runs here, and may raise anything
        installed = point.dist.name if point.dist is not None else point.value
        raise OptionError(
            f"the {group.rstrip('s')} '{name}' can't be imported",
            why=f"{type(error).__name__}: {error}",
            hint=f"correct or uninstall '{installed}'",
        ) from error


def missing_extra(error: ModuleNotFoundError, needed_by: str) -> MissingExtra:
    """Turn a failed import into the command that cures it."""
    module = (error.name or "").partition(".")[0]
    wanted = f"'flowbutton[{_EXTRAS[module]}]'" if module in _EXTRAS else module
    return MissingExtra(
        f"the {needed_by} needs the library '{module}', which is not installed",
        why="",
        hint=f"run: pip install {wanted}",
    )
