"""What a run came to, for people: tables, outputs, and the last line. Failures: `ui.failures`.

Imports rich where tables are made (a run that finds nothing to do makes none), `flowbutton.engine` (values), `ui`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from flowbutton.engine.aside import aside_file
from flowbutton.engine.ledger import LedgerLine
from flowbutton.engine.run import Report, Status
from flowbutton.engine.settings import Settings
from flowbutton.model.errors import MissingInput
from flowbutton.model.units import counted
from flowbutton.ui.exits import Exit
from flowbutton.ui.output_rows import output_rows
from flowbutton.ui.tables import plain_console, print_table
from flowbutton.ui.view import RunView, StageView
from flowbutton.ui.words import out_of, shown_path, shown_time

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN_WARNINGS = 10  # of one stage


def exit_after(report: Report) -> Exit:
    """Return the exit code of a run that came to its end."""
    match report.status:
        case Status.DONE:
            return Exit.DONE
        case Status.TOLERATED:
            return Exit.TOLERATED
        case Status.DRAINED:
            return Exit.TERMINATED
    # A task whose option or library is wrong has failed; only a missing input is told apart.
    return Exit.MISSING if isinstance(report.failures[0].error, MissingInput) else Exit.FAILED


def print_summary(report: Report, view: RunView) -> None:
    """Print a table of stages, the outputs, and the run's folder."""
    from rich.table import Table

    console = plain_console()
    print_stages(console, view)
    if report.outputs:
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column()
        table.add_column(justify="right")
        for path, size in output_rows(report.outputs):
            table.add_row(path, size)
        console.print("outputs:")
        console.print(table)
        for item in report.outputs:
            if "headline" in item:
                console.print(str(item["headline"]), markup=False, soft_wrap=True)
    print_warnings(view)
    for line in report.ledger:
        if line.counts.set_aside:
            told = f"{counted(sum(line.counts.set_aside.values()), 'record')} set aside by '{line.stage}'"
            console.print(f"{told}: {shown_path(aside_file(report.folder, line.stage))}", markup=False, soft_wrap=True)
    console.print(f"run folder: {shown_path(report.folder)}", markup=False, soft_wrap=True)


def print_warnings(view: RunView) -> None:
    """Print what the stages want people to know before they believe the results."""
    for stage in view.stages.values():
        for text in stage.warnings[:_SHOWN_WARNINGS]:
            click.secho(f"warning: {stage.name}: {text}", fg="yellow", err=True)
        if len(stage.warnings) > _SHOWN_WARNINGS:
            more = len(stage.warnings) - _SHOWN_WARNINGS
            click.secho(f"warning: {stage.name}: {more} more, see 'flowbutton show --json'", fg="yellow", err=True)


def ledger_texts(view: RunView) -> dict[str, str]:
    """Return the balance of each finished stage that counts records."""
    return {stage.name: str(LedgerLine.from_json(stage.ledger)) for stage in view.stages.values() if stage.ledger}


def print_stages(console: Console, view: RunView) -> None:
    """Print a table of the stages that have begun."""
    ledger = ledger_texts(view)
    rows = [_row(stage, ledger.get(stage.name, "")) for stage in view.stages.values() if stage.begun]
    if rows:
        print_table(console, rows, first_to_go=("task time", "elapsed", "reused", "failed"), wraps="records")


def _row(stage: StageView, records: str) -> dict[str, str]:
    """Return what the table says of a stage, by column."""
    return {
        "stage": stage.name,
        "tasks": f"{stage.completed:,}" if stage.finished else out_of(stage.completed, stage.expected),
        "reused": f"{stage.reused:,}" if stage.reused else "",
        "failed": f"{stage.failed:,}" if stage.failed else "",
        "elapsed": shown_time(stage.elapsed_s) if stage.done else "",
        "task time": shown_time(stage.work_s) if stage.done else "",
        "records": records,
    }


def last_line(report: Report, settings: Settings, took_s: float) -> str:
    """Return the line that a run ends with."""
    results, run = shown_path(settings.results), f"run {report.run_id}"
    files = counted(len(report.outputs), "output")
    if report.status is Status.DONE and not report.ran:
        all_done = f"all {counted(report.reused, 'task')} are done" if report.reused != 1 else "the one task is done"
        return f"nothing to do: {all_done}; {files} in {results} (store {shown_path(settings.store)}, {run})"
    tasks = f"{counted(report.ran, 'task')} ran, {report.reused:,} reused, in {shown_time(took_s)}"
    match report.status:
        case Status.DONE:
            return f"done: {tasks}; {files} in {results} ({run})"
        case Status.TOLERATED:
            failed = counted(len(report.failures), "failed task")
            return f"done but for {failed}: {tasks}; {files} in {results} ({run})"
        case Status.DRAINED:
            return f"stopped: {tasks}; the same command goes on from there ({run})"
    return f"failed: {tasks}; nothing is published, finished tasks are kept ({run})"
