"""Pydantic's findings in the words of the pipeline file.

Here: each finding of a `ValidationError` becomes a problem with its place and a hint.
Imports pydantic, `model.errors`.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from flowbutton.dag.problems import Path, Problems
from flowbutton.model.near import closest, did_you_mean

_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a mapping (name: value)",
    "model_type": "a mapping (name: value)",
    "model_attributes_type": "a mapping (name: value)",
    "tuple_type": "a list",
    "list_type": "a list",
}
_BEYOND = {
    "greater_than_equal": ("ge", "below"),
    "greater_than": ("gt", "not above"),
    "less_than_equal": ("le", "above"),
    "less_than": ("lt", "not below"),
}
_LOOKS_BOOL = {"yes", "no", "on", "off", "y", "n"}


def explain(error: ValidationError, model: type[BaseModel], problems: Problems, at: Path = ()) -> None:
    """Add every finding of ``error``, raised by ``model``, to ``problems``; ``at`` is where its value stands."""
    told: set[Path] = set()
    for finding in error.errors(include_url=False):
        place, key = _place(finding["loc"], model)
        path = (*at, *place)
        # Of a union every member reports; the first is told, so its order is from the likeliest to the rarest.
        if path in told and finding["type"] != "missing":
            continue
        told.add(path)
        what, hint = _words(finding, model, place)
        if finding["type"] == "missing":
            path = path[:-1]
        problems.add(path, what, hint=hint, key=key or finding["type"] == "extra_forbidden")


def _place(loc: tuple[str | int, ...], model: type[BaseModel]) -> tuple[Path, bool]:
    """Return the path in the file of a finding, and whether it is about the key there."""
    if loc and loc[-1] == "[key]":
        return loc[:-1], True
    path: list[str | int] = []
    for part in loc:
        if isinstance(part, str) and not _has_names(model, tuple(path)):
            break  # pydantic's name of a union's member, no key
        path.append(part)
    return tuple(path), False


def _has_names(model: type[BaseModel], path: Path) -> bool:
    return any(_is_model(kind) or get_origin(kind) is dict for kind in _kinds_at(model, path))


def _words(finding: ErrorDetails, model: type[BaseModel], path: Path) -> tuple[str, str]:
    kind, value, context = finding["type"], finding["input"], finding.get("ctx", {})
    last = path[-1] if path else ""
    if kind == "extra_forbidden" and value is None and " " in str(last):
        return f"unknown key '{last}'", "a comma ends a text inside { }: put quotes around the whole text"
    if kind == "extra_forbidden":
        return f"unknown key '{last}'", did_you_mean(str(last), _known(model, path[:-1]))
    if kind == "missing":
        return f"'{last}' is missing", f"add '{last}: ...'"
    if kind == "value_error":
        return str(context["error"]), ""
    if kind == "literal_error" and last == "flowbutton":
        return f"the language's version is {_show(value)}, and this flowbutton reads {context['expected']}", ""
    if kind == "literal_error":
        return _not_one_of(value, _choices(model, path), str(context["expected"]))
    if kind == "too_short":
        return f"'{last}' is empty", "name one at least"
    if kind in _BEYOND:
        bound, word = _BEYOND[kind]
        return f"{_show(value)} is {word} {context[bound]}", ""
    if kind in _WANTED:
        return f"{_show(value)} is given where {_WANTED[kind]} is wanted", _hint(kind, value)
    return f"{_show(value)} does not fit: {finding['msg'][0].lower()}{finding['msg'][1:]}", ""


def _not_one_of(value: Any, choices: list[str], expected: str) -> tuple[str, str]:
    if isinstance(value, str) and choices:
        hint = did_you_mean(value, choices) if closest(value, choices) else ""
        return f"'{value}' is not one of {', '.join(choices)}", hint
    return f"{_show(value)} is given where {expected} is wanted", ""


def _hint(kind: str, value: Any) -> str:
    if isinstance(value, str) and "${" in value:
        return "placeholders stand in 'from', 'with', 'when' and 'tolerate' only"
    if kind.startswith("bool") and isinstance(value, str) and value.lower() in _LOOKS_BOOL:
        return "yes, no, on and off are text here; write true or false"
    if kind == "string_type" and isinstance(value, bool | int | float):
        return "put quotes around it"
    return ""


def _show(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}'" if isinstance(value, str) else str(value)


def _known(model: type[BaseModel], path: Path) -> list[str]:
    return [name for kind in _kinds_at(model, path) if _is_model(kind) for name in _fields(kind)]


def _choices(model: type[BaseModel], path: Path) -> list[str]:
    return [str(choice) for kind in _kinds_at(model, path) for choice in get_args(kind) if isinstance(choice, str)]


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _kinds_at(model: type[BaseModel], path: Path) -> list[Any]:
    """Return the types that may stand at ``path`` of a model's value."""
    kinds: list[Any] = [model]
    for part in path:
        kinds = [flat for kind in kinds for step in _step(kind, part) for flat in _flat(step)]
    return kinds


def _step(kind: Any, part: str | int) -> list[Any]:
    if _is_model(kind):
        fields = _fields(kind)
        return [fields[part]] if part in fields else []
    if get_origin(kind) is dict:
        return [get_args(kind)[1]]
    return list(get_args(kind)) if get_origin(kind) in (tuple, list) and isinstance(part, int) else []


def _flat(kind: Any) -> list[Any]:
    """Take a type's annotations off and its union apart."""
    if hasattr(kind, "__metadata__"):
        return _flat(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return [flat for member in get_args(kind) for flat in _flat(member)]
    return [kind]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
