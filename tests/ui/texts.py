"""Stages that count words of files, wait for a gate, or refuse: copied beside the pipelines that these tests run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from flowbutton.model.stage import Tally, conserves, reduces
from flowbutton.partitioners.whole import WholeFile
from flowbutton.stages.define import gather_stage, map_stage


class Words(BaseModel):
    """How many words there are."""

    count: int


@map_stage("texts.count", ledger=reduces("file"))
def count(file: WholeFile) -> Words:
    """Count words; refuse texts that hold 'refuse'."""
    text = file.read().decode()
    if "refuse" in text:
        print("reading a bad text")
        raise ValueError("the text says refuse")
    return Words(count=len(text.split()))


@map_stage("texts.wait", ledger=conserves("file"))
def wait(file: WholeFile, after: Words, tally: Tally, *, gate: str) -> Words:
    """Count words when the file ``gate`` exists, and never before ``after`` does."""
    del after
    while not Path(gate).exists():
        time.sleep(0.01)
    tally.out(1)
    return Words(count=len(file.read().split()))


@gather_stage("texts.add")
def add(parts: Sequence[Words]) -> Words:
    """Add counts."""
    return Words(count=sum(part.count for part in parts))


@gather_stage("texts.add_few")
def add_few(parts: Sequence[Words]) -> Words:
    """Add counts of one part; refuse more."""
    print(f"adding {len(parts)} parts")
    if len(parts) > 1:
        raise ValueError(f"{len(parts)} are too many")
    return Words(count=parts[0].count)


@map_stage("texts.knock", ledger=reduces("file"))
def knock(file: WholeFile, *, word: str) -> Words:
    """Fail, and tell a word that is nobody's business."""
    raise PermissionError(f"{file.key['file']}: {word} is not the word")
