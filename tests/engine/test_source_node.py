"""Sources at run time: pieces as soon as a group is indexed, and partitioners that lose records are found out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from flowbutton.engine.nodes import NodeSpec
from flowbutton.engine.source_node import SourceNode
from flowbutton.engine.tasks import Result, Task
from flowbutton.model.errors import LedgerBroken
from flowbutton.model.outlines import Outline, Outlined
from flowbutton.model.pieces import Layout, Piece, Source
from flowbutton.model.records import NOTHING_COUNTED, Measures, Row
from flowbutton.partitioners.whole import Whole
from flowbutton.stores.access import StoreAccess
from flowbutton.stores.memory import MemoryStore
from flowbutton.worker.payload import IndexWork


class Losing(Whole):
    """Forgets a record."""

    def cut(self, layout: Layout) -> Sequence[Piece]:
        return [replace(piece, records=0) for piece in super().cut(layout)]


class Blind(Whole):
    """Finds nothing, and does not count."""

    def cut(self, layout: Layout) -> Sequence[Piece]:  # noqa: ARG002
        return []

    def layout(self, group, indexes) -> Layout:  # type: ignore[no-untyped-def]
        return replace(super().layout(group, indexes), records=None)


def node_over(partitioner: Whole, folder: Path) -> tuple[SourceNode, list[Task], StoreAccess]:
    for name in "abc":
        (folder / f"{name}.txt").write_text(f"text {name}")
    access = StoreAccess(MemoryStore("source-node"))
    groups = partitioner.probe(Source("files", str(folder / "*.txt"), {}), access)
    node = SourceNode(NodeSpec("files", IndexWork("whole"), "digest", count(1)), partitioner, groups, {})
    return node, list(node.advance()), access


def finish(node: SourceNode, task: Task, access: StoreAccess) -> None:
    assert task.part is not None
    index = node.partitioner.index(task.part, access)
    row = Row(task.fingerprint, "0" * 64, "1" * 64, 0, 0)
    outline = Outline({"": ("digest", len(index))}, (), NOTHING_COUNTED, Measures())
    result = Result("digest", Outlined.of(row, outline), reused=False)
    node.done(task.id, result, lambda start, stop: index[start:stop])


def test_a_group_is_cut_when_its_index_is_there(tmp_path: Path) -> None:
    node, tasks, access = node_over(Whole(), tmp_path)
    names = node.column("file")
    assert [item.key for item in names.items] == [(("file", f"{name}.txt"),) for name in "abc"]
    for done, task in enumerate(reversed(tasks), start=1):
        assert not node.pieces.complete
        finish(node, task, access)
        assert len(node.pieces.items) == done
    assert node.pieces.complete
    assert node.finished
    assert [item.order for item in sorted(node.pieces.items, key=lambda item: item.order)] == [(0, 0), (1, 0), (2, 0)]
    assert node.records == 3


@pytest.mark.parametrize(("partitioner", "told"), [(Losing(), "own 0 files"), (Blind(), "no piece was cut")])
def test_a_partitioner_that_loses_records_is_found_out(partitioner: Whole, told: str, tmp_path: Path) -> None:
    node, tasks, access = node_over(partitioner, tmp_path)
    with pytest.raises(LedgerBroken, match=told):
        finish(node, tasks[0], access)
