"""Our stores keep the contract; stores that are wrong on purpose don't."""

from __future__ import annotations

import inspect
import itertools
import os
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from flowbutton.model.errors import NotInStore, OptionError
from flowbutton.model.store import Entry, Store
from flowbutton.stores.local import LocalStore
from flowbutton.stores.memory import MemoryStore
from flowbutton.stores.opening import open_store
from flowbutton.testing.stores import StoreContract

_numbers = itertools.count()


class TestLocalStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def store(self) -> Store:
        return LocalStore(self.folder / f"store {next(_numbers)}")

    def reopen(self, store: Store) -> Store:
        return open_store(store.uri)


class TestMemoryStore(StoreContract):
    shared = False

    def store(self) -> Store:
        return MemoryStore(f"contract-{next(_numbers)}")

    def reopen(self, store: Store) -> Store:
        return open_store(store.uri)


class InPlace(LocalStore):
    """O_EXCL on the name itself, written bit by bit: a torn object holds its name."""

    def put_if_absent(self, key: str, data: bytes | Path) -> bool:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        content = data.read_bytes() if isinstance(data, Path) else data
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            for start in range(0, len(content), 512):
                file.write(content[start : start + 512])
        return True


class Overwriting(LocalStore):
    """Looks, then puts: two writers can both win."""

    def put_if_absent(self, key: str, data: bytes | Path) -> bool:
        absent = self.head(key) is None
        if absent:
            self.put(key, data)
        return absent


class Boastful(LocalStore):
    """Says that it always won."""

    def put_if_absent(self, key: str, data: bytes | Path) -> bool:
        super().put_if_absent(key, data)
        return True


class Unsorted(LocalStore):
    """Lists folder by folder: 'a/b' before 'a-b'."""

    def list(self, prefix: str) -> Iterator[str]:
        return iter(sorted(super().list(prefix), key=lambda key: key.split("/")))


class WholeSegments(LocalStore):
    """Takes a prefix for a folder."""

    def list(self, prefix: str) -> Iterator[str]:
        return (key for key in super().list(prefix) if not prefix or key.startswith(prefix.rstrip("/") + "/"))


class Ageless(LocalStore):
    """Says that all objects were put at one time."""

    def entries(self, prefix: str) -> Iterator[Entry]:
        return (replace(entry, modified_s=-float(number)) for number, entry in enumerate(super().entries(prefix)))


class StrictRanges(LocalStore):
    """Raises for a range that ends behind the object."""

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        data = super().get(key, start, stop)
        if stop is not None and len(data) < stop - start:
            raise EOFError(key)
        return data


class Closed(LocalStore):
    """Takes the end of a range for the last byte."""

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        return super().get(key, start, None if stop is None else stop + 1)


class Escaping(LocalStore):
    """Looks anywhere on the disk."""

    def head(self, key: str) -> int | None:
        path = self.root / key
        return path.stat().st_size if path.is_file() else None


class Linking(LocalStore):
    """Puts a file by linking to it: it changes when the file does."""

    def put(self, key: str, data: bytes | Path) -> None:
        if isinstance(data, Path):
            (self.root / key).parent.mkdir(parents=True, exist_ok=True)
            (self.root / key).symlink_to(data)
        else:
            super().put(key, data)


class Forgetful(MemoryStore):
    """Takes an empty object for none."""

    def head(self, key: str) -> int | None:
        return super().head(key) or None


class Late(LocalStore):
    """Keeps for itself what was put, until it is asked for by itself."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._waiting: dict[str, bytes | Path] = {}

    def put(self, key: str, data: bytes | Path) -> None:
        self._waiting[key] = data

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        if key in self._waiting:
            super().put(key, self._waiting[key])
        return super().get(key, start, stop)


class Resentful(LocalStore):
    """Never takes a name again that it has seen."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._seen: set[str] = set()

    def put(self, key: str, data: bytes | Path) -> None:
        self._seen.add(key)
        super().put(key, data)

    def put_if_absent(self, key: str, data: bytes | Path) -> bool:
        return key not in self._seen and super().put_if_absent(key, data)


class Clamping(LocalStore):
    """Takes a negative bound for the object's beginning."""

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        return super().get(key, max(start, 0), None if stop is None else max(stop, 0))


class Inventive(LocalStore):
    """Has an empty object wherever there is none."""

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        return super().get(key, start, stop) if self.head(key) is not None else b""


class Guessing(LocalStore):
    """Tells the size of a first part for that of the whole."""

    def head(self, key: str) -> int | None:
        size = super().head(key)
        return None if size is None else min(size, 65_536)


class Sweeping(LocalStore):
    """Takes the beginning of a key for an object."""

    def present(self, keys: Collection[str]) -> set[str]:
        return {key for key in keys if any(True for _ in self.list(key))}


class Pedantic(LocalStore):
    """Wants to know that there is something to delete."""

    def delete(self, key: str) -> None:
        self.get(key)
        super().delete(key)


