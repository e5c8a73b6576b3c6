"""The contract suite of stores: inherit `StoreContract`, say how to make one, run pytest.

Each test is one promise of `flowbutton.model.store.Store`. Several writers are real threads and real processes, and a
killed writer is killed with SIGKILL. Imports `model`, pytest.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, ClassVar

import pytest

from flowbutton.model.errors import NotInStore
from flowbutton.model.store import Store
from flowbutton.testing.kinds import leave_out, needs

BAD_KEYS = (
    "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/..", "a/./b", "~", "a b", "a\n", "é", "a:b", "a%2e",
)  # fmt: skip
LARGE = 8 * 1024**2

_RACE = """
import sys
print(flush=True)
sys.stdin.readline()
print(*[int(store.put_if_absent(f"race/{number}", sys.argv[1].encode() * 50_000)) for number in range(20)], flush=True)
"""
_WRITE_FOR_EVER = """
import itertools, sys
put = getattr(store, sys.argv[1])
for number in itertools.count():
    data = bytes([number % 251]) * int(sys.argv[2])
    print(number, flush=True)
    put(f"big/{number}", data)
"""


class StoreContract(ABC):
    """What every store must pass."""

    @abstractmethod
    def store(self) -> Store:
        """Return a fresh, empty store."""

    @abstractmethod
    def reopen(self, store: Store) -> Store:
        """Open the same store again, as another process would."""

    shared: ClassVar[bool] = True
    """Other processes can open the store; without it, what needs them is left out."""
    late: ClassVar[bool] = False
    """Whether a put that was under way may still end after its writer was killed: on a server, which has its bytes."""

    def __init_subclass__(cls) -> None:
        """Leave out the tests of what this kind of store can't show."""
        super().__init_subclass__()
        leave_out(cls, {"shared"} if cls.shared else set())

    def opening_code(self, store: Store) -> str:
        """Return Python source that binds ``store`` in another process."""
        return f"from flowbutton.stores.opening import open_store\nstore = open_store({store.uri!r})\n"

    def test_what_was_put_is_read_at_once_by_everybody(self) -> None:
        store = self.store()
        store.put("a/b", b"one")
        assert store.get("a/b") == b"one"
        assert self.reopen(store).get("a/b") == b"one"
        store.put("a/b", b"longer than one")
        assert self.reopen(store).get("a/b") == b"longer than one"

    def test_a_file_is_put_and_stays(self, tmp_path: Path) -> None:
        store, file = self.store(), tmp_path / "file"
        content = bytes(range(256)) * 40_000
        file.write_bytes(content)
        store.put("by/put", file)
        assert store.put_if_absent("by/absent", file)
        assert store.get("by/put") == store.get("by/absent") == file.read_bytes() == content
        file.write_bytes(b"changed later")
        assert store.get("by/put") == store.get("by/absent") == content

    def test_put_if_absent_keeps_the_first(self) -> None:
        store = self.store()
        assert store.put_if_absent("k", b"first") is True
        assert store.put_if_absent("k", b"second") is False
        assert self.reopen(store).put_if_absent("k", b"third") is False
        assert store.get("k") == b"first"

    def test_put_if_absent_respects_a_put_and_a_delete(self) -> None:
        store = self.store()
        store.put("k", b"")
        assert store.put_if_absent("k", b"later") is False
        store.delete("k")
        assert store.put_if_absent("k", b"later") is True
        assert store.get("k") == b"later"

    @pytest.mark.parametrize(
        ("start", "stop"), [(0, None), (0, 0), (3, 7), (9, 10), (0, 10), (7, 3), (10, 10), (4, 99)]
    )
    def test_ranges_are_half_open_and_end_with_the_object(self, start: int, stop: int | None) -> None:
        store = self.store()
        store.put("k", b"0123456789")
        assert store.get("k", start, stop) == b"0123456789"[start:stop]

    @pytest.mark.parametrize(("start", "stop"), [(10, None), (11, None), (10, 20), (1 << 40, 1 << 41), (2, 1 << 60)])
    def test_a_range_beyond_the_end_is_shorter_or_empty(self, start: int, stop: int | None) -> None:
        store = self.store()
        store.put("k", b"0123456789")
        assert store.get("k", start, stop) == b"0123456789"[start:stop]

    @pytest.mark.parametrize(("start", "stop"), [(-1, None), (0, -1), (-5, -2)])
    def test_a_negative_bound_is_refused(self, start: int, stop: int | None) -> None:
        store = self.store()
        store.put("k", b"0123456789")
        with pytest.raises(ValueError, match="negative"):
            store.get("k", start, stop)

    def test_an_empty_object_is_an_object(self) -> None:
        store = self.store()
        assert store.put_if_absent("empty", b"") is True
        assert (store.get("empty"), store.get("empty", 0, 5), store.head("empty")) == (b"", b"", 0)
        assert [*store.list("")] == ["empty"]

    def test_what_is_missing_is_said_to_be_missing(self) -> None:
        store = self.store()
        assert store.head("not/there") is None
        assert store.local_path("not/there") is None
        with pytest.raises(NotInStore) as caught:
            store.get("not/there", 0, 10)
        assert caught.value.where["key"] == "not/there"
        store.put("a/b/c", b"x")
        assert (store.head("a"), store.head("a/b"), store.local_path("a/b")) == (None, None, None)
        assert store.head("a/b/c/d") is None
        for near in ("a", "a/b", "a/b/c/d"):
            with pytest.raises(NotInStore):
                store.get(near)
            store.delete(near)
        assert [*store.list("")] == ["a/b/c"]

    @pytest.mark.parametrize("many", [3, 120])
    def test_those_that_are_present_are_told(self, many: int) -> None:
        store = self.store()
        for number in range(many):
            store.put(f"a/{number}", b"x")
        store.put("a/other", b"x")
        asked = {f"a/{number}" for number in range(many)}
        assert store.present(asked | {"a", "a/none", "b/1"}) == asked
        assert store.present(()) == set()

    def test_head_gives_the_size(self) -> None:
        store = self.store()
        store.put("k", b"x" * 70_000)
        assert store.head("k") == 70_000

    def test_delete_needs_nothing_to_delete(self) -> None:
        store = self.store()
        store.delete("never/was")
        store.put("k/l", b"x")
        store.put("k/m", b"y")
        store.delete("k/l")
        store.delete("k/l")
        assert (store.head("k/l"), [*store.list("")]) == (None, ["k/m"])

    def test_lists_are_sorted_by_code_point_and_complete(self) -> None:
        store = self.store()
        keys = [
            "a",
            "B",
            "a-b/c",
            "a.b",
            "a0",
            "ab/1",
            "ab/10",
            "ab/2",
            "ab-",
            "x/y/z/1",
            "x/y-z",
            "x/y.z/0",
            "_",
            "=/=",
        ]
        for key in keys:
            store.put(key, key.encode())
        assert [*store.list("")] == sorted(keys)
        assert [*self.reopen(store).list("")] == sorted(keys)

    @pytest.mark.parametrize(
        "prefix", ["", "a", "ab", "ab/", "ab/1", "ab/10", "ab/10/", "x/y", "x/y/", "x/.", "zz", "zz/"]
    )
    def test_a_prefix_is_any_text(self, prefix: str) -> None:
        store = self.store()
        keys = ["a", "a-b/c", "ab/1", "ab/10", "ab/2", "x/y/z/1", "x/y-z", "x/.y", "x/..y"]
        for key in keys:
            store.put(key, b"")
        assert [*store.list(prefix)] == sorted(key for key in keys if key.startswith(prefix))

    @pytest.mark.parametrize("key", BAD_KEYS)
    def test_keys_do_not_leave_the_prefix(self, key: str) -> None:
        store = self.store()
        store.put("a/b", b"x")
        with pytest.raises(ValueError, match="key"):
            store.put(key, b"x")
        with pytest.raises(ValueError, match="key"):
            store.put_if_absent(key, b"x")
        with pytest.raises(ValueError, match="key"):
            store.get(key)
        with pytest.raises(ValueError, match="key"):
            store.head(key)
        with pytest.raises(ValueError, match="key"):
            store.delete(key)
        with pytest.raises(ValueError, match="key"):
            store.local_path(key)
        assert [*store.list("")] == ["a/b"]

    @pytest.mark.parametrize("prefix", ["../", "a/../", "/", "a//", "~", "./"])
    def test_lists_do_not_leave_the_prefix(self, prefix: str) -> None:
        with pytest.raises(ValueError, match="key"):
            [*self.store().list(prefix)]

    def test_entries_tell_what_lists_and_heads_tell_and_who_is_older(self) -> None:
        store = self.store()
        for number, key in enumerate(["b", "a/1", "a/2", "c"]):
            store.put(key, b"x" * number)
        store.put("b", b"again")
        found = [*self.reopen(store).entries("")]
        assert [(entry.key, entry.size) for entry in found] == [(key, store.head(key)) for key in store.list("")]
        assert [entry.key for entry in store.entries("a/")] == ["a/1", "a/2"]
        times = {entry.key: entry.modified_s for entry in found}
        assert times["a/1"] <= times["a/2"] <= times["c"] <= times["b"], "what was put again is young"

    def test_a_local_path_shows_the_bytes(self) -> None:
        store = self.store()
        store.put("k/l", b"in place")
        path = store.local_path("k/l")
        assert path is None or path.read_bytes() == b"in place"

    def test_one_of_many_threads_puts_if_absent(self) -> None:
        store = self.store()
        opened = [self.reopen(store) for _ in range(8)]
        together = threading.Barrier(len(opened))

        def put(number: int) -> list[bool]:
            won = []
            for round_ in range(25):
                together.wait(timeout=300)
                won.append(opened[number].put_if_absent(f"race/{round_}", bytes([number]) * 100_000))
            return won

        with ThreadPoolExecutor(len(opened)) as pool:
            answers = [*pool.map(put, range(len(opened)))]
        for round_ in range(25):
            winners = [number for number, won in enumerate(answers) if won[round_]]
            assert len(winners) == 1
            assert store.get(f"race/{round_}") == bytes(winners) * 100_000

    def test_an_object_is_seen_whole_or_not_at_all(self, tmp_path: Path) -> None:
        store, file = self.store(), tmp_path / "large"
        file.write_bytes(b"n" * LARGE)
        done = threading.Event()

        def write() -> None:
            for number in range(4):
                store.put("again", b"o" * LARGE if number % 2 else file)
                store.put_if_absent(f"new/{number}", file)
            done.set()

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write)
            while not writing.done():
                sizes = {self.reopen(store).head(key) for key in ("again", *store.list("new/"))}
                assert sizes <= {None, LARGE}
            writing.result()
        assert done.is_set()
        assert [*store.list("")] == ["again", *(f"new/{number}" for number in range(4))]

    @needs(shared=True)
    def test_one_of_many_processes_puts_if_absent(self) -> None:
        store = self.store()
        processes = [self._run(store, _RACE, letter) for letter in "abcd"]
        for process in processes:
            assert _stream(process.stdout).readline() == "\n"
        for process in processes:
            _stream(process.stdin).write("go\n")
            _stream(process.stdin).flush()
        answers = [process.communicate(timeout=300)[0].split() for process in processes]
        for number in range(20):
            winners = [letter for letter, answer in zip("abcd", answers, strict=True) if answer[number] == "1"]
            assert len(winners) == 1
            assert store.get(f"race/{number}") == winners[0].encode() * 50_000

    @needs(shared=True)
    @pytest.mark.parametrize("method", ["put", "put_if_absent"])
    def test_a_killed_writer_leaves_nothing_half(self, method: str) -> None:
        for share in (0.3, 0.5, 0.7):
            store = self.store()
            process = self._run(store, _WRITE_FOR_EVER, method, str(LARGE))
            try:
                seen = []
                for number in range(4):
                    assert _stream(process.stdout).readline() == f"{number}\n"
                    seen.append(time.monotonic())
                # Not a wait for something to happen: the kill falls into the middle of a put, whose time is known now.
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(timeout=share * (seen[3] - seen[0]) / 3)
            finally:
                process.send_signal(signal.SIGKILL)
                process.communicate(timeout=300)
            again = self.reopen(store)
            keys = [*again.list("")]
            assert {f"big/{number}" for number in range(3)} <= set(keys)
            for key in keys:
                assert again.head(key) == LARGE, f"{key} is torn"
                assert again.get(key) == bytes([int(key.removeprefix("big/")) % 251]) * LARGE
            name, free, whole = f"big/{len(keys)}", b"the name is free", bytes([len(keys) % 251]) * LARGE
            assert again.put_if_absent(name, free) or (self.late and again.get(name) == whole)
            for left in again.leftovers():
                again.drop_leftover(left.key)
            assert [*again.leftovers()] == []
            assert again.get(name) == free or (self.late and again.get(name) == whole)
            assert [*again.list("")][: len(keys)] == keys

    def _run(self, store: Store, code: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", self.opening_code(store) + code, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


def _stream(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream
