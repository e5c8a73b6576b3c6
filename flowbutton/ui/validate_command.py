"""``flowbutton validate``: all problems of a pipeline file at once, or one line. Imports click, `flowbutton.ui`."""

from __future__ import annotations

import click

from flowbutton.model.units import counted
from flowbutton.ui.errors import warn
from flowbutton.ui.options import Asked, what


@click.command("validate")
@what
def validate_command(asked: Asked) -> int:
    """Check a pipeline and its params.

    Nothing runs, and no data are read.
    """
    from flowbutton.ui.asking import prepare_asked

    found = prepare_asked(asked)
    for problem in found.graph.warnings:
        warn(problem)
    graph = found.graph
    parts = (("source", graph.sources), ("stage", graph.stages), ("output", graph.outputs))
    counts = ", ".join(counted(len(found_parts), word) for word, found_parts in parts)
    dropped = f"; dropped by 'when': {', '.join(graph.dropped)}" if graph.dropped else ""
    click.echo(f"{found.file.path}: ok: {graph.name}, {counts}{dropped}")
    return 0
