"""What a stage fans out over: results of another stage one by one, or rows of item tables, as they come to be.

Imports `flowbutton.model`, `stages.codecs`, `engine.nodes`.
"""

from __future__ import annotations

from array import array
from collections.abc import ItemsView, Iterator, Mapping, Sequence

from flowbutton.engine.nodes import Described, Node, Stream, StreamItem
from flowbutton.engine.results import Lazy
from flowbutton.engine.tasks import Order
from flowbutton.model.pieces import Item
from flowbutton.stages.codecs import read_items
from flowbutton.worker.payload import ArtifactInput, Input, ValueInput


class ResultStream(Stream):
    """The results of a fan-out stage, one by one: for_each over an upstream stage."""

    def __init__(self, node: Node, output: str | None) -> None:
        super().__init__(node.name)
        self._node, self._output = node, output
        self._tasks = array("q")

    @property
    def complete(self) -> bool:
        """Whether the stage has finished."""
        return self._node.finished

    @property
    def expected(self) -> int | None:
        """As many as the upstream stage has tasks."""
        return self._node.expected()[0]

    @property
    def items(self) -> Sequence[StreamItem]:
        """The results that there are."""
        return Lazy(lambda: len(self._tasks), self._item)

    def add(self, task: int) -> None:
        """Take in the result of a task."""
        self._tasks.append(task)

    def _item(self, place: int) -> StreamItem:
        order, key, content, size, _ = self.described(place)
        return StreamItem(order, key, self.reference(place), content, size)

    def described(self, place: int) -> Described:
        """Return all that is known of a result, without the reference to it."""
        task, output, node = self._tasks[place], self._output, self._node
        content, size = node.results.described(task, output)
        return Described(node.orders[task], node.keys[task], ["artifact", content], size)

    def reference(self, place: int) -> Input:
        """Return where the result lies."""
        return ArtifactInput(self._node.results.stored(self._tasks[place]), self._output)


class ItemStream(Stream):
    """The rows of item tables, as the tasks that make them are done."""

    def __init__(self, node: Node) -> None:
        super().__init__(node.name)
        self._node = node
        self._rows: list[Item] = []
        self._orders: list[Order] = []

    @property
    def complete(self) -> bool:
        """Whether the stage that makes them has finished."""
        return self._node.finished

    @property
    def items(self) -> Sequence[StreamItem]:
        """The rows that there are."""
        return Lazy(lambda: len(self._rows), self._item)

    def add(self, order: Order, data: bytes) -> None:
        """Take in one table."""
        rows = read_items(data)
        self._rows += rows
        self._orders += [(*order, number) for number in range(len(rows))]

    def _item(self, place: int) -> StreamItem:
        item = self._rows[place]
        return StreamItem(self._orders[place], item.key, self.reference(place), ["value", item.value], 0)

    def described(self, place: int) -> Described:
        """Return all that is known of an item."""
        item = self._rows[place]
        return Described(self._orders[place], item.key, ["value", item.value], 0)

    def reference(self, place: int) -> Input:
        """Return the item's value."""
        return ValueInput(self._rows[place].value)


class ItemInputs(Mapping[str, Input]):
    """The inputs of a task that has one of its own: an item of a stream, looked up when the task is started."""

    __slots__ = ("_argument", "_place", "_stream")

    def __init__(self, argument: str, stream: Stream, place: int) -> None:
        self._argument, self._stream, self._place = argument, stream, place

    def __getitem__(self, argument: str) -> Input:
        if argument != self._argument:
            raise KeyError(argument)
        return self._stream.reference(self._place)

    def __iter__(self) -> Iterator[str]:
        yield self._argument

    def __len__(self) -> int:
        return 1

    def items(self) -> ItemsView[str, Input]:
        """The argument and its input."""
        return {self._argument: self._stream.reference(self._place)}.items()
