"""``flowbutton show``: one run in full. Imports click, `flowbutton.ui`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from flowbutton.model.units import show_bytes
from flowbutton.ui.finding import of_store, run_folder, store_of
from flowbutton.ui.words import shown_path, shown_time

if TYPE_CHECKING:
    from flowbutton.ui.account import Account


@click.command("show")
@click.argument("run", default="latest")
@of_store
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_command(run: str, store: str | None, results: str, as_json: bool) -> int:
    """Show a run in full.

    RUN is a run's id or 'latest'. What was asked, what the stages did and what they cost, the outputs, the failures.
    """
    from flowbutton.ui.account import account_of

    account = account_of(run_folder(store_of(store, results), run))
    if as_json:
        click.echo(json.dumps(account.to_json(), indent=2, default=str))
    else:
        _print(account)
    return 0


def _print(account: Account) -> None:
    from flowbutton.ui.failures import failures_text
    from flowbutton.ui.summary import print_stages, print_warnings
    from flowbutton.ui.tables import plain_console, print_table

    past, asked = account.past, account.asked
    console = plain_console()
    click.echo(str(past))
    if asked is not None:
        for name, value in asked.params.items():
            click.echo(f"  {name}: {json.dumps(value, ensure_ascii=False)}")
        workers = f", {asked.workers} workers" if asked.workers else ""
        apart = "".join(f", {stage} by {executor}" for stage, executor in asked.elsewhere.items())
        click.echo(f"of {shown_path(asked.file) if asked.file else '?'}, by executor {asked.executor}{workers}{apart}")
        click.echo(f"flowbutton {asked.flowbutton}, Python {asked.python}, on {asked.driver.host.partition(' ')[0]}")
    print_stages(console, past.view)
    print_warnings(past.view)
    if account.costs:
        print_table(console, _costs(account), first_to_go=("read", "of declared", "per owned byte", "peak memory"))
    for output in account.outputs:
        click.echo(f"output {output['name']}: {show_bytes(output['bytes'])}, digest {output['digest']}")
    if account.errors:
        click.echo(failures_text(account.errors, past.folder))
    click.echo(f"run folder: {shown_path(past.folder)}")


def _costs(account: Account) -> list[dict[str, str]]:
    """Return what the tasks cost that ran: the slowest, memory against what was declared, bytes read per byte owned."""
    return [
        {
            "cost": stage,
            "slowest task": f"{shown_time(cost.slowest.wall_s)} ({cost.slowest.task})" if cost.slowest else "",
            "peak memory": show_bytes(cost.peak_bytes) if cost.peak_bytes else "",
            "of declared": f"{cost.peak_bytes / cost.declared_bytes:.0%}" if cost.declared_bytes else "",
            "read": show_bytes(cost.read_bytes) if cost.read_bytes else "",
            "per owned byte": f"{cost.amplification:.2f}" if cost.amplification is not None else "",
        }
        for stage, cost in account.costs.items()
    ]
