"""Values of params, and putting them in where ``${params.x}`` stands.

Precedence, weakest first: the default in the pipeline file, the params file, the command line (``-p name=value``).
A relative path as a ``uri`` counts from the pipeline file's folder when the file's default says it, and from the
current folder when the params file or the command line does; what begins with a scheme (``sample:``, ``s3://``) stays.
On the command line a list is written with commas, and ``null`` means null where the param is nullable.

Pure: folders and environment are handed in. Imports `model.units`, `model.canonical`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from flowbutton.dag.load import read_scalar
from flowbutton.dag.problems import Path, Problems
from flowbutton.dag.spec import Param, Spec
from flowbutton.model.canonical import Json
from flowbutton.model.near import did_you_mean
from flowbutton.model.units import parse_bytes, parse_duration

Value = None | bool | int | float | str | list["Value"]

_BOUNDED = ("int", "float", "bytes", "duration")
_AS_WRITTEN = ("string", "choice", "uri", "bytes", "duration")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_PLACEHOLDER = re.compile(r"\$\$|\$\{([^}]*)(\}?)")


def absolute(uri: str, folder: str) -> str:
    """Return a URI that does not depend on where the program runs: a relative path counts from ``folder``."""
    return uri if _SCHEME.match(uri) else str(PurePosixPath(folder) / uri)


def resolve(
    spec: Spec,
    problems: Problems,
    *,
    params_file: Mapping[str, Json],
    command_line: Mapping[str, str],
    env: Mapping[str, str],
    folder: str,
    cwd: str,
) -> dict[str, Value]:
    """Return the value of every param; one that has a problem gets its default, or is left out if it has none."""
    values: dict[str, Value] = {}
    sound: dict[str, Param] = {}
    for name, param in spec.params.items():
        before = len(problems)
        _check_declaration(name, param, spec, problems)
        if len(problems) == before:
            sound[name] = param
            if param.has_default:
                _default(name, param, values, problems, env=env, folder=folder)
    defaults = dict(values)
    texts = {name: _from_text(sound[name], text) if name in sound else text for name, text in command_line.items()}
    for given, origin in ((params_file, "params file"), (texts, "command line")):
        _check_known(given, origin, spec, problems)
        _take({name: raw for name, raw in given.items() if name in sound}, origin, sound, values, problems, cwd)
    given_names = {*params_file, *command_line}
    for name, param in spec.params.items():
        if not param.has_default and name not in given_names:
            hint = f"give it by -p {name}=..." + (f" ({param.help})" if param.help else "")
            problems.add(("params", name), f"param '{name}' has no value", hint=hint, key=True)
    return _withdraw(spec, values, defaults, given_names)


def _check_known(given: Mapping[str, object], origin: str, spec: Spec, problems: Problems) -> None:
    for name in given:
        if name not in spec.params:
            what = f"there is no param called '{name}'"
            problems.add_outside(what, hint=did_you_mean(name, spec.params), given_by=origin)


def _take(
    given: Mapping[str, object],
    origin: str,
    params: Mapping[str, Param],
    values: dict[str, Value],
    problems: Problems,
    cwd: str,
) -> None:
    for name, raw in given.items():
        try:
            values[name] = parse_value(params[name], raw, folder=cwd)
        except ValueError as error:
            problems.add_outside(f"param '{name}': {error}", hint=params[name].help, given_by=origin)


def parse_value(param: Param, raw: object, *, folder: str) -> Value:
    """Return the typed value of what a file says.

    Raises:
        ValueError: it is not of the param's type, or out of its bounds.
    """
    if raw is None:
        if not param.nullable:
            raise ValueError("null is not allowed, since the param is not nullable")
        return None
    if param.type == "list":
        if not isinstance(raw, list):
            raise ValueError(f"{raw!r} is not a list")
        return [_parse(param.items or "string", item, folder) for item in raw]
    value = _parse(param.type, raw, folder)
    if param.type == "choice" and value not in param.choices:
        raise ValueError(f"'{value}' is not one of {', '.join(param.choices)}; {did_you_mean(str(raw), param.choices)}")
    if param.type in _BOUNDED and isinstance(value, int | float):
        for bound, beyond, word in ((param.min, -1, "below"), (param.max, 1, "above")):
            if bound is not None and (value - _bound(param, bound)) * beyond > 0:
                unit = f" {param.unit}" if param.unit else ""
                raise ValueError(f"{raw} is {word} {bound}{unit}")
    return value


def substitute(
    value: Json, *, values: Mapping[str, Value], env: Mapping[str, str], problems: Problems, path: Path
) -> Json:
    """Put in ``${params.NAME}`` and ``${env:NAME}``; ``$$`` is a ``$``.

    A text that is one placeholder becomes the param's value, of its type; inside a longer text the value is written
    out. What can't be put in is a problem at ``path``, and stays as it is.
    """
    if isinstance(value, Mapping):
        return {
            key: substitute(item, values=values, env=env, problems=problems, path=(*path, key))
            for key, item in value.items()
        }
    if isinstance(value, str):
        return _fill(value, values, env, problems, path)
    if isinstance(value, Sequence):
        return [
            substitute(item, values=values, env=env, problems=problems, path=(*path, number))
            for number, item in enumerate(value)
        ]
    return value


def _fill(text: str, values: Mapping[str, Value], env: Mapping[str, str], problems: Problems, path: Path) -> Json:
    whole = _PLACEHOLDER.fullmatch(text)
    if whole is not None and whole[2]:
        return _look_up(whole[1], values, env, problems, path)

    def written(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        if not match[2]:
            problems.add(path, f"'{match[0]}' is not closed", hint="write ${params.NAME}; $$ is a plain $")
            return match[0]
        return _written(match[1], _look_up(match[1], values, env, problems, path), problems, path)

    return _PLACEHOLDER.sub(written, text)


def _look_up(inside: str, values: Mapping[str, Value], env: Mapping[str, str], problems: Problems, path: Path) -> Value:
    kind, name = ("env", inside[4:]) if inside.startswith("env:") else ("params", inside.removeprefix("params."))
    if kind == "params" and not inside.startswith("params."):
        hint = "there are ${params.NAME} and ${env:NAME}; $$ is a plain $"
        problems.add(path, f"unknown placeholder '${{{inside}}}'", hint=hint)
    elif kind == "params" and name not in values:
        problems.add(path, f"there is no param called '{name}'", hint=did_you_mean(name, values))
    elif kind == "env" and name not in env:
        problems.add(path, f"the environment variable '{name}' is not set", hint=f"run: export {name}=...")
    else:
        return env[name] if kind == "env" else values[name]
    return f"${{{inside}}}"


def _written(inside: str, value: Value, problems: Problems, path: Path) -> str:
    if value is None or isinstance(value, list):
        kind = "null" if value is None else "a list"
        problems.add(path, f"'${{{inside}}}' is {kind}, which can't stand inside a text", hint="let it stand alone")
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _default(
    name: str, param: Param, values: dict[str, Value], problems: Problems, *, env: Mapping[str, str], folder: str
) -> None:
    path = ("params", name, "default")
    before = len(problems)
    raw = substitute(param.default, values={}, env=env, problems=problems, path=path)
    if len(problems) > before:
        return
    try:
        values[name] = parse_value(param, raw, folder=folder)
    except ValueError as error:
        problems.add(path, f"the default does not fit: {error}")


def _withdraw(spec: Spec, values: dict[str, Value], defaults: Mapping[str, Value], given: set[str]) -> dict[str, Value]:
    """Set to null the defaults that hold only with other params' defaults, where one of those was changed."""
    changed = {name for name in values if name not in defaults or values[name] != defaults[name]}
    while True:
        lost = {
            name
            for name, param in spec.params.items()
            if name in values and name not in given | changed and changed & {*param.default_with}
        }
        if not lost:
            return values
        values |= dict.fromkeys(lost)
        changed |= lost


