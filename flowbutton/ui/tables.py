"""Tables of runs, as wide as they need where that is no terminal, with fewer columns where a terminal is narrow.

Imports rich where tables are made: a run that finds nothing to do makes none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_WIDTH_OF_FILES = 400
_BETWEEN = 2


def plain_console() -> Console:
    """Return where tables go."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH_OF_FILES
    return console


def print_table(
    console: Console, rows: Sequence[Mapping[str, str]], *, first_to_go: Sequence[str], wraps: str = ""
) -> None:
    """Print rows that have the same columns: the first one and the one that wraps to the left, the others to the right.

    Args:
        console: Where to; its width decides which columns are left out.
        rows: At least one; the texts by the names of their columns.
        first_to_go: The columns that a narrow terminal does not get, beginning with the least needed.
        wraps: The column that may have several lines.
    """
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    names = _fitting(rows, console.width, first_to_go, wraps)
    for place, name in enumerate(names):
        left = place == 0 or name == wraps
        table.add_column(name, justify="left" if left else "right", no_wrap=name != wraps)
    for row in rows:
        table.add_row(*(row[name] for name in names))
    console.print(table)


def _fitting(rows: Sequence[Mapping[str, str]], width: int, first_to_go: Sequence[str], wraps: str) -> list[str]:
    """Return the columns for which there is room; one that wraps needs that of its longest word."""
    texts = {name: [name, *(row[name] for row in rows)] for name in rows[0]}
    needs = {name: max(_needed(text, name == wraps) for text in texts[name]) for name in texts}
    names = [*needs]
    for name in first_to_go:
        if sum(needs[name] + _BETWEEN for name in names) <= width + _BETWEEN:
            break
        names.remove(name)
    return names


def _needed(text: str, wraps: bool) -> int:
    return max(map(len, text.split()), default=0) if wraps else len(text)
