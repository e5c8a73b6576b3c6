"""The ledger: that no record was lost or doubled, stage by stage, on every run (law 1). Pure.

A consumer's count is held against its producer's: for a source that is the index's own count, for a stage what it
said came out. Imports `flowbutton.model`, `dag`, `engine` nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from flowbutton.dag.graph import BindingKind, Graph
from flowbutton.engine.nodes import Node
from flowbutton.engine.source_node import SourceNode
from flowbutton.engine.stage_node import StageNode
from flowbutton.engine.tasks import Counts
from flowbutton.engine.tree_node import TreeNode
from flowbutton.model.canonical import Json
from flowbutton.model.errors import BadInput, LedgerBroken
from flowbutton.model.stage import RAISE_TOLERATE, Balance, LedgerRule
from flowbutton.model.units import show_records


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """The balance of one stage: what its producer emitted (None: not counted), what it consumed, and where it went."""

    stage: str
    unit: str
    emitted: int | None
    consumed: int
    counts: Counts

    def to_json(self) -> dict[str, Json]:
        """Return the line as JSON."""
        counts = self.counts
        return {
            "stage": self.stage,
            "unit": self.unit,
            "emitted": self.emitted,
            "consumed": self.consumed,
            "out": counts.out,
            "filtered": dict(counts.filtered),
            "set_aside": dict(counts.set_aside),
            "apart": dict(counts.apart),
            "samples": list(counts.samples),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> LedgerLine:
        """Read the JSON form."""
        counts = Counts(
            out=value["out"], **{name: value[name] for name in ("filtered", "set_aside", "apart", "samples")}
        )
        return cls(value["stage"], value["unit"], value["emitted"], value["consumed"], counts)

    def __str__(self) -> str:
        parts = [f"{show_records(self.consumed, self.unit)} in"]
        if self.counts.out is not None:
            parts.append(f"{self.counts.out:,} out")
        for reason, count in (*self.counts.filtered.items(), *self.counts.set_aside.items()):
            parts.append(f"{count:,} {reason}")
        parts += [f"{count:,} {kind} beside" for kind, count in self.counts.apart.items()]
        return ", ".join(parts)


def balance(graph: Graph, nodes: dict[str, Node], name: str) -> LedgerLine | None:
    """Return the checked balance of a finished stage; None for a stage that counts nothing.

    Raises:
        LedgerBroken: the counts do not add up.
        BadInput: more records were set aside than the pipeline tolerates.
    """
    stage = graph.stages.get(name)
    if stage is None or stage.definition.ledger is None:
        return None
    rule, node = stage.definition.ledger, nodes[name]
    producer = next((b.producer.name for b in stage.bindings if b.argument == rule.argument), None)
    if producer is None:
        return None
    exact = rule.owned or all(b.overlap is None for b in stage.bindings if b.argument == rule.argument)
    upstream = nodes[producer]
    kinds = {b.kind for b in stage.bindings if b.argument == rule.argument}
    emitted = emitted_by(upstream) if exact or BindingKind.ITEM in kinds else None
    if emitted is not None:
        emitted *= 1 if rule.owned else _times_handed_out(node, rule.argument)
    unit = upstream.unit if isinstance(upstream, SourceNode) else "records"
    line = LedgerLine(name, unit, emitted, node.counts.consumed.get(rule.argument, 0), node.counts)
    check(line, rule)
    _check_tolerated(line, stage.tolerate_records)
    return line


def emitted_by(node: Node) -> int | None:
    """Return how many records a producer says that it emitted; None where it doesn't count."""
    if isinstance(node, SourceNode):
        return node.records
    return None if node.counts.out is None else node.counts.out + sum(node.counts.apart.values())


def _times_handed_out(node: Node, argument: str) -> int:
    """Return to how many tasks each record goes: a share goes to all, and so does a crossed item to those it meets."""
    if not isinstance(node, StageNode) or any(wire.argument == argument and wire.match for wire in node.gathers):
        return 1
    others = [len(wire.stream.items) for wire in node.items if wire.argument != argument]
    is_item = len(others) < len(node.items)
    if not is_item:
        return 1 if isinstance(node, TreeNode) else len(node.orders)
    return prod(others) if node.mode == "cross" else 1


def check(line: LedgerLine, rule: LedgerRule) -> None:
    """Raise `LedgerBroken` if a stage did not consume what was emitted, or does not conserve what it promises to."""
    counts = line.counts
    if line.emitted is not None and line.consumed != line.emitted:
        raise LedgerBroken(
            f"stage '{line.stage}' consumed {line.consumed} of {show_records(line.emitted, line.unit)}",
            why=f"its producer counted {line.emitted} by itself",
            hint="records were lost or doubled: nothing is published; report this with the pipeline",
            stage=line.stage,
        )
    if rule.balance is Balance.CONSERVES:
        gone = sum(counts.filtered.values()) + sum(counts.set_aside.values())
        if line.consumed != (counts.out or 0) + gone:
            taken = show_records(line.consumed, line.unit)
            raise LedgerBroken(
                f"stage '{line.stage}' took {taken} and gave {counts.out} + {gone} left out",
                why="it promises that each one comes out or is left out with a reason",
                hint="records were lost or doubled: nothing is published; report this with the pipeline",
                stage=line.stage,
            )


def _check_tolerated(line: LedgerLine, limit: int) -> None:
    aside = sum(line.counts.set_aside.values())
    if aside > limit:
        raise BadInput(
            f"stage '{line.stage}' set {show_records(aside, line.unit)} aside, more than the {limit:,} tolerated",
            why="; ".join(line.counts.samples) or "no record was described",
            hint=RAISE_TOLERATE,
            stage=line.stage,
        )
