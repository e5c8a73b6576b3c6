"""Tasks as the engine knows them: values, without data.

Imports `flowbutton.model`, `worker.payload` (references).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flowbutton.model.canonical import Json, canonical, digest_bytes
from flowbutton.model.pieces import IndexPart, Key
from flowbutton.model.records import LedgerCounts, Measures, Outline
from flowbutton.model.stage import Resources
from flowbutton.worker.payload import Input, StoredRow

Order = tuple[int, ...]
"""A task's place among the tasks of its node: sorting by it gives the order of the data."""


@dataclass(frozen=True, slots=True)
class RowsInput:
    """A gather before its selection is in the store: the rows, in order, of one node's output."""

    stage: str
    rows: tuple[StoredRow, ...]
    output: str | None


@dataclass(frozen=True, slots=True)
class Task:
    """A task that can run: all its inputs exist.

    ``inputs`` are references of its own, ``gathers`` those that the loop still turns into a selection. ``bytes_in`` is
    what its memory is estimated from. ``part`` is set for indexing tasks only.
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

    def memory_bytes(self, resources: Resources) -> int:
        """Return the memory that the task is expected to need."""
        return resources.memory_base_bytes + int(resources.memory_per_input_byte * self.bytes_in)


@dataclass(frozen=True, slots=True)
class Result:
    """What the engine keeps of a done task: where its record lies, its artifacts by content and size, its counts."""

    stored: StoredRow
    artifacts: Mapping[str, tuple[str, int]]
    ledger: LedgerCounts
    measures: Measures
    reused: bool

    @classmethod
    def of(cls, stored: StoredRow, outline: Outline, *, reused: bool) -> Result:
        """Take from a task record what planning needs; inline data stay in the store."""
        return cls(stored, outline.artifacts, outline.ledger, outline.measures, reused)

    def content(self, output: str | None) -> Json:
        """Return what names an output's content in fingerprints: its digest, or those of all named outputs."""
        if output is None and "" not in self.artifacts:
            return {name: digest for name, (digest, _) in self.artifacts.items()}
        return self.artifacts[output or ""][0]

    def bytes_of(self, output: str | None) -> int:
        """Return the size of an output in bytes, or of all."""
        if output is None and "" not in self.artifacts:
            return sum(size for _, size in self.artifacts.values())
        return self.artifacts[output or ""][1]


RangeReader = Callable[[int, int], bytes]


def fingerprint(stage_digest: str, contents: Mapping[str, Json]) -> str:
    """Return a task's fingerprint: the stage's fixed part, then each argument's content, tagged by its kind."""
    return digest_bytes(b"task\0" + stage_digest.encode() + b"\0" + canonical(contents))


@dataclass(slots=True)
class Counts:
    """Ledger sums of a node."""

    consumed: dict[str, int] = field(default_factory=dict)
    out: int | None = None
    filtered: dict[str, int] = field(default_factory=dict)
    set_aside: dict[str, int] = field(default_factory=dict)
    apart: dict[str, int] = field(default_factory=dict)
    samples: list[str] = field(default_factory=list)

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