class Silent(LocalStore):
    """Finds nothing under a prefix that leaves the store, and does not say so."""

    def list(self, prefix: str) -> Iterator[str]:
        try:
            return iter([*super().list(prefix)])
        except ValueError:
            return iter([])


class Misleading(LocalStore):
    """Names another file as the object's own."""

    def local_path(self, key: str) -> Path | None:
        return Path(__file__) if self.head(key) is not None else None


WRONG = [
    (Late, "test_what_was_put_is_read_at_once_by_everybody"),
    (Resentful, "test_put_if_absent_respects_a_put_and_a_delete"),
    (Clamping, "test_a_negative_bound_is_refused"),
    (Inventive, "test_what_is_missing_is_said_to_be_missing"),
    (Guessing, "test_head_gives_the_size"),
    (Sweeping, "test_those_that_are_present_are_told"),
    (Pedantic, "test_delete_needs_nothing_to_delete"),
    (Silent, "test_lists_do_not_leave_the_prefix"),
    (Misleading, "test_a_local_path_shows_the_bytes"),
    (InPlace, "test_a_killed_writer_leaves_nothing_half"),
    (InPlace, "test_an_object_is_seen_whole_or_not_at_all"),
    (Overwriting, "test_one_of_many_threads_puts_if_absent"),
    (Boastful, "test_put_if_absent_keeps_the_first"),
    (Boastful, "test_one_of_many_processes_puts_if_absent"),
    (Unsorted, "test_lists_are_sorted_by_code_point_and_complete"),
    (WholeSegments, "test_a_prefix_is_any_text"),
    (Ageless, "test_entries_tell_what_lists_and_heads_tell_and_who_is_older"),
    (StrictRanges, "test_a_range_beyond_the_end_is_shorter_or_empty"),
    (Closed, "test_ranges_are_half_open_and_end_with_the_object"),
    (Escaping, "test_keys_do_not_leave_the_prefix"),
    (Linking, "test_a_file_is_put_and_stays"),
    (Forgetful, "test_an_empty_object_is_an_object"),
]


@pytest.mark.parametrize(("wrong", "test"), WRONG, ids=[f"{wrong.__name__}-{test}" for wrong, test in WRONG])
def test_a_wrong_store_fails_the_contract(wrong: type[Store], test: str, tmp_path: Path) -> None:
    assert not _passes(_contract_of(wrong, tmp_path / "wrong"), test, tmp_path)


@pytest.mark.parametrize("test", sorted({test for _, test in WRONG}))
def test_the_right_store_passes_what_the_wrong_ones_fail(test: str, tmp_path: Path) -> None:
    assert _passes(_contract_of(LocalStore, tmp_path / "right"), test, tmp_path)


def test_every_promise_is_broken_by_a_wrong_store() -> None:
    assert {test for _, test in WRONG} == {name for name in dir(StoreContract) if name.startswith("test_")}


def _contract_of(kind: type[Store], folder: Path) -> StoreContract:
    class Contract(StoreContract):
        def store(self) -> Store:
            place = folder / str(next(_numbers))
            return kind(place) if issubclass(kind, LocalStore) else kind(str(place))  # type: ignore[call-arg]

        def reopen(self, store: Store) -> Store:
            return kind.open(store.uri)  # type: ignore[attr-defined,no-any-return]

        def opening_code(self, store: Store) -> str | None:
            return (
                "import importlib.util\n"
                f"spec = importlib.util.spec_from_file_location('wrong', {__file__!r})\n"
                "module = importlib.util.module_from_spec(spec)\n"
                "spec.loader.exec_module(module)\n"
                f"store = module.{kind.__name__}.open({store.uri!r})\n"
            )

    return Contract()


def _passes(contract: StoreContract, test: str, tmp_path: Path) -> bool:
    method = getattr(contract, test)
    marks = [mark for mark in getattr(method, "pytestmark", []) if mark.name == "parametrize"]
    cases: list[dict[str, object]] = [{}]
    for names, values in (mark.args for mark in marks):
        cases = [
            dict(zip(names, value, strict=True)) if isinstance(names, tuple) else {names: value} for value in values
        ]
    paths = {"tmp_path": tmp_path} if "tmp_path" in inspect.signature(method).parameters else {}
    try:
        for case in cases:
            method(**case, **paths)
    except (AssertionError, EOFError, NotInStore, pytest.fail.Exception):
        return False
    return True


def test_an_unknown_scheme_lists_those_that_there_are() -> None:
    with pytest.raises(OptionError) as caught:
        open_store("gopher://hole")
    assert "file" in caught.value.hint
    assert "memory" in caught.value.hint


def test_a_plain_path_is_a_local_store(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "a b#c"))
    store.put("k", b"x")
    assert (tmp_path / "a b#c" / "k").read_bytes() == b"x"
    assert open_store(store.uri).get("k") == b"x"
    assert store.uri.startswith("file:///")


def test_a_memory_store_needs_a_name() -> None:
    with pytest.raises(OptionError, match="names no memory store"):
        open_store("memory:")
