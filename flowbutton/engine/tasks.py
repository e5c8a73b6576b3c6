"""Tasks as the engine knows them: values, without data.

Imports `flowbutton.model`, `worker.payload` (references).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from flowbutton.model.canonical import Json, canonical
from flowbutton.model.outlines import Outlined
from flowbutton.model.pieces import IndexPart, Key
from flowbutton.model.records import LedgerCounts, Measures
from flowbutton.model.stage import Resources
from flowbutton.worker.payload import Input, StoredRow

Order = tuple[int, ...]
"""A task's place among the tasks of its node: sorting by it gives the order of the data."""


@dataclass(frozen=True, slots=True, eq=False)
class RowsInput:
    """A gather before its selection is in the store: the rows, in order, of one node's output."""

    stage: str
    rows: Sequence[StoredRow]
    output: str | None


class Task(NamedTuple):
    """A task that can run: all its inputs exist.

    ``inputs`` are references of its own, ``gathers`` those that the loop still turns into a selection. ``bytes_in`` is
    what its memory is estimated from, ``owned_bytes`` those of the pieces that it has for itself, as stored.
    ``shared_bytes`` are those of ``bytes_in`` that all tasks of the stage share. ``part`` is set for indexing tasks
    only.
    """

    id: int
    node: str
    key: Key
    order: Order
    fingerprint: str
    inputs: Mapping[str, Input]
    gathers: Mapping[str, RowsInput]
    bytes_in: int
    part: IndexPart | None = None
    owned_bytes: int = 0
    shared_bytes: int = 0

    def memory_bytes(self, resources: Resources) -> int:
        """Return the memory that the task is expected to need."""
        each, shared = resources.memory_per_input_byte, resources.memory_per_shared_byte
        own = self.bytes_in - self.shared_bytes
        return resources.memory_base_bytes + int(each * own + (each if shared is None else shared) * self.shared_bytes)


def by_node(tasks: Iterable[Task]) -> dict[str, list[Task]]:
    """Return tasks by the names of their nodes."""
    found: dict[str, list[Task]] = defaultdict(list)
    for task in tasks:
        found[task.node].append(task)
    return found


class Result(NamedTuple):
    """What the engine keeps of a done task: the stage digest under which its record lies, its row and outline."""

    stage: str
    outlined: Outlined
    reused: bool

    @property
    def stored(self) -> StoredRow:
        """Where the record lies."""
        return StoredRow(self.stage, self.outlined.bare)

    @property
    def artifacts(self) -> Mapping[str, tuple[str, int]]:
        """Of each output what names its content, and its size in bytes."""
        return self.outlined.artifacts

    @property
    def ledger(self) -> LedgerCounts:
        """The task's counts."""
        return self.outlined.ledger

    @property
    def measures(self) -> Measures:
        """What the task cost."""
        return self.outlined.measures

    def content(self, output: str | None) -> Json:
        """Return what names an output's content in fingerprints."""
        return self.outlined.content(output)

    def bytes_of(self, output: str | None) -> int:
        """Return the size of an output in bytes, or of all."""
        return self.outlined.bytes_of(output)


RangeReader = Callable[[int, int], bytes]


class Marker:
    """Fingerprints of one stage's tasks: its fixed part, then the canonical JSON of each argument's content by name.

    What all tasks have in common is encoded once.
    """

    def __init__(self, stage_digest: str) -> None:
        self._start = hashlib.sha256(b"task\0" + stage_digest.encode() + b"\0{")
        self._shared: dict[str, bytes] = {}

    def share(self, argument: str, content: Json) -> None:
        """Let an argument have this content in all fingerprints from now on."""
        self._shared[argument] = _member(argument, content)

    def mark(self, contents: Mapping[str, Json]) -> str:
        """Return the fingerprint of a task whose other arguments have these contents."""
        found = self._start.copy()
        if len(contents) == 1 and not self._shared:
            [(name, content)] = contents.items()
            found.update(_member(name, content) + b"}")
        else:
            members = {**self._shared, **{name: _member(name, content) for name, content in contents.items()}}
            found.update(b",".join([members[name] for name in sorted(members)]) + b"}")
        return found.hexdigest()


def _member(name: str, content: Json) -> bytes:
    return _named(name) + canonical(content)


@cache
def _named(name: str) -> bytes:
    return canonical(name) + b":"


@dataclass(slots=True)
class Counts:
    """Ledger sums of a node."""

    consumed: dict[str, int] = field(default_factory=dict)
    out: int | None = None
    filtered: dict[str, int] = field(default_factory=dict)
    set_aside: dict[str, int] = field(default_factory=dict)
    apart: dict[str, int] = field(default_factory=dict)
    samples: list[str] = field(default_factory=list)
    warnings: dict[str, None] = field(default_factory=dict)  # each once, in the order in which they came

    def add(self, counts: LedgerCounts) -> None:
        """Add one task's counts."""
        for mine, theirs in (
            (self.consumed, counts.consumed),
            (self.filtered, counts.filtered),
            (self.set_aside, counts.set_aside),
            (self.apart, counts.apart),
        ):
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count
        if counts.out is not None:
            self.out = (self.out or 0) + counts.out
        self.samples.extend(counts.samples[: 10 - len(self.samples)])
        self.warnings.update(dict.fromkeys(counts.warnings))
