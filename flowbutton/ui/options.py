"""The options that `run`, `plan`, `validate` and `dag` share, and the value that they make; `-p` is `verify`'s too.

Imports click. What the values mean is in `ui.asking`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says; None where it says nothing."""

    pipeline: str
    params: Mapping[str, str]
    params_file: Path | None
    profile: str | None
    store: str | None = None
    intermediates: str | None = None
    results: str | None = None
    executor: str | None = None
    workers: int | None = None


_ASKED = frozenset(field.name for field in fields(Asked))


class KeyValue(click.ParamType[tuple[str, str]]):
    """``name=value``."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Split at the first ``=``."""
        name, equals, text = value.partition("=")
        if not equals or not name:
            self.fail(f"'{value}' is not name=value", param, ctx)
        return name, text


def once(ctx: click.Context, param: click.Parameter, given: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """Return ``name=value`` pairs by name; refuse a name that is there twice, as one value would be lost in silence."""
    names = [name for name, _ in given]
    for name in names:
        if names.count(name) > 1:
            raise click.BadParameter(f"'{name}' is given twice", ctx, param)
    return dict(given)


def params_option(help_text: str) -> Callable[[Any], Any]:
    """Return the option ``-p NAME=VALUE``; a name that is given twice is refused."""
    return click.option(
        "-p", "params", type=KeyValue(), multiple=True, callback=once, metavar="NAME=VALUE", help=help_text
    )


def what(command: Callable[..., int]) -> Callable[..., int]:
    """Add what says which pipeline with which params; the command gets all that is asked as ``asked``."""

    @wraps(command)
    def gathered(**given: Any) -> int:
        said = {name: given.pop(name) for name in _ASKED & given.keys()}
        return command(asked=Asked(**said), **given)

    for decorate in (
        click.option("--profile", metavar="NAME", help="A profile from the pipeline file or your configuration."),
        click.option(
            "--params-file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Read params from a YAML or JSON file.",
        ),
        params_option("Set a param; may be repeated."),
        click.argument("pipeline"),
    ):
        gathered = decorate(gathered)
    return gathered


def where(command: CommandT) -> CommandT:
    """Add what says where and with what to run, to a command that has `what` too."""
    for decorate in (
        click.option(
            "--workers",
            type=click.IntRange(min=1),
            metavar="N",
            help="How many tasks run at once.  [default: the CPUs]",
        ),
        click.option(
            "--executor",
            metavar="NAME",
            help="serial, processes, lithops, or one from a plug-in.  [default: processes]",
        ),
        click.option(
            "--results", metavar="DIR|URI", help="Where outputs go: a folder or s3://bucket/prefix.  [default: results]"
        ),
        click.option(
            "--intermediates", metavar="URI", help="A Redis server for small intermediate results: redis://host."
        ),
        click.option("--store", metavar="URI", help="Where work is kept.  [default: .flowbutton beside the results]"),
    ):
        command = decorate(command)
    return command
