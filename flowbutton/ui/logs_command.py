"""``flowbutton logs``: what tasks printed. Imports click, `flowbutton.ui`."""

from __future__ import annotations

import click

from flowbutton.ui.finding import of_store, run_folder, store_of


@click.command("logs")
@click.argument("run", default="latest")
@of_store
@click.option("--stage", metavar="STAGE", help="Only this stage.")
@click.option("--task", metavar="TASK", help="Only this task: its number, or its stage and part of its key.")
@click.option("--failed", is_flag=True, help="Only tasks that failed, with their tracebacks.")
def logs_command(run: str, store: str | None, results: str, stage: str | None, task: str | None, failed: bool) -> int:
    """Print what the tasks of a run printed.

    RUN is a run's id or 'latest'. Standard output and error are shown together, task by task in the order in which
    they ended. For a reused task, this is what it printed when it ran.
    """
    from flowbutton.engine.logs import read_logs

    place = store_of(store, results)
    folder = run_folder(place, run)
    found = 0
    for log in read_logs(folder, place, stage=stage, task=task, failed_only=failed):
        found += 1
        click.echo(f"== {log.traced.task} {log.traced}, {log.traced.status}" + (" (only its end is kept)" * log.is_cut))
        click.echo(log.text, nl=not log.text.endswith("\n"))
    if not found:
        click.echo("nothing was printed", err=True)
    return 0
