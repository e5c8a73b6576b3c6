"""Credentials in the environment and in addresses, whose values stand in nothing that is written.

Known by their names, as programs and services call them: ``AWS_SECRET_ACCESS_KEY``, ``REDISCLI_AUTH``, ``HF_TOKEN``,
``PGPASSWORD``. What a text has of them is replaced by ``${env:NAME}``. Of a signed address (``?X-Amz-Signature=…``,
``?sig=…``, ``?token=…``) the value is left out. Pure: the environment is handed in. Imports `flowbutton.model`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from flowbutton.model.canonical import Json

_SHORTEST = 8
"""A shorter value is found in words that have nothing to do with it."""
_CREDENTIAL = re.compile(
    r"(SECRET|PASSWORD|PASSWD|TOKEN|SECRET_KEY|ACCESS_KEY|ACCESS_KEY_ID|ACCOUNT_KEY|API_KEY|_AUTH)$"
)

_ADDRESS = re.compile(rb"https?://[^\s?#\"'<>]*\?[^\s#\"'<>]*", re.IGNORECASE)
_SIGNED = re.compile(
    rb"([?&][^?&=]*(?:SIG|SIGNATURE|TOKEN|CREDENTIAL|PASSWORD|SECRET|KEY|AUTH)=)[^&,]{%d,}" % _SHORTEST, re.IGNORECASE
)
_LEFT_OUT = "…"


def credentials(env: Mapping[str, str]) -> dict[str, str]:
    """Return the values of variables whose names say that they are secret."""
    return {name: value for name, value in env.items() if len(value) >= _SHORTEST and _CREDENTIAL.search(name.upper())}


def redacted(text: str, values: Mapping[str, str]) -> str:
    """Return a text with each value's name in its place, of two values that overlap the longer one; and unsigned."""
    for name, value in sorted(values.items(), key=lambda item: -len(item[1])):
        text = text.replace(value, f"${{env:{name}}}")
    return _unsigned(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass") if "?" in text else text


def redacted_bytes(text: bytes, values: Mapping[str, str]) -> bytes:
    """Return what was printed, redacted; it need not be text."""
    for name, value in sorted(values.items(), key=lambda item: -len(item[1])):
        text = text.replace(value.encode("utf-8", "surrogateescape"), f"${{env:{name}}}".encode())
    return _unsigned(text)


def _unsigned(text: bytes) -> bytes:
    """Leave out of addresses on the web what lets in who shows it."""
    return _ADDRESS.sub(lambda found: _SIGNED.sub(rb"\1" + _LEFT_OUT.encode(), found[0]), text)


def redacted_within(value: Json, values: Mapping[str, str]) -> Json:
    """Return a value with all of its texts redacted."""
    return each_text(value, lambda text: redacted(text, values))


def each_text(value: Json, change: Callable[[str], str]) -> Json:
    """Return a value with all of its texts changed; keys of mappings stay as they are."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {name: each_text(inner, change) for name, inner in value.items()}
    return [each_text(inner, change) for inner in value] if isinstance(value, list | tuple) else value
