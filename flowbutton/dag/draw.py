"""The graph as a picture: what is drawn, and its text and Mermaid forms.

Here: nodes and arrows with their words, told apart by how a value reaches a task. Not here: where they stand on a page
(`dag.layers`), SVG (`dag.draw_svg`). Pure. Imports `dag.graph`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from flowbutton.dag.graph import Binding, BindingKind, Graph, OutputNode, SourceNode, StageNode
from flowbutton.model.command import shown


class Form(StrEnum):
    """What a node of the picture stands for."""

    SOURCE = "source"
    STAGE = "stage"
    OUTPUT = "output"


class Way(StrEnum):
    """How values go along an arrow."""

    EACH = "each"  # fan-out: a task per item
    ALL = "all"  # gather: many into one task
    ONE = "one"  # share: the same for all tasks
    FILE = "file"  # published


WAYS = {
    Way.EACH: "a task for each item",
    Way.ALL: "all gathered into a task",
    Way.ONE: "one value shared by all tasks",
    Way.FILE: "published",
}
_WAY_OF = {BindingKind.ITEM: Way.EACH, BindingKind.GATHER: Way.ALL, BindingKind.SHARE: Way.ONE}


@dataclass(frozen=True, slots=True)
class Node:
    """A source, a stage, or the files that one stage publishes. ``many``: it has a task per item."""

    id: str
    form: Form
    lines: tuple[str, ...]
    note: str
    many: bool = False


@dataclass(frozen=True, slots=True)
class Arrow:
    """What goes from one node to another in one way; ``words`` are pairs: an argument or file, and what it gets."""

    start: str
    stop: str
    way: Way
    words: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A graph to be drawn. ``nodes`` are in an order in which arrows go forward."""

    title: str
    nodes: tuple[Node, ...]
    arrows: tuple[Arrow, ...]
    dropped: tuple[str, ...]


def picture_of(graph: Graph) -> Picture:
    """Return what there is to draw of a graph."""
    sources = [_source(node) for node in graph.sources.values()]
    stages = [_stage(node) for node in graph.stages.values()]
    published: dict[str, list[OutputNode]] = {}
    for output in graph.outputs:
        published.setdefault(output.producers[0].name, []).append(output)
    files = [
        Node(f"output {stage}", Form.OUTPUT, tuple(output.name for output in outputs), "")
        for stage, outputs in published.items()
    ]
    arrows = [arrow for node in graph.stages.values() for arrow in _arrows(node)]
    arrows += [
        Arrow(stage, f"output {stage}", Way.FILE, tuple((output.name, str(output.producers[0])) for output in outputs))
        for stage, outputs in published.items()
    ]
    return Picture(graph.name, (*sources, *stages, *files), tuple(arrows), graph.dropped)


def _source(node: SourceNode) -> Node:
    return Node(node.name, Form.SOURCE, (node.name,), node.partitioner)


def _stage(node: StageNode) -> Node:
    tree = "" if node.fan_in is None else f", in a tree of {node.fan_in}"
    return Node(node.name, Form.STAGE, (node.name,), f"{shown(node.definition.uses)}{tree}", node.fans_out)


def _arrows(node: StageNode) -> Iterable[Arrow]:
    found: dict[tuple[str, Way], list[tuple[str, str]]] = {}
    for binding in node.bindings:
        found.setdefault((binding.producer.name, _WAY_OF[binding.kind]), []).append((binding.argument, _value(binding)))
    return [Arrow(producer, node.name, way, tuple(words)) for (producer, way), words in found.items()]


def _value(binding: Binding) -> str:
    which = ""
    if binding.match:
        which = f" of the same {', '.join(binding.match)}"
    elif binding.overlap is not None:
        which = f" that meet {'.'.join(binding.overlap)}"
    return f"{_WAY_OF[binding.kind]} {binding.producer}{which}"


def as_text(picture: Picture) -> str:
    """Draw for a terminal: nodes from the sources on, below each how its arguments get their values."""
    lines = [picture.title]
    for form, heading in ((Form.SOURCE, "sources"), (Form.STAGE, "stages"), (Form.OUTPUT, "outputs")):
        nodes = [node for node in picture.nodes if node.form is form]
        if nodes:
            lines += ["", heading, *_rows(picture, form, nodes)]
    lines += ["", *(f"{way:4} {words}" for way, words in WAYS.items() if way is not Way.FILE)]
    if picture.dropped:
        lines += ["", f"dropped by 'when': {', '.join(picture.dropped)}"]
    return "\n".join(lines)


def _rows(picture: Picture, form: Form, nodes: Sequence[Node]) -> Iterable[str]:
    if form is Form.OUTPUT:
        ids = {node.id for node in nodes}
        yield from _pairs("  ", [pair for arrow in picture.arrows if arrow.stop in ids for pair in arrow.words])
        return
    width = max(len(node.lines[0]) for node in nodes)
    for node in nodes:
        yield f"  {node.lines[0].ljust(width)}  {node.note}"
        yield from _pairs("    ", [pair for arrow in picture.arrows if arrow.stop == node.id for pair in arrow.words])


def _pairs(indent: str, pairs: Sequence[tuple[str, str]]) -> Iterable[str]:
    width = max((len(name) for name, _ in pairs), default=0)
    return [f"{indent}{name.ljust(width)}  ← {value}" for name, value in pairs]


_MERMAID_ARROWS = {Way.EACH: "==>", Way.ALL: "-->", Way.ONE: "-.->", Way.FILE: "--o"}
_MERMAID_STYLE = """\
  classDef source fill:#ecfdf5,stroke:#059669,color:#064e3b
  classDef stage fill:#eff6ff,stroke:#2563eb,color:#1e3a8a
  classDef output fill:#fefce8,stroke:#ca8a04,color:#713f12"""


def as_mermaid(picture: Picture) -> str:
    """Draw as a Mermaid flowchart, which Markdown on GitHub and GitLab shows."""
    names = {node.id: f"n{number}" for number, node in enumerate(picture.nodes)}
    lines = ["flowchart TD"]
    lines += [f"  %% {_MERMAID_ARROWS[way]} {words}" for way, words in WAYS.items()]
    lines += [f"  {names[node.id]}{_shape(node)}:::{node.form}" for node in picture.nodes]
    lines += [f"  {names[arrow.start]} {_MERMAID_ARROWS[arrow.way]} {names[arrow.stop]}" for arrow in picture.arrows]
    return "\n".join([*lines, _MERMAID_STYLE])


def _shape(node: Node) -> str:
    label = "<br/>".join(_mermaid_text(line) for line in [*node.lines, *([node.note] if node.note else [])])
    if node.form is Form.SOURCE:
        return f'[("{label}")]'
    if node.form is Form.OUTPUT:
        return f'(["{label}"])'
    return f'[["{label}"]]' if node.many else f'["{label}"]'


def _mermaid_text(text: str) -> str:
    """Write a text so that nothing in it is taken for markup."""
    return "".join(char if char.isalnum() or char in " _-./:,+" else f"#{ord(char)};" for char in text)
