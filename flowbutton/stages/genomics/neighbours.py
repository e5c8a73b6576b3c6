"""Neighbouring reads of one name: minimap2 takes them for parts of one fragment, so no cut may come between them.

Inside a piece they show in the flags of the alignments. Each piece hands on the names at its two ends, and those of
pieces that follow each other are compared before anything is called.

Here: the names at the ends, the comparison, the error. Imports `flowbutton.model` and the reader of FASTQ.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from flowbutton.model.errors import BadInput
from flowbutton.partitioners.fastq import FastqReads

_NUMBER_OF_MATE = re.compile(rb"(?<=.)/[0-9]$", re.DOTALL)  # minimap2, mm_qname_len: any digit
_LINES = 4


class ReadEnds(BaseModel):
    """The names of the first and last read of a piece, as minimap2 compares them; None where a piece has no reads.

    The other fields tell which pieces are read one after the other: those of one sample, one read group, and as many
    files.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample: str
    read_group: str
    files: int
    paired: bool
    first: str | None = None
    last: str | None = None

    @classmethod
    def of(cls, reads: FastqReads, fastq: Path) -> ReadEnds:
        """Return the ends of a piece, whose first file was written to ``fastq``, in whole records."""
        piece = cls(sample=reads.sample, read_group=reads.read_group, files=reads.files, paired=reads.paired)
        if not fastq.stat().st_size:
            return piece
        with fastq.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            begin = len(text)
            for _ in range(_LINES + 1):
                begin = text.rfind(b"\n", 0, begin)
            first, last = (_name(text[at : text.find(b"\n", at)]) for at in (0, begin + 1))
        return piece.model_copy(update={"first": first, "last": last})

    def continues(self, before: ReadEnds) -> bool:
        """Return whether the aligner reads this piece right after ``before``, a piece of the same sample."""
        return (self.read_group, self.files) == (before.read_group, before.files)


def refuse_namesakes(ends: Sequence[ReadEnds]) -> None:
    """Refuse reads of which two neighbours have one name and were cut apart.

    Args:
        ends: Of all pieces, in the order of the reads.

    Raises:
        BadInput: the last read of a piece and the first one of the next have the same name.
    """
    before: dict[str, ReadEnds] = {}
    for piece in ends:
        if piece.first is None:
            continue
        last = before.get(piece.sample)
        if last is not None and piece.continues(last) and piece.first == last.last:
            raise namesakes(piece.sample, paired=piece.paired, read=piece.first)
        before[piece.sample] = piece


def namesakes(sample: str, *, paired: bool, **where: str) -> BadInput:
    """Return the error that neighbours have the same name."""
    return BadInput(
        f"neighbouring {'pairs' if paired else 'single reads'} have the same name",
        why="minimap2 takes neighbours of one name for parts of one fragment, so a cut between them would show",
        hint="name each differently; if single reads are pairs in turn, say 'interleaved: yes' in the sample sheet",
        sample=sample,
        **where,
    )


def _name(header: bytes) -> str:
    name = (header.split(None, 1) or [b""])[0][1:]
    return _NUMBER_OF_MATE.sub(b"", name).decode("ascii", "backslashreplace")
