"""Values of params: types, bounds, and where they come from.

Precedence, weakest first: the default in the pipeline file, the params file, the command line (``-p name=value``).
A relative path as a ``uri`` counts from the pipeline file's folder when the file's default says it, and from the
current folder when the params file or the command line does; what begins with a scheme (``sample:``, ``s3://``) stays.
On the command line a list is written with commas, and ``null`` means null where the param is nullable.

Not here: putting them in where ``${params.x}`` stands (`dag.placeholders`).
Pure: folders and environment are handed in. Imports `model.units`, `model.canonical`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from flowbutton.dag.explain import hint_of_number
from flowbutton.dag.load import read_scalar
from flowbutton.dag.placeholders import Value, substitute
from flowbutton.dag.problems import Path, Position, Positions, Problems, show_path, show_value
from flowbutton.dag.spec import Param, Spec
from flowbutton.model.canonical import Json
from flowbutton.model.errors import Problem
from flowbutton.model.near import closest, did_you_mean
from flowbutton.model.units import Unfit, parse_bytes, parse_duration

_BOUNDED = ("int", "float", "bytes", "duration")
_AS_WRITTEN = ("string", "choice", "uri", "bytes", "duration")
_FEW_BYTES = 1024  # below it, nobody wants a size but to test
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


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
    file_positions: Positions | None = None,
) -> dict[str, Value]:
    """Return the value of every param; one that has a problem gets its default, or is left out if it has none.

    ``file_positions``: where things stand in the params file; what it does not know was given by a program.
    """
    values: dict[str, Value] = {}
    sound: dict[str, Param] = {}
    for name, param in spec.params.items():
        if not problems.touched(("params", name)):
            _check_declaration(name, param, spec, problems)
        if not problems.touched(("params", name)):
            sound[name] = param
            if param.has_default:
                _default(name, param, values, problems, env=env, folder=folder)
    defaults = dict(values)
    for name, raw in params_file.items():
        _take(name, raw, _Origin(name, name, file_positions), spec, sound, values, problems, cwd)
    for name, text in command_line.items():
        read = _from_text(sound[name], text) if name in sound else text
        _take(name, read, _Origin(name, f"-p {name}={text}"), spec, sound, values, problems, cwd)
    given_names = {*params_file, *command_line}
    for name, param in spec.params.items():
        if not param.has_default and name not in given_names and not problems.touched(("params", name)):
            hint = f"give it by -p {name}=..." + (f" ({param.help})" if param.help else "")
            problems.add(("params", name), f"param '{name}' has no value", hint=hint, key=True)
    values = _withdraw(spec, values, defaults, given_names)
    _check_needs(spec, sound, values, problems)
    return values


def forgotten_units(
    spec: Spec,
    *,
    params_file: Mapping[str, Json],
    command_line: Mapping[str, str],
    file_positions: Positions | None = None,
) -> list[Problem]:
    """Return a warning for each few bytes that were given as a bare number: who writes 32 is likely to mean 32 MiB."""
    origins = {name: _Origin(name, name, file_positions) for name in params_file}
    origins |= {name: _Origin(name, f"-p {name}={text}") for name, text in command_line.items()}
    found = []
    for name, raw in {**params_file, **command_line}.items():
        text = str(raw).strip()
        if spec.params[name].type == "bytes" and text.isdecimal() and 0 < int(text) < _FEW_BYTES:
            what, hint = f"'{name}' is {text} bytes", f"if another unit is meant, write it: {text}MiB"
            found.append(
                Problem(what, why="a number without a unit counts bytes", hint=hint, **origins[name].of_value(()))
            )
    return found


def _check_needs(spec: Spec, sound: Mapping[str, Param], values: Mapping[str, Value], problems: Problems) -> None:
    """Tell of params without a value that others need, which have one."""
    for name, param in sound.items():
        if values.get(name) in (None, False):
            continue
        for other in param.needs:
            if other in values and values[other] in (None, False) and not problems.touched(("params", other)):
                about = f" ({spec.params[other].help})" if spec.params[other].help else ""
                value = "true" if spec.params[other].type == "bool" else "..."
                what = f"param '{other}' has no value, but '{name}' needs it"
                hint = f"give it by -p {other}={value}{about}, or leave '{name}' out"
                problems.add(("params", other), what, hint=hint, key=True)


@dataclass(frozen=True, slots=True)
class _Origin:
    """Whence a value comes: ``given_by`` in words, or the key ``name`` of a file."""

    name: str
    given_by: str
    positions: Positions | None = None

    def of_name(self) -> dict[str, str | int]:
        """Return the place of the name."""
        return self._place((), None if self.positions is None else self.positions.of_key((self.name,)))

    def of_value(self, at: tuple[int, ...]) -> dict[str, str | int]:
        """Return the place of the value, or of its item ``at``."""
        path: Path = (self.name, *at)
        return self._place(path, None if self.positions is None else self.positions.of_value(path))

    def _place(self, at: Path, position: Position | None) -> dict[str, str | int]:
        if self.positions is None or position is None or (self.name,) not in self.positions.keys:
            return {"given_by": self.given_by}
        place: dict[str, str | int] = {"file": self.positions.file, "line": position.line, "column": position.column}
        return place | ({"at": show_path(at)} if at else {})


def _take(
    name: str,
    raw: object,
    origin: _Origin,
    spec: Spec,
    params: Mapping[str, Param],
    values: dict[str, Value],
    problems: Problems,
    cwd: str,
) -> None:
    if name not in spec.params:
        headed = isinstance(raw, dict)
        hint = "write its lines at the left edge, without this one" if headed else did_you_mean(name, spec.params)
        problems.add_outside((), f"there is no param called '{name}'", hint=hint, **origin.of_name())
    elif name in params:
        try:
            values[name] = parse_value(params[name], raw, folder=cwd)
        except Unfit as error:
            hint = error.hint or params[name].help
            problems.add_outside(("params", name), error.what, hint=hint, **origin.of_value(error.at))


def parse_value(param: Param, raw: object, *, folder: str) -> Value:
    """Return the typed value of what a file says.

    Raises:
        Unfit: it is not of the param's type, or out of its bounds.
    """
    if raw is None:
        if not param.nullable:
            raise Unfit("null is not allowed, since the param is not nullable")
        return None
    if param.type == "list":
        if not isinstance(raw, list):
            raise Unfit(f"{show_value(raw)} is not a list", "write [a, b]")
        return [_parse_item(param, item, number, folder) for number, item in enumerate(raw)]
    try:
        value = _parse(param.type, raw, folder)
    except Unfit as error:
        if param.unit is None or error.hint or not str(raw)[:1].isdigit():
            raise
        raise Unfit(error.what, f"write the number alone; its unit is {param.unit}") from error
    if param.type == "choice" and value not in param.choices:
        hint = did_you_mean(str(value), param.choices) if closest(str(value), param.choices) else ""
        raise Unfit(f"'{value}' is not one of {', '.join(param.choices)}", hint)
    if param.type in _BOUNDED and isinstance(value, int | float):
        for bound, beyond, word in ((param.min, -1, "below"), (param.max, 1, "above")):
            if bound is not None and (value - _bound(param, bound)) * beyond > 0:
                unit = f" {param.unit}" if param.unit else ""
                raise Unfit(f"{raw} is {word} {bound}{unit}")
    return value


def _parse_item(param: Param, item: object, number: int, folder: str) -> Value:
    try:
        return _parse(param.items or "string", item, folder)
    except Unfit as error:
        raise Unfit(f"item {number + 1}: {error.what}", error.hint, at=(number,)) from error


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
    except Unfit as error:
        problems.add((*path, *error.at), error.what, hint=error.hint)


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
            except Unfit as error:
                problems.add(("params", name, field), error.what, hint=error.hint)
    both = param.min is not None and param.max is not None and not problems.touched(("params", name))
    if both and _bound(param, param.min) > _bound(param, param.max):
        wrong("min", f"min is {param.min}, which is above max, {param.max}", "swap them")
    if param.choices and param.type != "choice":
        wrong("choices", f"'choices' does not go with 'type: {param.type}'", "it does with choice")
    if param.type == "choice" and not param.choices:
        wrong("type", "a choice has nothing to choose from", "add 'choices: [a, b]'")
    if param.items is not None and param.type != "list":
        wrong("items", f"'items' does not go with 'type: {param.type}'", "it does with list")
    if param.default_with and not param.nullable:
        wrong("default_with", "'default_with' needs 'nullable: true'", "where the default does not hold, it is null")
    for field in ("default_with", "needs"):
        for number, other in enumerate(getattr(param, field)):
            if other not in spec.params:
                path = ("params", name, field, number)
                problems.add(path, f"there is no param called '{other}'", hint=did_you_mean(other, spec.params))


def _bound(param: Param, bound: object) -> float:
    value = _parse(param.type, bound, "")
    assert isinstance(value, int | float)
    return value


def _parse(kind: str, raw: object, folder: str) -> Value:
    if kind == "bool":
        if isinstance(raw, bool):
            return raw
        raise Unfit(f"{show_value(raw)} is not a bool", "write true or false")
    if kind in ("int", "float"):
        return _number(kind, raw)
    if kind == "bytes":
        return parse_bytes(raw if isinstance(raw, int | str) else show_value(raw))
    if kind == "duration":
        return parse_duration(show_value(raw) if not isinstance(raw, str) else raw)
    if not isinstance(raw, str):
        raise Unfit(f"{show_value(raw)} is not text", "put quotes around it")
    return absolute(raw, folder) if kind == "uri" else raw


def _number(kind: str, raw: object) -> int | float:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        hint = hint_of_number(raw) if isinstance(raw, str) else ""
        raise Unfit(f"{show_value(raw)} is not {'a whole number' if kind == 'int' else 'a number'}", hint)
    if kind == "float":
        return float(raw)
    if raw != int(raw):
        raise Unfit(f"{raw!r} is not a whole number")
    return int(raw)


def _from_text(param: Param, text: str) -> object:
    """Return what a file would say, of a text from the command line."""
    if text == "null" and param.type not in ("string", "choice", "uri"):
        return None
    if param.nullable and text == "null":
        return None
    if param.type == "list":
        parts = text.split(",") if text else []
        return [_from_item(param.items or "string", part.strip()) for part in parts]
    return _from_item(param.type, text)


def _from_item(kind: str, text: str) -> object:
    return text if kind in _AS_WRITTEN or not text.strip() else read_scalar(text.strip())
