"""What a local folder adds to the contract: links or renames, durability, full disks, leftovers."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowbutton.model.errors import NoSpace, OptionError
from flowbutton.stores.layout import is_durable, manifest_key, object_key, pack_key, segment_key
from flowbutton.stores.local import TEMPORARY, LocalStore
from flowbutton.stores.objects import Objects
from flowbutton.stores.placing import Way, by_link, by_rename, place_if_absent


def refusing(code: int) -> Way:
    def way(file: Path, name: Path) -> None:
        raise OSError(code, os.strerror(code), str(file), None, str(name))

    return way


@pytest.mark.parametrize("ways", [(by_link,), (by_rename,), (refusing(errno.EPERM), by_rename)])
def test_each_way_gives_the_name_once(tmp_path: Path, ways: tuple[Way, ...]) -> None:
    for letter in "ab":
        (tmp_path / letter).write_text(letter)
    assert place_if_absent(tmp_path / "a", tmp_path / "name", ways) is True
    assert place_if_absent(tmp_path / "b", tmp_path / "name", ways) is False
    assert (tmp_path / "name").read_text() == "a"


def test_a_link_whose_answer_was_lost_counts_as_ours(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    by_link(tmp_path / "a", tmp_path / "name")
    assert place_if_absent(tmp_path / "a", tmp_path / "name", (by_link,)) is True


def test_a_file_system_with_neither_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    with pytest.raises(OptionError, match="can't hold a store"):
        place_if_absent(tmp_path / "a", tmp_path / "name", (refusing(errno.EPERM), refusing(errno.EINVAL)))
    with pytest.raises(OSError, match="Input/output"):
        place_if_absent(tmp_path / "a", tmp_path / "name", (refusing(errno.EIO), by_rename))
    assert not (tmp_path / "name").exists()


def test_what_decides_is_durable_and_what_can_be_made_again_is_not() -> None:
    assert [is_durable(key) for key in (segment_key("s", 1), manifest_key("s", "d"), "leases/n/00000001")] == [True] * 3
    assert [is_durable(key) for key in (object_key("ab12"), pack_key("s", "d"), "runs/1/segments/2")] == [False] * 3


def test_a_durable_put_syncs_the_file_and_its_folders(tmp_path: Path) -> None:
    synced: list[Path] = []
    store = LocalStore(tmp_path, sync=lambda descriptor: synced.append(Path(f"/proc/self/fd/{descriptor}").readlink()))
    store.put(pack_key("s", "d"), b"x")
    assert synced == []
    store.put_if_absent(segment_key("s", 0), b"x")
    assert synced[0].parent == tmp_path / TEMPORARY
    assert synced[1:] == [tmp_path / name for name in ("records/s/segments", "records/s", "records", "")]


def test_folders_above_one_that_is_durable_already_are_not_synced_again(tmp_path: Path) -> None:
    synced: list[Path] = []
    broken = [True]

    def sync(descriptor: int) -> None:
        place = Path(f"/proc/self/fd/{descriptor}").readlink()
        if place == tmp_path and broken:
            raise OSError(broken.pop(), "the disk is gone for a moment")
        synced.append(place.relative_to(tmp_path))

    store = LocalStore(tmp_path, sync=sync)
    with pytest.raises(OSError, match="gone for a moment"):
        store.put_if_absent(segment_key("s", 0), b"x")
    synced.clear()
    store.put_if_absent(segment_key("s", 1), b"x")
    assert synced[1:] == [Path(name) for name in ("records/s/segments", "records/s", "records", "")], "it had failed"
    synced.clear()
    store.put_if_absent(segment_key("s", 2), b"x")
    assert synced[1:] == [Path("records/s/segments")]
    store.put_if_absent(segment_key("t", 0), b"x")
    assert synced[3:] == [Path(name) for name in ("records/t/segments", "records/t", "records", "")]


def test_leftovers_of_killed_writers_are_not_listed(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("a", b"x")
    (tmp_path / TEMPORARY / "left").write_bytes(b"half")
    (tmp_path / "not a key").write_bytes(b"")
    assert [*store.list("")] == ["a"]
    with pytest.raises(ValueError, match="not a key"):
        store.get(f"{TEMPORARY}/left")


def test_no_temporary_file_stays(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("a", b"x")
    store.put_if_absent("a", b"y")
    store.put_if_absent("b", b"y")
    with pytest.raises(FileNotFoundError):
        store.put("c", tmp_path / "no such file")
    assert [*(tmp_path / TEMPORARY).iterdir()] == []
    assert [*store.list("")] == ["a", "b"]


def test_objects_are_read_only_files(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("a", b"x")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) & 0o222 == 0


def test_opening_and_reading_make_nothing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "new")
    assert ([*store.list("")], store.head("a")) == ([], None)
    assert not (tmp_path / "new").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_said_and_leaves_nothing(small_disk: Path) -> None:
    store = LocalStore(small_disk / "store")
    store.put("fits", b"x" * 1000)
    for put in (store.put, store.put_if_absent):
        with pytest.raises(NoSpace) as caught:
            put("large", b"x" * 2 * 1024**2)
        assert caught.value.where["file"] == str(store.root)
        assert "make room" in caught.value.hint
    assert [*store.list("")] == ["fits"]
    assert [*(store.root / TEMPORARY).iterdir()] == []
    with pytest.raises(NoSpace):
        Objects(store).put(b"y" * 2 * 1024**2)
    store.put("large", b"small now")
    assert store.get("large") == b"small now"
