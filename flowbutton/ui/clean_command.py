"""``flowbutton clean``: what no run needs any more goes. Imports click, `flowbutton.ui`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from flowbutton.model.errors import MissingInput
from flowbutton.model.units import counted, parse_bytes, parse_duration, show_bytes
from flowbutton.ui.finding import of_store, run_folder, store_of

if TYPE_CHECKING:
    from flowbutton.engine.cleaning import Decision, Wish


class Amount(click.ParamType[float]):
    """A number with a unit."""

    def __init__(self, name: str, parse: Callable[[str], float]) -> None:
        self.name, self._parse = name, parse

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the amount."""
        try:
            return self._parse(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command("clean")
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@of_store
@click.option(
    "--older-than", type=Amount("age", parse_duration), metavar="AGE", help="Only runs older than this: 30d, 12h."
)
@click.option(
    "--keep",
    type=Amount("bytes", parse_bytes),
    metavar="BYTES",
    help="Only the oldest, until no more than this is left.",
)
@click.option("--all", "everything", is_flag=True, help="Remove all runs, even the latest.")
@click.option(
    "--grace",
    type=Amount("age", parse_duration),
    metavar="AGE",
    default="1h",
    show_default=True,
    help="Keep whatever was written more recently than this.",
)
@click.option(
    "--on-conflict",
    type=click.Choice(["fail", "wait"]),
    default="fail",
    show_default=True,
    help="What to do if a run is using the store.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be removed; remove nothing.")
def clean_command(
    runs: tuple[str, ...],
    store: str | None,
    results: str,
    older_than: float | None,
    keep: float | None,
    everything: bool,
    grace: float,
    on_conflict: str,
    dry_run: bool,
) -> int:
    """Remove old runs, and the work that only they need.

    By default these are the runs that a later run of the same pipeline and results has replaced; whatever running
    again would reuse is kept. A RUN that is named is removed in any case. Published results are not touched.
    """
    from flowbutton.engine.clean import clean, plan_clean
    from flowbutton.engine.cleaning import Wish
    from flowbutton.engine.run import runs_folder
    from flowbutton.stores.opening import open_store

    place = store_of(store, results)
    wish = Wish(
        runs=frozenset(run_folder(place, run).name for run in runs),
        everything=everything,
        older_than_s=older_than,
        keep_bytes=None if keep is None else int(keep),
    )
    opened, folder = open_store(place), runs_folder(place)
    if not folder.is_dir():
        raise MissingInput(
            "there is no store here", why="", hint="name it with --store, or the results with --results", file=place
        )
    if dry_run:
        decision = plan_clean(opened, folder, wish, grace_s=grace)
    else:
        wait_s = None if on_conflict == "wait" else 0.0
        decision = clean(opened, folder, wish, grace_s=grace, wait_s=wait_s)
    _tell(decision, wish, "would go" if dry_run else "gone")
    return 0


def _tell(decision: Decision, wish: Wish, verb: str) -> None:
    if decision.runs:
        first, last = decision.runs[0].id, decision.runs[-1].id
        names = first if first == last else f"{first} to {last}"
        click.echo(f"{verb}: {counted(len(decision.runs), 'run')} ({names})")
    for kind, entries in decision.keys.items():
        size = sum(entry.size for entry in entries)
        click.echo(f"{verb}: {kind.value}, {counted(len(entries), 'file')}, {show_bytes(size)}")
    stay = f"{show_bytes(decision.stays_bytes)} stay"
    if decision.young_bytes:
        stay += f", {show_bytes(decision.young_bytes)} of it only since it is young (--grace)"
    click.echo(f"{verb}: {show_bytes(decision.bytes)} in all; {stay}")
    if wish.keep_bytes is not None and decision.stays_bytes > wish.keep_bytes:
        limit = show_bytes(wish.keep_bytes)
        click.echo(f"more than {limit} stay: the latest runs need it. Name a run, or give --all", err=True)
