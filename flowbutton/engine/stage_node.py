"""A stage at run time: fan-out over streams of items, gathers, shares; tasks as soon as their inputs exist.

Here: when a stage's gate opens, which items meet (one, zip, cross), what of each producer a task gets.
Not here: the streams (`engine.streams`), trees of gathers (`engine.tree_node`). Imports `flowbutton.model`,
`engine.nodes`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

from flowbutton.engine.nodes import Node, NodeSpec, Stream, StreamItem
from flowbutton.engine.source_node import SourceNode
from flowbutton.engine.streams import ItemInputs, ItemStream, ResultStream
from flowbutton.engine.tasks import RangeReader, Result, RowsInput, Task
from flowbutton.engine.transpose_node import TransposeNode
from flowbutton.model.bundle import Interval
from flowbutton.model.canonical import Json
from flowbutton.model.errors import BadInput, Bug
from flowbutton.model.pieces import Key, Scalar
from flowbutton.worker.payload import ArtifactInput, Input, ValueInput


@dataclass(frozen=True, slots=True)
class ItemWire:
    """An argument that has a value per item."""

    argument: str
    stream: Stream


@dataclass(frozen=True, slots=True)
class ShareWire:
    """An argument that is the same for all tasks: a source's one piece or its table, or the result of a stage."""

    argument: str
    producer: Node
    output: str | None
    is_table: bool = False


@dataclass(frozen=True, slots=True)
class GatherWire:
    """An argument that gathers: all results, those of equal key columns, or parts of bundles through their index."""

    argument: str
    producer: Node
    output: str | None
    match: tuple[str, ...]
    overlap: tuple[str, ...] | None
    parts: TransposeNode | None


@dataclass(frozen=True, slots=True)
class _Bound:
    """One argument of one task."""

    reference: Input | None
    gather: RowsInput | None
    content: Json
    bytes: int


