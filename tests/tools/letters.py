"""Stages that count letters of files: what the engine's tests run. Imported by workers from this folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from flowbutton.model.bundle import KeySchema, Parts
from flowbutton.model.composite import Composite, Stored
from flowbutton.model.stage import Items, Scratch, Tally, conserves, reduces
from flowbutton.partitioners.whole import WholeFile
from flowbutton.stages.bundles import Bundle
from flowbutton.stages.define import gather_stage, map_stage


class Count(BaseModel):
    """How often each letter stands in a text."""

    letters: dict[str, int]


class Range(BaseModel):
    """An interval of letter codes."""

    window: list[dict[str, int]]


@map_stage("letters.count", ledger=reduces("file"))
def count(file: WholeFile, *, ignore: str = "") -> Count:
    """Count letters."""
    text = file.read().decode()
    return Count(letters=dict(sorted(Counter(char for char in text if char not in ignore and char != "\n").items())))


@gather_stage("letters.add")
def add(parts: Sequence[Count]) -> Count:
    """Add counts; associative."""
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part.letters)
    return Count(letters=dict(sorted(total.items())))


@gather_stage("letters.join")
def join(parts: Sequence[Count]) -> str:
    """Join the letters of each part in the order of the files: shows order."""
    return "|".join("".join(part.letters) for part in parts)


@map_stage("letters.copy")
def copy(file: WholeFile) -> bytes:
    """Return a file's bytes."""
    return file.read()


@gather_stage("letters.assemble")
def assemble(parts: Sequence[Stored]) -> Composite:
    """Join files, none of which is read, each without its last byte."""
    return Composite([b"<", *(part.part(0, part.size - 1) for part in parts), b">"], ".txt")


@map_stage("letters.size")
def size(text: Path, again: Stored) -> int:
    """Return the size of a file, held against what lies in the store."""
    assert text.suffix == ".txt"
    assert text.read_bytes() == again.read(0, again.size)
    return text.stat().st_size


@map_stage("letters.bundle")
def bundle(file: WholeFile, scratch: Scratch, tally: Tally) -> Bundle:
    """Put each letter into a part keyed by its code, bins of 4."""
    made = Bundle(Path(scratch) / "letters.bundle", KeySchema(("start",), width=4))
    text = file.read().decode().replace("\n", "")
    for start in sorted({ord(char) // 4 * 4 for char in text}):
        made.add((start,), "".join(char for char in text if start <= ord(char) < start + 4).encode())
    tally.out(len(text))
    return made


@map_stage("letters.ranges")
def ranges(total: Count, *, size: int = 4) -> Items[Range]:
    """Return intervals of letter codes that cover what was counted; none if nothing was."""
    codes = [ord(letter) for letter in total.letters]
    starts = range(min(codes), max(codes) + 1, size) if codes else range(0)
    rows = tuple(({"start": start}, Range(window=[{"start": start, "stop": start + size}])) for start in starts)
    return Items(rows)


@gather_stage("letters.select")
def select(range_: Range, letters: Parts) -> str:
    """Return the letters of an interval, by key and then in the order of the files."""
    [window] = range_.window
    text = b"".join(part for _, parts in letters for part in parts).decode()
    return "".join(char for char in text if window["start"] <= ord(char) < window["stop"])


@gather_stage("letters.concat")
def concat(parts: Sequence[str], scratch: Scratch) -> Path:
    """Join texts into a file."""
    place = Path(scratch) / "all.txt"
    place.write_text("".join(parts))
    return place


@map_stage("letters.count_some", ledger=reduces("file"))
def count_some(file: WholeFile) -> Count:
    """Leave one file unread: a stage that loses records."""
    if file.key["ordinal"] != 0:
        file.read()
    return Count(letters={})


@map_stage("letters.keep_even", ledger=conserves("file"))
def keep_even(file: WholeFile, tally: Tally) -> str:
    """Set files of odd number aside."""
    text = file.read().decode()
    if int(text[3]) % 2:
        tally.set_aside("odd", f"file {file.key['file']}")
    else:
        tally.out(1)
    return text


@map_stage("letters.fail_unless")
def fail_unless(file: WholeFile, *, marker: str) -> Count:
    """Count, but kill this process unless the file ``marker`` exists; make it first."""
    place = Path(marker)
    if "x" in file.read().decode() and not place.exists():
        place.touch()
        os.kill(os.getpid(), 9)
    return Count(letters={"ok": 1})


@map_stage("letters.refuse")
def refuse(file: WholeFile) -> Count:
    """Raise for files that hold an x."""
    if "x" in file.read().decode():
        raise ValueError("an x")
    return Count(letters={})
