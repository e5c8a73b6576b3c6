"""``flowbutton status``: what became of runs, from their folders alone. Imports click, `flowbutton.ui`."""

from __future__ import annotations

import click

from flowbutton.ui.finding import of_store, run_folder, store_of
from flowbutton.ui.words import shown_path

_SHOWN_RUNS = 20


@click.command("status")
@click.argument("run", required=False)
@of_store
@click.option("--all", "every", is_flag=True, help=f"List the last {_SHOWN_RUNS} runs.")
def status_command(run: str | None, store: str | None, results: str, every: bool) -> int:
    """Show how the latest run stands, or the one named."""
    from flowbutton.engine.folders import run_folders
    from flowbutton.engine.run import runs_folder
    from flowbutton.ui.history import read_run
    from flowbutton.ui.summary import print_stages, print_warnings
    from flowbutton.ui.tables import plain_console

    place = store_of(store, results)
    if every:
        for past in run_folders(runs_folder(place))[-_SHOWN_RUNS:]:
            click.echo(str(read_run(past)))
        return 0
    found = read_run(run_folder(place, run))
    click.echo(str(found))
    print_stages(plain_console(), found.view)
    print_warnings(found.view)
    for failure in found.view.failures:
        click.echo(f"failed: {failure['stage']}: {failure['error']}")
    if found.view.error:
        click.echo(f"error: {found.view.error}")
    click.echo(f"run folder: {shown_path(found.folder)}")
    return 0
