"""What comes before what among named nodes, as far as every command needs it.

Here: what leads to a node, an order, whether there is a circle, all by the standard library. Not here: which circles
there are (`dag.wires`), layers (`dag.layers`), the digraph that algorithms get (`Graph.digraph`): those are networkx's,
which takes longer to import than a small pipeline takes to check (decision 0025). Imports nothing of flowbutton.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from heapq import heapify, heappop, heappush

Producers = Mapping[str, Collection[str]]
"""Each node with the nodes that it takes something from; these are nodes too."""


def producers_of(names: Iterable[str], edges: Iterable[tuple[str, str, str]]) -> dict[str, list[str]]:
    """Return each of ``names`` with its producers, from edges of (producer, consumer, the consumer's argument)."""
    producers: dict[str, list[str]] = {name: [] for name in names}
    for producer, consumer, _ in edges:
        if producer not in producers[consumer]:
            producers[consumer].append(producer)
    return producers


def upstream(producers: Producers, ends: Iterable[str]) -> set[str]:
    """Return some nodes and all that lead to them."""
    found: set[str] = set()
    left = [*ends]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += producers[name]
    return found


def in_order(producers: Producers) -> Iterator[str]:
    """Yield each node after its producers; of those that could be next, the first in ``producers``.

    Raises:
        CycleError: there is a circle.
    """
    place = {name: number for number, name in enumerate(producers)}
    sorter = TopologicalSorter(producers)
    sorter.prepare()
    ready = [(place[name], name) for name in sorter.get_ready()]
    heapify(ready)
    while ready:
        _, name = heappop(ready)
        yield name
        sorter.done(name)
        for following in sorter.get_ready():
            heappush(ready, (place[following], following))


def has_circle(producers: Producers) -> bool:
    """Return whether some node leads to itself."""
    try:
        TopologicalSorter(producers).prepare()
    except CycleError:
        return True
    return False
