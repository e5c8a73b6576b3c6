"""The graph as SVG: one file without scripts, fonts or links, legible on light and on dark pages.

Here: what nodes, arrows and the legend look like. Not here: where they stand (`dag.layers`), what there is to draw
(`dag.draw`). Pure. Imports `dag.draw`, `dag.layers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from flowbutton.dag.draw import WAYS, Arrow, Form, Node, Picture, Way
from flowbutton.dag.layers import Box, Layout, Link, Point, lay_out

_MARGIN = 28.0
_HEADER = 46.0
_LEGEND_ROW = 20.0
_LINE, _NOTE = 18.0, 15.0
_STACK = 4.0  # how far the sheets behind a stage of many tasks stand out
_NARROW, _WIDE = frozenset("fijlrt.,:;'|!()[]{}/ -I"), frozenset("mwMW@%&")

# What is drawn in which colours on a light page, and on a dark one. Plain rules: many viewers know no CSS variables.
_COLOURS = {
    ".paper": ("fill:#ffffff", "fill:#0f172a"),
    "text": ("fill:#1f2937", "fill:#e5e7eb"),
    ".note,.key": ("fill:#6b7280", "fill:#94a3b8"),
    ".source": ("fill:#ecfdf5;stroke:#34a37f", "fill:#0c2f27;stroke:#2f9277"),
    ".stage": ("fill:#f4f7ff;stroke:#7c9cef", "fill:#1a2647;stroke:#5478d1"),
    ".output": ("fill:#fffbeb;stroke:#d9a521", "fill:#33290d;stroke:#b08a25"),
    ".each": ("stroke:#2563eb", "stroke:#6ea1ff"),
    ".all": ("stroke:#c2410c", "stroke:#fb923c"),
    ".one": ("stroke:#94a3b8", "stroke:#64748b"),
    ".file": ("stroke:#059669", "stroke:#34d399"),
    ".head-each": ("fill:#2563eb", "fill:#6ea1ff"),
    ".head-all": ("fill:#c2410c", "fill:#fb923c"),
    ".head-one": ("fill:#94a3b8", "fill:#64748b"),
    ".head-file": ("fill:#059669", "fill:#34d399"),
}
_SHAPES = """\
text{font-family:ui-sans-serif,system-ui,"Segoe UI",Helvetica,Arial,sans-serif;font-size:13px}
.title{font-size:18px;font-weight:600}
.name{font-weight:600;text-anchor:middle}
.note{font-size:11px;text-anchor:middle}
.path{font-size:12px;text-anchor:middle}
.key{font-size:11.5px}
.source,.stage,.output{stroke-width:1.2}
.arrow{fill:none;stroke-linecap:round}
.each{stroke-width:2.6}
.all{stroke-width:1.8}
.one{stroke-width:1.3;stroke-dasharray:5 4}
.file{stroke-width:1.5}"""


def _style() -> str:
    light, dark = ("\n".join(f"{name}{{{both[at]}}}" for name, both in _COLOURS.items()) for at in (0, 1))
    return f"{_SHAPES}\n{light}\n@media (prefers-color-scheme:dark){{\n{dark}\n}}"


def as_svg(picture: Picture) -> str:
    """Draw a picture as an SVG document; equal pictures give equal text."""
    boxes = {node.id: _box(node) for node in picture.nodes}
    links = {_link(arrow): arrow for arrow in picture.arrows}
    many = {node.id for node in picture.nodes if node.many}
    layout = lay_out(boxes, [*links])
    faint_first = sorted(links, key=lambda link: [Way.ONE, Way.FILE, Way.ALL, Way.EACH].index(links[link].way))
    drawn = [
        *(_arrow(links[link], _shortened(layout.routes[link], link.stop in many)) for link in faint_first),
        *(_node(node, boxes[node.id], layout) for node in picture.nodes),
    ]
    legend = [_moved(row, 0, number * _LEGEND_ROW) for number, row in enumerate(_legend(picture))]
    inner = max(layout.width, _text_width(picture.title, 18), 300.0)
    body = [
        f'<text class="title" x="{_n(_MARGIN)}" y="{_n(_MARGIN + 14)}">{escape(picture.title)}</text>',
        _moved("\n".join(["", *drawn, ""]), _MARGIN + (inner - layout.width) / 2, _MARGIN + _HEADER),
        _moved("\n".join(["", *legend, ""]), _MARGIN, _MARGIN + _HEADER + layout.height + 30),
    ]
    height = _HEADER + layout.height + len(legend) * _LEGEND_ROW + 2 * _MARGIN + 10
    return _document(picture.title, inner + 2 * _MARGIN, height, body)


def _document(title: str, width: float, height: float, body: Sequence[str]) -> str:
    size = f'width="{_n(width)}" height="{_n(height)}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" {size} role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>\n{_style()}\n</style>",
            f"<defs>{''.join(_head(way) for way in Way)}</defs>",
            f'<rect class="paper" {size} rx="10"/>',
            *body,
            "</svg>",
        ]
    )


def _moved(drawn: str, x: float, y: float) -> str:
    return f'<g transform="translate({_n(x)} {_n(y)})">{drawn}</g>'


def _link(arrow: Arrow) -> Link:
    return Link(arrow.start, arrow.stop, arrow.way)


def _box(node: Node) -> Box:
    widths = [_text_width(line, 13) for line in node.lines] + [_text_width(node.note, 11)]
    height = 16 + _LINE * len(node.lines) + (_NOTE if node.note else 0)
    return Box(max(*widths, 56.0) + (34 if node.form is Form.SOURCE else 26), height)


def _text_width(text: str, size: float) -> float:
    """Return about how wide a text is; it errs to the wide side, as no font can be asked."""
    return size * sum(0.36 if c in _NARROW else 0.9 if c in _WIDE else 0.66 if c.isupper() else 0.58 for c in text)


def _node(node: Node, box: Box, layout: Layout) -> str:
    x, y = layout.centers[node.id]
    left, top = x - box.width / 2, y - box.height / 2
    parts = [f"<title>{escape(f'{node.form} {node.lines[0]}')}</title>" if node.form is not Form.OUTPUT else ""]
    if node.many:
        parts += [_sheet(node, box, left + step, top - step) for step in (2 * _STACK, _STACK)]
    parts.append(_sheet(node, box, left, top))
    words = "path" if node.form is Form.OUTPUT else "name"
    for number, line in enumerate(node.lines):
        parts.append(_text(words, x, top + 21 + number * _LINE, line))
    if node.note:
        parts.append(_text("note", x, top + 21 + len(node.lines) * _LINE - 2, node.note))
    return f"<g>{''.join(parts)}</g>"


def _sheet(node: Node, box: Box, left: float, top: float) -> str:
    """Draw a node's shape: a barrel for data, a card for a stage, a sheet of paper for files."""
    right, bottom = left + box.width, top + box.height
    if node.form is Form.STAGE:
        place = f'x="{_n(left)}" y="{_n(top)}" width="{_n(box.width)}" height="{_n(box.height)}"'
        return f'<rect class="stage" {place} rx="7"/>'
    if node.form is Form.SOURCE:
        place = f'x="{_n(left)}" y="{_n(top)}" width="{_n(box.width)}" height="{_n(box.height)}"'
        return f'<rect class="source" {place} rx="{_n(box.height / 2)}"/>'
    fold = 11.0
    outline = f"M{_n(left)} {_n(top)}H{_n(right - fold)}L{_n(right)} {_n(top + fold)}V{_n(bottom)}H{_n(left)}Z"
    return f'<path class="output" d="{outline}M{_n(right - fold)} {_n(top)}V{_n(top + fold)}H{_n(right)}"/>'


