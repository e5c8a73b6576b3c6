"""From the graph to tasks: the nodes of a run, wired, and what becomes ready when something is done.

This is the one way in which tasks come to be: `plan` walks it as far as known records reach, `run` walks it to the end.
Pure: facts are handed in. Imports `flowbutton.model`, `dag`, `stages`, `engine` nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from flowbutton.dag import graph as dag
from flowbutton.engine.nodes import Node, NodeSpec, Stream
from flowbutton.engine.source_node import SourceNode
from flowbutton.engine.stage_node import GatherWire, ItemWire, ShareWire, StageNode
from flowbutton.engine.tasks import RangeReader, Result, Task
from flowbutton.engine.transpose_node import TransposeNode
from flowbutton.engine.tree_node import TreeNode
from flowbutton.model.bundle import Parts
from flowbutton.model.canonical import Json, digest_json
from flowbutton.model.partitioner import Partitioner
from flowbutton.model.pieces import Group
from flowbutton.model.records import RECORD_FORMAT
from flowbutton.model.stage import Items, Resources, StageDefinition
from flowbutton.worker.payload import IndexWork, StageWork, TransposeWork
from flowbutton.worker.transpose import transpose

CodeDigest = Callable[[Callable[..., Any]], str]
"""Names the code of a function or class: `stages.code.identify`, handed in since it reads source files."""


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What probing found of a source."""

    partitioner: Partitioner
    groups: Sequence[Group]


INDEX_RESOURCES = Resources(memory_base_bytes=256 * 1024**2, memory_per_input_byte=0.0)
TRANSPOSE_RESOURCES = Resources(memory_base_bytes=256 * 1024**2, memory_per_input_byte=0.05)


class Expansion:
    """The nodes of a run. ``nodes`` is in topological order; sources first, transpositions after their producers."""

    def __init__(
        self,
        graph: dag.Graph,
        sources: Mapping[str, SourceFacts],
        code: CodeDigest,
    ) -> None:
        self.graph = graph
        self.nodes: dict[str, Node] = {}
        self._ids = count(1)
        self._of_task: list[Node] = []  # tasks are numbered from 1, as they are made
        self._code = code
        for name, facts in sources.items():
            self._add_source(graph.sources[name], facts)
        for stage in graph.stages.values():
            self._add_stage(stage)

    def start(self) -> list[Task]:
        """Return the tasks that are ready from the beginning."""
        return self._advance()

    def done(self, results: Iterable[tuple[int, Result, RangeReader | None]]) -> list[Task]:
        """Take in results of tasks; return the tasks that became ready. Raises what a partitioner's cut raises."""
        for task, result, read in results:
            self._of_task[task - 1].done(task, result, read)
        return self._advance()

    def node_of(self, task: int) -> Node:
        """Return the node whose task it is."""
        return self._of_task[task - 1]

    @property
    def finished(self) -> bool:
        """Whether every node has finished."""
        return all(node.finished for node in self.nodes.values())

    def _advance(self) -> list[Task]:
        """Let every node make what it can. One pass in topological order reaches all that a change can make ready."""
        ready: list[Task] = []
        for node in self.nodes.values():
            made = [*node.advance()]
            self._of_task += [node] * len(made)
            assert not made or len(self._of_task) == made[-1].id
            ready += made
        return ready

    def _add_source(self, node: dag.SourceNode, facts: SourceFacts) -> None:
        partitioner = facts.partitioner
        mark: list[Json] = [RECORD_FORMAT, partitioner.name, partitioner.version, self._code(type(partitioner))]
        spec = NodeSpec(
            name=node.name,
            work=IndexWork(node.partitioner),
            stage_digest=digest_json("index", mark),
            ids=self._ids,
            resources=INDEX_RESOURCES,
            tolerate_records=self._tolerated_by_readers(node.name),
        )
        self.nodes[node.name] = SourceNode(spec, partitioner, facts.groups, node.options)

    def _tolerated_by_readers(self, source: str) -> int:
        """Return how many bad records each stage tolerates that reads a source's pieces."""
        pieces = dag.Producer(source)
        readers = [
            stage for stage in self.graph.stages.values() if pieces in [binding.producer for binding in stage.bindings]
        ]
        return min((stage.tolerate_records for stage in readers), default=0)

    def _add_stage(self, stage: dag.StageNode) -> None:
        items, shares, gathers = [], [], []
        for binding in stage.bindings:
            match binding.kind:
                case dag.BindingKind.ITEM:
                    items.append(ItemWire(binding.argument, self._stream(binding.producer)))
                case dag.BindingKind.SHARE:
                    shares.append(self._share(binding))
                case dag.BindingKind.GATHER:
                    gathers.append(self._gather(binding, stage.definition))
        spec = self._spec(stage)
        if stage.fan_in is not None and len(gathers) == 1 and not items:
            self.nodes[stage.name] = TreeNode(spec, shares=shares, gather=gathers[0], fan_in=stage.fan_in)
            return
        self.nodes[stage.name] = StageNode(
            spec,
            items=items,
            shares=shares,
            gathers=gathers,
            mode=stage.mode,
            makes_items=_makes_items(stage.definition.outputs.get("")),
        )

    def _spec(self, stage: dag.StageNode) -> NodeSpec:
        definition = stage.definition
        code = self._code(definition.function)
        mark: list[Json] = [RECORD_FORMAT, definition.uses, definition.version, code, dict(stage.options)]
        return NodeSpec(
            name=stage.name,
            work=StageWork(definition.uses, stage.options),
            stage_digest=digest_json("stage", mark),
            ids=self._ids,
            resources=stage.resources,
            retries=stage.retries,
            on_error=stage.on_error,
            tolerate_records=stage.tolerate_records,
        )

    def _stream(self, producer: dag.Producer) -> Stream:
        node = self.nodes[producer.name]
        if isinstance(node, SourceNode):
            return node.pieces if producer.output is None else node.column(producer.output)
        assert isinstance(node, StageNode)
        return node.item_stream or node.results_as_stream(producer.output)

    def _share(self, binding: dag.Binding) -> ShareWire:
        producer = binding.producer
        is_table = producer.name in self.graph.sources and producer.output == dag.TABLE
        return ShareWire(binding.argument, self.nodes[producer.name], producer.output, is_table)

    def _gather(self, binding: dag.Binding, definition: StageDefinition) -> GatherWire:
        producer, node = binding.producer, self.nodes[binding.producer.name]
        parts = None
        if definition.inputs[binding.argument].type is Parts:
            parts = self._transposition(node, producer)
        return GatherWire(binding.argument, node, producer.output, binding.match, binding.overlap, parts)

    def _transposition(self, node: Node, producer: dag.Producer) -> TransposeNode:
        """Return the transposition of a producer's bundles, one for all its consumers."""
        name = transposition_of(producer)
        if name not in self.nodes:
            spec = NodeSpec(
                name=name,
                work=TransposeWork(),
                stage_digest=digest_json("transpose", [RECORD_FORMAT, self._code(transpose)]),
                ids=self._ids,
                resources=TRANSPOSE_RESOURCES,
            )
            self.nodes[name] = TransposeNode(spec, node, producer.output)
        found = self.nodes[name]
        assert isinstance(found, TransposeNode)
        return found


def transposition_of(producer: dag.Producer) -> str:
    """Return the name of the node that transposes a producer's bundles."""
    return f"{producer} by key"


def _makes_items(annotation: Any) -> bool:
    """Return whether a stage's one output is an item table: ``Items[Row]``, a generic alias of a dataclass."""
    return getattr(annotation, "__origin__", annotation) is Items
