"""A gather in a tree: groups of ``fan_in`` neighbours, level by level, in the order of the data.

The function must be associative, and need not be commutative: neighbours meet neighbours. The last level is one task,
and its result is the stage's. Imports `engine.stage_node`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

from flowbutton.engine.nodes import NodeSpec
from flowbutton.engine.stage_node import GatherWire, ShareWire, StageNode
from flowbutton.engine.tasks import RangeReader, Result, Task
from flowbutton.model.canonical import Json


class TreeNode(StageNode):
    """A stage with one gathering argument and ``fan_in``."""

    def __init__(self, spec: NodeSpec, *, shares: Sequence[ShareWire], gather: GatherWire, fan_in: int) -> None:
        super().__init__(spec, items=(), shares=shares, gathers=(), mode="zip", makes_items=False)
        self._wire, self._fan_in = gather, fan_in
        self._level = 0
        self._root: int | None = None

    @property
    def finished(self) -> bool:
        """Whether the last level's one task is done."""
        return self._root is not None and self._root in self.results

    def expected(self) -> tuple[int | None, str]:
        """Return the number of tasks over all levels."""
        count, teller = self._wire.producer.expected()
        if count is None:
            return None, teller
        total = 0
        while True:
            count = max(1, -(-count // self._fan_in))
            total += count
            if count == 1:
                return total, ""

    def advance(self) -> Iterator[Task]:
        """Yield the next level when the one before it is done."""
        if self.expanded or not self._wire.producer.finished or not self._opens():
            return
        if len(self.results) < len(self.orders):
            return
        if self._level == 0:
            source, output, below = self._wire.producer, self._wire.output, self._leaves()
        else:
            source, output, below = self, None, self._of_level(self._level)
        self._level += 1
        groups = [below[start : start + self._fan_in] for start in range(0, len(below), self._fan_in)] or [array("q")]
        self.expanded = len(groups) == 1
        for number, group in enumerate(groups):
            contents: Json = ["gather", [source.results.content(task, output) for task in group]]
            gathers = {self._wire.argument: source.rows(group, output)}
            task = self.make(
                (self._level, number),
                (),
                inputs={},
                contents={self._wire.argument: contents},
                gathers=gathers,
                bytes_in=sum(source.results.bytes_of(task, output) for task in group),
            )
            if self.expanded:
                self._root = task.id
            yield task

    def _leaves(self) -> Sequence[int]:
        return self._wire.producer.in_order()

    def _of_level(self, level: int) -> Sequence[int]:
        return [task for task in super().in_order() if self.orders[task][0] == level]

    def in_order(self) -> Sequence[int]:
        """Return the root alone: it is the stage's result."""
        return [self._root] if self._root is not None and self.finished else []

    def done(self, task: int, result: Result, read: RangeReader | None) -> None:
        """Count what the first level consumed and the last one gave: in between the same records pass again."""
        counts = self.counts
        if self.orders[task][0] > 1:
            before = dict(counts.consumed), counts.out
            super().done(task, result, read)
            counts.consumed, counts.out = before
            if task == self._root:
                counts.out = result.ledger.out
        else:
            super().done(task, result, read)
