"""What is packed can be unpacked by zlib, and packing twice gives the same bytes."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowbutton.stages.packing import deflated, zlib_packed

pytest.importorskip("deflate", reason="needs the extra 'genomics'")


@given(data=st.one_of(st.binary(max_size=2000), st.text("ACGT", max_size=2000).map(str.encode)))
def test_zlib_unpacks_it(data: bytes) -> None:
    assert zlib.decompress(zlib_packed(data)) == data
    assert zlib.decompress(deflated(data), wbits=-15) == data
    assert (zlib_packed(bytes(bytearray(data))), deflated(bytes(bytearray(data)))) == (
        zlib_packed(data),
        deflated(data),
    )


def test_repeats_take_little_room() -> None:
    assert len(zlib_packed(b"ACGT" * 10_000)) < 400
