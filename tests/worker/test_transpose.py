"""The transposed index: what a reducer gets through it is what plain reading of all bundles gives."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flowbutton.model.bundle import BundleKey, Interval, KeySchema
from flowbutton.model.errors import Bug, CorruptObject
from flowbutton.stages.bundles import Bundle, Footer, MemoryParts
from flowbutton.worker.transpose import StoredParts, TransposedHead, join_ranges, read_head, transpose

WIDTH = 8
SCHEMA = KeySchema(("sample", "start"), WIDTH)
Adds = list[tuple[BundleKey, bytes]]

keys = st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 9).map(lambda n: n * WIDTH))
adds = st.lists(st.tuples(keys, st.binary(max_size=20)), max_size=12)
bounds = st.none() | st.integers(-3, 90)
intervals = st.builds(
    Interval,
    st.fixed_dictionaries({}, optional={"sample": st.sampled_from(["a", "b", "d"])}),
    bounds,
    bounds,
)
wishes = st.none() | st.lists(intervals, max_size=3)


class Shelf:
    """Bundles in memory and their index; counts what is read."""

    def __init__(self, bundles: Sequence[Adds], schema: KeySchema = SCHEMA) -> None:
        self.reads: list[tuple[str, int, int]] = []
        self.objects: dict[str, bytes] = {}
        self.order: list[bytes] = []
        footers = []
        with TemporaryDirectory() as folder:
            for number, parts in enumerate(bundles):
                made = Bundle(Path(folder) / str(number), schema)
                for key, data in parts:
                    made.add(key, data)
                content = made.close().read_bytes()
                digest = hashlib.sha256(content).hexdigest()
                self.objects[digest] = content
                self.order.append(content)
                footers.append((digest, len(content), Footer.read(len(content), reader(content))))
        self.index = transpose(footers)

    @property
    def head(self) -> TransposedHead:
        return read_head(len(self.index), reader(self.index))

    def parts(self, wanted: Sequence[Interval] | None = None) -> StoredParts:
        return StoredParts(self.head, len(self.index), reader(self.index), self.read, wanted)

    def read(self, digest: str, start: int, stop: int) -> bytes:
        self.reads.append((digest, start, stop))
        return self.objects[digest][start:stop]


def reader(content: bytes):  # type: ignore[no-untyped-def]
    return lambda start, stop: content[start:stop]


def plainly(shelf: Shelf, wanted: Sequence[Interval] | None) -> list[tuple[BundleKey, list[bytes]]]:
    with TemporaryDirectory() as folder:
        paths = []
        for number, content in enumerate(shelf.order):
            paths.append(Path(folder) / str(number))
            paths[-1].write_bytes(content)
        return list(MemoryParts(paths, wanted))


@given(bundles=st.lists(adds, min_size=1, max_size=4), wanted=wishes)
@example(bundles=[[(("a", 0), b"")], [(("a", 0), b"x"), (("a", 0), b"")]], wanted=None)
@settings(deadline=None)
def test_stored_parts_are_the_parts(bundles: list[Adds], wanted: list[Interval] | None) -> None:
    shelf = Shelf(bundles)
    stored = shelf.parts(wanted)
    expected = plainly(shelf, wanted)
    assert list(stored) == expected
    assert list(stored.each()) == [(key, part) for key, parts in expected for part in parts]
    assert list(stored.keys()) == [key for key, _ in expected]
    assert stored.schema == SCHEMA
    assert shelf.head.bytes_of(wanted) == sum(len(part) for _, parts in expected for part in parts)


@given(bundles=st.lists(adds, min_size=1, max_size=3), wanted=wishes, data=st.data())
@settings(deadline=None)
def test_the_content_changes_when_and_only_when_a_selected_part_does(
    bundles: list[Adds], wanted: list[Interval] | None, data: st.DataObject
) -> None:
    before = Shelf(bundles)
    places = [(b, n) for b, parts in enumerate(bundles) for n in range(len(parts))]
    changed = [list(parts) for parts in bundles]
    if places:
        bundle, place = data.draw(st.sampled_from(places))
        changed[bundle][place] = (changed[bundle][place][0], data.draw(st.binary(max_size=20)))
    after = Shelf(changed)
    same = plainly(before, wanted) == plainly(after, wanted)
    assert (before.head.content(wanted) == after.head.content(wanted)) is same


def test_two_parts_are_not_one_and_keys_have_their_place() -> None:
    marks = {
        Shelf(bundles).head.content(None)
        for bundles in (
            [[(("a", 0), b"xy")]],
            [[(("a", 0), b"x"), (("a", 0), b"y")]],
            [[(("a", 8), b"xy")]],
            [[(("b", 0), b"xy")]],
            [[(("a", 0), b"yx")]],
        )
    }
    assert len(marks) == 5


def test_what_is_not_selected_moves_nothing() -> None:
    wanted = [Interval({"sample": "a"}, 0, 8)]
    one = Shelf([[(("a", 0), b"x")]])
    more = Shelf([[(("a", 0), b"x"), (("a", 8), b"y"), (("b", 0), b"z")], [(("c", 16), b"w")]])
    assert one.head.content(wanted) == more.head.content(wanted)


def test_a_schema_that_changed_is_another_input() -> None:
    wide = KeySchema(SCHEMA.columns, WIDTH * 2)
    assert Shelf([[(("a", 0), b"x")]]).head.content(None) != Shelf([[(("a", 0), b"x")]], wide).head.content(None)


@pytest.mark.parametrize(
    ("start", "stop", "found"),
    [(0, 8, [0]), (7, 8, [0]), (8, 9, [8]), (8, 8, []), (7, 9, [0, 8]), (None, 1, [0]), (16, None, [])],
)
def test_intervals_are_half_open(start: int | None, stop: int | None, found: list[int]) -> None:
    shelf = Shelf([[(("a", 0), b"x"), (("a", 8), b"y")]])
    assert [key[1] for key in shelf.parts([Interval({"sample": "a"}, start, stop)]).keys()] == found  # noqa: SIM118


def test_one_column_may_be_matched_by_its_value() -> None:
    shelf = Shelf([[(("a", 0), b"x"), (("a", 8), b"y"), (("b", 8), b"z")]])
    assert list(shelf.parts([Interval({"start": 8})])) == [(("a", 8), [b"y"]), (("b", 8), [b"z"])]


class _Contig(str):
    """A name that counts how often it is compared."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        _Contig.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


