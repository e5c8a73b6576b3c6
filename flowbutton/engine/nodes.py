"""What stands between the graph and its tasks: a node per source, stage and transposition.

A node makes tasks as soon as the inputs that they need exist, and is told when one of them is done. Pure: no store, no
clock, no executor; the contents of artifacts that decide about further tasks (indexes, item tables, transposed heads)
are handed in.

Here: what all nodes share, and the streams that stages fan out over. The kinds of nodes: `engine.source_node`,
`engine.stage_node`, `engine.transpose_node`. Imports `flowbutton.model`, `worker.payload`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from flowbutton.engine.results import Column, Lazy, Results
from flowbutton.engine.tasks import Counts, Marker, Order, RangeReader, Result, RowsInput, Task
from flowbutton.model.canonical import Json
from flowbutton.model.pieces import IndexPart, Key
from flowbutton.model.records import NOTHING_COUNTED
from flowbutton.model.stage import Resources
from flowbutton.worker.payload import Input, PieceInput, Work

_NO_GATHERS: Mapping[str, RowsInput] = {}
"""One for all tasks that have none."""


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """What is fixed of a node. ``stage_digest`` is the fixed part of fingerprints: code and options, no names."""

    name: str
    work: Work
    stage_digest: str
    ids: count[int]
    resources: Resources = field(default_factory=Resources)
    retries: int = 3
    on_error: str = "fail"
    tolerate_records: int = 0


class Described(NamedTuple):
    """Of one thing that a stage fans out over its place, its key, what names its content, and its bytes.

    ``owned`` are those of a piece, which one task has for itself.
    """

    order: Order
    key: Key
    content: Json
    bytes: int
    owned: int = 0


class StreamItem(NamedTuple):
    """One thing that a stage fans out over: its place, its key, a reference to it, and what names its content."""

    order: Order
    key: Key
    reference: Input
    content: Json
    bytes: int

    @property
    def described(self) -> Described:
        """All but the reference."""
        owned = self.bytes if isinstance(self.reference, PieceInput) else 0
        return Described(self.order, self.key, self.content, self.bytes, owned)


class Stream(ABC):
    """Items in the making: they come in any order of their ``order``, until ``complete``."""

    def __init__(self, teller: str) -> None:
        self.teller = teller
        """The name of the node that will tell how many items there are."""

    @property
    @abstractmethod
    def complete(self) -> bool:
        """Whether all items are there."""

    @property
    @abstractmethod
    def items(self) -> Sequence[StreamItem]:
        """Those that there are, in the order in which they came."""

    def reference(self, place: int) -> Input:
        """Return the reference to the item at a place, without all else that is known of it."""
        return self.items[place].reference

    def described(self, place: int) -> Described:
        """Return all that is known of the item at a place, without the reference to it."""
        return self.items[place].described

    @property
    def expected(self) -> int | None:
        """How many items there will be, None when that is not known yet."""
        return len(self.items) if self.complete else None


class ValueStream(Stream):
    """Items that are known when they come."""

    complete = False

    def __init__(self, teller: str) -> None:
        super().__init__(teller)
        self._items: list[StreamItem] = []

    @property
    def items(self) -> Sequence[StreamItem]:
        """Those that came."""
        return self._items

    def add(self, items: Iterable[StreamItem]) -> None:
        """Take in more items."""
        self._items.extend(items)

    def fill(self, items: Iterable[StreamItem]) -> None:
        """Take in all items at once."""
        self._items, self.complete = list(items), True


class Node(ABC):
    """A part of the run that has tasks of one kind."""

    def __init__(self, spec: NodeSpec) -> None:
        self.spec = spec
        self.name = spec.name
        self.shared: dict[str, Input] = {}
        self.shared_gathers: dict[str, RowsInput] = {}
        self._places: dict[int, int] = {}
        self._orders: list[Order] = []
        self._keys: list[Key] = []
        self._bytes_in = array("q")
        self._shared_bytes = 0
        self.orders, self.keys = Column(self._places, self._orders), Column(self._places, self._keys)
        self.bytes_in = Column(self._places, self._bytes_in)
        self.results = Results(spec.stage_digest)
        self.counts = Counts()
        self.marker = Marker(spec.stage_digest)
        self._in_order = array("q")
        self.expanded = False
        """Whether all tasks that there will be are known."""

    @property
    def finished(self) -> bool:
        """Whether all tasks are known and done."""
        return self.expanded and len(self.results) == len(self.orders)

    @property
    def own_bytes(self) -> list[int]:
        """How many bytes each task takes in that the others do not have too."""
        return [size - self._shared_bytes for size in self._bytes_in]

    @property
    def wants_content(self) -> bool:
        """Whether `done` reads the artifact of a task, since it decides about further tasks."""
        return False

    @abstractmethod
    def advance(self) -> Iterator[Task]:
        """Yield the tasks that became ready since the last call."""

    def expected(self) -> tuple[int | None, str]:
        """Return how many tasks there will be, or None and the name of the node that will tell."""
        return (len(self.orders), "") if self.expanded else (None, self.name)

    def done(self, task: int, result: Result, read: RangeReader | None) -> None:
        """Take in a task's result; ``read`` reads its one artifact, given where `wants_content`."""
        del read
        self.results[task] = result
        counts = result.outlined.ledger
        if counts is not NOTHING_COUNTED:
            self.counts.add(counts)

    def in_order(self) -> Sequence[int]:
        """Return the tasks that are done, in the order of the data."""
        if len(self._in_order) < len(self.results):
            self._in_order = array("q", sorted(self.results, key=self.orders.__getitem__))
        return self._in_order

    def ordered(self) -> Sequence[tuple[int, Result]]:
        """Return the tasks that are done and their results, in the order of the data."""
        tasks = self.in_order()
        return Lazy(lambda: len(tasks), lambda place: (tasks[place], self.results[tasks[place]]))

    def rows(self, tasks: Sequence[int], output: str | None) -> RowsInput:
        """Return the rows of tasks, in the order given, as something to gather."""
        rows = Lazy(lambda: len(tasks), lambda place: self.results.stored(tasks[place]))
        return RowsInput(self.spec.stage_digest, rows, output)

    def make(
        self,
        order: Order,
        key: Key,
        *,
        inputs: Mapping[str, Input],
        contents: Mapping[str, Json],
        gathers: Mapping[str, RowsInput] | None = None,
        bytes_in: int = 0,
        part: IndexPart | None = None,
        owned_bytes: int = 0,
    ) -> Task:
        """Make a task of this node and remember its place."""
        number = next(self.spec.ids)
        self._places[number] = len(self._places)
        self._orders.append(order)
        self._keys.append(key)
        self._bytes_in.append(bytes_in)
        mark = self.marker.mark(contents)
        rows, shared = gathers or _NO_GATHERS, self._shared_bytes
        return Task(number, self.name, key, order, mark, inputs, rows, bytes_in, part, owned_bytes, shared)
