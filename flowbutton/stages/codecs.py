"""Results to bytes and back, by type: the small registry of codecs.

A codec turns a value that a stage returned into bytes or a file, and an artifact into what an argument's annotation
asks for. Encodings are canonical: equal values give equal bytes. Imports `flowbutton.model`, `stages.bundles`.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, NamedTuple, Union, cast, get_args, get_origin

from pydantic import BaseModel, TypeAdapter

from flowbutton.model.blocks import Blocks
from flowbutton.model.canonical import canonical
from flowbutton.model.composite import COMPOSITE, Composite, Stored
from flowbutton.model.errors import Bug
from flowbutton.model.pieces import Item
from flowbutton.model.stage import Items
from flowbutton.stages.bundles import Bundle


class Encoded(NamedTuple):
    """A value as an artifact's bytes: in memory or in a file, with the kind of its codec, and digests if known.

    ``size`` is told of a composite, whose bytes are a list of where those of the artifact lie.
    """

    kind: str
    data: bytes | Path
    suffix: str = ""
    blocks: Blocks | None = None
    size: int | None = None


def bare(annotation: Any) -> Any:
    """Return an annotation without ``Annotated`` and without ``| None``."""
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        left = [kind for kind in get_args(annotation) if kind is not NoneType]
        return bare(left[0]) if len(left) == 1 else annotation
    return annotation


@cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    """Return the adapter of an annotation, made once: making one costs more than using it."""
    return TypeAdapter(annotation)


def encode(value: object, annotation: Any) -> Encoded:
    """Turn a stage's result into bytes.

    Raises:
        Bug: the value is not what the annotation says, or no codec knows the type.
    """
    if type(value) is annotation and annotation in (str, int, bool):  # plain JSON, which needs no adapter
        return Encoded("json", canonical(cast(str | int | bool, value)))
    _check_kind(value, annotation)
    if isinstance(value, Path):
        return Encoded("file", value, "".join(value.suffixes[-2:]) if value.suffix == ".gz" else value.suffix)
    if isinstance(value, Bundle):
        return Encoded("bundle", value.close(), blocks=value.blocks)
    if isinstance(value, Composite):
        return Encoded(COMPOSITE, value.composition.encode(), value.suffix, size=value.composition.size)
    if isinstance(value, Items):
        rows = [{"key": [list(pair) for pair in item.key], "value": item.value} for item in value.items()]
        return Encoded("items", canonical(rows))
    if isinstance(value, bytes):
        return Encoded("bytes", value)
    try:
        if isinstance(value, BaseModel):
            return Encoded("json", canonical(value.model_dump(mode="json")))
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # so does pydantic say that a value is not of its type
            return Encoded("json", canonical(_adapter(annotation).dump_python(value, mode="json")))
    except (TypeError, ValueError, UserWarning) as error:
        raise Bug(
            f"a result of type {type(value).__name__} can't be stored",
            why=str(error),
            hint="return a path, bytes, a pydantic model, Items, a Bundle, a Composite, or plain JSON values",
        ) from error


def _check_kind(value: object, annotation: Any) -> None:
    """Refuse what has a codec of its own, or is None, where the annotation names another type."""
    wanted = bare(annotation)
    if value is None and get_origin(annotation) in (Union, UnionType):
        return
    named = get_origin(wanted) or wanted
    for kind in (Path, Bundle, Composite, Items, bytes, BaseModel, NoneType):
        if isinstance(value, kind) and isinstance(named, type) and not isinstance(value, named):
            raise Bug(
                f"a stage returned {type(value).__name__}, its annotation says {named.__name__}",
                why="the next stage would read something else than it was promised",
                hint="return what the annotation says, or correct the annotation",
            )


def decode(
    annotation: Any, *, read: Callable[[], bytes], fetch: Callable[[], Path], hold: Callable[[], Stored]
) -> object:
    """Turn an artifact into what ``annotation`` asks for.

    ``read`` returns its bytes, ``fetch`` a local file, ``hold`` where it lies.
    """
    wanted = bare(annotation)
    if wanted is Stored:
        return hold()
    if wanted is Path:
        return fetch()
    if wanted is bytes:
        return read()
    return from_json(annotation, json.loads(read().decode()))  # text: json would guess how bytes are encoded


def from_json(annotation: Any, value: object) -> object:
    """Turn a JSON value (an item's value, a key column, a source's table) into what ``annotation`` asks for."""
    return _adapter(annotation).validate_python(value)


def read_items(data: bytes) -> list[Item]:
    """Read the artifact of a stage that made items."""
    return [Item(tuple((name, value) for name, value in row["key"]), row["value"]) for row in json.loads(data)]
