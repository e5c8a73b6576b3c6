"""Credentials in the environment, whose values stand in nothing that is written.

Known by their names, as programs and services call them: ``AWS_SECRET_ACCESS_KEY``, ``REDISCLI_AUTH``, ``HF_TOKEN``,
``PGPASSWORD``. What a text has of them is replaced by ``${env:NAME}``. Pure: the environment is handed in.
Imports `flowbutton.model`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from flowbutton.model.canonical import Json

_SHORTEST = 8
"""A shorter value is found in words that have nothing to do with it."""
_CREDENTIAL = re.compile(
    r"(SECRET|PASSWORD|PASSWD|TOKEN|SECRET_KEY|ACCESS_KEY|ACCESS_KEY_ID|ACCOUNT_KEY|API_KEY|_AUTH)$"
)


def credentials(env: Mapping[str, str]) -> dict[str, str]:
    """Return the values of variables whose names say that they are secret."""
    return {name: value for name, value in env.items() if len(value) >= _SHORTEST and _CREDENTIAL.search(name.upper())}


def redacted(text: str, values: Mapping[str, str]) -> str:
    """Return a text with each value's name in its place; of two values that overlap the longer one."""
    for name, value in sorted(values.items(), key=lambda item: -len(item[1])):
        text = text.replace(value, f"${{env:{name}}}")
    return text


def redacted_bytes(text: bytes, values: Mapping[str, str]) -> bytes:
    """Return what was printed, redacted; it need not be text."""
    for name, value in sorted(values.items(), key=lambda item: -len(item[1])):
        text = text.replace(value.encode("utf-8", "surrogateescape"), f"${{env:{name}}}".encode())
    return text


def redacted_within(value: Json, values: Mapping[str, str]) -> Json:
    """Return a value with all of its texts redacted; keys of mappings stay as they are."""
    if isinstance(value, str):
        return redacted(value, values)
    if isinstance(value, Mapping):
        return {name: redacted_within(inner, values) for name, inner in value.items()}
    return [redacted_within(inner, values) for inner in value] if isinstance(value, list | tuple) else value
