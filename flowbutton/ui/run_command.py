"""``flowbutton run``: run a pipeline to its end and tell what came of it. Imports click, `flowbutton.ui`."""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flowbutton.model.errors import Locked
from flowbutton.ui.errors import complain, warn
from flowbutton.ui.exits import Exit
from flowbutton.ui.options import Asked, what, where
from flowbutton.ui.plan_command import show_plan

if TYPE_CHECKING:
    from flowbutton.ui.asking import Prepared
    from flowbutton.ui.watch import Watcher


@click.command("run")
@what
@where
@click.option("-n", "--dry-run", is_flag=True, help="Show the plan; run nothing.")
@click.option(
    "--on-conflict",
    type=click.Choice(["fail", "wait"]),
    default="fail",
    show_default=True,
    help="If another run holds the same pipeline and results.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print errors and the last line only.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: every event as a line of JSON.",
)
def run_command(
    pipeline: str,
    params: tuple[tuple[str, str], ...],
    params_file: Path | None,
    profile: str | None,
    store: str | None,
    results: Path | None,
    executor: str | None,
    workers: int | None,
    dry_run: bool,
    on_conflict: str,
    quiet: bool,
    log_format: str,
) -> int:
    """Run PIPELINE: a file, or the name of one that ships (genomics).

    What an earlier run has done is reused; nothing else is run again.
    """
    asked = Asked(pipeline, dict(params), params_file, profile, store, results, executor, workers)
    if dry_run:
        return show_plan(asked, log_format)
    from flowbutton.ui.asking import prepare_asked

    found = prepare_asked(asked)
    for problem in found.graph.warnings:
        warn(problem)
    style = "quiet" if quiet and log_format == "text" else log_format
    return _run(found, style, wait=on_conflict == "wait")


def _run(found: Prepared, style: str, *, wait: bool) -> int:
    from flowbutton.ui.failures import failures_text
    from flowbutton.ui.summary import exit_after, last_line, print_summary

    begun = time.monotonic()
    signal.signal(signal.SIGTERM, _leave)
    with _watcher(found, style) as watcher:
        settings = replace(found.settings, listeners=(watcher,))
        try:
            report = found.loaded.run_in(settings)
        except Locked as error:
            if not wait:
                raise
            click.echo(f"waiting: {error.what}: {error.why}", err=True)
            report = found.loaded.run_in(replace(settings, wait_s=None))
    if style == "text" and not watcher.view.nothing:
        print_summary(report, watcher.view)
    if report.failures:
        complain(failures_text(report.errors, report.folder))
    if style != "json":
        click.echo(last_line(report, found.settings, time.monotonic() - begun))
    return exit_after(report)


def _leave(*_: object) -> None:
    """Leave at once on SIGTERM, but orderly; while tasks run the engine takes the signal, and drains."""
    sys.exit(Exit.TERMINATED)


def _watcher(found: Prepared, style: str) -> Watcher:
    """Return who tells what happens: bars on a terminal, lines elsewhere, JSON or nothing where that is asked for."""
    from flowbutton.ui.watch import JsonLines, Lines, Watcher, header

    if style == "quiet":
        return Watcher()
    if style == "json":
        return JsonLines(click.echo)
    first = header(found.graph.name, found.settings.store, found.settings.results)
    if not sys.stdout.isatty():
        return Lines(click.echo, first)
    from flowbutton.ui.bars import Bars

    return Bars(first)
