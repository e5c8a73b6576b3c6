"""Bundles on disk: what was added comes back by key, equal adds give equal bytes, damage is told."""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowbutton.model.bundle import BundleKey, Interval, KeySchema
from flowbutton.model.errors import CorruptObject
from flowbutton.stages.bundles import Bundle, Footer, MemoryParts
from flowbutton.stores.objects import blocks_of

SCHEMA = KeySchema(("sample", "start"), 4)
keys = st.tuples(st.text(max_size=3), st.integers(0, 2**40).map(lambda n: n * 4))
adds = st.lists(st.tuples(keys, st.binary(max_size=30)), max_size=15)


def written(parts: list[tuple[BundleKey, bytes]]) -> bytes:
    with TemporaryDirectory() as folder:
        made = Bundle(Path(folder) / "bundle", SCHEMA)
        for key, data in parts:
            made.add(key, data)
        place = made.close()
        assert made.close() == place, "closing twice changes nothing"
        assert made.blocks == blocks_of(place)
        return place.read_bytes()


@given(parts=adds)
def test_parts_come_back_by_key_and_in_their_order(parts: list[tuple[BundleKey, bytes]]) -> None:
    content = written(parts)
    footer = Footer.read(len(content), lambda start, stop: content[start:stop])
    assert footer.schema == SCHEMA
    found = [(row.key, content[row.offset : row.offset + row.length]) for row in footer.rows]
    assert found == sorted(parts, key=lambda part: part[0])
    assert all(row.digest == hashlib.sha256(data).digest() for row, (_, data) in zip(footer.rows, found, strict=True))


@given(parts=adds)
def test_equal_adds_give_equal_bytes(parts: list[tuple[BundleKey, bytes]]) -> None:
    assert written(parts) == written(parts)


@given(parts=st.lists(adds, max_size=3))
def test_parts_in_memory_are_joined_by_key_in_the_order_of_the_bundles(
    parts: list[list[tuple[BundleKey, bytes]]],
) -> None:
    with TemporaryDirectory() as folder:
        places = []
        for number, one in enumerate(parts):
            places.append(Path(folder) / str(number))
            places[-1].write_bytes(written(one))
        found = list(MemoryParts(places))
        everything = [(key, data) for one in parts for key, data in one]
        assert found == [
            (key, [data for other, data in everything if other == key]) for key in sorted(dict(everything))
        ]
        some = MemoryParts(places, [Interval({}, 8, 12)])
        assert list(some.keys()) == [key for key, _ in found if key[1] == 8]


@pytest.mark.parametrize("content", [b"", b"x" * 10, b"x" * 100, written([])[:-1], written([])[1:-8] + b"FBUNDLE2"])
def test_what_is_no_bundle_is_told(content: bytes) -> None:
    with pytest.raises(CorruptObject, match="not a bundle"):
        Footer.read(len(content), lambda start, stop: content[start:stop])


def test_a_key_has_a_value_for_each_column(tmp_path: Path) -> None:
    made = Bundle(tmp_path / "bundle", SCHEMA)
    with pytest.raises(ValueError, match="does not fit the columns"):
        made.add(("a",), b"")
    made.close()


@pytest.mark.parametrize(("columns", "width"), [((), 0), (("a", "a"), 0), (("a",), -1)])
def test_a_schema_is_checked_at_birth(columns: tuple[str, ...], width: int) -> None:
    with pytest.raises(ValueError, match="distinct columns"):
        KeySchema(columns, width)
