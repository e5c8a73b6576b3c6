"""Where things stand in a pipeline file, and the problems found there.

Here: positions by path, the collector that every layer of this room adds to.
Not here: how problems print (`ui.errors`). Imports `model.errors`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from flowbutton.model.errors import Problem, SpecError

_PLAIN = re.compile(r"[\w-]+|<<")

Path = tuple[str | int, ...]
"""Where in the YAML: ``("stages", "align", "with", "preset")``; list elements by their number from 0."""


class Position(NamedTuple):
    """A place in a text file, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Positions:
    """Where each key and each value of a file stands. ``file`` is its name as it is shown."""

    file: str
    keys: Mapping[Path, Position]
    values: Mapping[Path, Position]

    def of_key(self, path: Path) -> Position:
        """Return where the key at ``path`` stands (of a list's element: the element)."""
        return self.keys.get(path) or self.of_value(path)

    def of_value(self, path: Path) -> Position:
        """Return where the value at ``path`` stands, or the nearest thing around it that the file has."""
        for length in range(len(path), -1, -1):
            found = self.values.get(path[:length])
            if found is not None:
                return found
        return Position(1, 1)

    def without(self, names: Iterable[str]) -> Positions:
        """Return these positions as if the file had no keys ``names`` at its top."""
        left = {path: place for path, place in self.keys.items() if path[0] not in {*names}}
        return Positions(self.file, left, self.values)


class Problems:
    """Collects problems of one file, so that all of them are told at once."""

    def __init__(self, positions: Positions) -> None:
        self.positions = positions
        self._found: list[Problem] = []
        self._touched: set[Path] = set()

    def __len__(self) -> int:
        return len(self._found)

    def copy(self) -> Problems:
        """Return a collector that goes on from here."""
        made = Problems(self.positions)
        made._found, made._touched = [*self._found], {*self._touched}
        return made

    def touched(self, path: Path) -> bool:
        """Return whether something at ``path`` or inside it is wrong: what follows of that is not told again."""
        return path in self._touched

    def add(self, path: Path, what: str, *, why: str = "", hint: str = "", key: bool = False) -> None:
        """Add a problem at the value of ``path``, or at its ``key``."""
        self.add_at(self.positions.of_key(path) if key else self.positions.of_value(path), path, what, why, hint)

    def add_at(self, position: Position, path: Path, what: str, why: str, hint: str) -> None:
        """Add a problem at a position that is not that of a path: a second key of the same name, say."""
        self._touched |= {path[:length] for length in range(1, len(path) + 1)}
        at = {"at": show_path(path)} if path else {}
        file, line, column = self.positions.file, position.line, position.column
        self._found.append(Problem(what, why=why, hint=hint, file=file, line=line, column=column, **at))

    def add_outside(self, about: Path, what: str, *, hint: str = "", **where: str | int) -> None:
        """Add a problem about ``about`` that is not in the file: a value on the command line, say."""
        self._touched.add(about)
        self._found.append(Problem(what, why="", hint=hint, **where))

    def sorted(self) -> tuple[Problem, ...]:
        """Return the problems by line and column: of no file, then of another file, then of this one."""
        ranks: dict[object, int] = {None: 0, self.positions.file: 2}
        return tuple(
            sorted(
                self._found,
                key=lambda found: (
                    ranks.get(found.where.get("file"), 1),
                    _number(found, "line"),
                    _number(found, "column"),
                ),
            )
        )

    def raise_if_any(self, kind: str = "pipeline") -> None:
        """Raise one `SpecError` with all problems of the file of a ``kind``, if there is one."""
        if self._found:
            raise SpecError(self.sorted(), kind)


def _number(problem: Problem, name: str) -> int:
    return int(problem.where.get(name, 0))


def show_path(path: Path) -> str:
    """Write a path as people do: ``stages.align.with.preset``, ``outputs."a.vcf"[1]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            shown = part if _PLAIN.fullmatch(part) else f'"{part}"'
            text += f".{shown}" if text else shown
    return text


def show_value(value: object) -> str:
    """Write a value as a pipeline file would, as far as a line allows."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}'" if isinstance(value, str) else str(value)
