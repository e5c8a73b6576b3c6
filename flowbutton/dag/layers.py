"""Where the nodes of a directed graph stand on a page: layers from top to bottom, with few crossings.

After Sugiyama, Tagawa and Toda 1981 (doi:10.1109/TSMC.1981.4308636): layers by the longest path, waypoints where an
arrow passes a layer, order by barycentres, then places by least squares that keep the order. Arrows of one kind from
one node share their waypoints, so that what goes to many places is one trunk with branches. Deterministic.

Not here: what nodes look like (`dag.draw_svg`). Imports networkx in `layers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

LAYER_GAP = 60.0
NODE_GAP = 26.0
WAY_GAP = 14.0
PORT_GAP = 22.0
STEM = 14.0
"""How far above its node an arrow is upright."""
_STARTS = 12
_SEED = 7
_SWEEPS = 12
_MOVES = 240

Point = tuple[float, float]
Vertex = tuple[str, str, int]
"""(node, "", its layer), or a waypoint: (node from which a trunk comes, kind, layer)."""


@dataclass(frozen=True, slots=True)
class Box:
    """How much room a node takes."""

    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Link:
    """An arrow between two nodes; those of one start and one kind share a trunk."""

    start: str
    stop: str
    kind: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The page's size, each node's centre, and for each link the points that it passes.

    A link leaves its node at the first point and reaches the other at the last; between points with the same x it is
    straight, and else it lies between two layers.
    """

    width: float
    height: float
    centers: Mapping[str, Point]
    routes: Mapping[Link, tuple[Point, ...]]


@dataclass(frozen=True, slots=True)
class _Layered:
    rows: list[list[Vertex]]
    above: Mapping[Vertex, list[Vertex]]
    below: Mapping[Vertex, list[Vertex]]


def lay_out(boxes: Mapping[str, Box], links: Sequence[Link]) -> Layout:
    """Place nodes and route links.

    Args:
        boxes: The nodes; where nothing else decides, they stand in this order from left to right.
        links: Without circles.
    """
    layer = layers(boxes, links)
    paths = {link: _path(link, layer) for link in links}
    layered = _ordered(_layered(boxes, layer, paths.values()))
    x = _placed(layered, boxes)
    left = min((x[vertex] - _width(vertex, boxes) / 2 for row in layered.rows for vertex in row), default=0.0)
    x = {vertex: place - left for vertex, place in x.items()}
    tops, bottoms = _bands(layered.rows, boxes)
    return Layout(
        width=max((x[vertex] + _width(vertex, boxes) / 2 for vertex in x), default=0.0),
        height=bottoms[-1] if bottoms else 0.0,
        centers={name: (x[(name, "", at)], (tops[at] + bottoms[at]) / 2) for name, at in layer.items()},
        routes=_routes(paths, x, boxes, tops, bottoms),
    )


def layers(names: Iterable[str], links: Iterable[Link]) -> dict[str, int]:
    """Return each node's layer: below all that lead to it, and then as near as possible to what it is linked with."""
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(names)
    graph.add_edges_from((link.start, link.stop) for link in links)
    layer = {name: number for number, group in enumerate(nx.topological_generations(graph)) for name in group}
    moved = True
    while moved:
        moved = False
        for name in graph:
            lowest = min((layer[other] for other in graph.successors(name)), default=layer[name] + 1) - 1
            if lowest > layer[name] and graph.out_degree(name) > graph.in_degree(name):
                layer[name], moved = lowest, True
    return layer


def _path(link: Link, layer: Mapping[str, int]) -> list[Vertex]:
    first, last = layer[link.start], layer[link.stop]
    between = [(link.start, link.kind, at) for at in range(first + 1, last)]
    return [(link.start, "", first), *between, (link.stop, "", last)]


