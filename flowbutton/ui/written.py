"""What a command writes into a file that the user names, or prints. Imports click, `flowbutton.model`."""

from __future__ import annotations

from pathlib import Path

import click

from flowbutton.model.errors import OptionError


def write_or_print(text: str, output: Path | None) -> None:
    """Write ``text`` as UTF-8 to a file, replacing it, or print it.

    Raises:
        OptionError: the file can't be written.
    """
    if output is None:
        click.echo(text)
        return
    try:
        output.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise OptionError("the file can't be written", why=why, hint="name another", file=str(output)) from error
