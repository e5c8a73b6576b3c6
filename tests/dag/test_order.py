"""Orders, circles and what leads to what, against networkx; of arbitrary graphs, with circles too."""

from __future__ import annotations

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowbutton.dag.graph import digraph_of
from flowbutton.dag.order import Producers, has_circle, in_order, producers_of, upstream

NAMES = [f"n{number}" for number in range(8)]
EDGES = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from(["a", "b"])), max_size=20)
ORDERS = st.permutations(NAMES)


def without_circles(edges: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Turn edges so that they follow the names' alphabet, which is another order than that of ``names``."""
    return [(min(start, stop), max(start, stop), argument) for start, stop, argument in edges if start != stop]


@given(names=ORDERS, edges=EDGES)
def test_a_circle_is_seen_where_networkx_sees_one(names: list[str], edges: list[tuple[str, str, str]]) -> None:
    producers: Producers = producers_of(names, edges)
    assert has_circle(producers) == (not nx.is_directed_acyclic_graph(digraph_of(names, edges)))


@given(names=ORDERS, edges=EDGES, ends=st.sets(st.sampled_from(NAMES)))
def test_what_leads_to_nodes_are_their_ancestors(
    names: list[str], edges: list[tuple[str, str, str]], ends: set[str]
) -> None:
    digraph = digraph_of(names, edges)
    assert upstream(producers_of(names, edges), ends) == ends.union(*(nx.ancestors(digraph, end) for end in ends))


@given(names=ORDERS, edges=EDGES)
def test_of_nodes_that_could_be_next_the_first_is(names: list[str], edges: list[tuple[str, str, str]]) -> None:
    edges = without_circles(edges)
    expected = nx.lexicographical_topological_sort(digraph_of(names, edges), names.index)
    assert [*in_order(producers_of(names, edges))] == [*expected]


def test_circles_have_no_order() -> None:
    with pytest.raises(ValueError, match="cycle"):
        next(in_order(producers_of(["a", "b"], [("a", "b", "x"), ("b", "a", "x")])))