class StageNode(Node):
    """Runs one stage of the graph."""

    def __init__(
        self,
        spec: NodeSpec,
        *,
        items: Sequence[ItemWire],
        shares: Sequence[ShareWire],
        gathers: Sequence[GatherWire],
        mode: Literal["zip", "cross"],
        makes_items: bool,
    ) -> None:
        super().__init__(spec)
        self.items, self.shares, self.gathers, self.mode = items, shares, gathers, mode
        self.item_stream = ItemStream(self) if makes_items else None
        self.result_streams: dict[str | None, ResultStream] = {}
        self._gathers_of_tasks = [wire for wire in gathers if wire.match or wire.overlap is not None]
        self._made = 0
        self._open = False
        self._matched: dict[str, Mapping[tuple[Scalar | None, ...], array[int]]] = {}
        self._bytes = 0

    @property
    def wants_content(self) -> bool:
        """Item tables become tasks."""
        return self.item_stream is not None

    def results_as_stream(self, output: str | None) -> ResultStream:
        """Return the stream of this stage's results."""
        return self.result_streams.setdefault(output, ResultStream(self, output))

    def done(self, task: int, result: Result, read: RangeReader | None) -> None:
        """Take in a result and hand it on to the streams over it."""
        super().done(task, result, read)
        for stream in self.result_streams.values():
            stream.add(task)
        if self.item_stream is not None:
            if read is None:
                raise Bug("an item table was not read", why="", hint="", node=self.name)
            self.item_stream.add(self.orders[task], read(0, result.artifacts[""][1]))

    def expected(self) -> tuple[int | None, str]:
        """Return the number of tasks as far as the streams know it."""
        if self.expanded:
            return len(self.orders), ""
        total = 1
        for wire in self.items:
            known = wire.stream.expected
            if known is None:
                return None, wire.stream.teller
            total = known if self.mode == "zip" or len(self.items) == 1 else total * known
        return total, ""

    def advance(self) -> Iterator[Task]:
        """Yield tasks for items that are there, once what all tasks share is there."""
        if self.expanded or not self._opens():
            return
        if len(self.items) == 1 and not self._gathers_of_tasks:
            yield from self._simple_tasks(self.items[0])
        else:
            for combination in self._new_items():
                yield self._task_of(combination)
        self.expanded = all(wire.stream.complete for wire in self.items)

    def _opens(self) -> bool:
        if self._open:
            return True
        if not all(_is_there(wire) for wire in self.shares):
            return False
        if not all(wire.producer.finished and (wire.parts is None or wire.parts.finished) for wire in self.gathers):
            return False
        for wire in self.shares:
            bound = self._share(wire)
            if bound.reference is not None:
                self.shared[wire.argument] = bound.reference
            self._take(wire.argument, bound)
            self._shared_bytes += bound.bytes
        for gather in self.gathers:
            if gather not in self._gathers_of_tasks:
                bound = self._gather(gather, {}, ())
                if bound.reference is not None:
                    self.shared[gather.argument] = bound.reference
                if bound.gather is not None:
                    self.shared_gathers[gather.argument] = bound.gather
                self._take(gather.argument, bound)
        self._open = True
        return True

    def _take(self, argument: str, bound: _Bound) -> None:
        self.marker.share(argument, bound.content)
        self._bytes += bound.bytes

    def _new_items(self) -> Iterator[tuple[StreamItem, ...]]:
        """Yield the combinations of items that have no task yet; the empty one for a stage without items."""
        if not self.items:
            if not self._made:
                self._made = 1
                yield ()
            return
        streams = [wire.stream for wire in self.items]
        if len(streams) == 1:
            fresh = streams[0].items[self._made :]
            self._made += len(fresh)
            yield from ((item,) for item in fresh)
        elif all(stream.complete for stream in streams):
            ordered = [sorted(stream.items, key=lambda item: item.order) for stream in streams]
            yield from self._zipped(ordered) if self.mode == "zip" else product(*ordered)

    def _zipped(self, ordered: Sequence[Sequence[StreamItem]]) -> Iterator[tuple[StreamItem, ...]]:
        counts = [len(items) for items in ordered]
        if len(set(counts)) > 1:
            told = ", ".join(f"{wire.argument}: {count}" for wire, count in zip(self.items, counts, strict=True))
            raise BadInput(
                f"stage '{self.name}' zips lists of different lengths",
                why=told,
                hint="give lists of one length, or say mode: cross",
            )
        yield from zip(*ordered, strict=True)

    def _simple_tasks(self, wire: ItemWire) -> Iterator[Task]:
        """Yield a task for each item of the one stream that has none yet."""
        argument, stream, count = wire.argument, wire.stream, len(wire.stream.items)
        for place in range(self._made, count):
            order, key, content, size, owned = stream.described(place)
            yield self.make(
                order,
                key,
                inputs=ItemInputs(argument, stream, place),
                contents={argument: content},
                bytes_in=self._bytes + size,
                owned_bytes=owned,
            )
        self._made = count

    def _task_of(self, combination: tuple[StreamItem, ...]) -> Task:
        by_argument = {wire.argument: item for wire, item in zip(self.items, combination, strict=True)}
        order = combination[0].order if len(combination) == 1 else tuple(n for item in combination for n in item.order)
        key: Key = tuple(dict(pair for item in combination for pair in item.key).items())
        inputs = {name: item.reference for name, item in by_argument.items()}
        contents = {name: item.content for name, item in by_argument.items()}
        total = self._bytes + sum(item.bytes for item in combination)
        owned = sum(item.described.owned for item in combination)
        gathers: dict[str, RowsInput] = {}
        for wire in self._gathers_of_tasks:
            bound = self._gather(wire, by_argument, key)
            contents[wire.argument] = bound.content
            total += bound.bytes
            if bound.reference is not None:
                inputs[wire.argument] = bound.reference
            if bound.gather is not None:
                gathers[wire.argument] = bound.gather
        return self.make(
            order, key, inputs=inputs, contents=contents, gathers=gathers, bytes_in=total, owned_bytes=owned
        )

    def _share(self, wire: ShareWire) -> _Bound:
        producer = wire.producer
        if isinstance(producer, SourceNode):
            if wire.is_table:
                value = producer.table()
                return _Bound(ValueInput(value), None, ["value", value], 0)
            pieces = producer.pieces.items
            if len(pieces) != 1:
                raise BadInput(
                    f"source '{producer.name}' is shared by stage '{self.name}' but has {len(pieces)} pieces",
                    why="share takes a source of one piece",
                    hint="name one file, or use for_each",
                )
            return _Bound(pieces[0].reference, None, pieces[0].content, pieces[0].bytes)
        [(_, result)] = producer.ordered()
        content: Json = ["artifact", result.content(wire.output)]
        return _Bound(ArtifactInput(result.stored, wire.output), None, content, result.bytes_of(wire.output))

    def _matching(self, wire: GatherWire) -> Mapping[tuple[Scalar | None, ...], array[int]]:
        """Return a producer's tasks by the values of the matched columns, each list in the order of the data."""
        if wire.argument not in self._matched:
            groups: dict[tuple[Scalar | None, ...], array[int]] = {}
            for task in wire.producer.in_order():
                groups.setdefault(_values(wire.producer.keys[task], wire.match), array("q")).append(task)
            self._matched[wire.argument] = groups
        return self._matched[wire.argument]

    def _gather(self, wire: GatherWire, items: Mapping[str, StreamItem], key: Key) -> _Bound:
        if wire.parts is not None:
            reference, content, size = wire.parts.select(_wanted(wire, items, key))
            return _Bound(reference, None, content, size)
        chosen = self._matching(wire).get(_values(key, wire.match), array("q"))
        results = wire.producer.results
        contents: Json = ["gather", [results.content(task, wire.output) for task in chosen]]
        total = sum(results.bytes_of(task, wire.output) for task in chosen)
        return _Bound(None, wire.producer.rows(chosen, wire.output), contents, total)


def _values(key: Key, columns: Sequence[str]) -> tuple[Scalar | None, ...]:
    named = dict(key)
    return tuple(named.get(column) for column in columns)


def _is_there(wire: ShareWire) -> bool:
    if isinstance(wire.producer, SourceNode):
        return wire.is_table or wire.producer.pieces.complete
    return wire.producer.finished


def _wanted(wire: GatherWire, items: Mapping[str, StreamItem], key: Key) -> list[Interval] | None:
    """Return the intervals of a bundle that a task gathers; None for all of it."""
    named = dict(key)
    equal = {column: named[column] for column in wire.match}
    if wire.overlap is None:
        return [Interval(equal)] if equal else None
    argument, *path = wire.overlap
    reference = items[argument].reference
    value = reference.value if isinstance(reference, ValueInput) else None
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    found = value if isinstance(value, list) else [value]
    return [_interval(one, equal, ".".join(wire.overlap)) for one in found]


def _interval(value: Json, equal: Mapping[str, str | int], path: str) -> Interval:
    if not isinstance(value, Mapping):
        raise Bug(
            f"'{path}' is not an interval",
            why=f"it is {value!r}",
            hint="an item's overlap needs start, stop and the equal key columns",
        )
    columns: dict[str, Any] = {name: part for name, part in value.items() if name not in ("start", "stop")}
    start: Any = value.get("start")
    stop: Any = value.get("stop")
    return Interval({**equal, **columns}, start, stop)
