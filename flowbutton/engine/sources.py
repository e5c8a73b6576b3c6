"""What the driver learns of sources before anything runs: heads and tables, never a pass over data.

Imports `flowbutton.model`, `dag`, `stores`, `samples`, `worker.context` (partitioners by name).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flowbutton.dag.graph import Graph, SourceNode
from flowbutton.engine.expansion import SourceFacts
from flowbutton.model.pieces import Source
from flowbutton.model.store import DataAccess
from flowbutton.samples import resolve_sample_uri
from flowbutton.worker.context import partitioner_named


def probe_sources(graph: Graph, data: DataAccess, samples: Path) -> Mapping[str, SourceFacts]:
    """Probe every source; ``sample:`` URIs are made in the folder ``samples`` on first use.

    Raises:
        MissingInput, BadInput: what the partitioner found wrong.
    """
    return {name: _probe(node, data, samples) for name, node in graph.sources.items()}


def _probe(node: SourceNode, data: DataAccess, samples: Path) -> SourceFacts:
    partitioner = partitioner_named(node.partitioner)
    groups = partitioner.probe(Source(node.name, resolve_sample_uri(node.uri, samples), node.options), data)
    return SourceFacts(partitioner, groups)
