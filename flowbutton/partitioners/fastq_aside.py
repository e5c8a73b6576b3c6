"""Which reads of a piece are left out where bad ones are tolerated, and what is told of them.

What is left out is a unit: a read, or a pair, which goes even if one of its reads is good. Whether it goes depends on
its own text only, so the cut does not show.

Here: finding bad units, telling a tally of them. Not here: what is bad (`fastq_records`, `fastq_mates`), the limit
(`model.stage.Tally`, the engine's ledger). Imports `flowbutton.model`, `fastq_blocks`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from flowbutton.model.canonical import Json
from flowbutton.model.stage import Tally
from flowbutton.partitioners.fastq_blocks import Block
from flowbutton.partitioners.fastq_mates import Mismatch

ANOTHER_NAME = "with a name other than its mate's"
MATES = "mates of bad reads"

Blocks = Callable[[int], Iterator[Block]]
"""The blocks of one of the piece's files."""


@dataclass(frozen=True, slots=True)
class BadUnit:
    """Why a unit is bad, and which of its reads is, from 0."""

    reason: str
    mate: int


def find_bad(
    blocks: Blocks, files: int, *, unit: int, mates: Callable[[int, Block], list[Mismatch]]
) -> dict[int, BadUnit]:
    """Return the bad units of a piece, by their number from 0.

    Args:
        blocks: The blocks of each file, which are read once.
        files: How many files there are.
        unit: Records of one file in a unit.
        mates: Compares the names of a block's reads with those of their mates.

    Raises:
        MalformedRecord: what should be a record is none, so that the next one may begin anywhere.
    """
    found: dict[int, BadUnit] = {}
    for file in range(files):
        done = 0
        for block in blocks(file):
            for record in block.bad():
                fault = block.fault_of(record)
                if not fault.keeps_frame:
                    raise fault.error(block.place_of(record))
                number, mate = divmod(done + record, unit)
                found.setdefault(number, BadUnit(fault.reason, file + mate))
            for mismatch in mates(file, block):
                found.setdefault(mismatch.pair, BadUnit(ANOTHER_NAME, 1))
            done += block.count
    return dict(sorted(found.items()))


def set_aside(bad: Mapping[int, BadUnit], blocks: Blocks, files: int, *, unit: int, tally: Tally) -> None:
    """Tell a tally of bad units, each with its text and place; read them again for that.

    Raises:
        BadInput: they are more than are tolerated.
    """
    if not bad:
        return
    # One more than there may be is enough to end with an error.
    told = list(bad)[: None if tally.tolerated is None else tally.tolerated + 1]
    reads = _reads_of(set(told), blocks, files, unit=unit)
    for number in told:
        culprit = reads[number][bad[number].mate]
        record = f"{culprit['file']}, record {culprit['record']}, byte {culprit['byte']}"
        tally.filtered(MATES, len(reads[number]) - 1)
        tally.set_aside(bad[number].reason, record, reads=list(reads[number]))


def _reads_of(units: set[int], blocks: Blocks, files: int, *, unit: int) -> dict[int, list[dict[str, Json]]]:
    """Return file, record, byte and text of the reads of some units; each byte of text as the letter of its number."""
    found: dict[int, list[dict[str, Json]]] = defaultdict(list)
    for file in range(files):
        done = 0
        for block in blocks(file):
            for record in range(block.count):
                if (done + record) // unit in units:
                    place = block.place_of(record)
                    found[(done + record) // unit].append(
                        {
                            "file": place.file,
                            "record": place.record,
                            "byte": place.byte,
                            "text": block.text_of(record).decode("latin-1"),
                        }
                    )
            done += block.count
    return found
