"""The stages of the domain newname: they take the pieces of the partitioner newname."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from flowbutton import gather_stage, map_stage, reduces
from newname.partitioner import NewNameReader


class Count(BaseModel):
    """How many lines and bytes there are, without the ends of lines."""

    lines: int
    bytes: int


@map_stage("newname.count", ledger=reduces("piece"))
def count(piece: NewNameReader) -> Count:
    """Count the lines of a piece.

    Args:
        piece: Some lines.
    """
    lengths = [len(line) for line in piece]
    return Count(lines=len(lengths), bytes=sum(lengths))


@gather_stage("newname.add")
def add(parts: Sequence[Count]) -> Count:
    """Add counts up; the order of additions does not matter, so it may gather in a tree.

    Args:
        parts: Counts by `newname.count`, or by this stage.
    """
    return Count(lines=sum(part.lines for part in parts), bytes=sum(part.bytes for part in parts))
