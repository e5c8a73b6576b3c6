"""BGZF blocks are found from any byte, walked over by ranges, and inflated as the standard library does."""

from __future__ import annotations

import gzip
import random
from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowbutton.model.errors import BadInput, TruncatedInput
from flowbutton.partitioners import bgzf
from flowbutton.testing.packing import bgzip, gzip_members


def reader(data: bytes) -> bgzf.Read:
    return lambda start, stop: data[start:stop]


@given(text=st.binary(max_size=3000), block=st.integers(1, 700))
def test_blocks_follow_each_other_and_hold_the_text(text: bytes, block: int) -> None:
    packed = bgzip(text, block=block)
    blocks = list(bgzf.walk(reader(packed), 0, len(packed)))
    assert b"".join(stored for _, stored in blocks) == packed
    assert [start for start, _ in blocks] == [
        sum(len(stored) for _, stored in blocks[:number]) for number in range(len(blocks))
    ]
    assert b"".join(bgzf.inflate(stored, file="x", byte=start) for start, stored in blocks) == text
    assert sum(bgzf.text_size(stored) for _, stored in blocks) == len(text)
    assert blocks[-1][1] == bgzf.EOF_BLOCK


@given(start=st.integers(0, 2500), length=st.integers(0, 400))
def test_a_block_belongs_to_the_range_in_which_it_begins(start: int, length: int) -> None:
    packed = bgzip(random.Random(5).randbytes(2000), block=70)
    starts = [at for at, _ in bgzf.walk(reader(packed), 0, len(packed))]
    first = bisect_left(starts, start)
    wanted = starts[first] if first < len(starts) and starts[first] < start + length else None
    assert bgzf.find_block(reader(packed), start, min(start + length, len(packed)), len(packed)) == wanted


def test_a_header_inside_compressed_data_is_not_a_block() -> None:
    # Level 0 stores bytes as they are: a whole block stands inside a gzip member.
    outer = gzip.compress(bgzip(b"inner", end=False), compresslevel=0)
    packed = outer + bgzip(b"text" * 9, block=3)
    assert bgzf.find_block(reader(packed), 0, len(packed), len(packed)) == len(outer)


def test_a_block_across_the_border_of_two_reads_is_found() -> None:
    data = bytes(bgzf.STEP - 2) + bgzip(b"text", block=1)
    assert bgzf.find_block(reader(data), 0, len(data), len(data)) == bgzf.STEP - 2


def test_other_bytes_are_no_block() -> None:
    for data in (b"", b"\x1f\x8b", gzip_members(b"text"), b"text" * 20, bgzip(b"text")[:17]):
        assert bgzf.block_size(data) is None
        assert list(bgzf.walk(reader(data), 0, len(data))) == []


def test_fields_of_others_in_the_header_are_passed_over() -> None:
    packed = gzip.compress(b"text")
    extra = b"XY\x03\x00abcBC\x02\x00"
    size = len(packed) + 2 + len(extra) + 2
    block = packed[:3] + b"\x04" + packed[4:10] + (len(extra) + 2).to_bytes(2, "little")
    block += extra + (size - 1).to_bytes(2, "little") + packed[10:]
    assert bgzf.block_size(block) == size == len(block)
    assert bgzf.inflate(block, file="x", byte=0) == b"text"


def test_damage_is_found() -> None:
    block = bgzip(b"text" * 50, end=False)
    with pytest.raises(TruncatedInput):
        bgzf.inflate(block[:-1], file="x", byte=7)
    for place in (25, -1, -6):
        damaged = bytearray(block)
        damaged[place] ^= 64
        with pytest.raises(BadInput) as caught:
            bgzf.inflate(bytes(damaged), file="x", byte=7)
        assert caught.value.where == {"file": "x", "byte": 7}
