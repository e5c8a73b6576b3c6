"""The stages of the domain newname: words are counted per file, and the counts added up."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from flowbutton import gather_stage, map_stage, reduces
from flowbutton.partitioners.whole import WholeFile


class Count(BaseModel):
    """How many words there are."""

    words: int


@map_stage("newname.count", ledger=reduces("file"))
def count(file: WholeFile, *, at_least: int = 1) -> Count:
    """Count the words of a file.

    Args:
        file: A text.
        at_least: Letters that a word needs to be counted.
    """
    return Count(words=sum(len(word) >= at_least for word in file.read().decode().split()))


@gather_stage("newname.add")
def add(parts: Sequence[Count]) -> Count:
    """Add counts up; the order of additions does not matter, so it may gather in a tree.

    Args:
        parts: Counts by `newname.count`, or by this stage.
    """
    return Count(words=sum(part.words for part in parts))
