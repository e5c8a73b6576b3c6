"""The stages of `engine.py`, which do next to nothing: apart, so that workers need not import the engine for them."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from flowbutton.model.stage import Items
from flowbutton.stages.define import gather_stage, map_stage


class Number(BaseModel):
    """One item."""

    value: int


@map_stage("tiny.numbers")
def numbers(*, count: int) -> Items[Number]:
    """Return the items."""
    return Items(tuple(({"ordinal": n}, Number(value=n)) for n in range(count)))


@map_stage("tiny.double")
def double(number: Number) -> int:
    """Return twice the number."""
    return 2 * number.value


@map_stage("tiny.text")
def text(value: int) -> str:
    """Return 200 characters."""
    return f"{value:0200d}"


@gather_stage("tiny.total")
def total(parts: Sequence[str]) -> int:
    """Return the sum."""
    return sum(int(part) for part in parts)
