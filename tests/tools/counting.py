"""Stages that count records rightly or wrongly, as an option says: what the tests of the ledger run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel

from flowbutton.model.stage import Tally, conserves, expands, reduces
from flowbutton.partitioners.whole import WholeFile
from flowbutton.stages.define import gather_stage, map_stage

How = Literal["rightly", "lose", "invent", "skip", "twice", "filter", "aside", "warn"]


class Lines(BaseModel):
    """Lines of a text."""

    lines: list[str]


@map_stage("counting.split", ledger=expands("file"))
def split(file: WholeFile, tally: Tally) -> Lines:
    """Split a file into lines: more come out than went in."""
    lines = file.read().decode().splitlines()
    tally.out(len(lines))
    return Lines(lines=lines)


@map_stage("counting.upper", ledger=conserves("lines"))
def upper(lines: Lines, tally: Tally, *, how: How = "rightly") -> Lines:
    """Write lines in capitals; ``how`` says what goes wrong with the first one of each task."""
    kept = [line.upper() for line in lines.lines]
    tally.consumed("lines", len(kept) - (how == "skip") + (how == "twice") * len(kept))
    if how in ("filter", "aside"):
        first = kept.pop(0)
        if how == "filter":
            tally.filtered("short", 1)
        else:
            tally.set_aside("odd", first)
    if how == "warn":
        tally.warn("capitals may look loud")
    tally.out(len(kept) + {"lose": -1, "invent": 1}.get(how, 0))
    return Lines(lines=kept)


@gather_stage("counting.unique", ledger=conserves("parts"))
def unique(parts: Sequence[Lines], tally: Tally) -> Lines:
    """Join lines and leave out those that were there before, which is associative."""
    lines = [line for part in parts for line in part.lines]
    kept = list(dict.fromkeys(lines))
    tally.consumed("parts", len(lines))
    tally.filtered("seen before", len(lines) - len(kept))
    tally.out(len(kept))
    return Lines(lines=kept)


@map_stage("counting.pair", ledger=reduces("left"))
def pair(left: WholeFile, right: WholeFile) -> str:
    """Join two files."""
    return left.read().decode().strip() + "+" + right.read().decode().strip()


@map_stage("counting.beside", ledger=reduces("shared"))
def beside(file: WholeFile, shared: WholeFile) -> str:
    """Join a file with one that all tasks share."""
    return file.read().decode().strip() + "&" + shared.read().decode().strip()


@gather_stage("counting.texts")
def texts(parts: Sequence[str]) -> str:
    """Join texts in order."""
    return ";".join(parts)
