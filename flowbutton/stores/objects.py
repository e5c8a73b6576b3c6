"""Objects by content: the same bytes are one object, and every byte read is checked once.

An object of up to one block (8 MiB) is named by the sha256 of its bytes. A larger one is named by the sha256 of the
canonical list of its blocks' sha256s (``digest_json("blocks", {...})``), and that list lies beside it as
``<key>.blocks``, put first, so that a range can be checked without reading the rest.
Imports `model`, `stores.layout`.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from flowbutton.model.blocks import BLOCK, BLOCKS_TAG, Blocks
from flowbutton.model.canonical import digest_bytes
from flowbutton.model.errors import CorruptObject, NotInStore
from flowbutton.model.store import Store
from flowbutton.stores.layout import blocks_key, check_range, not_in_store, object_key

GONE = "nothing"
"""What is found where there is no object."""

_REMEMBERED = 4096
_FIRST = 1024**2
"""Bytes asked for first of an object of unknown size: most have fewer, and their size need not be asked for."""


@dataclass(slots=True)
class _Known:
    blocks: Blocks
    checked: set[int] = field(default_factory=set)


def digest_of(data: bytes | Path) -> str:
    """Return the digest under which bytes, or a file's bytes, are an object. Memory: one block."""
    return blocks_of(data).digest


def blocks_of(data: bytes | Path) -> Blocks:
    """Digest each block of bytes or of a file. Memory: one block."""
    return blocks_in(_cut(data))


def blocks_in(blocks: Iterable[bytes | memoryview]) -> Blocks:
    """Digest blocks of 8 MiB that come one after the other; the last may be shorter."""
    size, digests = 0, []
    for block in blocks:
        size += len(block)
        digests.append(digest_bytes(block))
    return Blocks(size, tuple(digests) or (digest_bytes(b""),))


def _cut(data: bytes | Path) -> Iterator[bytes | memoryview]:
    if isinstance(data, Path):
        with data.open("rb") as file:
            while block := file.read(BLOCK):
                yield block
    else:
        view = memoryview(data)
        yield from (view[start : start + BLOCK] for start in range(0, len(view), BLOCK))


