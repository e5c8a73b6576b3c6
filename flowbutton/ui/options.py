"""The options that `run`, `plan` and `validate` share, and the value that they make.

Imports click. What the values mean is in `ui.asking`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from flowbutton.stores.uris import default_store as default_store

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


class KeyValue(click.ParamType[tuple[str, str]]):
    """``name=value``."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Split at the first ``=``."""
        name, equals, text = value.partition("=")
        if not equals or not name:
            self.fail(f"'{value}' is not name=value", param, ctx)
        return name, text


def _once(
    ctx: click.Context, param: click.Parameter, given: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    """Refuse a param that is given twice: of two values one would be lost in silence."""
    names = [name for name, _ in given]
    for name in names:
        if names.count(name) > 1:
            raise click.BadParameter(f"'{name}' is given twice", ctx, param)
    return given


def what(command: CommandT) -> CommandT:
    """Add what says which pipeline with which params."""
    for decorate in (
        click.option("--profile", metavar="NAME", help="A profile of the pipeline file, or your own."),
        click.option(
            "--params-file", type=click.Path(path_type=Path), metavar="FILE", help="Params from YAML or JSON."
        ),
        click.option(
            "-p",
            "params",
            type=KeyValue(),
            multiple=True,
            callback=_once,
            metavar="NAME=VALUE",
            help="A param; may be repeated.",
        ),
        click.argument("pipeline"),
    ):
        command = decorate(command)
    return command


def where(command: CommandT) -> CommandT:
    """Add what says where and with what to run."""
    for decorate in (
        click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Tasks at once.  [default: CPUs]"),
        click.option(
            "--executor", metavar="NAME", help="serial, processes, lithops, or a plug-in's.  [default: processes]"
        ),
        click.option(
            "--results", metavar="DIR|URI", help="Where outputs go: a folder or s3://bucket/prefix.  [default: results]"
        ),
        click.option("--intermediates", metavar="URI", help="A Redis for small intermediate results: redis://host."),
        click.option("--store", metavar="URI", help="Where work is kept.  [default: .flowbutton beside the results]"),
    ):
        command = decorate(command)
    return command
