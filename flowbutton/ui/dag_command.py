"""``flowbutton dag``: the graph of a pipeline, drawn. Imports click, `flowbutton.ui`."""

from __future__ import annotations

from pathlib import Path

import click

from flowbutton.ui.options import Asked, what
from flowbutton.ui.written import write_or_print

_FORMATS = ("text", "mermaid", "svg")
_SUFFIXES = {".svg": "svg", ".mmd": "mermaid", ".mermaid": "mermaid"}


@click.command("dag")
@what
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    help="The format of the drawing.  [default: that of FILE's name, else text]",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the drawing to a file.")
def dag_command(
    asked: Asked,
    form: str | None,
    output: Path | None,
) -> int:
    """Draw a pipeline's sources, stages and outputs.

    Nothing runs, and no data are read.
    """
    from flowbutton.dag.draw import as_mermaid, as_text, picture_of
    from flowbutton.dag.draw_svg import as_svg
    from flowbutton.ui.asking import prepare_asked

    graph = prepare_asked(asked).graph
    draw = {"text": as_text, "mermaid": as_mermaid, "svg": as_svg}
    chosen = form or _SUFFIXES.get(output.suffix.lower() if output else "", "text")
    write_or_print(draw[chosen](picture_of(graph)), output)
    return 0
