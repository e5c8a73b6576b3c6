"""Outputs in a folder."""

from __future__ import annotations

import fcntl
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from publishing import PublisherContract, composite, inline

from flowbutton.model.composite import Span
from flowbutton.model.errors import NotInStore, OptionError
from flowbutton.model.records import Artifact
from flowbutton.stores.local import LocalStore
from flowbutton.stores.objects import Objects
from flowbutton.stores.publishing import Publisher, publisher_for
from flowbutton.stores.staging import LOCK
from flowbutton.stores.uris import default_store


class TestFolderPublisher(PublisherContract):
    def publisher(self) -> Publisher:
        return publisher_for(str(self.folder / "results"), "words")

    def objects(self) -> Objects:
        return Objects(LocalStore(self.folder / "store"))


def test_work_on_results_elsewhere_is_kept_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_store("s3://lab/out") == default_store("results") == str(tmp_path / ".flowbutton")
    assert default_store(str(tmp_path / "runs/out")) == str(tmp_path / "runs/.flowbutton")


def test_one_bucket_is_known_by_its_name_however_it_is_reached() -> None:
    places = ["s3://lab/out", "s3://lab/out/", "s3://me@lab/out", "s3://lab/out?region=eu-central-1"]
    assert {publisher_for(place, "words").identity for place in places} == {"s3://lab/out/"}


@pytest.mark.parametrize("uri", ["gs://lab/out", "az://lab/out", "https://lab/out", "redis://lab", "memory://out"])
def test_outputs_go_to_folders_and_s3_only(uri: str) -> None:
    with pytest.raises(OptionError, match="results can't go to"):
        publisher_for(uri, "words")


class Between(LocalStore):
    """A store that does something when an object's bytes are asked for."""

    def __init__(self, root: Path, act: Callable[[], object]) -> None:
        super().__init__(root)
        self._act = act

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        self._act()
        return super().get(key, start, stop)

    def local_path(self, key: str) -> Path | None:
        self._act()
        return super().local_path(key)


def test_two_writers_of_one_folder_do_not_meet(tmp_path: Path) -> None:
    """As two runs that hold no lock, or one that stood still: the other one publishes amid the writing of a file."""
    results, local = tmp_path / "results", Objects(LocalStore(tmp_path / "store"))
    other = publisher_for(str(results), "words")
    theirs = {"a.txt": inline(b"theirs"), "b.txt": inline(b"also theirs")}
    halves = random.Random(1).randbytes(90_000)
    mine = {
        "a.txt": composite(local, [b"begun, ", Span(*local.put(halves)[:1], 0, len(halves))]),
        "b.txt": inline(b"mine"),
    }
    seen: list[bytes] = []

    def act() -> None:
        other.publish(theirs, local)
        seen.append((results / "a.txt").read_bytes())

    publisher_for(str(results), "words").publish(mine, Objects(Between(tmp_path / "store", act)))
    assert set(seen) == {b"theirs"}
    assert ((results / "a.txt").read_bytes(), (results / "b.txt").read_bytes()) == (b"begun, " + halves, b"mine")
    assert not [*results.glob(".*.partial")]


def test_a_failed_publishing_leaves_nothing_and_a_killed_one_is_swept(tmp_path: Path) -> None:
    results, objects = tmp_path / "results", Objects(LocalStore(tmp_path / "store"))
    publisher, gone = publisher_for(str(results), "words"), Artifact("bytes", "0" * 64, 9)
    with pytest.raises(NotInStore):
        publisher.publish({"in/a.txt": inline(b"a"), "b.txt": gone}, objects)
    assert not [*results.rglob("*.partial")]
    assert not (results / "in/a.txt").exists()
    killed = results / "in/.a.txt.0123456789ab.partial"
    killed.write_bytes(b"half")
    notes = results / "in/.mine.txt.0123456789ab.partial"
    notes.write_bytes(b"of somebody else: no output has this name")
    with (results / LOCK).open() as at_work:  # another writer: whose files these are is not known
        fcntl.flock(at_work, fcntl.LOCK_SH)
        publisher.publish({"in/a.txt": inline(b"a")}, objects)
        assert killed.exists()
    publisher.publish({"in/a.txt": inline(b"a")}, objects)
    assert not killed.exists()
    assert notes.exists()


def test_what_is_in_the_way_is_told_before_anything_is_replaced(tmp_path: Path) -> None:
    publisher, objects = publisher_for(str(tmp_path), "words"), Objects(LocalStore(tmp_path / "store"))
    publisher.publish({"a": inline(b"1")}, objects)
    (tmp_path / "folder").mkdir()
    for name, blocking in (("folder", "folder"), ("a/b", "a")):
        with pytest.raises(OptionError, match=f"'{blocking}' is in the way"):
            publisher.check("store", ["a", name])
        with pytest.raises(OptionError, match=f"'{blocking}' is in the way"):
            publisher.publish({"a": inline(b"2"), name: inline(b"3")}, objects)
    assert (tmp_path / "a").read_bytes() == b"1"
