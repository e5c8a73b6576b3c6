"""Objects by content: named by what they hold, checked when read, made sound again when put."""

from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowbutton.model.blocks import BLOCK, BlocksWritten
from flowbutton.model.errors import CorruptObject, NotInStore
from flowbutton.model.store import Store
from flowbutton.stores.layout import blocks_key, object_key
from flowbutton.stores.local import LocalStore
from flowbutton.stores.memory import MemoryStore
from flowbutton.stores.objects import Objects, blocks_of, digest_of
from flowbutton.testing.faulty import WrappedStore

_numbers = itertools.count()
LARGE = bytes(range(251)) * (2 * BLOCK // 251) + b"a tail in a third block" * 30


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return LocalStore(tmp_path / "store") if request.param == "file" else MemoryStore(f"objects-{next(_numbers)}")


@pytest.mark.parametrize("content", [b"", b"x", b"y" * BLOCK, b"z" * (BLOCK + 1), LARGE], ids=len)
def test_what_is_put_is_got(store: Store, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    digest, size = Objects(store).put(content)
    assert Objects(store).put(file) == (digest, size) == (digest_of(file), len(content))
    assert Objects(store).present({digest}) == {digest}
    assert Objects(store).get(digest) == content
    assert Objects(store).fetch(digest, tmp_path / "cache").read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"x", b"y" * BLOCK, b"z" * (BLOCK + 1), LARGE], ids=len)
@pytest.mark.parametrize("step", [3_000_017, BLOCK, 4 * BLOCK])
def test_digests_made_while_bytes_are_written_are_those_of_the_object(content: bytes, step: int) -> None:
    written = BlocksWritten()
    for start in range(0, len(content), step):
        written.add(content[start : start + step])
    assert written.blocks() == blocks_of(content)


def test_a_small_object_has_the_digest_of_its_bytes() -> None:
    assert digest_of(b"abc") == hashlib.sha256(b"abc").hexdigest()


def test_the_digest_of_a_large_object_is_pinned() -> None:
    assert digest_of(bytes(BLOCK + 1)) == "e80ef2673df16dd1df1a1e59b243aa6258090e38c19da75cc0a2342b89d14bb2"


@cache
def large_object() -> str:
    return Objects(MemoryStore("objects-ranges")).put(LARGE)[0]


@settings(max_examples=40, deadline=None)
@given(start=st.integers(0, len(LARGE) + 5), length=st.integers(0, 2 * BLOCK))
def test_any_range_is_that_of_the_bytes(start: int, length: int) -> None:
    store, digest = MemoryStore("objects-ranges"), large_object()
    assert Objects(store).get(digest, start, start + length) == LARGE[start : start + length]


def test_a_block_is_checked_once_then_read_by_range() -> None:
    inner = MemoryStore(f"objects-{next(_numbers)}")
    digest, _ = Objects(inner).put(LARGE)
    read: list[tuple[int, int | None]] = []

    class Watched(WrappedStore):
        def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
            if key == object_key(digest):
                read.append((start, stop))
            return super().get(key, start, stop)

    objects = Objects(Watched(inner))
    assert objects.get(digest, BLOCK + 5, BLOCK + 9) == LARGE[BLOCK + 5 : BLOCK + 9]
    assert objects.get(digest, BLOCK + 7, BLOCK + 8) == LARGE[BLOCK + 7 : BLOCK + 8]
    assert read == [(BLOCK, 2 * BLOCK), (BLOCK + 7, BLOCK + 8)]


@pytest.mark.parametrize(
    ("content", "most"), [(b"", 1), (b"small", 1), (b"y" * 2**21, 2), (b"y" * BLOCK, 2), (LARGE, 6)], ids=lambda _: ""
)
@pytest.mark.parametrize("how", ["get", "fetch", "is_sound", "put"])
def test_each_way_of_reading_costs_few_requests(content: bytes, most: int, how: str, tmp_path: Path) -> None:
    """A small object is read without asking for its size first; of a large one come size, list, and three blocks."""
    inner, asked = MemoryStore(f"objects-{next(_numbers)}"), list[str]()
    digest, _ = Objects(inner).put(content)
    objects = Objects(WrappedStore(inner, lambda method, _: asked.append(method)))
    match how:
        case "get":
            assert objects.get(digest) == content
        case "fetch":
            assert objects.fetch(digest, tmp_path).read_bytes() == content
        case "is_sound":
            assert objects.is_sound(digest)
        case "put":
            objects.put(content)
    assert len([one for one in asked if one in ("get", "head")]) <= most + (how == "put" and content == LARGE)


