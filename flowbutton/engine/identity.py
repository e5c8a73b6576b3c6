"""What stages and sources are, taken from an expansion: at the start for the plan, at the end to be kept.

Pure but for ``identify``, which reads source files. Not here: the comparison (`dag.reasons`), keeping (`engine.past`).
Imports `flowbutton.model`, `dag`, `stages.code`, `engine` nodes.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from flowbutton.dag import graph as dag
from flowbutton.dag.reasons import Finished, Making, Taken
from flowbutton.engine.expansion import Expansion, transposition_of
from flowbutton.engine.hiding import Hidden, escaped
from flowbutton.engine.nodes import Node
from flowbutton.engine.serial import serial_share
from flowbutton.engine.source_node import SourceNode
from flowbutton.model.bundle import Parts
from flowbutton.model.canonical import Json, digest_json
from flowbutton.model.command import shown
from flowbutton.stages.code import CodeIdentity
from flowbutton.worker.transpose import transpose

Identify = Callable[[Callable[..., Any]], CodeIdentity]

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


class Identities:
    """The identities of an expansion's nodes, as far as it has got. What is ``hidden`` stands in none of them."""

    def __init__(self, expansion: Expansion, identify: Identify, hidden: Hidden) -> None:
        self._expansion, self._identify, self._hidden = expansion, identify, hidden
        self._contents: dict[dag.Producer, str] = {}
        self._bound: dict[str, list[tuple[str, dag.Producer]]] = defaultdict(list)
        self._indexes: dict[str, list[str]] = defaultdict(list)
        for stage in expansion.graph.stages.values():
            self._bind(stage)
        self.makings: Mapping[str, Making] = {name: self._making(node) for name, node in expansion.nodes.items()}

    def finished(self) -> dict[str, Finished]:
        """Return all nodes that have finished, as they are to be kept."""
        return {name: self._finished(node) for name, node in self._expansion.nodes.items() if node.finished}

    def inputs(self, name: str) -> dict[str, Taken]:
        """Return what a node's arguments take, of producers that have finished."""
        nodes = self._expansion.nodes
        return {
            argument: Taken(str(producer), producer.name, self._content(producer))
            for argument, producer in self._bound[name]
            if _gave_all(nodes[producer.name], producer)
        }

    def waits(self, name: str) -> tuple[str, ...]:
        """Return what has to finish before all tasks of a node are known and ready; nothing once they are.

        Of those that wait for each other only the last is named.
        """
        if self._expansion.nodes[name].expanded:
            return ()
        found = self._unfinished(name)
        return tuple(one for one in found if not any(one in self._before(other) for other in found))

    def _unfinished(self, name: str) -> list[str]:
        nodes = self._expansion.nodes
        found = [producer.name for _, producer in self._bound[name] if not _gave_all(nodes[producer.name], producer)]
        found += [index for index in self._indexes[name] if not nodes[index].finished]
        return list(dict.fromkeys(found))

    def _before(self, name: str) -> set[str]:
        """Return all that a node waits for, directly or not."""
        found, left = set[str](), [name]
        while left:
            news = set(self._unfinished(left.pop())) - found
            found |= news
            left += news
        return found

    def item(self, name: str) -> Literal["piece", "task"]:
        """Return what a node's tasks are counted in: pieces where it fans out over those of a source."""
        stage = self._expansion.graph.stages.get(name)
        for binding in stage.bindings if stage is not None else ():
            producer = binding.producer
            if binding.kind is dag.BindingKind.ITEM and producer.output is None:
                return "piece" if producer.name in self._expansion.graph.sources else "task"
        return "task"

    def _finished(self, node: Node) -> Finished:
        share = serial_share(self._expansion.graph, self._expansion.nodes, node.name)
        return Finished(self.makings[node.name], self.inputs(node.name), len(node.results), round(share, 3))

    def _making(self, node: Node) -> Making:
        graph, name, digest = self._expansion.graph, node.name, node.spec.stage_digest
        if isinstance(node, SourceNode):
            partitioner, source = node.partitioner, graph.sources[name]
            return self._made(
                digest,
                f"partitioner {partitioner.name}",
                partitioner.version,
                type(partitioner),
                shape=self._texts({"from": source.uri, **source.options}),
                files={self._hidden.redacted(i.uri): i.identity for group in node.groups for i in group.objects},
            )
        if name in graph.stages:
            stage = graph.stages[name]
            definition = stage.definition
            return self._made(
                digest,
                shown(definition.uses),
                definition.version,
                definition.function,
                options=self._texts(stage.options),
                shape=self._texts(dict(_shape(stage))),
            )
        return self._made(digest, "transpose", 1, transpose)

    def _made(self, digest: str, uses: str, version: int, code: Callable[..., Any], **rest: Any) -> Making:
        found = self._identify(code)
        return Making(digest, uses, version, PYTHON, code=found.parts, libraries=found.libraries, **rest)

    def _texts(self, values: Mapping[str, Json]) -> dict[str, str]:
        """Return values as people read them; one that holds something hidden is told apart by a digest."""
        texts = {}
        for name, value in values.items():
            kept = self._hidden.hide(value)
            if kept == escaped(value):
                texts[name] = json.dumps(value, ensure_ascii=False)
            else:
                texts[name] = f"{json.dumps(kept, ensure_ascii=False)} ({digest_json('hidden', value)[:8]})"
        return texts

    def _bind(self, stage: dag.StageNode) -> None:
        for binding in stage.bindings:
            self._bound[stage.name].append((binding.argument, binding.producer))
            if stage.definition.inputs[binding.argument].type is Parts:
                index = transposition_of(binding.producer)
                self._bound[index] = [("bundles", binding.producer)]
                self._indexes[stage.name].append(index)

    def _content(self, producer: dag.Producer) -> str:
        if producer not in self._contents:
            self._contents[producer] = digest_json("given", _given(self._expansion.nodes[producer.name], producer))
        return self._contents[producer]


def _shape(stage: dag.StageNode) -> Iterator[tuple[str, Json]]:
    """Yield how items meet, where it is said: it chooses what a task takes."""
    if stage.fan_in is not None:
        yield "fan_in", stage.fan_in
    if sum(binding.kind is dag.BindingKind.ITEM for binding in stage.bindings) > 1:
        yield "mode", stage.mode
    for binding in stage.bindings:
        if binding.match:
            yield f"match of {binding.argument}", list(binding.match)
        if binding.overlap is not None:
            yield f"overlap of {binding.argument}", ".".join(binding.overlap)


def _gave_all(node: Node, producer: dag.Producer) -> bool:
    if not isinstance(node, SourceNode):
        return node.finished
    if producer.output == dag.TABLE:
        return True
    return (node.pieces if producer.output is None else node.column(producer.output)).complete


def _given(node: Node, producer: dag.Producer) -> Json:
    """Return what names all that a producer gave, in the order of the data."""
    if not isinstance(node, SourceNode):
        return [node.results.content(task, producer.output) for task in node.in_order()]
    if producer.output == dag.TABLE:
        return node.table()
    stream = node.pieces if producer.output is None else node.column(producer.output)
    return [item.content for item in sorted(stream.items, key=lambda item: item.order)]
