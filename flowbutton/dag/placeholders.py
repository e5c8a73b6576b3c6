"""``${params.NAME}`` and ``${env:NAME}``: put in where they may stand, and found where they may not.

Pure: the environment is handed in. Imports `model.canonical`, `model.near`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from flowbutton.dag.problems import Path, Problems
from flowbutton.dag.spec import NAME, Spec
from flowbutton.model.canonical import Json
from flowbutton.model.near import did_you_mean

Value = None | bool | int | float | str | list["Value"]

_PLACEHOLDER = re.compile(r"\$\$|\$\{([^}]*)(\}?)")


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
    if kind == "params" and inside in values:
        problems.add(path, f"unknown placeholder '${{{inside}}}'", hint=f"write ${{params.{inside}}}")
    elif kind == "params" and (not inside.startswith("params.") or not NAME.fullmatch(name)):
        hint = "there are ${params.NAME} and ${env:NAME}, and nothing is calculated; $$ is a plain $"
        problems.add(path, f"unknown placeholder '${{{inside}}}'", hint=hint)
    elif kind == "params" and path[:1] == ("params",):
        hint = "write ${env:NAME}, or let a placeholder where the param is used join the two"
        problems.add(path, "a default can't use another param", hint=hint)
    elif kind == "params" and name not in values:
        if not problems.touched(("params", name)):
            problems.add(path, f"there is no param called '{name}'", hint=did_you_mean(name, values))
    elif kind == "env" and name not in env:
        problems.add(path, f"the environment variable '{name}' is not set", hint=f"run: export {name}=...")
    else:
        return env[name] if kind == "env" else values[name]
    return f"${{{inside}}}"


def _written(inside: str, value: Value, problems: Problems, path: Path) -> str:
    if value is None or isinstance(value, list):
        kind = "null" if value is None else "a list"
        if not problems.touched(("params", inside.removeprefix("params."))):
            problems.add(path, f"'${{{inside}}}' is {kind}, which can't stand inside a text", hint="let it stand alone")
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def named_params(value: Json) -> Iterator[str]:
    """Yield the names of the params whose placeholders stand in a value."""
    if isinstance(value, str):
        for match in _PLACEHOLDER.finditer(value):
            if (match[1] or "").startswith("params."):
                yield match[1].removeprefix("params.")
    elif isinstance(value, Mapping):
        yield from (name for item in value.values() for name in named_params(item))
    elif isinstance(value, Sequence):
        yield from (name for item in value for name in named_params(item))


def check_places(spec: Spec, problems: Problems) -> None:
    """Report the placeholders where nothing is put in: there they would be names and paths as they are written."""
    for path, text, key in _plain_texts(spec):
        if "${" in text:
            why = "they stand in 'from', 'with', 'when', 'tolerate' and defaults"
            problems.add(path, "no placeholder can stand here", why=why, hint="write the text itself", key=key)


def _plain_texts(spec: Spec) -> Iterator[tuple[Path, str, bool]]:
    for name, source in spec.sources.items():
        yield ("sources", name, "partitioner"), source.partitioner, False
    for name, stage in spec.stages.items():
        at = ("stages", name)
        yield (*at, "uses"), stage.uses or "", False
        for word, bound in (("for_each", stage.for_each), ("share", stage.share)):
            yield from (((*at, word, argument), text, False) for argument, text in bound.items())
        yield from (((*at, "gather", argument), gather.producer, False) for argument, gather in stage.gather.items())
    for name, producers in spec.outputs.items():
        yield ("outputs", name), name, True
        yield from ((("outputs", name), text, False) for text in producers)
    for name, profile in spec.profiles.items():
        for word in ("executor", "store", "results"):
            yield ("profiles", name, word), getattr(profile, word) or "", False
