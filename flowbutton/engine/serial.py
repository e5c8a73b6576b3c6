"""How much of a stage is serial: what one task takes in, however many workers there are. Pure.

Imports `dag`, `engine` nodes.
"""

from __future__ import annotations

from collections.abc import Mapping

from flowbutton.dag.graph import Graph
from flowbutton.dag.plan import largest_share
from flowbutton.engine.nodes import Node


def serial_share(graph: Graph, nodes: Mapping[str, Node], name: str) -> float:
    """Return the share of a node's input that its largest task takes in; 0 where that says nothing.

    It says nothing where there is no input, and of one task that is alone by nature: a stage that does not fan out, one
    piece, one sample. A single window on parts that several tasks made is not alone by nature: all data lie in one
    place there, as those of a plasmid do, and what was shared until then is serial.
    """
    sizes = nodes[name].own_bytes
    return 0.0 if len(sizes) == 1 and not _narrows(graph, nodes, name) else largest_share(sizes)


def _narrows(graph: Graph, nodes: Mapping[str, Node], name: str) -> bool:
    stage = graph.stages.get(name)
    overlapping = [binding.producer.name for binding in stage.bindings if binding.overlap is not None] if stage else []
    return any(len(nodes[producer].own_bytes) > 1 for producer in overlapping)
