"""What is said of a command line that can't be understood: click's findings in the form of all our errors.

Imports click, `flowbutton.model.near`.
"""

from __future__ import annotations

import re

import click

from flowbutton.model.near import closest, did_you_mean

_COMMAND = re.compile(r"No such command '([^']*)'")
_GIVEN = re.compile(r"'([^']*)' is not one of")
_NAMED = "write -p NAME=VALUE"
_EXTRA = re.compile(r"Got unexpected extra arguments? \((.*)\)")


def usage_text(error: click.ClickException) -> str:
    """Write an error of the command line: what, a hint, and where help is. Of a call without a command, the help."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error.format_message()
    context = error.ctx if isinstance(error, click.UsageError) else None
    what, hint = _words(error, context)
    rows = f"\n  hint:  {hint}" if hint else ""
    path = context.command_path if context is not None else "flowbutton"
    return f"error: {what}{rows}\n  help:  {path} --help"


def _words(error: click.ClickException, context: click.Context | None) -> tuple[str, str]:
    message = error.format_message().rstrip(".")
    if isinstance(error, click.NoSuchOption):
        return f"there is no option '{error.option_name}'", _hint_of_option(error.option_name, context)
    if isinstance(error, click.BadOptionUsage) and "requires an argument" in message:
        return f"{error.option_name} needs a value", _NAMED if error.option_name == "-p" else ""
    if isinstance(error, click.MissingParameter):
        name = error.param.human_readable_name if error.param is not None else "something"
        ships = "a pipeline file, or the name of a pipeline that ships with flowbutton" if name == "PIPELINE" else ""
        return f"{name} is missing", ships
    if isinstance(error, click.BadParameter):
        name = "/".join(error.param.opts) if error.param is not None else ""
        if error.param is not None and isinstance(error.param.type, click.IntRange):
            return (
                f"{name}: {error.message.partition(' is not ')[0]} is not a valid number",
                "write a whole number, 1 or more",
            )
        return f"{name}: {error.message.rstrip('.')}", _hint_of_choice(error)
    if command := _COMMAND.search(message):
        known = context.command.commands if context is not None and isinstance(context.command, click.Group) else {}
        return f"there is no command '{command[1]}'", did_you_mean(command[1], known)
    if extra := _EXTRA.search(message):
        hint = 'put quotes around a value that contains spaces: -p "NAME=a value"'
        return f"'{extra[1]}' is one argument too many", hint
    return message, ""


def _hint_of_choice(error: click.BadParameter) -> str:
    kind, given = error.param.type if error.param is not None else None, _GIVEN.match(error.message)
    close = closest(given[1], [str(one) for one in kind.choices]) if given and isinstance(kind, click.Choice) else None
    return f"did you mean '{close}'?" if close is not None else ""


def _hint_of_option(name: str, context: click.Context | None) -> str:
    params = context.command.params if context is not None else []
    close = closest(name, [option for param in params for option in param.opts if option.startswith("--")])
    hints = [f"did you mean '{close}'?"] if close is not None else []
    if name.startswith("--") and any("-p" in param.opts for param in params):
        hints.append(f"a param is given by -p {name.removeprefix('--')}=...")
    return " ".join(hints)
