"""What a worker says while it runs a call, and how an error travels: rows with outlines and JSON, never pickle.

Of what failed, credentials are taken out.
A message is a letter for its kind, then its body. What began is not said: the executor knows (`Emit.at`).

Imports `flowbutton.model`.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from flowbutton.model import errors
from flowbutton.model.canonical import Json
from flowbutton.model.errors import Bug, Failure, FlowbuttonError
from flowbutton.model.outlines import Outlined, joined, split
from flowbutton.model.secrets import credentials, redacted_within

_PACK, _FAILED = b"p", b"f"
_MOST = 1024
"""Bytes that are told of a record at most: of one that has more to it the driver reads the rest from its pack."""


@dataclass(frozen=True, slots=True)
class PackWritten:
    """Packs lie in the store with these records; nothing of them counts before the engine has named the rows.

    On the way: 195 bytes a row where there is not more to it than one output.
    """

    rows: tuple[Outlined, ...]


@dataclass(frozen=True, slots=True)
class TaskFailed:
    """The task at ``position`` failed; the rest of the batch goes on."""

    position: int
    error: FlowbuttonError
    traceback: str
    log: str


Message = PackWritten | TaskFailed


def encode(message: Message) -> bytes:
    """Return a message's bytes."""
    match message:
        case PackWritten(rows):
            return _PACK + joined([row if len(row) <= _MOST else Outlined.of(row.row, None) for row in rows])
        case TaskFailed(position, error, traceback, log):
            value: Json = {"failed": position, "error": error_to_json(error), "traceback": traceback, "log": log}
            hidden = redacted_within(value, credentials(os.environ))  # an executor may keep messages where others read
            return _FAILED + json.dumps(hidden, separators=(",", ":")).encode()


def decode(data: bytes) -> Message:
    """Read what `encode` wrote."""
    if data.startswith(_PACK):
        return PackWritten(tuple(split(data[1:])))
    value = json.loads(data[1:])
    return TaskFailed(value["failed"], error_from_json(value["error"]), value["traceback"], value["log"])


def error_to_json(error: FlowbuttonError) -> dict[str, Any]:
    """Return an error as data; `error_from_json` makes it again. Numbers of numpy, paths and the like become text."""
    return {
        "class": type(error).__name__,
        "failure": error.failure.value,
        "what": error.what,
        "why": error.why,
        "hint": error.hint,
        "where": {name: place if isinstance(place, int) else str(place) for name, place in error.where.items()},
    }


def error_from_json(value: dict[str, Any]) -> FlowbuttonError:
    """Make an error again; a class that can't be made here becomes the plain one of the same failure class."""
    kind = getattr(errors, value["class"], None)
    if not (isinstance(kind, type) and issubclass(kind, FlowbuttonError)) or kind is errors.SpecError:
        kind = _BY_FAILURE[Failure(value["failure"])]
    return kind(value["what"], why=value["why"], hint=value["hint"], **value["where"])


_BY_FAILURE: dict[Failure, type[FlowbuttonError]] = {
    Failure.BAD_INPUT: errors.BadInput,
    Failure.BUG: Bug,
    Failure.RESOURCE: errors.ResourceExhausted,
    Failure.TRANSIENT: errors.WorkerLost,
}