def _layered(boxes: Mapping[str, Box], layer: Mapping[str, int], paths: Iterable[Sequence[Vertex]]) -> _Layered:
    rows: list[list[Vertex]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    segments = dict.fromkeys(pair for path in paths for pair in pairwise(path))
    vertices = dict.fromkeys(
        [*((name, "", layer[name]) for name in boxes), *(end for pair in segments for end in pair)]
    )
    above: dict[Vertex, list[Vertex]] = {vertex: [] for vertex in vertices}
    below: dict[Vertex, list[Vertex]] = {vertex: [] for vertex in vertices}
    for upper, lower in segments:
        above[lower].append(upper)
        below[upper].append(lower)
    for vertex in vertices:
        rows[vertex[2]].append(vertex)
    return _Layered(rows, above, below)


def _ordered(layered: _Layered) -> _Layered:
    """Order each layer so that few links cross: the best of some starts, the first of which is the order given."""
    random = Random(_SEED)
    starts = [layered.rows]
    for _ in range(_STARTS):
        starts.append([random.sample(row, len(row)) for row in layered.rows])
    found = [_improved(start, layered) for start in starts]
    return _Layered(min(found, key=lambda rows: _crossings(rows, layered)), layered.above, layered.below)


def _improved(start: Sequence[Sequence[Vertex]], layered: _Layered) -> list[list[Vertex]]:
    """Sweep down and up by barycentres, with swaps of neighbours; return the best order on the way."""
    best, rows = [list(row) for row in start], [list(row) for row in start]
    fewest = _crossings(best, layered)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        others = layered.above if down else layered.below
        for row in rows if down else reversed(rows):
            _sort(row, rows, others)
        _swap_neighbours(rows, layered)
        count = _crossings(rows, layered)
        if count < fewest:
            best, fewest = [list(row) for row in rows], count
    return best


def _sort(row: list[Vertex], rows: Sequence[Sequence[Vertex]], others: Mapping[Vertex, Sequence[Vertex]]) -> None:
    place = {vertex: number for line in rows for number, vertex in enumerate(line)}
    wanted = {
        vertex: sum(place[other] for other in others[vertex]) / len(others[vertex]) if others[vertex] else place[vertex]
        for vertex in row
    }
    row.sort(key=wanted.__getitem__)


def _swap_neighbours(rows: Sequence[list[Vertex]], layered: _Layered) -> None:
    """Swap two neighbours wherever that saves a crossing."""
    place = {vertex: number for row in rows for number, vertex in enumerate(row)}
    for row in rows:
        for number in range(len(row) - 1):
            left, right = row[number], row[number + 1]
            as_is = _pair(left, right, place, layered)
            if _pair(right, left, place, layered) < as_is:
                row[number], row[number + 1] = right, left
                place[left], place[right] = number + 1, number


def _pair(left: Vertex, right: Vertex, place: Mapping[Vertex, int], layered: _Layered) -> int:
    """Return how often links of two neighbours cross when they stand in this order."""
    return sum(
        place[one] > place[other]
        for links in (layered.above, layered.below)
        for one in links[left]
        for other in links[right]
    )


def _crossings(rows: Sequence[Sequence[Vertex]], layered: _Layered) -> int:
    place = {vertex: number for row in rows for number, vertex in enumerate(row)}
    count = 0
    for row in rows:
        ends: list[int] = []
        for vertex in row:
            own = sorted(place[other] for other in layered.below[vertex])
            count += sum(end > other for other in own for end in ends)
            ends += own
    return count


def _placed(layered: _Layered, boxes: Mapping[str, Box]) -> dict[Vertex, float]:
    """Return each vertex's x: least squares of the links' slants, long trunks straightest, by turns of the layers."""
    x: dict[Vertex, float] = {}
    for row in layered.rows:
        gaps = _gaps(row, boxes)
        for number, vertex in enumerate(row):
            x[vertex] = sum(gaps[:number]) - sum(gaps) / 2
    for move in range(_MOVES):
        near = max(1000.0 * 0.95**move, 0.5)
        for row in layered.rows if move % 2 == 0 else reversed(layered.rows):
            pulls = [_pull(vertex, layered, x, near) for vertex in row]
            wanted = [place for place, _ in pulls]
            for vertex, place in zip(row, keep_apart(wanted, [w for _, w in pulls], _gaps(row, boxes)), strict=True):
                x[vertex] = place
    return x


def _pull(vertex: Vertex, layered: _Layered, x: Mapping[Vertex, float], near: float) -> tuple[float, float]:
    """Return where a vertex's links want it, and how strongly.

    Slants below ``near`` count by their squares and longer ones by their lengths: then many are straight and few jump.
    """
    pulls = []
    for other in (*layered.above[vertex], *layered.below[vertex]):
        weight = (1.0, 2.0, 10.0)[bool(vertex[1]) + bool(other[1])]
        pulls.append((x[other], weight / max(abs(x[other] - x[vertex]), near)))
    weight = sum(weight for _, weight in pulls)
    return (sum(place * weight for place, weight in pulls) / weight, weight) if pulls else (x[vertex], 1e-6)


def keep_apart(wanted: Sequence[float], weights: Sequence[float], gaps: Sequence[float]) -> list[float]:
    """Return the places nearest to ``wanted`` (weighted least squares) with ``gaps`` at least between neighbours.

    Pooling of adjacent violators, on places less the gaps before them.
    """
    offsets = [0.0]
    for gap in gaps:
        offsets.append(offsets[-1] + gap)
    blocks: list[tuple[float, float, int]] = []  # place, weight, how many
    for want, weight, offset in zip(wanted, weights, offsets, strict=True):
        place, count = want - offset, 1
        while blocks and blocks[-1][0] >= place:
            before, heavy, members = blocks.pop()
            place = (place * weight + before * heavy) / (weight + heavy)
            weight, count = weight + heavy, count + members
        blocks.append((place, weight, count))
    flat = [place for place, _, count in blocks for _ in range(count)]
    return [place + offset for place, offset in zip(flat, offsets, strict=True)]


def _gaps(row: Sequence[Vertex], boxes: Mapping[str, Box]) -> list[float]:
    return [
        (_width(left, boxes) + _width(right, boxes)) / 2 + (WAY_GAP if left[1] and right[1] else NODE_GAP)
        for left, right in pairwise(row)
    ]


def _width(vertex: Vertex, boxes: Mapping[str, Box]) -> float:
    return 0.0 if vertex[1] else boxes[vertex[0]].width


def _bands(rows: Sequence[Sequence[Vertex]], boxes: Mapping[str, Box]) -> tuple[list[float], list[float]]:
    """Return where each layer begins and ends from top to bottom."""
    tops, bottoms, top = [], [], 0.0
    for row in rows:
        height = max(boxes[vertex[0]].height for vertex in row if not vertex[1])
        tops.append(top)
        bottoms.append(top + height)
        top += height + LAYER_GAP
    return tops, bottoms


def _routes(
    paths: Mapping[Link, Sequence[Vertex]],
    x: Mapping[Vertex, float],
    boxes: Mapping[str, Box],
    tops: Sequence[float],
    bottoms: Sequence[float],
) -> dict[Link, tuple[Point, ...]]:
    leaving, arriving = _ports(paths, x, boxes)
    routes = {}
    for link, path in paths.items():
        (first, last), (start, stop) = (path[0][2], path[-1][2]), (boxes[link.start], boxes[link.stop])
        out, into = leaving[link.start, link.kind], arriving[link.stop, _trunk(link)]
        points = [(out, (tops[first] + bottoms[first] + start.height) / 2), (out, bottoms[first])]
        for vertex in path[1:-1]:
            points += [(x[vertex], tops[vertex[2]] - STEM), (x[vertex], bottoms[vertex[2]])]
        points += [(into, tops[last] - STEM), (into, (tops[last] + bottoms[last] - stop.height) / 2)]
        routes[link] = tuple(dict.fromkeys(points))
    return routes


def _trunk(link: Link) -> str:
    return f"{link.start}\0{link.kind}"


_Ports = dict[tuple[str, str], float]


def _ports(
    paths: Mapping[Link, Sequence[Vertex]], x: Mapping[Vertex, float], boxes: Mapping[str, Box]
) -> tuple[_Ports, _Ports]:
    """Return at which x each trunk leaves its node, and at which each link reaches its node."""
    leaving: dict[tuple[str, str], list[float]] = {}
    arriving: dict[tuple[str, str], list[float]] = {}
    for link, path in paths.items():
        leaving.setdefault((link.start, link.kind), []).append(x[path[1]])
        arriving.setdefault((link.stop, _trunk(link)), []).append(x[path[-2]])
    centers = {vertex[0]: place for vertex, place in x.items() if not vertex[1]}
    return _side_by_side(leaving, centers, boxes), _side_by_side(arriving, centers, boxes)


def _side_by_side(
    far: Mapping[tuple[str, str], Sequence[float]], centers: Mapping[str, float], boxes: Mapping[str, Box]
) -> _Ports:
    """Spread the ports of each node around its middle, in the order of the far ends."""
    of_node: dict[str, list[tuple[float, str]]] = {}
    for (name, port), ends in far.items():
        of_node.setdefault(name, []).append((sum(ends) / len(ends), port))
    ports: _Ports = {}
    for name, own in of_node.items():
        step = min(PORT_GAP, 0.8 * boxes[name].width / len(own))
        for number, (_, port) in enumerate(sorted(own)):
            ports[name, port] = centers[name] + (number - (len(own) - 1) / 2) * step
    return ports
