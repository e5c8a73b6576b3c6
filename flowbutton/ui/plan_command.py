"""``flowbutton plan``: what would run. Imports click, `flowbutton.ui`."""

from __future__ import annotations

from pathlib import Path

import click

from flowbutton.ui.errors import warn
from flowbutton.ui.options import Asked, what, where


@click.command("plan")
@what
@where
def plan_command(
    pipeline: str,
    params: tuple[tuple[str, str], ...],
    params_file: Path | None,
    profile: str | None,
    store: str | None,
    results: Path | None,
    executor: str | None,
    workers: int | None,
) -> int:
    """Show what of PIPELINE is done, and what would run."""
    return show_plan(Asked(pipeline, dict(params), params_file, profile, store, results, executor, workers))


def show_plan(asked: Asked) -> int:
    """Print the plan of what is asked for."""
    from flowbutton.ui.asking import prepare_asked

    found = prepare_asked(asked)
    for problem in found.graph.warnings:
        warn(problem)
    made = found.loaded.plan_in(found.settings)
    click.echo(f"plan of {made.pipeline}, store {made.store}")
    click.echo(str(made))
    if made.nothing_to_run:
        click.echo("nothing to run: every task is done")
    return 0
