"""``flowbutton run``: run a pipeline to its end and tell what came of it. Imports click, `flowbutton.ui`."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flowbutton.model.errors import FlowbuttonError, Locked
from flowbutton.ui.errors import GOES_ON, complain, warn
from flowbutton.ui.exits import Exit
from flowbutton.ui.options import Asked, what, where
from flowbutton.ui.plan_command import show_plan

if TYPE_CHECKING:
    from flowbutton.api import Pipeline
    from flowbutton.engine.run import Report
    from flowbutton.engine.settings import Settings
    from flowbutton.ui.asking import Prepared
    from flowbutton.ui.ci_files import Outcome
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
    help="What to do if another run holds the same pipeline and results.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print errors and the last line only.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json prints each event as a line of JSON.",
)
@click.option(
    "--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write JUnit XML, one test case per stage."
)
@click.option(
    "--summary", type=click.Path(path_type=Path), metavar="FILE", help="Append a summary in Markdown to FILE."
)
def run_command(
    asked: Asked,
    dry_run: bool,
    on_conflict: str,
    quiet: bool,
    log_format: str,
    junit: Path | None,
    summary: Path | None,
) -> int:
    """Run a pipeline and publish its outputs.

    PIPELINE is a file, or one that ships with flowbutton: genomics, geospatial, metabolomics. What an earlier run
    has done is reused; only the rest runs.
    """
    if dry_run:
        return show_plan(asked, log_format)
    from flowbutton.ui.ci_files import CiFiles, Outcome

    files, outcome = CiFiles(junit, summary), Outcome(asked.pipeline, datetime.now(UTC))
    files.check()
    style = "quiet" if quiet and log_format == "text" else log_format
    try:
        with _workers_at_hand(asked):
            return _run(asked, style, outcome, wait=on_conflict == "wait")
    except FlowbuttonError as error:
        outcome.end_with(error)
        raise
    finally:
        files.write(outcome)


def _run(asked: Asked, style: str, outcome: Outcome, *, wait: bool) -> int:
    from flowbutton.engine.run import Status
    from flowbutton.ui.asking import prepare_asked
    from flowbutton.ui.failures import failures_text
    from flowbutton.ui.summary import exit_after, last_line, print_summary

    found = prepare_asked(asked)
    for problem in found.graph.warnings:
        warn(problem)
    begun = time.monotonic()
    signal.signal(signal.SIGTERM, _leave)
    with _watcher(found, style) as watcher:
        outcome.pipeline, outcome.view = found.graph.name, watcher.view
        settings = replace(found.settings, listeners=(watcher,))
        report = _run_to_end(found.loaded, settings, wait=wait)
    elapsed_s = time.monotonic() - begun
    line = last_line(report, found.settings, elapsed_s)
    if report.status is not Status.DRAINED:
        outcome.end(report.errors, line, elapsed_s=elapsed_s)
    if style == "text" and not watcher.view.nothing:
        print_summary(report, watcher.view)
    if report.failures:
        complain(failures_text(report.errors, report.folder))
    if style != "json":
        click.echo(line)
    return exit_after(report)


def _run_to_end(pipeline: Pipeline, settings: Settings, *, wait: bool) -> Report:
    try:
        return pipeline.run_in(settings)
    except Locked as error:
        if not wait:
            raise
        click.echo(f"waiting: {error.what}: {error.why}", err=True)
        return _run_to_end(pipeline, replace(settings, wait_s=None), wait=False)
    except BrokenPipeError:
        complain(f"stopped, as nobody reads the output any more. {GOES_ON}")
        raise


def _workers_at_hand(asked: Asked) -> AbstractContextManager[None]:
    """Fork what workers are forked from while nothing but flowbutton is loaded; they need what this process needs."""
    if asked.executor not in (None, "processes"):
        return nullcontext()
    from flowbutton.executors.births import forked_ahead
    from flowbutton.model.late import OF_OTHERS, put_off
    from flowbutton.worker.entry import know_installed

    put_off(*OF_OTHERS)
    know_installed()
    return forked_ahead()


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
