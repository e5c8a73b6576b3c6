"""Values of environment variables that a pipeline names, and credentials: they reach tasks, and no file of a run.

What is kept names them as a pipeline file does: ``${env:NAME}`` is the variable's value, ``$$`` a ``$``.
Pure: the environment is handed in. Imports `flowbutton.model`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from flowbutton.model.canonical import Json
from flowbutton.model.errors import OptionError
from flowbutton.model.secrets import credentials, each_text, redacted

SHORTEST = 6
"""A shorter value is no secret, and would be found in words that have nothing to do with it."""

_NAMED = re.compile(r"\$\{env:([^}]+)\}")
_KEPT = re.compile(r"\$\$|\$\{env:([^}]+)\}")


@dataclass(frozen=True, slots=True)
class Hidden:
    """The values to hide, by the names of their variables."""

    values: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, spec_text: str, env: Mapping[str, str]) -> Hidden:
        """Return what a pipeline file takes from the environment, and the credentials there."""
        names = dict.fromkeys(_NAMED.findall(spec_text))
        named = {name: env[name] for name in names if len(env.get(name, "")) >= SHORTEST}
        return cls(credentials(env) | named)

    def redacted(self, text: str) -> str:
        """Return a text for people with each value's name in its place."""
        return redacted(text, self.values)

    def hide(self, value: Json) -> Json:
        """Return a value that `reveal` makes whole again, but for what is left out of signed addresses."""
        return each_text(escaped(value), self.redacted)


def escaped(value: Json) -> Json:
    """Return a value as `Hidden.hide` keeps it where nothing is hidden."""
    return each_text(value, lambda text: text.replace("$", "$$"))


def reveal(value: Json, env: Mapping[str, str]) -> Json:
    """Put the values in again.

    Raises:
        OptionError: a variable is not set.
    """
    if isinstance(value, str):
        return _KEPT.sub(lambda found: _value(found[1], env) if found[1] else "$", value)
    if isinstance(value, Mapping):
        return {name: reveal(inner, env) for name, inner in value.items()}
    return [reveal(inner, env) for inner in value] if isinstance(value, list) else value


def _value(name: str, env: Mapping[str, str]) -> str:
    if name not in env:
        raise OptionError(
            f"the environment variable '{name}' is not set",
            why="the task had its value, which is not kept",
            hint=f"run: export {name}=...",
        )
    return env[name]
