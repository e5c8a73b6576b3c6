"""Where things stand in a pipeline file, and the problems found there.

Here: positions by path, the collector that every layer of this room adds to.
Not here: how problems print (`ui.errors`). Imports `model.errors`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from flowbutton.model.errors import Problem, SpecError

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


class Problems:
    """Collects problems of one file, so that all of them are told at once."""

    def __init__(self, positions: Positions) -> None:
        self.positions = positions
        self._found: list[Problem] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(self, path: Path, what: str, *, why: str = "", hint: str = "", key: bool = False) -> None:
        """Add a problem at the value of ``path``, or at its ``key``."""
        self.add_at(self.positions.of_key(path) if key else self.positions.of_value(path), path, what, why, hint)

    def add_at(self, position: Position, path: Path, what: str, why: str, hint: str) -> None:
        """Add a problem at a position that is not that of a path: a second key of the same name, say."""
        at = {"at": show_path(path)} if path else {}
        file, line, column = self.positions.file, position.line, position.column
        self._found.append(Problem(what, why=why, hint=hint, file=file, line=line, column=column, **at))

    def add_outside(self, what: str, *, why: str = "", hint: str = "", **where: str | int) -> None:
        """Add a problem of something that is not in the file: a value on the command line, say."""
        self._found.append(Problem(what, why=why, hint=hint, **where))

    def sorted(self) -> tuple[Problem, ...]:
        """Return the problems by line and column; those that are not in the file come first."""
        return tuple(sorted(self._found, key=lambda found: (_number(found, "line"), _number(found, "column"))))

    def raise_if_any(self) -> None:
        """Raise one `SpecError` with all problems, if there is one."""
        if self._found:
            raise SpecError(self.sorted())


def _number(problem: Problem, name: str) -> int:
    return int(problem.where.get(name, 0))


def show_path(path: Path) -> str:
    """Write a path as people do: ``stages.align.with.preset``, ``outputs.vcf[1]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
