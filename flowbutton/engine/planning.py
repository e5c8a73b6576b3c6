"""The plan of an expansion that was walked as far as known records reach. Pure.

Imports `flowbutton.model`, `dag.plan`, `engine` nodes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from flowbutton.dag.plan import Plan, StagePlan
from flowbutton.engine.expansion import Expansion
from flowbutton.engine.nodes import Node
from flowbutton.engine.tasks import Task
from flowbutton.worker.payload import IndexWork, StageWork


def plan_of(expansion: Expansion, fresh: Sequence[Task], store: str) -> Plan:
    """Return the plan: ``fresh`` are the tasks that are ready and not done."""
    by_node: dict[str, list[Task]] = defaultdict(list)
    for task in fresh:
        by_node[task.node].append(task)
    stages = tuple(_stage(node, by_node[name]) for name, node in expansion.nodes.items())
    return Plan(expansion.graph.name, store, stages, tuple(expansion.graph.dropped))


def _stage(node: Node, fresh: Sequence[Task]) -> StagePlan:
    count, teller = node.expected()
    sizes = [task.bytes_in for task in fresh] + [node.bytes_in[task] for task in node.results]
    return StagePlan(
        name=node.name,
        uses=_uses(node),
        tasks=count,
        known_after=teller,
        reused=len(node.results),
        ready=len(fresh),
        bytes_in=sum(sizes),
        memory_bytes=max((task.memory_bytes(node.spec.resources) for task in fresh), default=0),
        largest_share=largest_share(sizes),
    )


def largest_share(sizes: Sequence[int]) -> float:
    """Return the share of the largest in the sum; 0 if there is nothing."""
    return max(sizes) / sum(sizes) if sum(sizes) else 0.0


def _uses(node: Node) -> str:
    match node.spec.work:
        case StageWork(uses, _):
            return uses
        case IndexWork(partitioner):
            return f"index of {partitioner}"
    return "transpose"
