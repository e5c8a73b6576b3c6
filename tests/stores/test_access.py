"""Reading sources: ranges, identities, and errors that say what is wrong."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from flowbutton.model.errors import BadInput, MissingInput
from flowbutton.model.store import DataAccess
from flowbutton.stores.access import StoreAccess
from flowbutton.stores.local import LocalStore
from flowbutton.stores.memory import MemoryStore

_numbers = itertools.count()


@pytest.fixture
def access(tmp_path: Path) -> StoreAccess:
    (tmp_path / "lane 1_R1.fastq").write_bytes(b"0123456789")
    (tmp_path / "lane 1_R2.fastq").write_bytes(b"")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "x.fastq").write_bytes(b"x")
    return StoreAccess(MemoryStore(f"access-{next(_numbers)}"), tmp_path / "cache")


@pytest.mark.parametrize(("start", "stop"), [(0, None), (2, 5), (5, 99), (10, None), (99, 1 << 50), (7, 3)])
@pytest.mark.parametrize("form", ["path", "uri", "object"])
def test_ranges_are_read_and_counted(
    access: StoreAccess, tmp_path: Path, form: str, start: int, stop: int | None
) -> None:
    file = tmp_path / "lane 1_R1.fastq"
    uri = {"path": str(file), "uri": file.as_uri(), "object": access.keep(b"0123456789")}[form]
    data: DataAccess = access
    assert data.read(uri, start, stop) == b"0123456789"[start:stop]
    assert access.read_bytes == len(b"0123456789"[start:stop])
    assert (data.head(uri).size, data.head(uri).uri) == (10, uri)
    assert data.fetch(uri).read_bytes() == b"0123456789"


def test_a_negative_bound_is_refused(access: StoreAccess, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="negative"):
        access.read(str(tmp_path / "lane 1_R1.fastq"), -3)


def test_identity_changes_with_size_or_time(access: StoreAccess, tmp_path: Path) -> None:
    file = tmp_path / "lane 1_R1.fastq"
    os.utime(file, ns=(1, 1_234_567_890_123_456_789))
    assert access.head(str(file)).identity == "10-1234567890123456789"
    before = access.head(file.as_uri()).identity
    os.utime(file, ns=(1, 1_234_567_890_123_456_790))
    assert access.head(file.as_uri()).identity != before


def test_a_relative_path_is_one_of_the_current_folder(
    access: StoreAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert access.read("lane 1_R1.fastq", 8) == b"89"
    assert access.glob("*.fastq") == ["lane 1_R1.fastq", "lane 1_R2.fastq"]


def test_glob_gives_files_sorted_in_the_form_of_the_pattern(access: StoreAccess, tmp_path: Path) -> None:
    assert access.glob(f"{tmp_path}/**/*.fastq") == [
        str(tmp_path / name) for name in ("deep/er/x.fastq", "lane 1_R1.fastq", "lane 1_R2.fastq")
    ]
    assert access.glob(f"file://{tmp_path}/lane*_R1.fastq") == [(tmp_path / "lane 1_R1.fastq").as_uri()]
    assert access.glob(f"{tmp_path}/d*") == []
    assert access.glob(f"{tmp_path}/nothing*") == []


@pytest.mark.parametrize("method", ["head", "glob", "read", "fetch"])
def test_a_name_that_is_no_text_is_refused(access: StoreAccess, tmp_path: Path, method: str) -> None:
    name = os.fsdecode(b"h\xe4m.fastq")
    (tmp_path / name).touch()
    with pytest.raises(BadInput, match="not text in UTF-8") as caught:
        getattr(access, method)(str(tmp_path / ("h*.fastq" if method == "glob" else name)))
    assert str(caught.value.where["file"]).endswith("h\\xe4m.fastq")


def test_a_file_with_brackets_in_its_name_matches_itself(access: StoreAccess, tmp_path: Path) -> None:
    (tmp_path / "a[1].fq").write_bytes(b"")
    (tmp_path / "a1.fq").write_bytes(b"")
    assert access.glob(str(tmp_path / "a[1].fq")) == [str(tmp_path / "a[1].fq")]


@pytest.mark.parametrize("method", ["head", "read", "fetch"])
def test_a_missing_file_names_its_near_neighbour(access: StoreAccess, tmp_path: Path, method: str) -> None:
    uri = str(tmp_path / "lane 1_R3.fastq")
    with pytest.raises(MissingInput) as caught:
        getattr(access, method)(uri)
    assert caught.value.where["file"] == uri
    assert "did you mean 'lane 1_R2.fastq'?" in caught.value.hint


def test_a_missing_file_without_neighbours_or_folder_says_so(access: StoreAccess, tmp_path: Path) -> None:
    with pytest.raises(MissingInput) as caught:
        access.head(str(tmp_path / "zzz"))
    assert "other entries" in caught.value.hint
    with pytest.raises(MissingInput) as caught:
        access.head(str(tmp_path / "no" / "folder" / "x"))
    assert f"{tmp_path / 'no' / 'folder'} does not exist" in caught.value.hint
    with pytest.raises(MissingInput, match="does not exist"):
        access.read(str(tmp_path / "lane 1_R1.fastq" / "x"))
    with pytest.raises(MissingInput, match="does not exist"):
        access.head(",".join(f"{'lane' * 40}_{mate}.fq" for mate in (1, 2)))


@pytest.mark.parametrize("method", ["head", "read", "fetch"])
def test_a_folder_is_no_file(access: StoreAccess, tmp_path: Path, method: str) -> None:
    with pytest.raises(MissingInput, match="can't be read"):
        getattr(access, method)(str(tmp_path))


@pytest.mark.parametrize("uri", ["ftp://host/x", "gcs://bucket/key", "sample:genomics/reads.tsv"])
def test_an_unknown_scheme_lists_what_is_supported(access: StoreAccess, uri: str) -> None:
    for call in (access.head, access.glob, access.read, access.fetch):
        with pytest.raises(BadInput) as caught:
            call(uri)
        assert "file:///path" in caught.value.hint
        assert "s3://bucket/key, https://host/path, gs://, az://, object:<digest>" in caught.value.hint


@pytest.mark.parametrize("uri", ["file://other-host/x", "file:x", "file://"])
def test_a_file_uri_is_of_this_machine_and_absolute(access: StoreAccess, uri: str) -> None:
    with pytest.raises(BadInput, match="names no file of this machine"):
        access.head(uri)


def test_a_file_uri_may_name_localhost_and_odd_letters(access: StoreAccess, tmp_path: Path) -> None:
    file = tmp_path / "a#b?c%20d é"
    file.write_bytes(b"odd")
    assert access.read(file.as_uri()) == b"odd"
    assert access.read(file.as_uri().replace("file:///", "file://localhost/")) == b"odd"


def test_kept_bytes_are_known_by_content(access: StoreAccess) -> None:
    uri = access.keep(b"derived")
    assert access.keep(b"derived") == uri
    assert access.head(uri).identity == uri.removeprefix("object:")
    for call in (access.head, access.read, access.fetch):
        with pytest.raises(MissingInput, match="not in the store"):
            call("object:" + "0" * 64)


def test_kept_bytes_of_a_local_store_are_fetched_in_place(tmp_path: Path) -> None:
    access = StoreAccess(LocalStore(tmp_path))
    assert access.fetch(access.keep(b"derived")).is_relative_to(tmp_path / "objects")
