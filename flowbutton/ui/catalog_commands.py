"""``flowbutton stages`` and ``flowbutton partitioners``: what is installed. Imports click, `flowbutton.ui`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command("stages")
@click.argument("name", required=False)
@_as_json
def stages_command(name: str | None, as_json: bool) -> int:
    """List the installed stages, or describe one.

    NAME is a registered name, or module:function for a module in the current folder. Its inputs, outputs and options
    are described.
    """
    from flowbutton.ui.catalog import installed_partitioners, installed_stages, stage_facts, stage_named
    from flowbutton.ui.describe import listing, listing_json, stage_text

    if name is None:
        catalog = installed_stages()
        click.echo(listing_json(catalog) if as_json else listing(catalog))
        return 0
    sys.path.insert(0, str(Path.cwd()))
    facts = stage_facts(stage_named(name), installed_partitioners().entries)
    click.echo(json.dumps(facts, indent=2, ensure_ascii=False) if as_json else stage_text(facts))
    return 0


@click.command("partitioners")
@click.argument("name", required=False)
@_as_json
def partitioners_command(name: str | None, as_json: bool) -> int:
    """List the installed partitioners, or describe one.

    Its reader, its unit and its options are described.
    """
    from flowbutton.ui.catalog import installed_partitioners, partitioner_facts
    from flowbutton.ui.describe import listing, listing_json, partitioner_text

    catalog = installed_partitioners()
    if name is None:
        click.echo(listing_json(catalog) if as_json else listing(catalog))
        return 0
    facts = partitioner_facts(catalog.find("partitioner", name))
    click.echo(json.dumps(facts, indent=2, ensure_ascii=False) if as_json else partitioner_text(facts))
    return 0
