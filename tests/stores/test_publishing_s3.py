"""Outputs in a bucket of a real S3 server: copied there from a store beside them, sent in parts from any other."""

from __future__ import annotations

import itertools
import json
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from publishing import PublisherContract, composite, inline, stored

from flowbutton.model.composite import Span
from flowbutton.model.errors import CorruptObject, NotInStore, OptionError, Throttled
from flowbutton.stores.layout import object_key
from flowbutton.stores.local import LocalStore
from flowbutton.stores.objects import Objects
from flowbutton.stores.opening import open_store
from flowbutton.stores.publishing import Publisher
from flowbutton.stores.publishing_s3 import S3Publisher, Sizes
from flowbutton.stores.s3_client import client_for
from flowbutton.stores.s3_places import S3Access

pytestmark = pytest.mark.slow

MIB = 1024**2
SMALL = Sizes(send=5 * MIB, copy=5 * MIB)
NOTE, UPLOADS = ".flowbutton-published-words.json", ".flowbutton-uploads-words.json"
_numbers = itertools.count()


class _InBucket(PublisherContract):
    @pytest.fixture(autouse=True)
    def _bucket(self, s3: str) -> None:
        self.bucket = s3

    def publisher(self) -> Publisher:
        return S3Publisher(f"{self.bucket}/out-{next(_numbers)}", "words")


class TestFromTheSameServer(_InBucket):
    def objects(self) -> Objects:
        return Objects(open_store(f"{self.bucket}/store-{next(_numbers)}"))


class TestFromALocalStore(_InBucket):
    def objects(self) -> Objects:
        return Objects(LocalStore(self.folder / f"store-{next(_numbers)}"))


@dataclass
class Asked:
    """What this process has sent since: the calls, and the bytes of bodies to and fro."""

    calls: list[str] = field(default_factory=list)
    sent: int = 0
    received: int = 0

    def clear(self) -> None:
        self.calls, self.sent, self.received = [], 0, 0