@pytest.mark.parametrize("content", [b"small", LARGE], ids=["small", "large"])
def test_damage_is_found_named_and_repaired_by_putting_again(store: Store, tmp_path: Path, content: bytes) -> None:
    digest, _ = Objects(store).put(content)
    key = object_key(digest)
    store.put(key, content[:-3] + b"???")
    with pytest.raises(CorruptObject) as caught:
        Objects(store).get(digest, len(content) - 2)
    assert caught.value.where["key"] == key
    with pytest.raises(CorruptObject):
        Objects(store).fetch(digest, tmp_path / "cache")
    Objects(store).put(content)
    assert Objects(store).get(digest) == content


@pytest.mark.parametrize("torn", [b"", LARGE[: BLOCK + 7], LARGE + b"!"], ids=["empty", "short", "long"])
def test_an_object_of_another_size_is_found(store: Store, torn: bytes) -> None:
    digest, _ = Objects(store).put(LARGE)
    store.put(object_key(digest), torn)
    with pytest.raises(CorruptObject):
        Objects(store).get(digest, 0, 1)
    Objects(store).put(LARGE)
    assert Objects(store).get(digest) == LARGE


@pytest.mark.parametrize(("start", "stop"), [(0, 3), (3, 5), (5, 5), (9, 12)])
def test_a_torn_small_object_is_found_by_any_range(store: Store, start: int, stop: int) -> None:
    digest, _ = Objects(store).put(b"0123456789")
    store.put(object_key(digest), b"012")
    with pytest.raises(CorruptObject):
        Objects(store).get(digest, start, stop)


def test_a_damaged_list_of_blocks_is_found_and_repaired(store: Store) -> None:
    digest, _ = Objects(store).put(LARGE)
    store.put(blocks_key(digest), store.get(blocks_key(digest)).replace(b"0", b"1"))
    with pytest.raises(CorruptObject) as caught:
        Objects(store).get(digest, 0, 1)
    assert caught.value.where["key"] == blocks_key(digest)
    Objects(store).put(LARGE)
    assert Objects(store).get(digest, 0, 1) == LARGE[:1]


def test_what_was_never_put_is_missing(store: Store, tmp_path: Path) -> None:
    absent = digest_of(b"never put")
    assert not Objects(store).present({absent})
    with pytest.raises(NotInStore):
        Objects(store).get(absent)
    with pytest.raises(NotInStore):
        Objects(store).fetch(absent, tmp_path)


def test_a_local_object_is_fetched_in_place_and_a_suffix_is_a_link(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    objects = Objects(store)
    digest, _ = objects.put(b"in place")
    assert objects.fetch(digest, None) == store.local_path(object_key(digest))
    named = objects.fetch(digest, tmp_path / "cache", ".bam")
    assert (named.name, named.read_bytes(), named.is_symlink()) == (f"{digest}.bam", b"in place", True)
    assert objects.fetch(digest, tmp_path / "cache", ".bam") == named
    store.delete(object_key(digest))
    with pytest.raises(NotInStore):
        Objects(store).fetch(digest, None)
    objects.put(b"in place")
    with pytest.raises(ValueError, match="cache folder"):
        objects.fetch(digest, None, ".bam")


def test_a_cached_file_is_made_once_and_checked_by_each_process(tmp_path: Path) -> None:
    store = MemoryStore(f"objects-{next(_numbers)}")
    digest, _ = Objects(store).put(LARGE)
    first = Objects(store).fetch(digest, tmp_path, ".bin")
    made = first.stat().st_mtime_ns
    assert Objects(store).fetch(digest, tmp_path, ".bin").stat().st_mtime_ns == made
    first.write_bytes(LARGE[:-1])
    assert Objects(store).fetch(digest, tmp_path, ".bin").read_bytes() == LARGE
    assert [entry.name for entry in tmp_path.iterdir()] == [f"{digest}.bin"]
    with pytest.raises(ValueError, match="cache folder"):
        Objects(store).fetch(digest, None)


def test_a_large_file_is_put_and_fetched_in_bounded_memory(tmp_path: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
from flowbutton.stores.local import LocalStore
from flowbutton.stores.objects import Objects
file = Path(sys.argv[1]) / "large"
with file.open("wb") as out:
    out.truncate(200 * 1024**2)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
objects = Objects(LocalStore(Path(sys.argv[1]) / "store"))
digest, size = objects.put(file)
objects.fetch(digest, None)
print(size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    answer = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    size, grown_kib = map(int, answer.stdout.split())
    assert size == 200 * 1024**2
    assert grown_kib < 40 * 1024