def _text(kind: str, x: float, y: float, text: str) -> str:
    return f'<text class="{kind}" x="{_n(x)}" y="{_n(y)}">{escape(text)}</text>'


def _arrow(arrow: Arrow, points: Sequence[Point]) -> str:
    words = escape("\n".join(f"{name} ← {value}" for name, value in arrow.words))
    line = f'<path class="arrow {arrow.way}" d="{_curve(points)}" marker-end="url(#{arrow.way})"/>'
    return f"<g><title>{words}</title>{line}</g>"


def _shortened(points: Sequence[Point], stacked: bool) -> Sequence[Point]:
    """End above the sheets that stand behind a stage of many tasks."""
    (x, y) = points[-1]
    return [*points[:-1], (x, y - 2 * _STACK - 1)] if stacked else points


def _curve(points: Sequence[Point]) -> str:
    """Write a line through points: straight down where x stays, else a bow whose ends are upright."""
    (x, y), *rest = points
    drawn = [f"M{_n(x)} {_n(y)}"]
    for to_x, to_y in rest:
        if abs(to_x - x) < 0.05:
            drawn.append(f"V{_n(to_y)}")
        else:
            middle = _n((y + to_y) / 2)
            drawn.append(f"C{_n(x)} {middle} {_n(to_x)} {middle} {_n(to_x)} {_n(to_y)}")
        x, y = to_x, to_y
    return "".join(drawn)


def _head(way: Way) -> str:
    """Draw an arrow's head; that of a gather has a bar, where many things meet."""
    bar = '<path d="M0 -5H1.8V5H0Z"/>' if way is Way.ALL else ""
    return (
        f'<marker id="{way}" class="head-{way}" viewBox="-1 -6 11 12" refX="8.5" markerWidth="11" markerHeight="12" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path d="M1 -4.5L9 0L1 4.5Z"/>{bar}</marker>'
    )


def _legend(picture: Picture) -> list[str]:
    used = {arrow.way for arrow in picture.arrows}
    rows = [
        f'<path class="arrow {way}" d="M0 0H38" marker-end="url(#{way})"/>{_key(words)}'
        for way, words in WAYS.items()
        if way in used
    ]
    if any(node.many for node in picture.nodes):
        sheets = "".join(
            f'<rect class="stage" x="{8 + s}" y="{-5 - s}" width="20" height="11" rx="3"/>' for s in (6, 3, 0)
        )
        rows.append(f"{sheets}{_key('a stage of many tasks')}")
    if picture.dropped:
        rows.append(_key(f"dropped by 'when': {', '.join(picture.dropped)}", x=0))
    return rows


def _key(words: str, *, x: float = 50) -> str:
    return f'<text class="key" x="{_n(x)}" y="4">{escape(words)}</text>'


def _n(number: float) -> str:
    return f"{round(number, 1):g}"
