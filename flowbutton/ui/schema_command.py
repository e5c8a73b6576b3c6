"""``flowbutton schema``: the language as JSON Schema, for editors. Imports click, `flowbutton.ui`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from flowbutton.ui.written import write_or_print


@click.command("schema")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the schema to a file.")
def schema_command(output: Path | None) -> int:
    """Print the JSON Schema of pipeline files, for editors.

    It has the options of all stages and partitioners that are installed. An editor with yaml-language-server completes
    and checks a pipeline whose first line is `# yaml-language-server: $schema=FILE`.
    """
    from flowbutton.dag.schema import pipeline_schema
    from flowbutton.model.registry import registered
    from flowbutton.ui.catalog import installed_partitioners, installed_stages
    from flowbutton.ui.describe import complaint
    from flowbutton.ui.errors import complain

    stages, partitioners = installed_stages(), installed_partitioners()
    for broken in (*stages.broken, *partitioners.broken):
        complain(complaint(broken))
    schema = pipeline_schema(
        {entry.name: entry.thing for entry in stages.entries},
        {entry.name: entry.thing for entry in partitioners.entries},
        registered("executors"),
    )
    write_or_print(json.dumps(schema, indent=2, ensure_ascii=False), output)
    return 0
