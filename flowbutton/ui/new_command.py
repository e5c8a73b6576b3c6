"""``flowbutton new``: a package with a stage or a partitioner, which works at once. Imports click, `flowbutton.model`.

The packages lie in `ui/templates` as they are written, under the name ``newname``.
"""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from flowbutton.model.errors import OptionError
from flowbutton.ui.words import shown_path

KINDS = ("stage", "partitioner")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@click.command("new")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
@click.option("--folder", type=click.Path(path_type=Path), metavar="DIR", help="Where to write it.  [default: NAME]")
def new_command(kind: str, name: str, folder: Path | None) -> int:
    """Write a package with a stage or partitioner to start from.

    It has a stage or a partitioner called NAME, a pipeline, and tests that pass.
    """
    _check_name(name)
    target = folder or Path(name)
    written = write_package(kind, name, target)
    click.echo(f"wrote {shown_path(target)}:")
    for path in written:
        click.echo(f"  {path.relative_to(target)}")
    click.echo(f"now:\n  cd {shown_path(target)}\n  pip install -e '.[test]'\n  pytest\n  flowbutton run {name}.yaml")
    return 0


def write_package(kind: str, name: str, target: Path) -> list[Path]:
    """Write the package of a kind under its name into a folder that is empty or not there; return the files.

    Raises:
        OptionError: the folder holds something, or can't be written.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        what = f"'{shown_path(target)}' exists, and nothing is overwritten"
        raise OptionError(what, why="", hint="give another --folder")
    written = []
    for path, text in _template(kind):
        place = target / named(path, name)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("x", encoding="utf-8") as file:
                file.write(named(text, name))
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise OptionError(
                "a file can't be written", why=why, hint="give another --folder", file=str(place)
            ) from error
        written.append(place)
    return written


def named(text: str, name: str) -> str:
    """Put a name where a template has its own: ``sea_ice``, and so ``SeaIce`` and ``sea-ice``."""
    camel = "".join(part.capitalize() for part in name.split("_"))
    return text.replace("newname", name).replace("NewName", camel).replace("new-name", name.replace("_", "-"))


def _template(kind: str) -> Iterator[tuple[str, str]]:
    """Yield the files of a kind of package, sorted: path, and text."""
    folder = Path(__file__).with_name("templates") / kind
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(folder).as_posix(), path.read_text(encoding="utf-8")


def _check_name(name: str) -> None:
    """Refuse a name that is no module's, or that of something that is there already."""
    from importlib.metadata import packages_distributions

    from flowbutton.model.registry import registered

    if not _NAME.fullmatch(name):
        better = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_0123456789")
        hint = f"small letters, digits and _, a letter first{f': {better}' if better else ''}"
        raise OptionError(f"'{name}' is not a valid name for a module", why="", hint=hint)
    for taken, why in (
        ({"tests", "data", *keyword.kwlist, *sys.stdlib_module_names}, "Python or the package itself uses it"),
        ({*registered("stages"), *registered("partitioners")}, "stages or a partitioner are called so"),
        (packages_distributions(), "an installed package has a module called so"),
    ):
        if name in taken:
            raise OptionError(f"the name '{name}' is taken", why=why, hint="choose another")
