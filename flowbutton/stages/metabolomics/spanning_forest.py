"""The heaviest spanning forest of an image's pixels, by its weight. Pure.

Here: Borůvka's algorithm on whole arrays: each tree takes its heaviest edge to another tree, and all trees that this
joins become one, until no edge is left. Not here: what the weight is for (`metrics`).
Source: Nešetřil, Milková & Nešetřilová 2001, doi:10.1016/S0012-365X(00)00224-7. Imports numpy.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Ints32 = npt.NDArray[np.int32]


class _Edges(NamedTuple):
    """Edges between nodes, the lightest first: so an edge's place breaks ties, and no two are equally heavy."""

    first: Ints32
    second: Ints32
    weight: Ints32


def forest_weight(ranks: npt.NDArray[Any]) -> int:
    """Return the weight of the heaviest forest that spans all pixels above 0 of an image of integers.

    Pixels above and beside each other are neighbours; the edge between them weighs as much as the lower one of them.
    """
    edges, nodes = _edges(ranks.astype(np.int32))
    weight = 0
    while len(edges.weight):
        joined, taken = _joined(edges, nodes)
        weight += taken
        edges, nodes = _between(edges, joined)
    return weight


def _edges(ranks: Ints32) -> tuple[_Edges, int]:
    """Return the edges between neighbours above 0, and how many pixels are above 0."""
    number = np.cumsum((ranks > 0).ravel(), dtype=np.int32).reshape(ranks.shape) - 1
    pairs = []
    for one, other in (((slice(None), slice(None, -1)), (slice(None), slice(1, None))), (slice(-1), slice(1, None))):
        lower = np.minimum(ranks[one], ranks[other])
        there = lower > 0
        pairs.append((number[one][there], number[other][there], lower[there]))
    first, second, weight = (np.concatenate(columns) for columns in zip(*pairs, strict=True))
    order = np.argsort(weight, kind="stable")
    return _Edges(first[order], second[order], weight[order]), int(number[-1, -1]) + 1


def _joined(edges: _Edges, nodes: int) -> tuple[Ints32, int]:
    """Join each node by its heaviest edge; return what each is joined to in the end, and the weight of these edges."""
    heaviest = np.full(nodes, -1, np.int32)
    other = heaviest.copy()
    places = np.arange(len(edges.weight), dtype=np.int32)
    heaviest[edges.first], other[edges.second] = places, places  # of several values the last, the heaviest, stays
    heaviest = np.maximum(heaviest, other)
    node = np.flatnonzero(heaviest >= 0).astype(np.int32)
    edge = heaviest[node]
    parent = np.arange(nodes, dtype=np.int32)
    parent[node] = edges.first[edge] + edges.second[edge] - node
    tops = node[(parent[parent[node]] == node) & (node < parent[node])]  # of two that chose the same edge
    parent[tops] = tops
    taken = edges.weight[edge].sum(dtype=np.int64) - edges.weight[heaviest[tops]].sum(dtype=np.int64)
    while (parent != (above := parent[parent])).any():
        parent = above
    return parent, int(taken)


def _between(edges: _Edges, joined: Ints32) -> tuple[_Edges, int]:
    """Return the edges that are left between the trees, which are numbered anew, and how many trees there are."""
    is_top = np.zeros(len(joined), np.bool_)
    is_top[joined] = True
    tree = (np.cumsum(is_top, dtype=np.int32) - 1)[joined]
    first, second = tree[edges.first], tree[edges.second]
    left = np.flatnonzero(first != second)
    return _Edges(first[left], second[left], edges.weight[left]), int(np.count_nonzero(is_top))
