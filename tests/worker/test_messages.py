"""Messages and payloads come back as they went, and errors keep all that they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowbutton.model import errors
from flowbutton.model.bundle import Interval
from flowbutton.model.errors import BadInput, Bug, Failure, FlowbuttonError, Problem, SpecError
from flowbutton.model.outlines import Outline, Outlined, PackedRow
from flowbutton.model.pieces import IndexPart, Piece
from flowbutton.model.records import NOTHING_COUNTED, LedgerCounts, Measures, Row
from flowbutton.worker.messages import (
    PackWritten,
    TaskFailed,
    decode,
    encode,
    error_from_json,
    error_to_json,
)
from flowbutton.worker.payload import (
    PAYLOAD_LIMIT,
    ArtifactInput,
    CallOrder,
    GatherInput,
    IndexWork,
    PartsInput,
    PieceInput,
    StageWork,
    StoredRow,
    TaskOrder,
    TransposeWork,
    ValueInput,
)

CLASSES = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, FlowbuttonError) and kind is not SpecError
]

text = st.text(max_size=30)
numbers = st.integers(0, 2**53)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
named = st.builds(
    Row, digests, digests, st.sampled_from(["c" * 64, "c" * 64 + "-1"]), numbers, st.integers(0, 2**32 - 1)
)
stored = st.builds(StoredRow, digests, named.map(PackedRow.from_row))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
key = st.lists(st.tuples(text, text | numbers), max_size=3).map(tuple)
pieces = st.builds(Piece, text, key, digests, st.none() | numbers, numbers, json_values)
intervals = st.builds(
    Interval,
    st.dictionaries(text, text | numbers, max_size=2),
    st.none() | st.integers(),
    st.none() | st.integers(),
)
names = st.none() | text
inputs = st.one_of(
    st.builds(PieceInput, pieces),
    st.builds(ValueInput, json_values),
    st.builds(ArtifactInput, stored, names),
    st.builds(GatherInput, digests, names, names),
    st.builds(PartsInput, st.none() | stored, st.none() | st.lists(intervals, max_size=3).map(tuple)),
)
bound = st.dictionaries(text, inputs, max_size=3)
parts = st.none() | st.builds(IndexPart, st.integers(0, 9), text, numbers, json_values)
works = st.one_of(
    st.builds(StageWork, text, st.dictionaries(text, json_values, max_size=3)),
    st.builds(IndexWork, text),
    st.just(TransposeWork()),
)
orders = st.builds(
    CallOrder,
    text,
    digests,
    works,
    bound,
    st.lists(st.builds(TaskOrder, digests, bound, parts), max_size=4).map(tuple),
    text,
)


@given(order=orders)
def test_an_order_comes_back_as_it_went(order: CallOrder) -> None:
    assert CallOrder.decode(order.encode()) == order


@given(order=orders)
def test_a_payload_is_small_whatever_the_order(order: CallOrder) -> None:
    kept: dict[tuple[str, str], bytes] = {}

    def put(data: bytes) -> str:
        kept[order.store, "digest"] = data
        return "digest"

    large = CallOrder(**{**_fields(order), "log_key": "x" * PAYLOAD_LIMIT})
    for one, is_kept in ((order, len(order.encode()) > PAYLOAD_LIMIT), (large, True)):
        kept.clear()
        payload = one.payload(put)
        assert len(payload) <= PAYLOAD_LIMIT
        assert bool(kept) is is_kept
        assert CallOrder.read(payload, lambda store, digest: kept[store, digest]) == one


def _fields(order: CallOrder) -> dict[str, Any]:
    return {name: getattr(order, name) for name in CallOrder.__slots__}


times = st.floats(0, 1e6)
measures = st.builds(Measures, times, times, numbers, numbers, numbers)
contents = st.tuples(digests | digests.map(lambda digest: digest + ".tif"), numbers)
counts = st.just(NOTHING_COUNTED) | st.builds(
    LedgerCounts, consumed=st.dictionaries(text, numbers), out=st.none() | numbers, samples=st.lists(text).map(tuple)
)
outputs = st.fixed_dictionaries({"": contents}) | st.dictionaries(text, contents)
objects = st.lists(digests, max_size=3).map(tuple)
outlines = st.builds(Outline, outputs, objects, counts, measures) | contents.map(
    lambda content: Outline({"": content}, (content[0],), NOTHING_COUNTED, Measures(0.5))
)
packs = st.builds(PackWritten, st.lists(st.builds(Outlined.of, named, outlines), min_size=1, max_size=30).map(tuple))


@given(row=named, outline=outlines)
def test_a_packed_outline_says_all_that_it_was_made_of(row: Row, outline: Outline) -> None:
    found = Outlined.of(row, outline)
    assert (found.row, found.outline, found.is_known) == (row, outline, True)
    assert (found.fingerprint, found.digest, found.pack) == (row.fingerprint, row.digest, row.pack)
    assert found.bare == PackedRow.from_row(row)
    assert found.bare.row == row
    told = found.artifacts, found.objects, found.ledger, found.measures
    assert told == outline
    for name, (content, size) in outline.artifacts.items():
        assert (found.content(name), found.bytes_of(name)) == (content, size)
    bare = Outlined.of(row, None)
    assert (bare.row, bare.is_known) == (row, False)


@given(message=packs)
def test_a_message_comes_back_as_it_went(message: PackWritten) -> None:
    bare = [row if len(row) <= 1024 else Outlined.of(row.row, None) for row in message.rows]
    assert decode(encode(message)) == PackWritten(tuple(bare))


@given(
    kind=st.sampled_from(CLASSES),
    what=text,
    why=text,
    hint=text,
    where=st.dictionaries(st.sampled_from(["file", "record", "byte", "key", "line"]), text | numbers),
    position=numbers,
)
def test_an_error_keeps_all_that_it_says(
    kind: type[FlowbuttonError], what: str, why: str, hint: str, where: dict[str, Any], position: int
) -> None:
    error = kind(what, why=why, hint=hint, **where)
    found = decode(encode(TaskFailed(position, error, "trace", "log")))
    assert isinstance(found, TaskFailed)
    assert type(found.error) is kind
    assert (found.error.what, found.error.why, found.error.hint) == (what, why, hint)
    assert found.error.where == where
    assert str(found.error) == str(error)
    assert (found.position, found.traceback, found.log) == (position, "trace", "log")


@pytest.mark.parametrize(("failure", "plain"), [(failure, failure) for failure in Failure])
def test_an_unknown_class_keeps_its_failure_class(failure: Failure, plain: Failure) -> None:
    class Foreign(FlowbuttonError):
        pass

    Foreign.failure = failure
    told = error_to_json(Foreign("what", why="why", hint="hint", file="a"))
    found = error_from_json(told)
    assert found.failure is plain
    assert (found.what, found.why, found.hint, found.where) == ("what", "why", "hint", {"file": "a"})


def test_a_name_of_the_module_that_is_no_error_makes_none() -> None:
    told = error_to_json(Bug("what", why="", hint=""))
    assert type(error_from_json({**told, "class": "Sequence"})) is Bug


def test_an_error_of_another_shape_is_told_all_the_same() -> None:
    problem = Problem("a", why="", hint="", line=1)
    found = error_from_json(error_to_json(SpecError([problem])))
    assert found.failure is Failure.BAD_INPUT
    assert "1 problem" in found.what


def test_places_of_any_type_are_told() -> None:
    where: dict[str, Any] = {"record": np.int64(3), "file": Path("a/b"), "byte": 5}
    error = BadInput("what", why="", hint="", **where)
    found = decode(encode(TaskFailed(0, error, "", "")))
    assert isinstance(found, TaskFailed)
    assert found.error.where == {"record": "3", "file": "a/b", "byte": 5}


@given(message=packs)
def test_a_pack_is_told_in_little(message: PackWritten) -> None:
    assert len(encode(message)) <= 1 + 1028 * len(message.rows)
    one = Outline({"": ("a" * 64, 5)}, (), NOTHING_COUNTED, Measures())
    assert all(len(Outlined.of(row.row, one)) == 191 for row in message.rows)
