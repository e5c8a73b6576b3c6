"""What a worker says while it runs a call, and how an error travels: JSON, never pickle.

Imports `flowbutton.model`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from flowbutton.model import errors
from flowbutton.model.errors import Bug, Failure, FlowbuttonError
from flowbutton.model.records import Row


@dataclass(frozen=True, slots=True)
class TaskStarted:
    """The task at ``position`` of the call began: if the worker dies now, it is the suspect."""

    position: int


@dataclass(frozen=True, slots=True)
class PackWritten:
    """A pack lies in the store with these records; nothing of it counts before the engine has named the rows."""

    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class TaskFailed:
    """The task at ``position`` failed; the rest of the batch goes on."""

    position: int
    error: FlowbuttonError
    traceback: str
    log: str


Message = TaskStarted | PackWritten | TaskFailed


def encode(message: Message) -> bytes:
    """Return a message's bytes."""
    match message:
        case TaskStarted(position):
            value: dict[str, Any] = {"started": position}
        case PackWritten(rows):
            value = {"rows": [[r.fingerprint, r.digest, r.pack, r.offset, r.length] for r in rows]}
        case TaskFailed(position, error, traceback, log):
            value = {"failed": position, "error": error_to_json(error), "traceback": traceback, "log": log}
    return json.dumps(value, separators=(",", ":")).encode()


def decode(data: bytes) -> Message:
    """Read what `encode` wrote."""
    value = json.loads(data)
    if "started" in value:
        return TaskStarted(value["started"])
    if "rows" in value:
        return PackWritten(tuple(Row(*row) for row in value["rows"]))
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
