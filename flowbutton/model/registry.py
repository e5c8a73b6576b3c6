"""Finding implementations by name: ours are registered the way plug-ins are, by entry points, loaded when first used.

Not here: how stages are looked up inside their module (`stages.define`). Imports `model`.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from flowbutton.model.errors import OptionError
from flowbutton.model.extras import missing_extra
from flowbutton.model.near import did_you_mean
from flowbutton.model.partitioner import Partitioner


def registered(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of ``flowbutton.<group>`` by name; of two with one name, the first."""
    return {name: points[0] for name, points in _points(group).items()}


_all_points = cache(lambda: entry_points())
"""All entry points, read once: looking for one group opens every distribution all the same."""


@cache
def _points(group: str) -> dict[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = {}
    for point in _all_points().select(group=f"flowbutton.{group}"):
        found.setdefault(point.name, []).append(point)
    return found


def load(group: str, name: str) -> Any:
    """Load the implementation called ``name``.

    Raises:
        OptionError: nothing has this name (the hint lists what there is), two packages have it, it can't be imported,
            or it is not what its group is for.
        MissingExtra: a library that it needs is not installed.
    """
    points = _points(group).get(name, [])
    kind = f"{group.rstrip('s')} '{name}'"
    if not points:
        what, known = f"there is no {group.rstrip('s')} called '{name}'", registered(group)
        raise OptionError(what, why="", hint=did_you_mean(name, known, listed="installed"))
    if len(points) > 1:
        homes = " and ".join(sorted(distribution_of(point) for point in points))
        raise OptionError(f"the name of {kind} is taken twice", why=f"by {homes}", hint="uninstall one of them")
    try:
        found = points[0].load()
    except ModuleNotFoundError as error:
        raise missing_extra(error, kind, wanted_by=name, home=distribution_of(points[0])) from error
    except Exception as error:  # the plug-in's module runs here, and may raise anything
        raise OptionError(
            f"the {kind} can't be imported",
            why=f"{type(error).__name__}: {error}",
            hint=f"correct or uninstall {distribution_of(points[0])}",
        ) from error
    reason = _misfit(group, name, found)
    if reason:
        raise OptionError(
            f"the {kind} can't be used", why=reason, hint=f"correct or uninstall {distribution_of(points[0])}"
        )
    return found


@cache
def partitioner_named(name: str) -> Partitioner:
    """Return this process's instance of a partitioner. Raises as `load`."""
    made: Partitioner = load("partitioners", name)()
    return made


def distribution_of(point: EntryPoint) -> str:
    """Return the package that registers an entry point, as pip calls it, with its version."""
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value


def _misfit(group: str, name: str, found: object) -> str:
    """Return why an object is not what a group is for; empty if it is, or the group is unknown here."""
    match group:
        case "stages":
            return "" if isinstance(found, ModuleType) else f"it is no module with stages, but {found!r}"
        case "partitioners":
            if not (isinstance(found, type) and issubclass(found, Partitioner)):
                return f"it is no Partitioner, but {found!r}"
            return "" if found.name == name else f"it is called '{found.name}' in its class"
        case "stores":
            return "" if callable(getattr(found, "open", None)) else f"it has no open(uri), as a Store has: {found!r}"
        case "executors":
            return "" if callable(found) else f"it can't be called, as an Executor's class can: {found!r}"
    return ""
