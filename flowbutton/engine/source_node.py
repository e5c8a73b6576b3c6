"""A source at run time: indexing tasks per group, then layouts, then pieces.

Index tasks are known by the identity of their object (URI, size and time, or ETag); everything after them is known by
content, since an index names the content that it saw. So a file that was touched or copied is indexed again, and
nothing below runs again. Imports `flowbutton.model`, `engine.nodes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from flowbutton.engine.nodes import Node, NodeSpec, Stream, StreamItem, ValueStream
from flowbutton.engine.tasks import RangeReader, Result, Task
from flowbutton.model.canonical import Json
from flowbutton.model.errors import Bug, LedgerBroken
from flowbutton.model.partitioner import Partitioner
from flowbutton.model.pieces import Group, IndexPart, Layout, Piece
from flowbutton.worker.payload import PieceInput, ValueInput


class SourceNode(Node):
    """Indexes, lays out and cuts one source."""

    def __init__(
        self, spec: NodeSpec, partitioner: Partitioner, groups: Sequence[Group], options: Mapping[str, Json]
    ) -> None:
        super().__init__(spec)
        self.partitioner, self.groups, self._options = partitioner, groups, options
        self.pieces = ValueStream(spec.name)
        self._groups = {group.ordinal: group for group in groups}
        self.records: int | None = 0
        self.bytes = 0
        self._parts = {group.ordinal: list(partitioner.index_parts(group)) for group in groups}
        self._indexes: dict[int, dict[int, bytes]] = {group.ordinal: {} for group in groups}
        self._columns: dict[str, ValueStream] = {}
        if not groups:
            self._complete()

    @property
    def wants_content(self) -> bool:
        """Indexes become layouts in the driver: they are small."""
        return True

    @property
    def unit(self) -> str:
        """What the ledger counts here."""
        return self.partitioner.unit

    def advance(self) -> Iterator[Task]:
        """Yield all indexing tasks, once."""
        if self.expanded:
            return
        self.expanded = True
        for group in self.groups:
            for number, part in enumerate(self._parts[group.ordinal]):
                yield self._index_task(group, number, part)

    def _index_task(self, group: Group, number: int, part: IndexPart) -> Task:
        uris: list[Json] = [info.uri for info in group.objects]
        contents: dict[str, Json] = {"part": [part.identity, part.body], "objects": uris}
        order = (group.ordinal, number)
        size = part.bytes
        return self.make(order, group.key, inputs={}, contents=contents, bytes_in=size, part=part, owned_bytes=size)

    def done(self, task: int, result: Result, read: RangeReader | None) -> None:
        """Take in an index; when a group has all of its own, cut it. Raises what `layout` and `cut` raise."""
        super().done(task, result, read)
        if read is None:
            raise Bug("an index was not read", why="", hint="", node=self.name)
        ordinal, number = self.orders[task]
        _, size = result.artifacts[""]
        indexes = self._indexes[ordinal]
        indexes[number] = read(0, size)
        if len(indexes) == len(self._parts[ordinal]):
            group = self._groups[ordinal]
            self._cut(self.partitioner.layout(group, [indexes[n] for n in sorted(indexes)]))
            del self._indexes[ordinal]
            if not self._indexes:
                self._complete()

    def _cut(self, layout: Layout) -> None:
        if layout.fault is not None and not self.spec.tolerate_records:
            raise layout.fault
        pieces = self.partitioner.cut(layout, **self._options)
        self._check(layout, pieces)
        ordinal = layout.group.ordinal
        self.pieces.add(_piece_item((ordinal, number), piece) for number, piece in enumerate(pieces))
        self.bytes += layout.bytes
        known = self.records is not None and layout.records is not None
        self.records = (self.records or 0) + (layout.records or 0) if known else None

    def _check(self, layout: Layout, pieces: Sequence[Piece]) -> None:
        """Hold the pieces against the index's own count (law 1)."""
        if not pieces and layout.bytes and layout.records is None:
            raise LedgerBroken(
                f"source '{self.name}' has {layout.bytes} bytes, but no piece was cut from it",
                why=f"partitioner '{self.partitioner.name}' found nothing in group {dict(layout.group.key)}",
                hint="this is a fault of the partitioner: report it with the file",
            )
        counts = [piece.records for piece in pieces if piece.records is not None]
        if layout.records is None or len(counts) < len(pieces):
            return
        if sum(counts) != layout.records:
            raise LedgerBroken(
                f"the pieces of source '{self.name}' own {sum(counts)} {self.unit}, its index counted {layout.records}",
                why=f"partitioner '{self.partitioner.name}' cut group {dict(layout.group.key)} wrongly",
                hint="this is a fault of the partitioner: report it with the file",
            )

    def _complete(self) -> None:
        self.pieces.complete = True
        for column, stream in self._columns.items():
            if not stream.complete:
                stream.fill(_distinct(column, [item.key for item in sorted(self.pieces.items, key=lambda i: i.order)]))

    def column(self, name: str) -> Stream:
        """Return the distinct values of a key column, in source order; known at once where groups have the column."""
        if name not in self._columns:
            stream = self._columns[name] = ValueStream(self.name)
            keys = [group.key for group in self.groups]
            if all(name in dict(key) for key in keys):
                stream.fill(_distinct(name, keys))
            elif self.pieces.complete:
                self._complete()
        return self._columns[name]

    def table(self) -> Json:
        """Return what the source says besides its data."""
        return self.partitioner.table(self.groups)


def _piece_item(order: tuple[int, ...], piece: Piece) -> StreamItem:
    content: Json = ["piece", piece.partitioner, piece.content]
    return StreamItem(order, piece.key, PieceInput(piece), content, piece.bytes)


def _distinct(column: str, keys: Sequence[tuple[tuple[str, str | int], ...]]) -> list[StreamItem]:
    values = list(dict.fromkeys(dict(key)[column] for key in keys))
    return [
        StreamItem((n,), ((column, value),), ValueInput(value), ["value", value], 0) for n, value in enumerate(values)
    ]
