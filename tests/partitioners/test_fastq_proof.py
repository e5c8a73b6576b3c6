"""Text that is proven to be good when it is kept is good for a reader that looks at each record, and only then."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flowbutton.model.pieces import Piece, Source
from flowbutton.partitioners.fastq import Fastq
from flowbutton.partitioners.fastq_blocks import Block, Part, blocks_of
from flowbutton.partitioners.fastq_proof import Proof
from flowbutton.testing.packing import bgzip, gzip_members
from flowbutton.testing.partitioners import CutSource, MemoryAccess

GOOD = [b"@a\nAC\n+\nFF\n", b"@\n\n+\n\n", b"@b c\r\nACG\r\n+b\r\n@+F\r\n"]
BAD = [
    b"@a\nAC\n+\nF\n",
    b"a\nA\n+\nF\n",
    b"@a\nA\nF\nF\n",
    b"@a\nA \n+\nFF\n",
    b"@\0\nA\n+\nF\n",
    b"\n",
    b"@a\n",
    b"@a\nA\r\n+\nFF\n",
]


def is_good(text: bytes) -> bool:
    """Tell by lines whether all of a text is good records; a last newline may be missing."""
    lines = (text if text.endswith(b"\n") and text.count(b"\n") % 4 == 0 else text + b"\n").split(b"\n")
    if not text:
        return True
    rows = [[line.removesuffix(b"\r") for line in lines[at : at + 4]] for at in range(0, len(lines) - 1, 4)]
    return len(lines) % 4 == 1 and all(
        row[0][:1] == b"@"
        and row[2][:1] == b"+"
        and len(row[1]) == len(row[3])
        and all(33 <= letter <= 126 for letter in row[1] + row[3])
        and b"\0" not in row[0] + row[2]
        for row in rows
    )


@given(parts=st.lists(st.sampled_from(GOOD * 4 + BAD), max_size=6), cut=st.integers(0, 3), step=st.integers(1, 40))
@example(parts=[GOOD[0]], cut=1, step=40)  # the last newline is missing
@example(parts=[GOOD[0], b"\n"], cut=0, step=40)  # an empty line behind the last record
@example(parts=[GOOD[1]], cut=1, step=40)
def test_a_proof_holds_for_good_records_only(parts: list[bytes], cut: int, step: int) -> None:
    text = b"".join(parts)
    text = text[: len(text) - cut]
    proof, view = Proof(), memoryview(text)
    for at in range(0, len(text), step):
        proof.feed(view[at : at + step])
    assert proof.holds() == is_good(text)


@pytest.mark.parametrize("coding", ["gzip", "bgzf", "plain", "gzip behind bgzf"])
def test_only_kept_text_from_a_files_first_byte_on_is_proven(coding: str, tmp_path: Path) -> None:
    text = b"".join(b"@r%d\nACGT\n+\nFFFF\n" % number for number in range(50))
    packed = {
        "gzip": gzip_members(text[:300], text[300:]),
        "bgzf": bgzip(text, block=90),
        "plain": text,
        "gzip behind bgzf": bgzip(text[:160], block=90)[:-28] + gzip_members(text[160:]),
    }[coding]
    blocks = _blocks(packed, tmp_path)
    assert {block.is_proven for block in blocks} == {coding == "gzip"}
    assert b"".join(block.text for block in blocks) == text


@pytest.mark.parametrize("bad", BAD[:5], ids=repr)
def test_bad_records_of_kept_text_are_found_by_the_reader(bad: bytes, tmp_path: Path) -> None:
    good = b"".join(b"@r%d\nACGT\n+\nFFFF\n" % number for number in range(50))
    blocks = _blocks(gzip_members(good + bad + good), tmp_path)
    assert [block.place.record + record for block in blocks for record in block.bad()] == [51]


def _blocks(packed: bytes, folder: Path) -> list[Block]:
    access = MemoryAccess(folder)
    access.objects["r.fq"] = packed
    fastq = Fastq(part_bytes=200, block_bytes=64, object_bytes=100)
    (layout,) = CutSource(fastq, Source("reads", "r.fq", {}), access).layouts
    return [block for piece in fastq.cut(layout, size=100) for block in blocks_of(_part(piece), access, unit=1)]


def _part(piece: Piece) -> Part:
    assert isinstance(piece.body, dict)
    (file,) = piece.body["files"]
    return Part.of(file)
