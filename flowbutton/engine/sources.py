"""What the driver learns of sources before anything runs: heads and tables, never a pass over data.

Imports `flowbutton.model`, `dag`, `stores`, `samples`, `stages.codecs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from flowbutton.dag.graph import TABLE, Graph, SourceNode
from flowbutton.engine.expansion import SourceFacts
from flowbutton.model.errors import BadInput
from flowbutton.model.pieces import Source
from flowbutton.model.registry import partitioner_named
from flowbutton.model.store import DataAccess
from flowbutton.samples import resolve_sample_uri
from flowbutton.stages.codecs import from_json


def probe_sources(graph: Graph, data: DataAccess, samples: Path) -> Mapping[str, SourceFacts]:
    """Probe every source; ``sample:`` URIs are made in the folder ``samples`` on first use.

    Raises:
        MissingInput, BadInput: what the partitioner found wrong, or what a stage says of a source's table.
    """
    facts = {name: _probe(node, data, samples) for name, node in graph.sources.items()}
    _check_tables(graph, facts)
    return facts


def _probe(node: SourceNode, data: DataAccess, samples: Path) -> SourceFacts:
    partitioner = partitioner_named(node.partitioner)
    groups = partitioner.probe(Source(node.name, resolve_sample_uri(node.uri, samples), node.options), data)
    return SourceFacts(partitioner, groups)


def _check_tables(graph: Graph, facts: Mapping[str, SourceFacts]) -> None:
    """Show each table to the stages that will get it: what they refuse is told now, not when their turn comes."""
    for stage in graph.stages.values():
        for binding in stage.bindings:
            if binding.producer.name not in facts or binding.producer.output != TABLE:
                continue
            source = facts[binding.producer.name]
            table = source.partitioner.table(source.groups)
            try:
                from_json(stage.definition.inputs[binding.argument].type, table)
            except ValidationError:
                continue  # of another shape: its task tells that, with its place
            except BadInput as error:
                where = {"file": graph.sources[binding.producer.name].uri} | error.where
                raise BadInput(error.what, why=error.why, hint=error.hint, **where) from error
