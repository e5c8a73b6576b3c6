"""The command `flowbutton`: its subcommands, and the wall around them.

Each command is a module of its own; the engine and rich are imported inside commands, so that ``--help`` is quick.
Imports click, `flowbutton.ui`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from flowbutton import __version__
from flowbutton.ui.catalog_commands import partitioners_command, stages_command
from flowbutton.ui.clean_command import clean_command
from flowbutton.ui.dag_command import dag_command
from flowbutton.ui.debug_command import debug_command
from flowbutton.ui.doctor_command import doctor_command
from flowbutton.ui.errors import Unread, guarded
from flowbutton.ui.logs_command import logs_command
from flowbutton.ui.new_command import new_command
from flowbutton.ui.plan_command import plan_command
from flowbutton.ui.run_command import run_command
from flowbutton.ui.runtime_command import runtime_command
from flowbutton.ui.schema_command import schema_command
from flowbutton.ui.show_command import show_command
from flowbutton.ui.status_command import status_command
from flowbutton.ui.try_command import try_command
from flowbutton.ui.validate_command import validate_command
from flowbutton.ui.verify_command import verify_command


class _Commands(click.Group):
    """A group that leaves it to the wall what a closed output means: click would end the process with code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise Unread from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="flowbutton")
def commands() -> None:
    """Run data pipelines declared in YAML, on data cut where it lies.

    To resume, run the same command again: what is done is reused.
    """


for _command in (
    run_command,
    plan_command,
    validate_command,
    status_command,
    doctor_command,
    logs_command,
    show_command,
    clean_command,
    verify_command,
    debug_command,
    stages_command,
    partitioners_command,
    schema_command,
    runtime_command,
    dag_command,
    new_command,
    try_command,
):
    commands.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code (`ui.exits`)."""
    sys.exit(call(sys.argv[1:] if arguments is None else arguments))


def call(arguments: Sequence[str]) -> int:
    """Run the command line; return its exit code."""
    return guarded(lambda: int(commands.main([*arguments], prog_name="flowbutton", standalone_mode=False) or 0))
