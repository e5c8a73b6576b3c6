"""References become arguments: readers are opened, artifacts decoded by the argument's annotation.

Imports `flowbutton.model`, `stages`, `worker.context`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowbutton.model.errors import Bug
from flowbutton.model.partitioner import Reader
from flowbutton.model.records import TaskRecord
from flowbutton.model.registry import partitioner_named
from flowbutton.model.stage import Parameter
from flowbutton.model.store import DataAccess
from flowbutton.stages.codecs import bare, decode, from_json
from flowbutton.stages.define import is_named_tuple, outputs_of
from flowbutton.stores.records import RecordLog, read_selection
from flowbutton.worker.context import WorkerContext
from flowbutton.worker.payload import ArtifactInput, GatherInput, Input, PartsInput, PieceInput, ValueInput
from flowbutton.worker.transpose import NoParts, StoredParts


class Opened:
    """The arguments of one task, and the readers among them, which count what they hand out."""

    def __init__(self, context: WorkerContext, access: DataAccess) -> None:
        self._context, self._access = context, access
        self.arguments: dict[str, Any] = {}
        self.readers: dict[str, Reader] = {}

    def open(self, inputs: Mapping[str, Input], parameters: Mapping[str, Parameter]) -> None:
        """Open each reference for the parameter of its name."""
        for name, reference in inputs.items():
            self.arguments[name] = self._open(reference, parameters[name])

    def _open(self, reference: Input, parameter: Parameter) -> object:
        match reference:
            case PieceInput(piece):
                reader = partitioner_named(piece.partitioner).open(piece, self._access)
                self.readers[parameter.name] = reader
                return reader.path() if bare(parameter.type) is Path and hasattr(reader, "path") else reader
            case ValueInput(value):
                return from_json(parameter.type, value)
            case ArtifactInput(stored, output):
                return self._artifact(self._context.record(stored), output, parameter.type)
            case GatherInput():
                return self._gather(reference, parameter)
            case PartsInput():
                return self._parts(reference)

    def _artifact(self, record: TaskRecord, output: str | None, annotation: Any) -> object:
        wanted = bare(annotation)
        if output is None and is_named_tuple(wanted):
            fields = outputs_of(wanted)
            return wanted(**{name: self._artifact(record, name, kind) for name, kind in fields.items()})
        artifact = record.artifacts.get(output or "")
        if artifact is None:
            raise Bug(
                f"a task record has no output '{output or ''}'",
                why=f"it has: {', '.join(sorted(record.artifacts))}",
                hint="",
                fingerprint=record.fingerprint,
            )
        context = self._context
        return decode(
            annotation,
            read=lambda: context.read(artifact),
            fetch=lambda: context.fetch(artifact),
            hold=lambda: context.stored(artifact),
        )

    def _gather(self, reference: GatherInput, parameter: Parameter) -> list[object]:
        records = gathered(self._context, reference)
        return [self._artifact(record, reference.output, parameter.type) for record in records]

    def _parts(self, reference: PartsInput) -> StoredParts | NoParts:
        if reference.index is None:
            return NoParts()
        context = self._context
        index = context.record(reference.index).artifacts[""]
        head = context.transposed_head(index)
        return StoredParts(head, index.size, context.reader(index), context.read_unchecked, reference.wanted)


def gathered(context: WorkerContext, reference: GatherInput) -> list[TaskRecord]:
    """Return the task records that a gather names, in upstream order."""
    if reference.selection is None:
        return []
    rows = read_selection(context.store, reference.selection)
    return RecordLog(context.store, reference.stage).read_many(rows)
