"""The graph as a value: sources, stages and outputs with every name resolved, every type checked, params put in.

Here: the values only; a graph holds stages, never tasks.
Not here: how it is made from a spec (`dag.build`), what of it will run (`dag.plan`). Imports `model`; networkx only in
`digraph_of`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from flowbutton.dag.order import producers_of
from flowbutton.model.canonical import Json
from flowbutton.model.errors import Problem
from flowbutton.model.stage import Resources, StageDefinition

if TYPE_CHECKING:
    import networkx as nx

TABLE = "table"
"""The output of a source that means `Partitioner.table`; so no key column may have this name."""

Mode = Literal["zip", "cross"]
OnError = Literal["fail", "continue"]


class BindingKind(StrEnum):
    """How an argument gets its values: one for each task, one for all tasks, or many into one task."""

    ITEM = "item"
    SHARE = "share"
    GATHER = "gather"


@dataclass(frozen=True, slots=True)
class Producer:
    """Where a value comes from: a source or stage by name, and which of its outputs.

    ``output`` of a stage: a named output; None is its one output, or all outputs of a NamedTuple.
    ``output`` of a source: None is its pieces, `TABLE` the rows of `Partitioner.table`, anything else the distinct
    values of that key column.
    """

    name: str
    output: str | None = None

    def __str__(self) -> str:
        return self.name if self.output is None else f"{self.name}.{self.output}"


@dataclass(frozen=True, slots=True)
class Binding:
    """One argument of a stage, bound to a producer.

    ``match`` are key columns that must be equal (gather only). ``overlap`` is an argument bound by `BindingKind.ITEM`
    and then the attribute path of its value that holds the interval: ``("region", "window")`` (gather only).
    """

    argument: str
    kind: BindingKind
    producer: Producer
    match: tuple[str, ...] = ()
    overlap: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class SourceNode:
    """A source: its partitioner by name, the URI after substitution, and the checked options of `Partitioner.cut`."""

    name: str
    partitioner: str
    uri: str
    options: Mapping[str, Json]
    line: int


@dataclass(frozen=True, slots=True)
class StageNode:
    """A stage: its definition, its arguments, its options as JSON (defaults filled in), and how its tasks are run.

    ``bindings`` are in the order of the function's arguments; an optional argument that nothing binds is left out.
    ``mode`` says how several ITEM bindings meet. ``fan_in`` of None gathers in one task, else in a tree of that width.
    """

    name: str
    definition: StageDefinition
    bindings: tuple[Binding, ...]
    mode: Mode
    fan_in: int | None
    options: Mapping[str, Json]
    resources: Resources
    retries: int
    on_error: OnError
    tolerate_records: int
    line: int

    @property
    def fans_out(self) -> bool:
        """Whether the stage has a task per item, so not exactly one task."""
        return any(binding.kind is BindingKind.ITEM for binding in self.bindings)


@dataclass(frozen=True, slots=True)
class OutputNode:
    """A published result: its name, with ``{column}`` for key columns, and the producers that `when` left, in order.

    The first producer is the one that is published.
    """

    name: str
    producers: tuple[Producer, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Graph:
    """A checked pipeline.

    ``stages`` is in topological order (of equals, in the order of the file). ``dropped`` are the sources, stages and
    outputs that `when` dropped, directly or because they need what was dropped, and what nothing that is left needs.
    ``params`` are the values that were put in: they are shown, and reach tasks only by options and URIs.
    """

    name: str
    sources: Mapping[str, SourceNode]
    stages: Mapping[str, StageNode]
    outputs: tuple[OutputNode, ...]
    dropped: tuple[str, ...]
    warnings: tuple[Problem, ...]
    params: Mapping[str, Json] = field(default_factory=dict)

    @property
    def producers(self) -> dict[str, list[str]]:
        """Each source and stage, in topological order, with the names of those that it takes something from."""
        return producers_of((*self.sources, *self.stages), self._edges())

    @property
    def digraph(self) -> nx.DiGraph[str]:
        """The graph for networkx, made at each call.

        It has an edge from each producer's name to each of its consumers, with the ``arguments`` that it binds, and is
        frozen.
        """
        import networkx as nx

        return nx.freeze(digraph_of((*self.sources, *self.stages), self._edges()))

    def _edges(self) -> Iterator[tuple[str, str, str]]:
        for name, node in self.stages.items():
            for binding in node.bindings:
                yield binding.producer.name, name, binding.argument


def digraph_of(names: Iterable[str], edges: Iterable[tuple[str, str, str]]) -> nx.DiGraph[str]:
    """Return the graph of ``names``, with edges of (producer, consumer, the consumer's argument)."""
    import networkx as nx

    digraph: nx.DiGraph[str] = nx.DiGraph()
    digraph.add_nodes_from(names)
    for producer, consumer, argument in edges:
        known = digraph.get_edge_data(producer, consumer, {"arguments": ()})["arguments"]
        digraph.add_edge(producer, consumer, arguments=(*known, argument))
    return digraph
