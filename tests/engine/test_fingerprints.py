"""Fingerprints: pinned, since one that changes silently runs everything again, or worse, does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowbutton.engine.tasks import Marker
from flowbutton.model.canonical import Json, canonical, digest_bytes, digest_json

STAGE = "5" * 64

PINNED: list[tuple[str, dict[str, Json], str]] = [
    ("nothing", {}, "072aba5365985e40e51372d5671862ea14fd9907bfac466469256e6c611e1c75"),
    (
        "a piece",
        {"reads": ["piece", "fastq", "c0ffee"]},
        "baa5a9426f21dfb85da50c3571ced6366074a0db84c8f2a738405834a2d25b2f",
    ),
    (
        "a value",
        {"region": ["value", {"contig": "chr1", "window": [{"start": 0, "stop": 1000}]}]},
        "095fa9085c95e3787f3870e927920d1564d99d4437b921a20b4a8f183c9453cb",
    ),
    (
        "a gather",
        {"parts": ["gather", ["aa", "bb"]], "index": ["artifact", "cc"]},
        "7c811216c1d3246a7b1113663196105338c3897e078455c47d3438a25049a99d",
    ),
    (
        "text that is not ASCII",
        {"name": ["value", "Zoë\u2028"]},
        "25701ccac9cfd166b78544233949c060a78c5c2ba4fab53a069f2eeb3c227cdb",
    ),
]


def fingerprint(stage: str, contents: dict[str, Json]) -> str:
    return Marker(stage).mark(contents)


@pytest.mark.parametrize(("name", "contents", "pinned"), PINNED, ids=[name for name, _, _ in PINNED])
def test_fingerprints_are_pinned(name: str, contents: dict[str, Json], pinned: str) -> None:
    assert fingerprint(STAGE, contents) == pinned, name


def test_the_digest_of_a_kind_is_pinned() -> None:
    assert (
        digest_json("stage", ["letters.count", 1, "d" * 64, {"ignore": ""}])
        == "1ea51b7a5af9fb30153f12d3e1d75c505a58f83bd0e977b20e9ead10928a1100"
    )


ALIKE: list[Json] = [1, 1.0, "1", True, [1], {"1": 1}, "true", None, "null", 0, False, 0.0, "", [], {}, [None]]


def test_values_that_look_alike_are_not_one() -> None:
    marks = {fingerprint(STAGE, {"x": ["value", value]}) for value in ALIKE}
    assert len(marks) == len(ALIKE)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def tagged(value: Json) -> object:
    """Return a value in which 1, 1.0 and True differ, as they do not in Python."""
    if isinstance(value, dict):
        return {name: tagged(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [tagged(inner) for inner in value]
    return type(value).__name__, repr(value)


@given(one=values, other=values)
def test_equal_values_and_only_those_have_one_encoding(one: Json, other: Json) -> None:
    assert (canonical(one) == canonical(other)) is (tagged(one) == tagged(other))


@given(contents=st.dictionaries(st.text(max_size=4), values, min_size=2, max_size=5), data=st.data())
def test_the_order_of_arguments_does_not_count(contents: dict[str, Json], data: st.DataObject) -> None:
    shuffled = dict(data.draw(st.permutations(list(contents.items()))))
    assert fingerprint(STAGE, shuffled) == fingerprint(STAGE, contents)


@given(contents=st.dictionaries(st.text(max_size=4), values, max_size=5), data=st.data())
def test_what_tasks_share_counts_as_if_it_were_each_ones_own(contents: dict[str, Json], data: st.DataObject) -> None:
    marker, own = Marker(STAGE), dict(contents)
    for name in data.draw(st.lists(st.sampled_from(sorted(contents)), unique=True)) if contents else []:
        marker.share(name, own.pop(name))
    whole = digest_bytes(b"task\0" + STAGE.encode() + b"\0" + canonical(contents))
    assert [marker.mark(own) for _ in range(2)] == [whole, whole]


def test_an_argument_is_not_its_neighbour() -> None:
    assert fingerprint(STAGE, {"a": "x", "b": "y"}) != fingerprint(STAGE, {"a": "y", "b": "x"})
    assert fingerprint("6" * 64, {}) != fingerprint(STAGE, {})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_has_no_one_encoding_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        fingerprint(STAGE, {"x": value})
