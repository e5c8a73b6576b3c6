"""Whether what one stage returns is what another one's argument takes.

Here: one relation between type annotations. In doubt it holds: a clash that it reports is certain.
Imports `model`, pydantic.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from flowbutton.model.bundle import BundleSink, Parts
from flowbutton.model.composite import Composite, Stored
from flowbutton.model.partitioner import Reader
from flowbutton.model.stage import AnyFile, Items

_NO_TABLE = (str, int, float, bool, bytes, Path, Reader)
_FILES = (Path, bytes, Composite)


def fits(made: Any, wanted: Any) -> bool:
    """Return whether a value of type ``made`` can be handed to an argument of type ``wanted``."""
    if wanted == AnyFile:
        return bare(made) is Any or not is_bundle(made)
    made, wanted = bare(made), bare(wanted)
    if wanted is Stored:
        return made is Any or made in _FILES
    if made is Composite and wanted in (Path, bytes):
        return True
    if made is Any or wanted is Any or wanted is object or isinstance(wanted, TypeVar) or made == wanted:
        return True
    if get_origin(made) in (Union, UnionType):
        return all(fits(member, wanted) for member in get_args(made) if member is not NoneType)
    if get_origin(wanted) in (Union, UnionType):
        return any(fits(made, member) for member in get_args(wanted))
    if wanted is Parts:
        return is_bundle(made)
    made_class, wanted_class = get_origin(made) or made, get_origin(wanted) or wanted
    if not (isinstance(made_class, type) and isinstance(wanted_class, type)):
        return bool(made_class == wanted_class)
    if not (issubclass(made_class, wanted_class) or (made_class is int and wanted_class is float)):
        return False
    pairs = list(zip(get_args(made), get_args(wanted), strict=False))
    return all(fits(*pair) for pair in pairs)


def outputs_fit(made: Mapping[str, Any], wanted: Any) -> bool:
    """Return whether all outputs of a stage together are what an argument takes: one type, or a like NamedTuple."""
    if set(made) == {""}:
        return fits(made[""], wanted)
    wanted = bare(wanted)
    if wanted is Any:
        return True
    if get_origin(wanted) in (Union, UnionType):
        return any(outputs_fit(made, member) for member in get_args(wanted))
    if not (isinstance(wanted, type) and hasattr(wanted, "_fields")):
        return False
    fields = typing.get_type_hints(wanted, include_extras=True)
    return set(fields) == set(made) and all(fits(made[name], fields[name]) for name in fields)


def reader_fits(reader: type[Reader], wanted: Any) -> bool:
    """Return whether an argument takes a source's pieces: its reader's class, or a path that the reader has."""
    return fits(reader, wanted) or (fits(Path, wanted) and callable(getattr(reader, "path", None)))


def table_fits(wanted: Any) -> bool:
    """Return whether an argument may take a source's table, which is a list of rows of JSON."""
    wanted = bare(wanted)
    return not (isinstance(wanted, type) and issubclass(wanted, _NO_TABLE))


def column_fits(wanted: Any) -> bool:
    """Return whether an argument may take the values of a key column, each a text or a whole number."""
    return fits(str, wanted) or fits(int, wanted)


def item_type(made: Any) -> Any | None:
    """Return the type of the values of an `Items`, None if the type is another."""
    made = bare(made)
    if made is Items:
        return Any
    return get_args(made)[0] if get_origin(made) is Items else None


def is_bundle(made: Any) -> bool:
    """Return whether a type is a bundle that is written."""
    made = bare(made)
    return made is Any or (isinstance(made, type) and issubclass(made, BundleSink))


def bare(hint: Any) -> Any:
    """Return a type without its annotations."""
    return bare(get_args(hint)[0]) if hasattr(hint, "__metadata__") else hint


def show_type(hint: Any) -> str:
    """Write a type as people do."""
    hint = bare(hint)
    origin, members = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " | ".join(show_type(member) for member in members)
    if hint is NoneType:
        return "None"
    if origin is Literal:
        return " | ".join(repr(member) for member in members)
    name = getattr(origin or hint, "__name__", str(hint))
    return f"{name}[{', '.join(show_type(member) for member in members)}]" if members else str(name)
