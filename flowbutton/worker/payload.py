"""What the engine hands to a worker: names only, as JSON, at most 64 KiB a call.

A call holds a batch of tasks of one stage; an order that is larger is put into the store, and the payload names it.
Inputs are references: a piece's description, a small JSON value, a task record's place, or the key of a selection that
names many records in order. No reference holds data. Imports `flowbutton.model`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from flowbutton.model.bundle import Interval
from flowbutton.model.canonical import Json
from flowbutton.model.outlines import PackedRow
from flowbutton.model.pieces import IndexPart, Piece
from flowbutton.model.records import Row

PAYLOAD_LIMIT = 64 * 1024
"""Bytes that a call may carry: what serverless functions take, with room."""


class StoredRow(NamedTuple):
    """A task record's place: the row, packed, and the stage digest under which it lies."""

    stage: str
    packed: PackedRow

    @property
    def row(self) -> Row:
        """The row."""
        return self.packed.row

    def to_json(self) -> list[Json]:
        """Return the JSON form."""
        return [self.stage, self.packed.hex()]

    @classmethod
    def from_json(cls, value: list[Any]) -> StoredRow:
        """Read the JSON form."""
        stage, packed = value
        return cls(stage, PackedRow.fromhex(packed))


@dataclass(frozen=True, slots=True)
class PieceInput:
    """A piece of a source; the worker opens a reader on it."""

    piece: Piece

    def to_json(self) -> list[Json]:
        """Return the JSON form."""
        p = self.piece
        key: list[Json] = [list(pair) for pair in p.key]
        return ["piece", p.partitioner, key, p.content, p.records, p.bytes, p.body]


class ValueInput(NamedTuple):
    """A small JSON value: an item's value, a key column's, a source's table."""

    value: Json

    def to_json(self) -> list[Json]:
        """Return the JSON form."""
        return ["value", self.value]


class ArtifactInput(NamedTuple):
    """One output of one task, or all its named outputs as one NamedTuple (``output`` None and several outputs)."""

    record: StoredRow
    output: str | None

    def to_json(self) -> list[Json]:
        """Return the JSON form."""
        return ["artifact", self.record.to_json(), self.output]


@dataclass(frozen=True, slots=True)
class GatherInput:
    """One output of many tasks, in order: ``selection`` is the key of an object that names their rows."""

    stage: str
    selection: str | None  # None: there is nothing to gather
    output: str | None

    def to_json(self) -> list[Json]:
        """Return the JSON form."""
        return ["gather", self.stage, self.selection, self.output]


@dataclass(frozen=True, slots=True)
class PartsInput:
    """Parts of bundles, by their transposed index; ``wanted`` None means all."""

    index: StoredRow | None  # None: there is no bundle at all
    wanted: tuple[Interval, ...] | None

    def to_json(self) -> list[Json]:
        """Return the JSON form."""
        wanted: Json = None
        if self.wanted is not None:
            wanted = [{"equal": dict(i.equal), "start": i.start, "stop": i.stop} for i in self.wanted]
        return ["parts", None if self.index is None else self.index.to_json(), wanted]


Input = PieceInput | ValueInput | ArtifactInput | GatherInput | PartsInput


def input_from_json(value: Sequence[Any]) -> Input:
    """Read the JSON form of any reference."""
    kind, *rest = value
    if kind == "artifact":
        record, output = rest
        return ArtifactInput(StoredRow.from_json(record), output)
    if kind == "value":
        return ValueInput(*rest)
    if kind == "piece":
        partitioner, key, *described = rest
        return PieceInput(Piece(partitioner, tuple((name, scalar) for name, scalar in key), *described))
    if kind == "gather":
        return GatherInput(*rest)
    index, wanted = rest
    return PartsInput(
        index and StoredRow.from_json(index),
        None if wanted is None else tuple(Interval(i["equal"], i["start"], i["stop"]) for i in wanted),
    )


@dataclass(frozen=True, slots=True)
class StageWork:
    """Run a stage's function."""

    uses: str
    options: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class IndexWork:
    """Run a partitioner's indexing pass."""

    partitioner: str


@dataclass(frozen=True, slots=True)
class TransposeWork:
    """Join the footers of bundles into one index by key."""


Work = StageWork | IndexWork | TransposeWork


class TaskOrder(NamedTuple):
    """One task of a call: its fingerprint, its own inputs, and the part to index (for `IndexWork`)."""

    fingerprint: str
    inputs: Mapping[str, Input]
    part: IndexPart | None = None


@dataclass(frozen=True, slots=True)
class CallOrder:
    """A batch of tasks of one stage; ``shared`` inputs are the same for all. ``log_key`` is where full logs go.

    ``tolerate``: how many bad records the stage may set aside. In no fingerprint: it decides whether a task ends with
    an error, never what a task that ends well has made.
    """

    store: str
    stage: str
    work: Work
    shared: Mapping[str, Input]
    tasks: tuple[TaskOrder, ...]
    log_key: str
    tolerate: int = 0

    def encode(self) -> bytes:
        """Return the order's bytes."""
        match self.work:
            case StageWork(uses, options):
                work: dict[str, Json] = {"uses": uses, "options": dict(options)}
            case IndexWork(partitioner):
                work = {"index": partitioner}
            case TransposeWork():
                work = {"transpose": True}
        value: dict[str, Json] = {
            "store": self.store,
            "stage": self.stage,
            "work": work,
            "shared": {name: item.to_json() for name, item in self.shared.items()},
            "tasks": list(map(_task_to_json, self.tasks)),
            "log_key": self.log_key,
            "tolerate": self.tolerate,
        }
        return json.dumps(value, separators=(",", ":")).encode()

    def payload(self, put: Callable[[bytes], str]) -> bytes:
        """Return what a call carries: the order itself, or the digest under which ``put`` stored a large one."""
        data = self.encode()
        if len(data) <= PAYLOAD_LIMIT:
            return data
        return json.dumps({"store": self.store, "order": put(data)}).encode()

    @classmethod
    def read(cls, payload: bytes, get: Callable[[str, str], bytes]) -> CallOrder:
        """Read what `payload` wrote; ``get(store, digest)`` returns a stored order."""
        value = json.loads(payload)
        return cls.decode(get(value["store"], value["order"]) if "order" in value else payload)

    @classmethod
    def decode(cls, data: bytes) -> CallOrder:
        """Read what `encode` wrote."""
        value = json.loads(data)
        work = value["work"]
        found: Work = TransposeWork()
        if "uses" in work:
            found = StageWork(work["uses"], work["options"])
        elif "index" in work:
            found = IndexWork(work["index"])
        return cls(
            store=value["store"],
            stage=value["stage"],
            work=found,
            shared={name: input_from_json(item) for name, item in value["shared"].items()},
            tasks=tuple(map(_task_from_json, value["tasks"])),
            log_key=value["log_key"],
            tolerate=value["tolerate"],
        )


def _task_to_json(task: TaskOrder) -> list[Json]:
    part = task.part
    described: Json = None if part is None else [part.group, part.identity, part.bytes, part.body]
    return [task.fingerprint, {name: item.to_json() for name, item in task.inputs.items()}, described]


def _task_from_json(value: Sequence[Any]) -> TaskOrder:
    fingerprint, inputs, part = value
    opened = {name: input_from_json(item) for name, item in inputs.items()}
    return TaskOrder(fingerprint, opened, None if part is None else IndexPart(*part))
