"""Results to bytes and back, by type."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from flowbutton.model.bundle import KeySchema
from flowbutton.model.composite import Composite, Composition, Stored
from flowbutton.model.errors import Bug
from flowbutton.model.pieces import Item
from flowbutton.model.stage import Items
from flowbutton.stages.bundles import Bundle
from flowbutton.stages.codecs import bare, decode, encode, read_items


class Shape(BaseModel):
    name: str
    sides: dict[str, int] = {}


class Other(BaseModel):
    name: str


class Pair(NamedTuple):
    one: int
    two: int


def there_and_back(value: object, annotation: Any) -> object:
    data = encode(value, annotation).data
    assert isinstance(data, bytes)
    return decode(annotation, read=lambda: data, fetch=lambda: Path("unused"), hold=lambda: Stored.of(data))


json_like = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-9, 9) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("annotation", "values"),
    [
        (bytes, st.binary()),
        (str, st.text()),
        (int, st.integers(-(2**62), 2**62)),
        (float, st.floats(allow_nan=False, allow_infinity=False)),
        (bool, st.booleans()),
        (list[int], st.lists(st.integers(0, 9))),
        (dict[str, list[str]], st.dictionaries(st.text(), st.lists(st.text(), max_size=2), max_size=3)),
        (Mapping[str, Any], st.dictionaries(st.text(), json_like, max_size=3)),
        (Shape, st.builds(Shape, name=st.text(), sides=st.dictionaries(st.text(), st.integers(0, 9), max_size=3))),
        (list[Shape], st.lists(st.builds(Shape, name=st.text()), max_size=3)),
        (Shape | None, st.none() | st.builds(Shape, name=st.text())),
        (Annotated[list[int], "numbers"], st.lists(st.integers(0, 9))),
        (Literal["a", "b"], st.sampled_from(["a", "b"])),
    ],
    ids=str,
)
def test_values_come_back(annotation: Any, values: st.SearchStrategy[object]) -> None:
    @given(value=values)
    def holds(value: object) -> None:
        assert there_and_back(value, annotation) == value

    holds()


@given(sides=st.dictionaries(st.text(), st.integers(), min_size=2), data=st.data())
def test_equal_values_give_equal_bytes(sides: dict[str, int], data: st.DataObject) -> None:
    shuffled = dict(data.draw(st.permutations(list(sides.items()))))
    assert encode(Shape(name="a", sides=sides), Shape) == encode(Shape(name="a", sides=shuffled), Shape)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a.vcf.gz", ".vcf.gz"),
        ("a.b.vcf.gz", ".vcf.gz"),
        ("a.bam", ".bam"),
        ("a.b.bam", ".bam"),
        ("a", ""),
        ("a.gz", ".gz"),
    ],
)
def test_a_file_keeps_its_extension(name: str, suffix: str) -> None:
    encoded = encode(Path("/x") / name, Path)
    assert (encoded.kind, encoded.data, encoded.suffix) == ("file", Path("/x") / name, suffix)


def test_a_file_is_fetched_and_bytes_are_read() -> None:
    ways: dict[str, Any] = {"read": lambda: b"xyz", "fetch": lambda: Path("here"), "hold": lambda: Stored.of(b"xyz")}
    assert decode(Path, **ways) == decode(Path | None, **ways) == Path("here")
    assert decode(bytes, **ways) == b"xyz"
    held = decode(Stored, **ways)
    assert isinstance(held, Stored)
    assert held.read(1, 3) == b"yz"


def test_a_composite_is_stored_as_its_list() -> None:
    made = Composite([b"head", Stored.of(b"abc").part(1, 3)], ".bin")
    encoded = encode(made, Composite)
    assert (encoded.kind, encoded.suffix, encoded.size) == ("composite", ".bin", 6)
    assert Composition.decode(bytes(encoded.data)) == made.composition  # type: ignore[arg-type]
    with pytest.raises(Bug, match="returned Composite"):
        encode(made, Path)


def test_items_are_rows_of_key_and_value() -> None:
    made = Items((({"contig": "a", "start": 3}, Shape(name="x")), ({"contig": "b", "start": 0}, Shape(name="y"))))
    encoded = encode(made, Items[Shape])
    assert isinstance(encoded.data, bytes)
    assert read_items(encoded.data) == [
        Item((("contig", "a"), ("start", 3)), {"name": "x", "sides": {}}),
        Item((("contig", "b"), ("start", 0)), {"name": "y", "sides": {}}),
    ]


def test_a_bundle_is_closed(tmp_path: Path) -> None:
    made = Bundle(tmp_path / "bundle", KeySchema(("a",)))
    made.add(("x",), b"data")
    encoded = encode(made, Bundle)
    assert (encoded.kind, encoded.data) == ("bundle", tmp_path / "bundle")
    assert (tmp_path / "bundle").read_bytes().endswith(b"FBUNDLE1")


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (Path("a"), Shape),
        (Path("a"), bytes),
        (b"a", Path),
        (b"a", str),
        (Other(name="a"), Shape),
        (Shape(name="a"), Path),
        (Items(()), Shape),
        (None, Shape),
        ("a", int),
        (1, str),
        ({"name": "a"}, Shape),
        (..., dict[str, Any]),
        (float("nan"), float),
        ({"a": ...}, dict[str, Any]),
    ],
    ids=repr,
)
def test_what_the_annotation_does_not_say_is_a_bug(value: object, annotation: Any) -> None:
    with pytest.raises(Bug) as caught:
        encode(value, annotation)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("annotation", "found"),
    [(int, int), (int | None, int), (Annotated[int, 1], int), (Annotated[int | None, 1], int), (int | str, int | str)],
)
def test_bare_annotations(annotation: Any, found: Any) -> None:
    assert bare(annotation) == found


def test_a_named_tuple_in_one_output_is_a_list() -> None:
    assert there_and_back(Pair(1, 2), tuple[int, int]) == (1, 2)
