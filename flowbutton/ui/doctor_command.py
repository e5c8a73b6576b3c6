"""``flowbutton doctor``: whether this machine can run pipelines. Imports click, `flowbutton.ui`."""

from __future__ import annotations

import json
import os

import click

from flowbutton.ui.exits import Exit
from flowbutton.ui.finding import of_store, store_of


@click.command("doctor")
@of_store
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor_command(store: str | None, results: str, as_json: bool) -> int:
    """Check Python, libraries, machine, folders and plug-ins.

    The exit code is 1 if something is wrong. An extra that is not installed is mentioned, but counts as no fault.
    """
    from flowbutton.ui.doctor import State, examine

    found = []
    for finding in examine(store_of(store, results), os.environ):
        found.append(finding)
        if not as_json:
            click.echo(f"{finding.state.value:8}{finding.about}: {finding.told}")
            if finding.hint:
                click.echo(f"        {finding.hint}")
    if as_json:
        click.echo(json.dumps([finding.to_json() for finding in found], indent=2))
    return Exit.FAILED if any(finding.state is State.FAULT for finding in found) else Exit.DONE
