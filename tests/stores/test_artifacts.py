"""Artifacts by range, whatever they are made of; how a composite is put together in a bucket."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from publishing import composite, inline, stored

from flowbutton.model.blocks import BLOCK
from flowbutton.model.composite import LONGEST_OWN, Composite, Composition, Part, Span, Stored, length_of
from flowbutton.model.errors import CorruptObject, NotInStore
from flowbutton.model.store import Store
from flowbutton.stages.codecs import encode
from flowbutton.stores.artifacts import Artifacts
from flowbutton.stores.layout import object_key
from flowbutton.stores.local import LocalStore
from flowbutton.stores.memory import MemoryStore
from flowbutton.stores.objects import Objects, digest_of
from flowbutton.stores.s3_assembly import LEAST, Sent, assembly
from flowbutton.stores.s3_parts import MOST_PARTS
from flowbutton.worker.outputs import store_one

_numbers = itertools.count()
MIB = 1024**2
DIGESTS = st.sampled_from(["a" * 64, "b" * 64, "c" * 64])


def spans(sizes: st.SearchStrategy[int]) -> st.SearchStrategy[Span]:
    return st.builds(lambda digest, start, size: Span(digest, start, start + size), DIGESTS, st.integers(0, 9), sizes)


@pytest.fixture(params=["file", "memory"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    store: Store = (
        LocalStore(tmp_path / "store") if request.param == "file" else MemoryStore(f"artifacts-{next(_numbers)}")
    )
    return Objects(store)


@st.composite
def cuts(draw: st.DrawFn, size: int) -> list[tuple[int, int]]:
    bounds = draw(st.lists(st.tuples(st.integers(0, size), st.integers(0, size)), max_size=4))
    return [(min(pair), max(pair)) for pair in bounds]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_composite_reads_like_its_bytes(objects: Objects, tmp_path: Path, data: st.DataObject) -> None:
    contents = data.draw(st.lists(st.binary(max_size=40), min_size=1, max_size=4))
    parts: list[Part] = []
    whole = b""
    for content in contents:
        digest, size = objects.put(content)
        for start, stop in data.draw(cuts(size)):
            own = data.draw(st.binary(max_size=3))
            parts += [own, Span(digest, start, stop)]
            whole += own + content[start:stop]
    artifact, artifacts = composite(objects, parts, ".bin"), Artifacts(objects)
    start, stop = data.draw(st.integers(0, 200)), data.draw(st.none() | st.integers(0, 200))
    assert artifact.size == len(whole)
    assert artifacts.read(artifact, start, stop) == whole[start:stop]
    place = artifacts.fetch(artifact, tmp_path)
    assert (place.suffix, place.read_bytes()) == (".bin", whole)


@given(
    parts=st.lists(
        st.binary(max_size=3)
        | st.builds(lambda d, a, n: Span(d, a, a + n), DIGESTS, st.integers(0, 9), st.integers(0, 9))
    )
)
def test_a_list_has_one_form_and_comes_back(parts: list[Part]) -> None:
    made = Composition.of(parts)
    assert Composition.decode(made.encode()) == made == Composition.of(made.parts)
    assert made.size == sum(map(length_of, parts))
    assert all(map(length_of, made.parts))
    cut_up = [one for begin, part in made.placed() for one in made.cut(begin, begin + length_of(part))]
    assert tuple(cut_up) == made.parts
    assert Composition.of(one for byte in range(made.size) for one in made.cut(byte, byte + 1)) == made


def test_composites_of_composites_are_flat() -> None:
    inner = Composite([b"<", Stored.of(b"hello").part(1, 4), b">"])
    held = Stored(inner.composition, lambda start, stop: b"<ell>"[start:stop])
    outer = Composite([held.part(0, 3), held.part(3, 5), Stored.of(b"!")])
    assert outer.composition.parts == (*inner.composition.parts, *Stored.of(b"!").composition.parts)
    assert held.part(1, 4).part(1, 3).read(0, 2) == b"ll"
    with pytest.raises(ValueError, match="are not in the 5 bytes"):
        held.part(3, 6)


def test_long_bytes_of_its_own_are_an_object(objects: Objects) -> None:
    own = bytes(range(256)) * (LONGEST_OWN // 256) + b"."
    made = Composite([own, Stored.of(b"hello").part(1, 4), own[1:]])
    objects.put(b"hello")
    artifact = store_one(encode(made, Composite), objects)
    found = Artifacts(objects).composition(artifact)
    assert found.parts == (Span(digest_of(own), 0, len(own)), *made.composition.parts[1:])
    assert Artifacts(objects).read(artifact) == own + b"ell" + own[1:]
    assert artifact.size == 2 * len(own) + 2


def test_bytes_over_several_blocks_are_checked(objects: Objects, tmp_path: Path) -> None:
    large = bytes(range(251)) * (2 * BLOCK // 251 + 1)
    digest, size = objects.put(large)
    artifact = composite(objects, [Span(digest, 5, size), b"own", Span(digest, 0, BLOCK + 3)])
    assert Artifacts(objects).fetch(artifact, tmp_path).read_bytes() == large[5:] + b"own" + large[: BLOCK + 3]
    objects.store.put(object_key(digest), large[: BLOCK + 1] + b"?" + large[BLOCK + 2 :])
    fresh = Artifacts(Objects(objects.store))
    assert fresh.read(artifact, 0, 9) == large[5:14], "this block is sound"
    for read in (lambda: fresh.read(artifact, artifact.size - 2), lambda: fresh.fetch(artifact, tmp_path / "other")):
        with pytest.raises(CorruptObject) as caught:
            read()
        assert caught.value.where["key"] == object_key(digest)


def test_a_lost_part_is_named(objects: Objects) -> None:
    gone = stored(objects, b"gone" * 99)
    artifact = composite(objects, [b"head", Span(gone.digest, 0, gone.size)])
    objects.delete(gone.digest)
    assert Artifacts(objects).read(artifact, 0, 4) == b"head"
    with pytest.raises(NotInStore) as caught:
        Artifacts(objects).read(artifact)
    assert caught.value.where["key"] == object_key(gone.digest)


def test_what_lies_in_a_record_is_read_too(objects: Objects, tmp_path: Path) -> None:
    few = inline(b"few bytes")
    assert Artifacts(objects).read(few, 4) == b"bytes"
    assert Artifacts(objects).fetch(few, tmp_path).read_bytes() == b"few bytes"
    assert Artifacts(objects).composition(few).parts == (b"few bytes",)


SIZES = st.integers(0, 40 * MIB) | st.integers(LEAST - 2, LEAST + 2) | st.sampled_from([1, 300 * MIB, 3000 * MIB])
PARTS = st.lists(spans(SIZES) | st.sampled_from([b"x", b"x" * 70_000]), max_size=20)


@example(parts=[bytes(17 * MIB), Span("a" * 64, 0, 1)], most=5 * MIB)
@settings(max_examples=40)
@given(parts=PARTS, most=st.sampled_from([5 * MIB, 8 * MIB, 256 * MIB]))
def test_an_assembly_has_all_bytes_once_in_parts_that_s3_takes(parts: list[Part], most: int) -> None:
    whole = Composition.of(parts)
    steps = assembly(whole, most)
    made = [one for step in steps for one in (whole.cut(step.start, step.stop) if isinstance(step, Sent) else [step])]
    assert Composition.of(made) == whole
    sizes = [step.stop - step.start for step in steps]
    assert all(size >= LEAST for size in sizes[:-1])
    assert len(steps) <= MOST_PARTS + 1
    assert all(step.stop - step.start < 3 * LEAST for step in steps if isinstance(step, Sent)), "memory is bounded"
    assert all(size < 2 * most for size, step in zip(sizes, steps, strict=True) if isinstance(step, Span))


def test_only_what_is_short_passes_the_driver() -> None:
    windows = [Span(letter * 64, 0, 64 * MIB) for letter in "abcdef"]
    steps = assembly(Composition.of([b"header", *windows, b"end"]), 256 * MIB)
    assert steps == [
        Sent(0, LEAST),
        windows[0]._replace(start=LEAST - 6),
        *windows[1:],
        Sent(6 * 64 * MIB + 6, 6 * 64 * MIB + 9),
    ]


def test_ten_thousand_short_ranges_are_few_enough_parts() -> None:
    steps = assembly(Composition.of(Span(f"{n:064x}", 0, 6 * MIB) for n in range(20_000)), 256 * MIB)
    assert len(steps) <= 9001
