"""The reader of a piece of FASTQ: text in blocks of whole, checked records.

Here: `FastqReads`. Not here: what a record must look like (`fastq_records`), how they are read (`fastq_blocks`), which
reads are left out where bad ones are tolerated (`fastq_aside`), where pieces come from (`fastq_layout`).
Imports `flowbutton.model`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from flowbutton.model.partitioner import Reader
from flowbutton.model.pieces import Piece, Scalar
from flowbutton.model.stage import Tally
from flowbutton.model.store import DataAccess
from flowbutton.partitioners.fastq_aside import BadUnit, find_bad, set_aside
from flowbutton.partitioners.fastq_blocks import Block, Part, blocks_of
from flowbutton.partitioners.fastq_mates import Mates, Mismatch
from flowbutton.partitioners.fastq_records import headers_of


class FastqReads(Reader):
    """Reads of one piece, of one file or of two files in step.

    Text comes as it is stored, line ends too; a last record without a newline gets one. Every record is checked before
    it is handed out, or was when its text was kept (`fastq_proof`); the names of pairs as soon as both mates have been
    read.

    Where bad reads are tolerated, all of the piece is looked through first, since a bad second read takes the first one
    with it.
    """

    def __init__(self, piece: Piece, data: DataAccess) -> None:
        body = cast(Mapping[str, Any], piece.body)
        self._key = dict(piece.key)
        self._data = data
        self._parts = [Part.of(value) for value in body["files"]]
        self._handed_out = [0] * len(self._parts)
        self._interleaved = body["paired"] and len(self._parts) == 1
        self._mates = Mates()
        self._tally: Tally | None = None
        self._bad: Mapping[int, BadUnit] | None = None
        self.sample: str = body["sample"]
        self.read_group: str = body["read_group"]
        self.paired: bool = body["paired"]

    @property
    def key(self) -> Mapping[str, Scalar]:
        """Sample, lane, ordinal."""
        return self._key

    @property
    def consumed(self) -> int:
        """Reads handed out or left out so far; a file that is read twice counts once."""
        return sum(self._handed_out)

    @property
    def left_out(self) -> int:
        """Reads that were left out, since they or their mates are bad."""
        return len(self._bad or ()) * (2 if self.paired else 1)

    @property
    def files(self) -> int:
        """1, or 2 for pairs in two files."""
        return len(self._parts)

    def tolerate(self, tally: Tally) -> None:
        """Leave bad reads out, with their mates."""
        self._tally = tally

    def text(self, file: int = 0) -> Iterator[bytes]:
        """Yield the text of file 0 or 1, in blocks of whole records (of whole pairs, when interleaved).

        Raises:
            MalformedRecord, TruncatedInput, UnpairedReads, ChangedInput: with file, record and byte.
            BadInput: more reads are bad than are tolerated.
        """
        bad = self._left_out()
        done = 0
        for block in self._blocks(file):
            if self._tally is None:
                self._check(file, block, are_new=done + block.count > self._handed_out[file])
            done += block.count
            self._handed_out[file] = max(self._handed_out[file], done)
            left_out = self._records_in(bad, done - block.count, block.count) if bad else []
            if len(left_out) < block.count:
                yield block.without(left_out) if left_out else block.text

    def write(self, folder: Path) -> tuple[Path, ...]:
        """Write the reads as plain text, a file for each of the source's; return the files' paths."""
        paths = tuple(folder / f"reads_{number}.fastq" for number in range(1, self.files + 1))
        for number, path in enumerate(paths):
            with path.open("wb") as target:
                for block in self.text(number):
                    target.write(block)
        return paths

    def as_files(self, folder: Path) -> Mapping[str, Path]:
        """Write the reads as plain text: one file, or ``r1`` and ``r2`` of pairs in two files."""
        paths = self.write(folder)
        return {"": paths[0]} if len(paths) == 1 else {"r1": paths[0], "r2": paths[1]}

    @property
    def _unit(self) -> int:
        """How many records of one file are never divided."""
        return 2 if self._interleaved else 1

    def _blocks(self, file: int) -> Iterator[Block]:
        return blocks_of(self._parts[file], self._data, unit=self._unit)

    def _left_out(self) -> Mapping[int, BadUnit]:
        """Return the bad units of the piece by number; look for them, and tell of them, when first asked."""
        if self._tally is None:
            return {}
        if self._bad is None:
            self._bad = find_bad(self._blocks, len(self._parts), unit=self._unit, mates=self._compare)
            set_aside(self._bad, self._blocks, len(self._parts), unit=self._unit, tally=self._tally)
        return self._bad

    def _records_in(self, bad: Mapping[int, BadUnit], first: int, count: int) -> list[int]:
        """Return which of ``count`` records, of which the first has the number ``first``, belong to bad units."""
        return [record for record in range(count) if (first + record) // self._unit in bad]

    def _check(self, file: int, block: Block, *, are_new: bool) -> None:
        """Raise the first fault of a block."""
        for record in block.bad():
            raise block.fault_of(record).error(block.place_of(record))
        for mismatch in self._compare(file, block) if are_new else ():
            part = self._parts[-1]
            raise mismatch.error(part.file, part.first + (mismatch.pair + 1) * self._unit - 1)

    def _compare(self, file: int, block: Block) -> list[Mismatch]:
        """Compare the names of a block's reads with those of their mates, as far as these have been read."""
        if not self.paired:
            return []
        ends = block.ends
        if not self._interleaved:
            return self._mates.add(file, headers_of(block.text, ends))
        self._mates.add(0, headers_of(block.text, ends, step=2))
        return self._mates.add(1, headers_of(block.text, ends, first=1, step=2))
