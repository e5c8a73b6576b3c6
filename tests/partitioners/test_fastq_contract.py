"""Every coding of FASTQ holds the contract of partitioners; partitioners that lose or double reads do not."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flowbutton.model.partitioner import Partitioner, Reader
from flowbutton.model.pieces import Layout, Piece, Source
from flowbutton.partitioners.fastq import Fastq, FastqReads
from flowbutton.testing.packing import bgzip, gzip_members
from flowbutton.testing.partitioners import CutSource, MemoryAccess, PartitionerContract

SEQUENCES = [b"ACGT" * 8, b"", b"N", b"TTTTT" * 300, b"ACG" * 9] * 4


def record(number: int, sequence: bytes, mate: int) -> bytes:
    # The letters of qualities that look like the first ones of other lines.
    quality = (b"@" + b"+" * len(sequence))[: len(sequence)]
    return b"@read%d/%d a comment\n%s\n+\n%s\n" % (number, mate, sequence, quality)


def text_of(mate: int) -> bytes:
    return b"".join(record(number, sequence, mate) for number, sequence in enumerate(SEQUENCES))


def split(text: bytes) -> list[bytes]:
    """Return the records of a text, by the plainest means."""
    lines = text.splitlines(keepends=True)
    return [b"".join(lines[at : at + 4]) for at in range(0, len(lines), 4)]


class FastqContract(PartitionerContract):
    """Pairs in two files; the codings differ."""

    @abstractmethod
    def pack(self, text: bytes) -> bytes:
        """Return a text as it is stored."""

    def partitioner(self) -> Partitioner:
        return Fastq(part_bytes=700, block_bytes=400, object_bytes=900)

    def source(self, folder: Path) -> Source:
        for mate in (1, 2):
            (folder / f"s_R{mate}.fastq.gz").write_bytes(self.pack(text_of(mate)))
        return Source("reads", str(folder / "s_R*.fastq.gz"), {})

    def change(self, folder: Path) -> None:
        for mate in (1, 2):
            changed = text_of(mate)[:-2] + b"!\n"
            (folder / f"s_R{mate}.fastq.gz").write_bytes(self.pack(changed))

    def oracle(self, folder: Path) -> list[bytes]:  # noqa: ARG002 - the texts are known
        pairs = zip(split(text_of(1)), split(text_of(2)), strict=True)
        return [one + two for one, two in pairs]

    def read(self, reader: Reader) -> list[bytes]:
        assert isinstance(reader, FastqReads)
        files = [split(b"".join(reader.text(number))) for number in range(reader.files)]
        return [b"".join(mates) for mates in zip(*files, strict=True)]

    def options(self, size: int) -> Mapping[str, Any]:
        return {"size": size}


class TestPlain(FastqContract):
    def pack(self, text: bytes) -> bytes:
        return text


class TestGzip(FastqContract):
    def pack(self, text: bytes) -> bytes:
        return gzip_members(text)


class TestGzipMembers(FastqContract):
    def pack(self, text: bytes) -> bytes:
        half = len(text) // 2
        return gzip_members(text[:half], b"", text[half:])


class TestBgzf(FastqContract):
    def pack(self, text: bytes) -> bytes:
        return bgzip(text, block=333)


class TestBgzfThenGzipThenBgzf(FastqContract):
    def pack(self, text: bytes) -> bytes:
        third = len(text) // 3
        return (
            bgzip(text[:third], block=250) + gzip_members(text[third : 2 * third]) + bgzip(text[2 * third :], block=250)
        )


class DropsTheLastRead(Fastq):
    """Wrong: loses a record."""

    def cut(self, layout: Layout, *, size: int = 1, allow_missing_eof: bool = False) -> Sequence[Piece]:
        *most, last = super().cut(layout, size=size, allow_missing_eof=allow_missing_eof)
        return [*most, _altered(last, records=-1)]


class DoublesTheReadAtABorder(Fastq):
    """Wrong: the last piece begins a record early."""

    def cut(self, layout: Layout, *, size: int = 1, allow_missing_eof: bool = False) -> Sequence[Piece]:
        pieces = super().cut(layout, size=size, allow_missing_eof=allow_missing_eof)
        return [*pieces[:-1], _altered(pieces[-1], earlier=1)] if len(pieces) > 1 else pieces


class ReadsBeyondTheEnd(Fastq):
    """Wrong: asks for bytes that no object has."""

    def cut(self, layout: Layout, *, size: int = 1, allow_missing_eof: bool = False) -> Sequence[Piece]:
        pieces = super().cut(layout, size=size, allow_missing_eof=allow_missing_eof)
        return [_altered(piece, stop=1) for piece in pieces]


def _altered(piece: Piece, *, records: int = 0, earlier: int = 0, stop: int = 0) -> Piece:
    body: Any = piece.body
    files = [
        {
            **file,
            "records": file["records"] + records + earlier,
            "skip": file["skip"] - 4 * earlier,
            "extents": [[uri, start, end + stop, coding] for uri, start, end, coding in file["extents"]],
        }
        for file in body["files"]
    ]
    return replace(
        piece, body={**body, "files": files}, records=(piece.records or 0) + (records + earlier) * len(files)
    )


@pytest.mark.parametrize("wrong", [DropsTheLastRead, DoublesTheReadAtABorder, ReadsBeyondTheEnd])
def test_a_wrong_partitioner_fails_the_contract(wrong: type[Fastq], tmp_path: Path) -> None:
    suite = TestPlain()
    cut_source = CutSource(wrong(block_bytes=10_000_000), suite.source(tmp_path), MemoryAccess(tmp_path))

    def run() -> None:
        suite.test_each_record_comes_once_and_in_order(cut_source, tmp_path)
        suite.test_readers_stay_inside_their_objects(cut_source)

    with pytest.raises(AssertionError):
        run()
