"""The plan of an expansion that was walked as far as known records reach, with the reasons why what is left runs. Pure.

Imports `flowbutton.model`, `dag`, `engine` nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flowbutton.dag.plan import LastTime, Plan, StagePlan
from flowbutton.dag.reasons import Present, reasons
from flowbutton.dag.why import Reason
from flowbutton.engine.expansion import Expansion
from flowbutton.engine.identity import Identities
from flowbutton.engine.nodes import Node
from flowbutton.engine.past import Past
from flowbutton.engine.serial import serial_share
from flowbutton.engine.tasks import Task, by_node
from flowbutton.worker.payload import IndexWork, StageWork


@dataclass(frozen=True, slots=True)
class History:
    """What the reasons are found by: identities now and then, and ``was_done(stage digest, fingerprint)``."""

    identities: Identities
    past: Past
    was_done: Callable[[str, str], bool]

    @property
    def is_as_before(self) -> bool:
        """Whether the latest run finished all of these stages, and each was made as it is now."""
        last = self.past.runs[0].nodes if self.past.runs else {}
        return {name: node.making for name, node in last.items()} == self.identities.makings


def plan_of(
    expansion: Expansion, fresh: Sequence[Task], store: str, history: History, executor_of: Callable[[str], str]
) -> Plan:
    """Return the plan: ``fresh`` are the tasks that are ready and not done."""
    ready = by_node(fresh)
    stages = tuple(_stage(expansion, name, ready.get(name, []), history, executor_of(name)) for name in expansion.nodes)
    return Plan(expansion.graph.name, store, stages, tuple(expansion.graph.dropped))


def _stage(expansion: Expansion, name: str, fresh: Sequence[Task], history: History, executor: str) -> StagePlan:
    node = expansion.nodes[name]
    count, teller = node.expected()
    sizes = [task.bytes_in for task in fresh] + [node.bytes_in[task] for task in node.results]
    last = history.past.of(node.name).get(node.name)
    return StagePlan(
        name=node.name,
        uses=_uses(node),
        tasks=count,
        known_after=teller,
        reused=len(node.results),
        ready=len(fresh),
        bytes_in=sum(sizes),
        memory_bytes=max((task.memory_bytes(node.spec.resources) for task in fresh), default=0),
        largest_share=serial_share(expansion.graph, expansion.nodes, name) if len(sizes) == count else 0.0,
        why=_why(node, fresh, count, history),
        last_time=None if last is None else LastTime(last.tasks, last.largest_share),
        executor=executor,
        whole_modules=history.identities.makings[node.name].whole_modules,
    )


def _why(node: Node, fresh: Sequence[Task], count: int | None, history: History) -> tuple[Reason, ...]:
    identities, name = history.identities, node.name
    waits = identities.waits(name)
    if not fresh and not waits:
        return ()
    now = Present(
        name=name,
        making=identities.makings[name],
        inputs=identities.inputs(name),
        tasks=count,
        fresh=len(fresh),
        gone=sum(history.was_done(node.spec.stage_digest, task.fingerprint) for task in fresh),
        waits=waits,
        item=identities.item(name),
    )
    return reasons(now, identities.makings, history.past.of(name))


def _uses(node: Node) -> str:
    match node.spec.work:
        case StageWork(uses, _):
            return uses
        case IndexWork(partitioner):
            return f"index of {partitioner}"
    return "transpose"
