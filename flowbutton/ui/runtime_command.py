"""``flowbutton runtime``: what a Lithops runtime is made of. Imports click, `flowbutton.executors`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flowbutton.model.errors import OptionError
from flowbutton.ui.words import shown_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_EXTRAS = "genomics,metabolomics,geospatial,s3,redis,web"


@click.group("runtime")
def runtime_command() -> None:
    """Make a Lithops runtime that matches this installation."""


def _asked(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options that say which runtime."""
    for option in (
        click.option(
            "--wheel", type=click.Path(path_type=Path), metavar="FILE", help="A wheel of flowbutton to install."
        ),
        click.option("--extras", default=_EXTRAS, show_default=True, metavar="A,B", help="The extras to install."),
        click.option("--backend", metavar="NAME", help="A Lithops backend.  [default: the configured one]"),
    ):
        command = option(command)
    return command


@runtime_command.command("show")
@_asked
def show(backend: str | None, extras: str, wheel: Path | None) -> int:
    """Print the files of the runtime."""
    _, files = _files(backend, extras, wheel)
    for name, text in files.items():
        click.echo(f"# {name}\n{text}")
    return 0


@runtime_command.command("build")
@_asked
@click.option("--folder", type=click.Path(path_type=Path), default=Path("runtime"), show_default=True, metavar="DIR")
def build(backend: str | None, extras: str, wheel: Path | None, folder: Path) -> int:
    """Write these files, and say how to build the runtime."""
    from flowbutton.executors.lithops_runtime import build_command

    chosen, files = _files(backend, extras, wheel)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text)
        if wheel:
            shutil.copy(wheel, folder)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise OptionError("a file can't be written", why=why, hint="give another --folder", file=str(folder)) from error
    click.echo(f"wrote {', '.join(files)} in {shown_path(folder)}")
    click.echo(f"now:\n  cd {shown_path(folder)}\n  {build_command(chosen, files)}")
    click.echo("NAME is the image's; then set it as runtime of the backend in the Lithops configuration.")
    return 0


def _files(backend: str | None, extras: str, wheel: Path | None) -> tuple[str, Mapping[str, str]]:
    from flowbutton.executors.lithops_backend import configured_backend
    from flowbutton.executors.lithops_runtime import runtime_files

    if wheel is not None and not wheel.is_file():
        raise OptionError("there is no such wheel", why="", hint="make it with: pip wheel --no-deps .", file=str(wheel))
    chosen = backend or configured_backend()
    wanted = [extra.strip() for extra in extras.split(",") if extra.strip()]
    return chosen, runtime_files(chosen, wanted, wheel.name if wheel else None)
