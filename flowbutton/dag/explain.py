"""Pydantic's findings in the words of the pipeline file.

Here: each finding of a `ValidationError` becomes a problem with its place and a hint.
Imports pydantic, `model`.
"""

from __future__ import annotations

import re
import types
from collections.abc import Mapping, Sequence
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from flowbutton.dag.load import read_scalar
from flowbutton.dag.problems import Path, Problems, show_value
from flowbutton.model.near import closest, did_you_mean
from flowbutton.model.units import Unfit

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
_MAPPINGS = ("dict_type", "model_type", "model_attributes_type")
_SECTIONS = {"uses": "stages", "command": "stages", "partitioner": "sources", "type": "params"}
_FOREIGN = {
    **dict.fromkeys(
        ("input", "inputs", "in", "needs", "depends", "depends_on"), "bind it under for_each, gather or share"
    ),
    **dict.fromkeys(("output", "publish", "publishdir"), "results are named under 'outputs', at the top of the file"),
    **dict.fromkeys(("script", "shell", "run", "cmd", "exec"), "name a function by 'uses', or a program by 'command'"),
    **dict.fromkeys(("cpus", "cpu", "threads", "memory", "mem", "time", "timeout"), "see 'resources'"),
    **dict.fromkeys(("rules", "rule", "tasks", "steps", "jobs", "process", "workflow"), "see 'stages'"),
    **dict.fromkeys(("config", "args", "arguments", "options", "parameters"), "options of a stage stand under 'with'"),
    **dict.fromkeys(("if", "condition"), "see 'when'"),
}
"""Keys of other engines, and where their meaning stands here."""
_ZEROS = re.compile(r"0+[0-9]+")
_FOREIGN_PLACEHOLDER = re.compile(r"\{\{\s*(?:params\.)?([\w-]+)\s*\}\}|\$(?!\$)([A-Za-z]\w*)")
_LOOKS_BOOL = {"yes", "no", "on", "off", "y", "n"}


def explain(
    error: ValidationError, model: type[BaseModel], problems: Problems, at: Path = (), *, noun: str = "key"
) -> list[Path]:
    """Add every finding of ``error``, raised by ``model``, to ``problems``; ``at`` is where its value stands.

    Returns:
        The paths of what is wrong: of values, of keys, and of keys that are missing.
    """
    findings = [(finding, *_place(finding["loc"], model)) for finding in error.errors(include_url=False)]
    unknown: dict[Path, list[str]] = {}
    for finding, place, _ in findings:
        if finding["type"] == "extra_forbidden":
            unknown.setdefault(place[:-1], []).append(str(place[-1]))
    told: list[Path] = []
    for finding, place, key in findings:
        path, missing = (*at, *place), finding["type"] == "missing"
        # Of a union every member reports; the first is told, so its order is from the likeliest to the rarest.
        if path in told:
            continue
        told.append(path)
        if missing and closest(str(place[-1]), unknown.get(place[:-1], ())):
            continue  # the key is there, but misspelt: that is told
        what, hint = _words(finding, model, place, noun)
        of_key = key or finding["type"] == "extra_forbidden"
        problems.add(path[:-1] if missing else path, what, hint=hint, key=of_key)
    return told


def _place(loc: tuple[str | int, ...], model: type[BaseModel]) -> tuple[Path, bool]:
    """Return the path in the file of a finding, and whether it is about the key there."""
    if loc and loc[-1] == "[key]":
        return loc[:-1], True
    path: list[str | int] = []
    for part in loc:
        kinds = [kind for kind in _kinds_at(model, tuple(path)) if kind is not types.NoneType]
        if isinstance(part, str) and len(kinds) > 1:
            continue  # pydantic's name of a union's member, no key
        path.append(part)
    return tuple(path), False


def _words(finding: ErrorDetails, model: type[BaseModel], path: Path, noun: str) -> tuple[str, str]:
    kind, value, context = finding["type"], finding["input"], finding.get("ctx", {})
    last = str(path[-1]) if path else ""
    if kind == "extra_forbidden":
        return f"unknown {noun} '{last}'", _hint_of_key(last, value, _known(model, path[:-1]), path)
    if kind in ("missing", "too_long") and (count := _count_at(model, path, kind)) and isinstance(value, Sequence):
        return f"{show_value(value)} has {len(value)} values, {count} are wanted", ""
    if kind == "missing":
        shown = "flowbutton: 1" if path == ("flowbutton",) else f"{last}: ..."
        place = " under 'with'" if noun == "option" else ""
        return f"the {noun} '{last}' is missing", f"add '{shown}'{place}"
    if kind == "value_error":
        reason = context["error"]
        return (reason.what, reason.hint) if isinstance(reason, Unfit) else (str(reason), "")
    if kind == "literal_error" and last == "flowbutton":
        hint = "write 'flowbutton: 1', or install the flowbutton that the file is written for"
        return f"the language's version is {show_value(value)}, and this flowbutton reads {context['expected']}", hint
    if kind == "literal_error":
        return _not_one_of(value, _choices(model, path), str(context["expected"]))
    if kind == "too_short":
        return f"'{last}' is empty", "name one at least"
    if kind in _BEYOND:
        bound, word = _BEYOND[kind]
        return f"{show_value(value)} is {word} {context[bound]}", ""
    if kind in _WANTED:
        return f"{show_value(value)} is given where {_WANTED[kind]} is expected", _hint(kind, value, path)
    return f"{show_value(value)} does not fit: {finding['msg'][0].lower()}{finding['msg'][1:]}", ""


