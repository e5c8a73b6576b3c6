"""Where nodes stand: layers go down, nothing overlaps, links meet their nodes, as few cross as can be."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowbutton.dag.layers import NODE_GAP, Box, Link, keep_apart, lay_out, layers


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 12))
    sizes = st.tuples(st.integers(20, 200), st.integers(10, 60))
    boxes = {f"n{number}": Box(*draw(sizes)) for number in range(count)}
    pairs = [*combinations(boxes, 2)]
    ends = draw(st.lists(st.tuples(st.sampled_from(pairs), st.sampled_from("ab")), max_size=20)) if pairs else []
    return boxes, [*dict.fromkeys(Link(start, stop, kind) for (start, stop), kind in ends)]


@settings(max_examples=60, deadline=None)
@given(graph=graphs())
def test_links_go_down_and_nodes_stand_apart(graph):
    boxes, links = graph
    made = lay_out(boxes, links)
    for link in links:
        assert made.centers[link.start][1] < made.centers[link.stop][1]
    for one, other in combinations(boxes, 2):
        apart_x = abs(made.centers[one][0] - made.centers[other][0]) - (boxes[one].width + boxes[other].width) / 2
        apart_y = abs(made.centers[one][1] - made.centers[other][1]) - (boxes[one].height + boxes[other].height) / 2
        assert apart_x >= NODE_GAP - 1e-6 or apart_y > 0


@settings(max_examples=60, deadline=None)
@given(graph=graphs())
def test_links_leave_and_reach_their_nodes_and_run_through_no_other(graph):
    boxes, links = graph
    made = lay_out(boxes, links)
    for link, points in made.routes.items():
        (x, y), (to_x, to_y) = points[0], points[-1]
        start, stop = made.centers[link.start], made.centers[link.stop]
        assert y == pytest.approx(start[1] + boxes[link.start].height / 2)
        assert to_y == pytest.approx(stop[1] - boxes[link.stop].height / 2)
        assert abs(x - start[0]) <= boxes[link.start].width / 2
        assert abs(to_x - stop[0]) <= boxes[link.stop].width / 2
        assert all(one[1] <= other[1] + 1e-9 for one, other in pairwise(points)), "never upwards"
        for name, (at_x, at_y) in made.centers.items():
            box = boxes[name]
            for (left, upper), (right, lower) in pairwise(points):
                beside = max(left, right) <= at_x - box.width / 2 or min(left, right) >= at_x + box.width / 2
                assert beside or lower <= at_y - box.height / 2 + 1e-6 or upper >= at_y + box.height / 2 - 1e-6


@settings(max_examples=30, deadline=None)
@given(graph=graphs())
def test_the_page_holds_all_and_is_the_same_again(graph):
    boxes, links = graph
    made = lay_out(boxes, links)
    for name, (x, y) in made.centers.items():
        assert -1e-6 <= x - boxes[name].width / 2 <= x + boxes[name].width / 2 <= made.width + 1e-6
        assert -1e-6 <= y - boxes[name].height / 2 <= y + boxes[name].height / 2 <= made.height + 1e-6
    assert lay_out(boxes, links) == made


def test_what_is_used_late_stands_late():
    links = [Link("a", "b", ""), Link("b", "c", ""), Link("late", "c", "")]
    assert layers(["a", "b", "c", "late"], links) == {"a": 0, "b": 1, "c": 2, "late": 1}


def test_crossings_that_can_be_avoided_are():
    boxes = {name: Box(50, 20) for name in "abcdef"}
    links = [Link(*pair, "") for pair in ("ad", "bf", "ce", "ae")]
    made = lay_out(boxes, links)
    crossings = 0
    for one, other in combinations(links, 2):
        starts = made.centers[one.start][0] - made.centers[other.start][0]
        stops = made.centers[one.stop][0] - made.centers[other.stop][0]
        crossings += starts * stops < 0
    assert crossings == 0


def test_a_chain_is_straight():
    boxes = {name: Box(50 + 10 * number, 20) for number, name in enumerate("abc")}
    made = lay_out(boxes, [Link("a", "b", ""), Link("b", "c", "")])
    assert made.centers["a"][0] == made.centers["b"][0] == made.centers["c"][0]


def test_links_of_one_kind_share_their_trunk():
    boxes = {name: Box(50, 20) for name in "abcde"}
    chain = [Link(*pair, "chain") for pair in ("ab", "bc", "cd", "de")]
    trunk = [Link("a", "d", "trunk"), Link("a", "e", "trunk")]
    made = lay_out(boxes, [*chain, *trunk])
    near, far = made.routes[trunk[0]], made.routes[trunk[1]]
    assert far[: len(near) - 2] == near[:-2]


@given(
    rows=st.lists(st.tuples(st.floats(-100, 100), st.floats(0.1, 10), st.floats(0, 30)), min_size=1, max_size=8),
    moves=st.data(),
)
def test_places_are_apart_and_none_is_nearer(rows, moves):
    wanted, weights = [row[0] for row in rows], [row[1] for row in rows]
    gaps = [row[2] for row in rows][1:]
    places = keep_apart(wanted, weights, gaps)

    def cost(found):
        return sum(weight * (place - want) ** 2 for place, want, weight in zip(found, wanted, weights, strict=True))

    assert all(right - left >= gap - 1e-6 for (left, right), gap in zip(pairwise(places), gaps, strict=True))
    other = [place + moves.draw(st.floats(-5, 5)) for place in places]
    if all(right - left >= gap for (left, right), gap in zip(pairwise(other), gaps, strict=True)):
        assert cost(places) <= cost(other) + 1e-6
