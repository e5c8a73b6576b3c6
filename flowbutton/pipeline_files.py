"""Pipeline files: found by path or by the name of one that ships, read as text, and the modules beside them.

Not here: what a file says (`dag`). Imports `flowbutton.model`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

from flowbutton.model.errors import MissingInput, OptionError
from flowbutton.model.kinds import HEAD_BYTES, kind_of
from flowbutton.model.near import closest

_SUFFIXES = (".yaml", ".yml")


def find_pipeline(name: str) -> Path:
    """Return the file that ``name`` means: a path, or a pipeline that ships with flowbutton.

    Raises:
        MissingInput: there is neither; the hint names the likeliest.
    """
    path = Path(name)
    if path.is_file():
        return path
    shipped = {file.stem: file for file in sorted(_shipped_folder().glob("*.yaml"))}
    if name in shipped:
        return shipped[name]
    raise MissingInput(
        f"there is no pipeline '{name}'",
        why="it is a folder" if path.is_dir() else "",
        hint=_nearest(path, shipped),
        file=name,
    )


def read_text(path: Path, kind: str) -> str:
    """Return the text of a file that a user wrote; ``kind`` says what it is, for errors.

    Raises:
        MissingInput: it can't be read; the hint names the likeliest.
        OptionError: it is no text in UTF-8.
    """
    try:
        data = path.read_bytes()
    except PermissionError as error:
        raise MissingInput(
            f"the {kind} file can't be read", why="you may not", hint=f"run: chmod u+r {path}", file=str(path)
        ) from error
    except FileNotFoundError as error:
        raise MissingInput(f"there is no {kind} file '{path}'", why="", hint=_near(path), file=str(path)) from error
    except OSError as error:
        raise MissingInput(
            f"the {kind} file can't be read", why=str(error.strerror), hint="check the name", file=str(path)
        ) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _no_text(path, kind, data, error.start) from error


@contextmanager
def importable(pipeline: Path) -> Iterator[None]:
    """Let ``uses: module:function`` find modules beside a pipeline file, here and in workers, within this block."""
    path, before = [*sys.path], os.environ.get("PYTHONPATH")
    make_importable(pipeline)
    try:
        yield
    finally:
        sys.path[:] = path
        if before is None:
            os.environ.pop("PYTHONPATH", None)
        else:
            os.environ["PYTHONPATH"] = before


def make_importable(pipeline: Path) -> None:
    """Do what `importable` does, for the rest of the process."""
    folder = str(pipeline.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([folder, *([before] if before else [])])


def _shipped_folder() -> Path:
    """Return where the pipelines are that ship: in the wheel, or in the checkout of an editable install."""
    package = Path(__file__).parent
    inside = package / "pipelines"
    return inside if inside.is_dir() else package.parent / "pipelines"


def _near(path: Path) -> str:
    """Hint at the file beside ``path`` that was meant, if its stem is like it: endings alone make no likeness."""
    stems = {file.stem: file for file in sorted(path.parent.glob("*")) if file.is_file()}
    near = closest(path.stem, stems)
    return "check the name" if near is None else f"did you mean '{path.with_name(stems[near].name)}'?"


def _nearest(path: Path, shipped: Mapping[str, Path]) -> str:
    folder = path if path.is_dir() else path.parent
    files = [str(file) for file in sorted(folder.glob("*")) if file.suffix in _SUFFIXES]
    close = get_close_matches(str(path), [*files, *shipped], n=1)
    if close:
        return f"did you mean '{close[0]}'?"
    known = ", ".join(shipped)
    return f"give a pipeline file, or one that ships: {known}" + (f"; files there: {', '.join(files)}" if files else "")


def _no_text(path: Path, kind: str, data: bytes, byte: int) -> OptionError:
    found = kind_of(data[:HEAD_BYTES]) or ("not text" if b"\0" in data else "not in UTF-8")
    if found.startswith(("text", "not in")):
        before = data[:byte].decode("utf-8", errors="replace")
        place: dict[str, str | int] = {"line": before.count("\n") + 1, "column": len(before) - before.rfind("\n")}
        return OptionError(f"the {kind} file is {found}", why="", hint="save it as UTF-8", file=str(path), **place)
    return OptionError(
        f"the {kind} file is {found}", why="", hint=f"give the {kind} file, which is YAML", file=str(path)
    )