def _hint_of_key(name: str, value: Any, known: list[str], path: Path) -> str:
    if value is None and " " in name:
        return "a comma ends a text inside { }: put quotes around the whole text"
    if path[0] == "profiles" and name == "params":
        return "a profile holds no params: give them by -p or --params-file"
    if path[0] == "stages" and len(path) == 3 and name.lower() in _FOREIGN:
        return _FOREIGN[name.lower()]
    if len(path) == 1 and closest(name, known) is None:
        sections = [section for word, section in _SECTIONS.items() if isinstance(value, Mapping) and word in value]
        if sections:
            return f"indent it, so that it stands under '{sections[0]}'"
        if name.lower() in _FOREIGN:
            return _FOREIGN[name.lower()]
    return did_you_mean(name, known)


def _not_one_of(value: Any, choices: list[str], expected: str) -> tuple[str, str]:
    if isinstance(value, str) and choices:
        hint = did_you_mean(value, choices) if closest(value, choices) else ""
        return f"'{value}' is not one of {', '.join(choices)}", hint
    if isinstance(value, bool) and choices:
        return f"{show_value(value)} is not one of {', '.join(choices)}", ""
    return f"{show_value(value)} is given where {expected} is expected", ""


def _hint(kind: str, value: Any, path: Path) -> str:
    if isinstance(value, str) and (foreign := foreign_placeholder(value)):
        return f"a placeholder is written {foreign}"
    if isinstance(value, str) and "${" in value:
        return "placeholders stand in 'from', 'with', 'when' and 'tolerate' only"
    if kind.startswith("bool") and isinstance(value, str) and value.lower() in _LOOKS_BOOL:
        return "yes, no, on and off are text here; write true or false"
    if kind.startswith(("int", "float")) and isinstance(value, str):
        return hint_of_number(value)
    if kind == "string_type" and isinstance(value, bool | int | float):
        return "put quotes around it"
    if kind == "string_type" and path[:1] == ("sources",) and path[-1:] == ("from",):
        return "write a path, or a pattern such as 'reads/*.fastq.gz' for several files"
    if kind == "tuple_type" and path[-1:] == ("command",) and isinstance(value, str):
        return f"write its words as a list: [{', '.join(_quoted(word) for word in value.split())}]"
    if kind in _MAPPINGS and not path:
        return "a pipeline begins with 'flowbutton: 1', and goes on with 'name: ...'"
    if kind in _MAPPINGS and isinstance(value, list):
        return "write 'name: value', without '-' before it or [ ] around it"
    if kind in _MAPPINGS and path[-1] in ("for_each", "share", "gather") and isinstance(value, str):
        return f"say which argument: {{ARGUMENT: {value}}}"
    if kind in _MAPPINGS and path[-1] == "resources":
        return f"write {{memory: {value}}}"
    if kind == "tuple_type" and path[:1] == ("outputs",):
        return "write 'FILE: stage', or a list of alternatives: [stage, other]"
    if kind in _MAPPINGS and path[-1:] == ("tolerate",) and isinstance(value, int):
        return f"write {{records: {value}}}"
    if kind in _MAPPINGS and isinstance(value, str) and len(path) == 2 and path[0] == "stages":
        return f'write {{uses: "{value}"}}, and bind its arguments'
    return ""


def _quoted(word: str) -> str:
    return word if re.fullmatch(r"[\w./-]+", word) else f'"{word}"'


def hint_of_number(text: str) -> str:
    """Return what to write for a text where a number is wanted; empty if it does not look like one."""
    plain = text.replace("_", "").replace(",", "").strip()
    if isinstance(read_scalar(text), int | float):
        return "remove the quotes"
    if _ZEROS.fullmatch(text):
        return f"write {text.lstrip('0') or '0'}; octal numbers are written 0o{text.lstrip('0') or '0'}"
    return f"write {plain}" if isinstance(read_scalar(plain), int | float) else ""


def foreign_placeholder(text: str) -> str:
    """Return our way to write a placeholder of another language (``{{ params.x }}``, ``$x``); empty for other texts."""
    match = _FOREIGN_PLACEHOLDER.fullmatch(text)
    return f'"${{params.{match[1] or match[2]}}}"' if match else ""


def _known(model: type[BaseModel], path: Path) -> list[str]:
    return [name for kind in _kinds_at(model, path) if _is_model(kind) for name in _fields(kind)]


def _choices(model: type[BaseModel], path: Path) -> list[str]:
    return [str(choice) for kind in _kinds_at(model, path) for choice in get_args(kind) if isinstance(choice, str)]


def _count_at(model: type[BaseModel], path: Path, kind: str) -> int:
    """Return how many values a list of fixed length has, 0 for others; of a missing one ``path`` ends in its place."""
    if kind == "missing" and not isinstance(path[-1], int):
        return 0
    kinds = _kinds_at(model, path[:-1] if kind == "missing" else path)
    lengths = [len(get_args(one)) for one in kinds if get_origin(one) is tuple and ... not in get_args(one)]
    return max(lengths, default=0)


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