class Objects:
    """The objects of one store, seen by one process.

    Holds: what `get` and `fetch` hand out has the digest asked for; a block or file is checked when this process first
    reads it. `put` leaves a sound object behind, also where a damaged one stood.
    Does not hold: that the bytes stay right afterwards, if the disk or a hand beside the store changes them.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._sound_files: set[Path] = set()

    def put(self, data: bytes | Path, known: Blocks | None = None) -> tuple[str, int]:
        """Put by content; return digest and size in bytes. Memory: one block, when ``data`` is a file.

        ``known`` are the digests of ``data``, where they were made while it was written.
        """
        blocks = known or blocks_of(data)
        digest = blocks.digest
        if len(blocks.digests) > 1:
            self._put_sound(blocks_key(digest), blocks.encode(), digest)
        self._put_sound(object_key(digest), data, digest)
        return digest, blocks.size

    def present(self, digests: Collection[str]) -> set[str]:
        """Return those of ``digests`` whose object is there; bytes are not looked at."""
        keys = {object_key(digest): digest for digest in digests}
        return {keys[key] for key in self.store.present(keys)}

    def is_sound(self, digest: str) -> bool:
        """Read the whole object again; return whether it is there with this digest."""
        self._known.pop(digest, None)
        try:
            return self._has_all_parts(digest)
        except (CorruptObject, NotInStore):
            return False

    def delete(self, digest: str) -> None:
        """Delete the object and the list of its digests; no error if there is none."""
        self._known.pop(digest, None)
        self.store.delete(object_key(digest))
        self.store.delete(blocks_key(digest))

    def size(self, digest: str) -> int:
        """Return the size in bytes.

        Raises:
            NotInStore: there is no such object.
        """
        size = self.store.head(object_key(digest))
        if size is None:
            raise not_in_store(object_key(digest), self.store.uri)
        return size

    def get(self, digest: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes ``[start, stop)``, to the end when ``stop`` is None or beyond it.

        The first read of a block reads all of it, to check it; later ones read their range.

        Raises:
            NotInStore: there is no such object.
            CorruptObject: the bytes, or the list of their digests, are not those that were put.
            ValueError: a bound is negative.
        """
        check_range(start, stop)
        known, first = self._look(digest, start)
        end = known.blocks.size if stop is None else min(stop, known.blocks.size)
        if start >= end:
            # A torn object ends too early: only one that is sound may say that there is nothing here.
            if len(known.blocks.digests) == 1 and not known.checked:
                self._part(digest, known, 0, 0, 0, first)
            return b""
        numbers = range(start // BLOCK, (end - 1) // BLOCK + 1)
        return b"".join(self._part(digest, known, number, start, end, first) for number in numbers)

    def fetch(self, digest: str, cache: Path | None, suffix: str = "") -> Path:
        """Return a local file with the object's bytes; never write to it.

        Where the store has files it is the object in place, or with a ``suffix`` a link to it in ``cache``; else a
        copy in ``cache``, made once, complete when visible.

        Raises:
            NotInStore, CorruptObject: as `get`.
            ValueError: ``cache`` is None, and a suffix is wanted or the store has no files.
        """
        place = self.local_file(digest)
        if place is not None and not suffix:
            return place
        if cache is None:
            self.size(digest)  # what is missing is said to be missing first
            raise ValueError(f"object {digest[:12]}… needs a cache folder to become a file called '*{suffix}'")
        cached = cache / f"{digest}{suffix}"
        if not self._is_sound(digest, place, cached):
            cache.mkdir(parents=True, exist_ok=True)
            self._make(digest, place, cached)
            self._sound_files.add(cached)
        return cached

    def local_file(self, digest: str) -> Path | None:
        """Return the object in place, checked, where the store has files; else None. Never write to it."""
        place = self.store.local_path(object_key(digest))
        if place is not None:
            self._check_file(digest, place)
        return place

    def _put_sound(self, key: str, data: bytes | Path, digest: str) -> None:
        if self.store.put_if_absent(key, data):
            return
        self._known.pop(digest, None)
        try:
            sound = self._is_there(key, data, digest)
        except (CorruptObject, NotInStore):
            sound = False
        if not sound:  # what a power cut tore would hold the name for ever; whole bytes of one digest are all alike
            self.store.put(key, data)

    def _is_there(self, key: str, data: bytes | Path, digest: str) -> bool:
        if key == blocks_key(digest):
            return self.store.get(key) == data
        return self._has_all_parts(digest)

    def _has_all_parts(self, digest: str) -> bool:
        known, first = self._look(digest)
        for number in range(len(known.blocks.digests)):
            self._part(digest, known, number, number * BLOCK, number * BLOCK, first)
        return True

    def _look(self, digest: str, start: int = 0) -> tuple[_Known, bytes | None]:
        """Return what is known of an object, and its first block where that was read to know it.

        ``start``: of what will be read. A range behind the first block is one of a large object, if of any.
        """
        known, first = self._known.get(digest), None
        if known is None:
            first = self._read_first(digest) if start < BLOCK else None
            small = first is not None and len(first) <= BLOCK
            size = len(first) if first is not None and small else self.size(digest)
            blocks = Blocks(size, (digest,)) if size <= BLOCK else self._read_blocks(digest, size)
            known = self._known[digest] = _Known(blocks)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return known, None if first is None else first[:BLOCK]

    def _read_first(self, digest: str) -> bytes:
        """Return up to one byte more than a block."""
        key = object_key(digest)
        data = self.store.get(key, 0, _FIRST)
        return data if len(data) < _FIRST else data + self.store.get(key, _FIRST, BLOCK + 1)

    def _read_blocks(self, digest: str, size: int) -> Blocks:
        key = blocks_key(digest)
        text = self.store.get(key)
        found = digest_bytes(BLOCKS_TAG + text)
        if found != digest:
            raise corrupt(key, digest, found)
        blocks = Blocks.decode(text)
        if blocks.size != size:
            raise corrupt(object_key(digest), f"{blocks.size} bytes", f"{size} bytes")
        return blocks

    def _part(self, digest: str, known: _Known, number: int, start: int, stop: int, first: bytes | None) -> bytes:
        """Return the bytes of ``[start, stop)`` that lie in a block, which is checked; ``first`` is block 0."""
        key, low, high = object_key(digest), number * BLOCK, min((number + 1) * BLOCK, known.blocks.size)
        if number in known.checked:
            return self.store.get(key, max(low, start), min(high, stop))
        block = first if first is not None and number == 0 else self.store.get(key, low, high)
        found = digest_bytes(block)
        if found != known.blocks.digests[number]:
            raise corrupt(key, known.blocks.digests[number], found, byte=low)
        known.checked.add(number)
        return block[max(start - low, 0) : stop - low]

    def _check_file(self, digest: str, place: Path) -> None:
        if place not in self._sound_files:
            found = digest_of(place)
            if found != digest:
                raise corrupt(object_key(digest), digest, found)
            self._sound_files.add(place)

    def _is_sound(self, digest: str, place: Path | None, cached: Path) -> bool:
        """Return whether what stands in the cache may be handed out; a copy is checked once per process."""
        if place is not None:
            return cached.is_symlink() and cached.readlink() == place
        if cached not in self._sound_files:
            if not cached.is_file() or digest_of(cached) != digest:
                return False
            self._sound_files.add(cached)
        return cached.is_file()

    def _make(self, digest: str, place: Path | None, cached: Path) -> None:
        temporary = cached.with_name(f"~{uuid.uuid4().hex}")
        try:
            if place is not None:
                temporary.symlink_to(place)
            else:
                with temporary.open("wb") as file:
                    while block := self.get(digest, file.tell(), file.tell() + BLOCK):
                        file.write(block)
            temporary.replace(cached)
        finally:
            temporary.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes of a store that are not those that were put: digests, or sizes; of a block, its first byte."""

    key: str
    expected: str
    found: str
    byte: int | None = None


def damages(store: Store, digest: str) -> Iterator[Damage]:
    """Read a whole object again; yield each block that is another one, and what is missing. Memory: one block."""
    key, list_key = object_key(digest), blocks_key(digest)
    size = store.head(key)
    if size is None:
        yield Damage(key, digest, GONE)
        return
    blocks = Blocks(size, (digest,))
    if size > BLOCK:
        text = _get(store, list_key)
        found = GONE if text is None else digest_bytes(BLOCKS_TAG + text)
        if text is None or found != digest:
            yield Damage(list_key, digest, found)
            return
        blocks = Blocks.decode(text)
        if blocks.size != size:
            yield Damage(key, f"{blocks.size} bytes", f"{size} bytes")
    for number, expected in enumerate(blocks.digests):
        block = _get(store, key, number * BLOCK, (number + 1) * BLOCK)
        found = GONE if block is None else digest_bytes(block)
        if found != expected:
            yield Damage(key, expected, found, number * BLOCK)


def _get(store: Store, key: str, start: int = 0, stop: int | None = None) -> bytes | None:
    try:
        return store.get(key, start, stop)
    except NotInStore:
        return None


def corrupt(key: str, expected: str, found: str, **where: int) -> CorruptObject:
    """Make the error for bytes that are not those that were put."""
    return CorruptObject(
        "stored bytes are damaged",
        why=f"expected {expected}, found {found}",
        hint="run again: what is damaged is made again; if it comes back, check the disk",
        key=key,
        **where,
    )
