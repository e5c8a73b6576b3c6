"""What is told of a failure, as data: the cause, the stage, the piece, the log's end, and how to repeat the task alone.

``error.json`` holds this; what people read is made of it (`ui.failures`). Pure.
Imports `flowbutton.model`, `engine.drive`, `worker.payload`, partitioners by name.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from flowbutton.engine.drive import FailedTask
from flowbutton.engine.expansion import Expansion
from flowbutton.engine.hiding import Hidden
from flowbutton.engine.tasks import Task
from flowbutton.model.canonical import Json
from flowbutton.model.errors import FlowbuttonError
from flowbutton.model.pieces import Place, files_in
from flowbutton.model.registry import partitioner_named
from flowbutton.model.secrets import redacted_within
from flowbutton.worker.payload import Input, PieceInput

Told = dict[str, Json]


def told(error: FlowbuttonError, hidden: Hidden) -> Told:
    """Return an error as data."""
    return {
        "what": hidden.redacted(error.what),
        "why": hidden.redacted(error.why),
        "hint": hidden.redacted(error.hint),
        "where": {
            name: hidden.redacted(place) if isinstance(place, str) else place for name, place in error.where.items()
        },
        "class": error.failure.value,
    }


def told_task(failure: FailedTask, expansion: Expansion, hidden: Hidden, *, run_id: str, store: str) -> Told:
    """Return a task's failure as data."""
    task = failure.task
    return {
        "stage": task.node,
        "task": task.id,
        "key": dict(task.key),
        "fingerprint": task.fingerprint,
        **told(failure.error, hidden),
        "pieces": redacted_within(_pieces(task, expansion), hidden.values),
        "traceback": hidden.redacted(failure.traceback),
        "log": hidden.redacted(failure.log),
        "repeat": shlex.join(["flowbutton", "debug", run_id, str(task.id), "--store", store]),
    }


def _pieces(task: Task, expansion: Expansion) -> list[Json]:
    """Return the pieces that a task reads: of which source, how much, and where they lie."""
    if task.part is not None:
        files: list[Json] = [Place(file).to_json() for file in files_in(task.part.body)]
        return [{"source": task.node, "records": None, "bytes": task.part.bytes, "places": files}]
    shared = expansion.node_of(task.id).shared
    return _read_by(task.inputs, task.node, expansion) or _read_by(shared, task.node, expansion)


def _read_by(inputs: Mapping[str, Input], stage: str, expansion: Expansion) -> list[Json]:
    bindings = expansion.graph.stages[stage].bindings if stage in expansion.graph.stages else ()
    sources = {binding.argument: binding.producer.name for binding in bindings}
    found: list[Json] = []
    for argument, reference in inputs.items():
        if isinstance(reference, PieceInput):
            piece = reference.piece
            places: list[Json] = [place.to_json() for place in partitioner_named(piece.partitioner).places(piece)]
            found.append(
                {"source": sources.get(argument, ""), "records": piece.records, "bytes": piece.bytes, "places": places}
            )
    return found
