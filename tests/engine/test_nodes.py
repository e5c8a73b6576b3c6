"""Fan-out and gathers as pure values: which tasks come to be, with which inputs, in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flowbutton.engine.nodes import Node, NodeSpec, StreamItem, ValueStream
from flowbutton.engine.stage_node import GatherWire, ItemWire, ShareWire, StageNode
from flowbutton.engine.tasks import Result, Task
from flowbutton.engine.tree_node import TreeNode
from flowbutton.model.canonical import digest_bytes
from flowbutton.model.errors import BadInput
from flowbutton.model.outlines import Outline, Outlined
from flowbutton.model.pieces import Key
from flowbutton.model.records import NOTHING_COUNTED, Measures, Row
from flowbutton.model.stage import Resources
from flowbutton.worker.payload import StageWork, StoredRow, ValueInput

IDS = count(1)
TEXTS: dict[str, str] = {}


def spec(name: str) -> NodeSpec:
    return NodeSpec(name, StageWork(name, {}), name, IDS)


def result(text: str) -> Result:
    """Return the result of a task whose artifact is ``text``; the digest of its record tells the text to tests."""
    digest = digest_bytes(text.encode())
    TEXTS[digest] = text
    row = Row("0" * 64, digest, "1" * 64, 0, 0)
    outline = Outline({"": (digest, len(text))}, (), NOTHING_COUNTED, Measures())
    return Result("stage", Outlined.of(row, outline), reused=False)


def text_of(rows: Sequence[StoredRow]) -> list[str]:
    return [TEXTS[stored.row.digest] for stored in rows]


class Leaves(Node):
    """A producer whose tasks have given texts, in order."""

    def __init__(self, texts: Sequence[str], keys: Sequence[Key] = ()) -> None:
        super().__init__(spec("leaves"))
        self._texts = texts
        self.tasks = [self.make((n,), key, inputs={}, contents={}) for n, key in enumerate(keys or [()] * len(texts))]
        self.expanded = True

    def advance(self) -> Iterator[Task]:
        return iter(())

    def finish(self, order: Sequence[int] | None = None) -> Leaves:
        """Let the tasks be done, in any order."""
        for n in order if order is not None else range(len(self.tasks)):
            self.done(self.tasks[n].id, result(self._texts[n]), None)
        return self


def stream(prefix: str, number: int) -> ValueStream:
    made = ValueStream(prefix)
    made.fill(
        StreamItem((n,), ((prefix, n),), ValueInput(f"{prefix}{n}"), ["value", f"{prefix}{n}"], 1)
        for n in range(number)
    )
    return made


def values(task: Task) -> list[object]:
    return [reference.value for reference in task.inputs.values() if isinstance(reference, ValueInput)]


def stage(
    items: Mapping[str, ValueStream],
    *,
    mode: str = "zip",
    shares: Sequence[ShareWire] = (),
    gathers: Sequence[GatherWire] = (),
) -> StageNode:
    wires = [ItemWire(name, one) for name, one in items.items()]
    assert mode in ("zip", "cross")
    return StageNode(
        spec("stage"),
        items=wires,
        shares=shares,
        gathers=gathers,
        mode="cross" if mode == "cross" else "zip",
        makes_items=False,
    )


@given(left=st.integers(0, 6))
def test_a_zip_pairs_neighbours(left: int) -> None:
    node = stage({"a": stream("a", left), "b": stream("b", left)})
    assert [values(task) for task in node.advance()] == [[f"a{n}", f"b{n}"] for n in range(left)]
    assert node.expected() == (left, "")
    assert list(node.advance()) == [], "each pair once"
    assert node.finished is (left == 0)


@given(left=st.integers(0, 5), right=st.integers(0, 5))
def test_a_cross_meets_all_pairs_in_order(left: int, right: int) -> None:
    node = stage({"a": stream("a", left), "b": stream("b", right)}, mode="cross")
    tasks = list(node.advance())
    assert [values(task) for task in tasks] == [[f"a{n}", f"b{m}"] for n in range(left) for m in range(right)]
    assert [task.order for task in tasks] == sorted(task.order for task in tasks)
    assert [task.key for task in tasks] == [(("a", n), ("b", m)) for n in range(left) for m in range(right)]
    assert node.expected() == (left * right, "")
    assert len({task.fingerprint for task in tasks}) == left * right


def test_a_zip_of_different_lengths_is_refused_by_its_numbers() -> None:
    node = stage({"a": stream("a", 3), "b": stream("b", 2)})
    with pytest.raises(BadInput, match="zips lists of different lengths") as caught:
        list(node.advance())
    assert caught.value.why == "a: 3, b: 2"
    assert "cross" in caught.value.hint


def test_items_that_come_late_get_their_tasks_once() -> None:
    late = ValueStream("late")
    node = stage({"a": late})
    assert list(node.advance()) == []
    assert node.expected() == (None, "late")
    [one, two] = stream("a", 2).items
    late.add([two])
    assert [values(task) for task in node.advance()] == [["a1"]]
    late.add([one])
    late.complete = True
    assert [values(task) for task in node.advance()] == [["a0"]]
    assert node.expected() == (2, "")
    for task in list(node.orders):
        node.done(task, result("x"), None)
    assert [node.orders[task] for task, _ in node.ordered()] == [(0,), (1,)], "in the order of the data"


def test_a_gate_opens_when_all_that_tasks_share_is_there() -> None:
    shared, gathered = Leaves(["s"]), Leaves(["g1", "g2"])
    node = stage(
        {"a": stream("a", 2)},
        shares=[ShareWire("shared", shared, None)],
        gathers=[GatherWire("parts", gathered, None, (), None, None)],
    )
    assert list(node.advance()) == []
    shared.finish()
    assert list(node.advance()) == []
    gathered.finish([1, 0])
    tasks = list(node.advance())
    assert len(tasks) == 2
    assert text_of(node.shared_gathers["parts"].rows) == ["g1", "g2"], "in upstream order, not by arrival"
    assert all((task.bytes_in, task.shared_bytes) == (1 + 1 + 4, 1) for task in tasks)
    assert node.own_bytes == [1 + 4, 1 + 4]


def test_what_tasks_share_may_need_memory_by_another_factor() -> None:
    shared = Leaves(["genome"]).finish()
    [task] = stage({"a": stream("a", 1)}, shares=[ShareWire("shared", shared, None)]).advance()
    assert task.memory_bytes(Resources(100, 10.0)) == 100 + 10 * (1 + 6)
    assert task.memory_bytes(Resources(100, 10.0, memory_per_shared_byte=0.5)) == 100 + 10 * 1 + 3


def test_a_gather_by_column_takes_what_matches_in_order() -> None:
    keys: list[Key] = [(("sample", name),) for name in "abab"]
    leaves = Leaves(["a1", "b1", "a2", "b2"], keys).finish([3, 2, 1, 0])
    samples = ValueStream("samples")
    samples.fill(
        StreamItem((n,), (("sample", name),), ValueInput(name), ["value", name], 0) for n, name in enumerate("bac")
    )
    node = stage({"sample": samples}, gathers=[GatherWire("parts", leaves, None, ("sample",), None, None)])
    found = {values(task)[0]: text_of(task.gathers["parts"].rows) for task in node.advance()}
    assert found == {"b": ["b1", "b2"], "a": ["a1", "a2"], "c": []}


def test_a_gather_over_nothing_runs_with_nothing() -> None:
    node = stage({}, gathers=[GatherWire("parts", Leaves([]), None, (), None, None)])
    [task] = node.advance()
    assert list(node.shared_gathers["parts"].rows) == []
    node.done(task.id, result("empty"), None)
    assert node.finished


def tree(leaves: Node, fan_in: int) -> TreeNode:
    return TreeNode(spec("tree"), shares=(), gather=GatherWire("parts", leaves, None, (), None, None), fan_in=fan_in)


def grow(node: TreeNode, choose: Callable[[int], int]) -> tuple[str, int]:
    """Run a tree that concatenates, its tasks in any order; return what the root has and the number of tasks."""
    ready = list(node.advance())
    number = 0
    while ready:
        task = ready.pop(choose(len(ready)))
        number += 1
        rows = task.gathers["parts"].rows
        node.done(task.id, result("".join(text_of(rows))), None)
        ready += node.advance()
    [(_, root)] = node.ordered()
    return TEXTS[root.stored.row.digest], number


@given(number=st.integers(0, 60), fan_in=st.integers(2, 9), data=st.data())
@example(number=0, fan_in=2, data=None)
@example(number=1, fan_in=2, data=None)
def test_a_tree_keeps_the_order_and_takes_each_part_once(number: int, fan_in: int, data: st.DataObject | None) -> None:
    texts = [f"<{n}>" for n in range(number)]
    node = tree(Leaves(texts).finish(), fan_in)
    told, _ = node.expected()

    def choose(size: int) -> int:
        return data.draw(st.integers(0, size - 1)) if data is not None else 0

    root, ran = grow(node, choose)
    assert root == "".join(texts)
    assert ran == told, "the plan is what runs"
    assert node.finished


def test_no_task_of_a_tree_has_more_than_its_width() -> None:
    node = tree(Leaves([str(n) for n in range(50)]).finish(), 4)
    widths = []
    ready = list(node.advance())
    while ready:
        task = ready.pop()
        widths.append(len(task.gathers["parts"].rows))
        node.done(task.id, result("x"), None)
        ready += node.advance()
    assert max(widths) == 4
    assert len(widths) == 13 + 4 + 1


def test_a_tree_waits_for_all_leaves() -> None:
    leaves = Leaves(["a", "b"])
    node = tree(leaves, 2)
    leaves.done(leaves.tasks[0].id, result("a"), None)
    assert list(node.advance()) == []
    assert not node.finished
    assert list(node.ordered()) == []
