"""``flowbutton plan``: what would run. Imports click, `flowbutton.ui`."""

from __future__ import annotations

import json

import click

from flowbutton.ui.errors import warn
from flowbutton.ui.options import Asked, what, where
from flowbutton.ui.words import shown_path


@click.command("plan")
@what
@where
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def plan_command(
    asked: Asked,
    as_json: bool,
) -> int:
    """Show what is done, what would run, and why."""
    return show_plan(asked, "json" if as_json else "text")


def show_plan(asked: Asked, style: str) -> int:
    """Print the plan of what is asked for: as a table, or as ``json``."""
    from flowbutton.ui.asking import prepare_asked

    found = prepare_asked(asked)
    for problem in found.graph.warnings:
        warn(problem)
    made = found.loaded.plan_in(found.settings)
    if style == "json":
        click.echo(json.dumps(made.to_json(), indent=2, ensure_ascii=False))
        return 0
    click.echo(f"plan of {made.pipeline}, store {shown_path(found.settings.store)}")
    click.echo(str(made))
    if made.nothing_to_run:
        click.echo("nothing to run: every task is done")
    return 0
