"""What every publisher promises, as tests that each one inherits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowbutton.model.canonical import digest_bytes
from flowbutton.model.composite import COMPOSITE, Composition, Part, Span
from flowbutton.model.errors import CorruptObject, NotInStore
from flowbutton.model.records import Artifact
from flowbutton.stores.layout import object_key
from flowbutton.stores.objects import Objects
from flowbutton.stores.publishing import Publisher, publisher_for
from flowbutton.testing.faulty import WrappedStore


def inline(data: bytes) -> Artifact:
    """Return an artifact whose bytes are in its record."""
    return Artifact("bytes", digest_bytes(data), len(data), data)


def stored(objects: Objects, data: bytes) -> Artifact:
    """Return an artifact whose bytes are an object of the store."""
    digest, size = objects.put(data)
    return Artifact("bytes", digest, size)


def composite(objects: Objects, parts: Iterable[Part], suffix: str = "") -> Artifact:
    """Return an artifact that is a list of parts."""
    made = Composition.of(parts)
    return Artifact(COMPOSITE, objects.put(made.encode())[0], made.size, None, suffix)


class PublisherContract(ABC):
    """``publisher`` and ``objects`` are of one place and one store, new for each test."""

    @abstractmethod
    def publisher(self) -> Publisher: ...
    @abstractmethod
    def objects(self) -> Objects: ...

    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def content(self, publisher: Publisher, name: str) -> bytes | None:
        blocks = publisher.read(name)
        return None if blocks is None else b"".join(blocks)

    @settings(max_examples=4, suppress_health_check=[*HealthCheck])
    @given(
        contents=st.dictionaries(
            st.sampled_from(["a.txt", "in/b c.txt", "in/deep/ä+?#%.bin", "d.json"]),
            st.tuples(st.binary(max_size=99), st.booleans(), st.sampled_from([1, 90_001])),
        )
    )
    def test_what_is_published_is_there(self, contents: Mapping[str, tuple[bytes, bool, int]]) -> None:
        publisher, objects = self.publisher(), self.objects()
        whole = {name: data * times for name, (data, _, times) in contents.items()}
        found = {
            name: stored(objects, whole[name]) if times > 1 or keep else inline(whole[name])
            for name, (_, keep, times) in contents.items()
        }
        publisher.publish(found, objects)
        assert {name: self.content(publisher, name) for name in whole} == whole

    def test_another_content_replaces(self) -> None:
        publisher, objects = self.publisher(), self.objects()
        for data in (b"one", b"three" * 9999, b"two"):
            publisher.publish({"a": stored(objects, data), "b": inline(data[:9])}, objects)
            assert (self.content(publisher, "a"), self.content(publisher, "b")) == (data, data[:9])

    def test_what_is_no_output_any_more_stays(self) -> None:
        publisher, objects = self.publisher(), self.objects()
        publisher.publish({"a": inline(b"1"), "b": inline(b"2")}, objects)
        publisher.publish({"b": inline(b"3")}, objects)
        assert (self.content(publisher, "a"), self.content(publisher, "b")) == (b"1", b"3")

    def test_nothing_is_there_before(self) -> None:
        assert self.publisher().read("a") is None

    def test_what_is_gone_from_the_store_replaces_nothing(self) -> None:
        publisher, objects = self.publisher(), self.objects()
        publisher.publish({"a": inline(b"1"), "b": stored(objects, b"2" * 9999)}, objects)
        gone, damaged = stored(objects, b"gone" * 2000), stored(objects, b"damaged" * 2000)
        objects.delete(gone.digest)
        objects.store.put(object_key(damaged.digest), b"damaged" * 1999)
        for bad, error in ((gone, NotInStore), (damaged, CorruptObject)):
            with pytest.raises(error):
                publisher.publish({"a": inline(b"new"), "b": bad}, Objects(objects.store))
            assert self.content(publisher, "b") == b"2" * 9999

    def test_two_writers_at_once_leave_whole_outputs(self) -> None:
        """One begins while another is in the middle of the same outputs."""
        publisher, objects = self.publisher(), self.objects()
        found = {"a": stored(objects, b"first" * 20_000), "in/b": stored(objects, b"second" * 20_000)}
        seen: list[bytes | None] = []

        def in_the_middle(method: str, key: str) -> None:
            if method in ("get", "head", "local_path") and key == object_key(found["in/b"].digest) and not seen:
                seen.append(None)
                publisher_for(publisher.uri, "words").publish(found, Objects(objects.store))
                seen[:] = [self.content(publisher, name) for name in found]

        publisher.publish(found, Objects(WrappedStore(objects.store, in_the_middle)))
        whole = [b"first" * 20_000, b"second" * 20_000]
        assert seen == [self.content(publisher, name) for name in found] == whole

    def test_a_composite_is_published_whole_or_not_at_all(self) -> None:
        publisher, objects = self.publisher(), self.objects()
        one, two = stored(objects, b"one" * 30_000), stored(objects, b"two" * 2000)
        spans = [Span(one.digest, 10, 80_000), Span(two.digest, 0, two.size)]
        whole = b"head" + (b"one" * 30_000)[10:80_000] + b"two" * 2000 + b"end"
        good = composite(objects, [b"head", *spans, b"end"])
        for _ in range(2):
            publisher.publish({"a": good}, objects)
            assert self.content(publisher, "a") == whole
        altered = composite(objects, [b"new", *spans])
        objects.store.put(object_key(two.digest), b"too" * 2000)
        with pytest.raises(CorruptObject):
            publisher.publish({"a": altered}, Objects(objects.store))
        objects.delete(two.digest)
        with pytest.raises(NotInStore):
            publisher.publish({"a": altered}, Objects(objects.store))
        assert self.content(publisher, "a") == whole