def _check_declaration(name: str, param: Param, spec: Spec, problems: Problems) -> None:
    def wrong(field: str, what: str, hint: str = "") -> None:
        problems.add(("params", name, field), what, hint=hint, key=True)

    for field in ("min", "max"):
        bound = getattr(param, field)
        if bound is not None and param.type not in _BOUNDED:
            wrong(field, f"'{field}' does not go with 'type: {param.type}'", f"it does with {', '.join(_BOUNDED)}")
        elif bound is not None:
            try:
                _bound(param, bound)
            except ValueError as error:
                problems.add(("params", name, field), str(error))
    if bool(param.choices) != (param.type == "choice"):
        wrong("choices" if param.choices else "type", "'choices' and 'type: choice' go together")
    if param.items is not None and param.type != "list":
        wrong("items", f"'items' does not go with 'type: {param.type}'", "it does with list")
    if param.default_with and not param.nullable:
        wrong("default_with", "'default_with' needs 'nullable: true'", "where the default does not hold, it is null")
    for number, other in enumerate(param.default_with):
        if other not in spec.params:
            path = ("params", name, "default_with", number)
            problems.add(path, f"there is no param called '{other}'", hint=did_you_mean(other, spec.params))


def _bound(param: Param, bound: int | float | str) -> float:
    value = _parse(param.type, bound, "")
    assert isinstance(value, int | float)
    return value


def _parse(kind: str, raw: object, folder: str) -> Value:
    if kind == "bool":
        if isinstance(raw, bool):
            return raw
        raise ValueError(f"{raw!r} is not a bool; write true or false")
    if kind in ("int", "float"):
        return _number(kind, raw)
    if kind == "bytes" and isinstance(raw, int | str):
        return parse_bytes(raw)
    if not isinstance(raw, str):
        raise ValueError(f"{raw!r} is not text; put quotes around it")
    if kind == "duration":
        return parse_duration(raw)
    return absolute(raw, folder) if kind == "uri" else raw


def _number(kind: str, raw: object) -> int | float:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise ValueError(f"{raw!r} is not {'a whole number' if kind == 'int' else 'a number'}")
    if kind == "float":
        return float(raw)
    if raw != int(raw):
        raise ValueError(f"{raw!r} is not a whole number")
    return int(raw)


def _from_text(param: Param, text: str) -> object:
    """Return what a file would say, of a text from the command line."""
    if param.nullable and text == "null":
        return None
    if param.type == "list":
        parts = text.split(",") if text else []
        return [_from_item(param.items or "string", part.strip()) for part in parts]
    return _from_item(param.type, text)


def _from_item(kind: str, text: str) -> object:
    return text if kind in _AS_WRITTEN else read_scalar(text.strip())
