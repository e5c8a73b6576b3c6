"""Stages that count words, for pipelines with mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from logging import Logger
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel

from flowbutton.model.bundle import Parts
from flowbutton.model.stage import Items
from flowbutton.partitioners.whole import WholeFile
from flowbutton.stages.define import gather_stage, map_stage


class Words(BaseModel):
    """How many words there are."""

    count: int


class Page(BaseModel):
    """A page of a text."""

    lines: tuple[int, int]


class Counted(NamedTuple):
    """Two results."""

    words: Words
    table: Path


@map_stage("words.count")
def count(file: WholeFile, *, unit: Literal["words", "lines"] = "words", least: int = 0) -> Words:
    """Count words or lines of a text."""
    text = file.read().decode()
    found = len(text.split() if unit == "words" else text.splitlines())
    return Words(count=max(found, least))


@map_stage("words.both")
def both(file: WholeFile) -> Counted:
    """Count, and write a table."""
    raise AssertionError(file)


@gather_stage("words.add")
def add(parts: Sequence[Words]) -> Words:
    """Add counts."""
    return Words(count=sum(part.count for part in parts))


@map_stage("words.report")
def report(total: Words, *, title: str) -> str:
    """Write a report."""
    return f"{title}: {total.count}"


@map_stage("words.pages")
def pages(total: Words, *, length: int = 50) -> Items[Page]:
    """Cut into pages."""
    return Items(tuple(({"page": n}, Page(lines=(n, n + length))) for n in range(total.count)))


@gather_stage("words.show")
def show(page: Page, words: Parts) -> str:
    """Show a page."""
    raise AssertionError(page, words)


def untyped(file, unit):
    """A function without types."""


def logged(file: Path, *, unit: Logger) -> Words:
    unit.info("counting")
    return Words(count=len(file.read_text()))
