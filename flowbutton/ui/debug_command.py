"""``flowbutton debug``: one failed task again, alone, in this process. Imports click, `flowbutton.ui`."""

from __future__ import annotations

import os
import pdb
from pathlib import Path

import click

from flowbutton.ui.errors import tell_raised
from flowbutton.ui.exits import Exit
from flowbutton.ui.finding import of_store, run_folder, store_of, work_of
from flowbutton.ui.words import shown_time


@click.command("debug")
@click.argument("run")
@click.argument("task")
@of_store
@click.option("--pdb", "debugger", is_flag=True, help="Open the debugger at the point of failure.")
def debug_command(run: str, task: str, store: str | None, results: str, debugger: bool) -> int:
    """Repeat one failed task of a run, in this process.

    RUN is a run's id or 'latest'; TASK is the task's number, or its stage and part of its key: 'align[lane=L1]'. It
    gets the inputs that it had. Its output is shown, breakpoints work, and nothing is committed.
    """
    from flowbutton.engine.repeat import repeatable

    place = store_of(store, results)
    folder = run_folder(place, run)
    _find_modules(folder)
    found = repeatable(folder, task, store=work_of(folder, place), env=os.environ)
    click.echo(f"task {found.traced.task} of run {folder.name}: {found.traced}")
    try:
        record = found.repeat()
    except (Exception, SystemExit) as error:  # noqa: BLE001  A stage may raise anything: this is what one looks for.
        code = tell_raised(error)
        if debugger:
            pdb.post_mortem(error.__traceback__)
        return code
    click.echo(f"it succeeded, in {shown_time(record.measures.wall_s)}; nothing is committed: run the pipeline again")
    for name, artifact in record.artifacts.items():
        click.echo(f"  {name or 'result'}: {artifact.kind}, {artifact.size:,} bytes, digest {artifact.digest[:16]}")
    return Exit.DONE


def _find_modules(folder: Path) -> None:
    """Let the modules beside the run's pipeline file be found, as they were in the run."""
    from flowbutton.engine.folders import read_asked
    from flowbutton.pipeline_files import make_importable

    asked = read_asked(folder)
    if asked is not None and asked.file is not None:
        make_importable(Path(asked.file))