@pytest.fixture
def asked(s3: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    """What is sent, all of it by boto3, which tells."""
    del s3
    monkeypatch.setattr("flowbutton.stores.s3_bucket.hot_for", lambda _: None)
    found = Asked()

    def note(model: Any, params: dict[str, Any], **_: Any) -> None:
        found.calls.append(model.name)
        body = params["body"]
        found.sent += len(body if isinstance(body, bytes) else body.getvalue())

    def took(parsed: dict[str, Any], model: Any, **_: Any) -> None:
        if model.name == "GetObject":
            found.received += parsed.get("ContentLength", 0)

    events = client_for(S3Access()).meta.events
    events.register("before-call.s3", note)
    events.register("after-call.s3", took)
    yield found
    events.unregister("before-call.s3", note)
    events.unregister("after-call.s3", took)


def _content(publisher: Publisher, name: str) -> bytes:
    return b"".join(publisher.read(name) or ())


def _uploads(s3: str) -> list[str]:
    answer = client_for(S3Access()).list_multipart_uploads(Bucket=s3.removeprefix("s3://"))
    return [upload["Key"] for upload in answer.get("Uploads", [])]


def _keys(s3: str, prefix: str) -> list[str]:
    answer = client_for(S3Access()).list_objects_v2(Bucket=s3.removeprefix("s3://"), Prefix=prefix)
    return [found["Key"].removeprefix(prefix) for found in answer.get("Contents", [])]


def test_what_is_in_the_bucket_is_copied_there(s3: str, asked: Asked) -> None:
    objects, publisher = Objects(open_store(f"{s3}/work")), S3Publisher(f"{s3}/out", "words", SMALL)
    large, small = random.Random(1).randbytes(23 * MIB + 7), random.Random(2).randbytes(100_000)
    found = {"large.bin": stored(objects, large), "small.bin": stored(objects, small), "few.txt": inline(b"few")}
    asked.clear()
    publisher.publish(found, Objects(open_store(f"{s3}/work")))
    assert asked.sent < 2000, "only small results and lists pass the driver"
    assert asked.received < 2000
    assert asked.calls.count("UploadPartCopy") == 4
    assert asked.calls.count("CopyObject") == 1
    assert len(asked.calls) < 25
    assert (_content(publisher, "large.bin"), _content(publisher, "small.bin")) == (large, small)
    assert json.loads(_content(publisher, NOTE)) == {name: [item.digest, item.size] for name, item in found.items()}
    assert sorted(_keys(s3, "out/")) == [NOTE, "few.txt", "large.bin", "small.bin"]

    asked.clear()
    publisher.publish(found, objects)
    assert set(asked.calls) == {"HeadObject", "GetObject"}, "what is there is not written again"
    assert len(asked.calls) == len(found) + 2


def test_a_composite_is_assembled_in_the_bucket(s3: str, asked: Asked) -> None:
    objects, publisher = Objects(open_store(f"{s3}/work")), S3Publisher(f"{s3}/out", "words")
    data = [random.Random(number).randbytes(size * MIB + number) for number, size in enumerate((13, 2, 9))]
    parts = [stored(objects, one) for one in data]
    spans = [Span(part.digest, 0, part.size) for part in parts]
    found = {"joined.bin": composite(objects, [b"header", *spans, b"end"])}
    asked.clear()
    publisher.publish(found, Objects(open_store(f"{s3}/work")))
    assert asked.calls.count("UploadPartCopy") == 2
    assert asked.calls.count("UploadPart") == 3, "header and the first 5 MiB, what is short with its neighbour, the end"
    assert asked.sent < 11 * MIB
    assert _content(publisher, "joined.bin") == b"header" + b"".join(data) + b"end"

    asked.clear()
    publisher.publish(found, objects)
    assert set(asked.calls) == {"HeadObject", "GetObject"}, "what is there is not written again"


def test_a_composite_that_lost_a_part_leaves_nothing(s3: str) -> None:
    objects, publisher = Objects(open_store(f"{s3}/work")), S3Publisher(f"{s3}/out", "words")
    large, lost = stored(objects, bytes(17 * MIB)), stored(objects, b"lost" * 9999)
    spans = [Span(part.digest, 0, part.size) for part in (large, lost)]
    found = {"joined.bin": composite(objects, spans)}
    objects.store.put(object_key(lost.digest), b"cut")
    with pytest.raises(CorruptObject):
        publisher.publish(found, Objects(open_store(f"{s3}/work")))
    objects.delete(lost.digest)
    with pytest.raises(NotInStore):
        publisher.publish(found, Objects(open_store(f"{s3}/work")))
    assert (_uploads(s3), _keys(s3, "out/")) == ([], [])


def test_a_local_store_is_sent_in_parts(s3: str, tmp_path: Any, asked: Asked) -> None:
    objects, publisher = Objects(LocalStore(tmp_path)), S3Publisher(f"{s3}/out", "words", SMALL)
    large = random.Random(3).randbytes(17 * MIB + 1)
    publisher.publish({"report.html": stored(objects, large)}, objects)
    assert asked.calls.count("UploadPart") == 4
    assert _content(publisher, "report.html") == large
    head = client_for(S3Access()).head_object(Bucket=s3.removeprefix("s3://"), Key="out/report.html")
    assert head["ContentType"] == "text/html"
    assert _keys(s3, "out/") == [NOTE, "report.html"]


def test_what_fails_leaves_nothing(s3: str, tmp_path: Any) -> None:
    objects, publisher = Objects(LocalStore(tmp_path)), S3Publisher(f"{s3}/out", "words", SMALL)
    publisher.publish({"a": inline(b"old"), "b": inline(b"old")}, objects)
    large = stored(objects, random.Random(4).randbytes(11 * MIB))
    place = objects.fetch(large.digest, None)
    place.chmod(0o600)
    with place.open("r+b") as file:
        file.seek(10 * MIB)
        file.write(b"damage")
    with pytest.raises(Exception, match="damaged"):
        publisher.publish({"a": inline(b"new"), "b": large}, Objects(LocalStore(tmp_path)))
    assert (_content(publisher, "a"), _content(publisher, "b")) == (b"old", b"old")
    assert _uploads(s3) == []
    assert sorted(_keys(s3, "out/")) == [NOTE, "a", "b"]


def test_what_a_killed_publishing_left_is_freed(s3: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    objects, publisher = Objects(LocalStore(tmp_path)), S3Publisher(f"{s3}/out", "words", SMALL)
    found = {"a": stored(objects, random.Random(5).randbytes(11 * MIB))}

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("flowbutton.stores.publishing_s3.sent_parts", killed)
        patch.setattr("flowbutton.stores.publishing_s3.abort", killed)
        with pytest.raises(KeyboardInterrupt):
            publisher.publish(found, objects)
    assert _uploads(s3) == ["out/a"]
    assert _keys(s3, "out/") == [UPLOADS]
    publisher.publish(found, objects)
    assert _uploads(s3) == []
    assert _keys(s3, "out/") == [NOTE, "a"]


class Halting(LocalStore):
    """A store that tells when a large object is read first, and waits then."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.reached, self.go_on = threading.Event(), threading.Event()

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        if start:
            self.reached.set()
            assert self.go_on.wait(300)
        return super().get(key, start, stop)


def test_who_wakes_up_behind_its_successor_ends_its_own_uploads_only(s3: str, tmp_path: Path) -> None:
    found = {"a": stored(Objects(LocalStore(tmp_path)), random.Random(6).randbytes(11 * MIB))}
    first, second = Halting(tmp_path), Halting(tmp_path)
    with ThreadPoolExecutor(2) as pool:
        ends = []
        for store in (first, second):
            ends.append(pool.submit(S3Publisher(f"{s3}/out", "words", SMALL).publish, found, Objects(store)))
            assert store.reached.wait(300)
        first.go_on.set()
        assert ends[0].exception(300) is not None, "its upload was ended by who came after it"
        second.go_on.set()
        ends[1].result(300)
    assert _content(S3Publisher(f"{s3}/out", "words"), "a") == random.Random(6).randbytes(11 * MIB)
    assert (_uploads(s3), _keys(s3, "out/")) == ([], [NOTE, "a"])


def test_what_somebody_else_put_there_is_not_replaced(s3: str, tmp_path: Any) -> None:
    objects, publisher = Objects(LocalStore(tmp_path)), S3Publisher(f"{s3}/out", "words")
    client_for(S3Access()).put_object(Bucket=s3.removeprefix("s3://"), Key="out/b", Body=b"a thesis")
    for call in (
        lambda: publisher.check(str(tmp_path), ["a", "b"]),
        lambda: publisher.publish({"a": inline(b"1"), "b": inline(b"2")}, objects),
    ):
        with pytest.raises(OptionError, match="'b' is in the way"):
            call()
    assert _keys(s3, "out/") == ["b"]
    assert _content(publisher, "b") == b"a thesis"


OVERLAPS = [("out", "out"), ("out/", "out"), ("work/out", "work"), ("out", "out/work"), ("", "work"), ("out", "")]


@pytest.mark.parametrize(("results", "store"), OVERLAPS)
def test_results_and_store_are_apart(results: str, store: str) -> None:
    with pytest.raises(OptionError, match="overlap"):
        S3Publisher(f"s3://lab/{results}", "words").check(f"s3://lab/{store}", [])


def _refused(s3: str) -> dict[str, Callable[[pytest.MonkeyPatch], str]]:
    def wrong_endpoint(patch: pytest.MonkeyPatch) -> str:
        patch.setattr("flowbutton.stores.s3_client.FIRST_PAUSE_S", 0)
        return f"{s3}/out?endpoint_url=http://127.0.0.1:9"

    return {
        "the bucket does not exist": lambda _: "s3://no-such-bucket-here/out",
        "S3 does not allow it": lambda _: s3.replace("s3://", "s3://anonymous@") + "/out",
        "the S3 server does not answer": wrong_endpoint,
    }


@pytest.mark.parametrize("what", _refused(""))
def test_a_place_that_takes_nothing_is_refused_at_once(what: str, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = _refused(s3)[what](monkeypatch)
    with pytest.raises((OptionError, Throttled), match=what):
        S3Publisher(place, "words").check_access()
