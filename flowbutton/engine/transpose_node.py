"""The transposition of a stage's bundles: one task after the maps, and what it says of each reducer's inputs.

Imports `flowbutton.model`, `engine.nodes`, `worker.transpose` (the head).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowbutton.engine.nodes import Node, NodeSpec
from flowbutton.engine.tasks import RangeReader, Result, Task
from flowbutton.model.bundle import Interval
from flowbutton.model.canonical import Json
from flowbutton.model.errors import Bug
from flowbutton.worker.payload import PartsInput, StoredRow
from flowbutton.worker.transpose import TransposedHead, read_head


class TransposeNode(Node):
    """Joins the footers of one output of ``producer`` when all its tasks are done."""

    def __init__(self, spec: NodeSpec, producer: Node, output: str | None) -> None:
        super().__init__(spec)
        self._producer, self._output = producer, output
        self._head: TransposedHead | None = None
        self._index: StoredRow | None = None

    @property
    def wants_content(self) -> bool:
        """The head names what each reducer reads, so that a change reaches only those that it concerns."""
        return True

    def advance(self) -> Iterator[Task]:
        """Yield the one task when all bundles exist; none when there is no bundle."""
        if self.expanded or not self._producer.finished:
            return
        self.expanded = True
        tasks = self._producer.in_order()
        if tasks:
            contents: list[Json] = [self._producer.results.content(task, self._output) for task in tasks]
            rows = self._producer.rows(tasks, self._output)
            self.shared_gathers["bundles"] = rows
            yield self.make((), (), inputs={}, contents={"bundles": contents})

    def expected(self) -> tuple[int | None, str]:
        """One task, unless there is nothing to join."""
        return (len(self.orders), "") if self.expanded else (1, "")

    def done(self, task: int, result: Result, read: RangeReader | None) -> None:
        """Keep the head."""
        super().done(task, result, read)
        if read is None:
            raise Bug("a transposed index was not read", why="", hint="", node=self.name)
        self._head, self._index = read_head(result.artifacts[""][1], read), result.stored

    def select(self, wanted: Sequence[Interval] | None) -> tuple[PartsInput, Json, int]:
        """Return the reference to the parts wanted, what names their content, and how many bytes they are."""
        if self._head is None:
            return PartsInput(None, None), ["parts", ""], 0
        reference = PartsInput(self._index, None if wanted is None else tuple(wanted))
        return reference, ["parts", self._head.content(wanted)], self._head.bytes_of(wanted)
