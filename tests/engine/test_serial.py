"""A stage whose one task holds what several tasks shared before says so; one that is one task by nature doesn't."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

import pytest

from flowbutton import load
from flowbutton.engine.nodes import Node, NodeSpec
from flowbutton.engine.serial import serial_share
from flowbutton.engine.tasks import Task
from flowbutton.worker.payload import StageWork


class Sized(Node):
    """A node whose tasks take in given numbers of bytes."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__(NodeSpec("sized", StageWork("sized", {}), "sized", count(1)))
        for number, size in enumerate(sizes):
            self.make((number,), (), inputs={}, contents={}, bytes_in=size)

    def advance(self) -> Iterator[Task]:
        return iter(())


@pytest.mark.parametrize(
    ("aligned", "called", "share"),
    [
        ([5, 5], [10], 1.0),  # a plasmid: one window holds what two tasks aligned
        ([10], [10], 0.0),  # all is one piece
        ([5, 5], [2, 8], 0.8),
        ([5, 5], [], 0.0),
    ],
)
def test_one_window_is_serial_where_several_tasks_made_its_parts(
    aligned: list[int], called: list[int], share: float
) -> None:
    nodes = {"align": Sized(aligned), "call": Sized(called), "survey": Sized([9])}
    graph = load("genomics").graph
    assert serial_share(graph, nodes, "call") == share
    assert serial_share(graph, nodes, "survey") == 0.0  # a gather of everything is one task by nature