@pytest.mark.parametrize(("more", "found"), [({"sample": "b"}, range(200, 400)), ({}, range(400))])
def test_many_intervals_do_not_go_through_all_keys(more: dict[str, str], found: range) -> None:
    names = [_Contig(f"contig{number:03}") for number in range(200)]
    keys: tuple[BundleKey, ...] = tuple((sample, name, 0) for sample in "ab" for name in names)
    ones, schema = (1,) * len(keys), KeySchema(("sample", "contig", "start"), WIDTH)
    head = TransposedHead(schema, (), keys, ones, ones, ("",) * len(keys))
    _Contig.compared = 0
    assert head.select([Interval({**more, "contig": name}, 0, 1) for name in names]) == list(found)
    assert _Contig.compared < 20 * len(keys)


def test_a_column_that_is_not_there_is_told() -> None:
    with pytest.raises(Bug, match="column 'contig'"):
        Shelf([[(("a", 0), b"x")]]).parts([Interval({"contig": "chr1"}, 0, 1)])


def test_bundles_of_two_schemas_are_a_bug() -> None:
    other = KeySchema(("sample", "start"), 4)
    one = Footer(SCHEMA, ())
    with pytest.raises(Bug, match="different key schemas"):
        transpose([("d" * 64, 1, one), ("e" * 64, 1, Footer(other, ()))])


def test_neighbouring_parts_are_one_request() -> None:
    shelf = Shelf([[(("a", n * WIDTH), b"x" * 100) for n in range(50)]])
    assert sum(len(parts) for _, parts in shelf.parts()) == 50
    assert len(shelf.reads) == 1


def test_a_damaged_part_is_told_and_a_neighbour_is_not_blamed() -> None:
    shelf = Shelf([[(("a", 0), b"good"), (("a", 8), b"evil")]])
    [(digest, content)] = shelf.objects.items()
    shelf.objects[digest] = content.replace(b"evil", b"live", 1)
    assert list(shelf.parts([Interval({}, 0, 8)])) == [(("a", 0), [b"good"])]
    with pytest.raises(CorruptObject) as caught:
        list(shelf.parts())
    assert caught.value.where == {"key": digest, "byte": 4}


rows = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 60), st.integers(0, 12)), max_size=15)


@given(rows=rows)
def test_joined_ranges_cover_each_row_and_nothing_else(rows: list[tuple[int, int, int]]) -> None:
    joined = join_ranges(rows)
    for bundle, offset, length in rows:
        assert any(b == bundle and start <= offset and offset + length <= stop for b, start, stop in joined)
    covered = {(b, at) for b, start, stop in joined for at in range(start, stop)}
    assert covered == {(b, at) for b, offset, length in rows for at in range(offset, offset + length)}
    for (b1, _, stop), (b2, start, _) in pairwise(joined):
        assert b1 < b2 or stop < start, "ranges that touch are one"
