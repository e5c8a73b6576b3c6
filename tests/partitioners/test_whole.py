"""Whole files: found, named by content, handed out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from flowbutton.model.errors import ChangedInput, MissingInput
from flowbutton.model.partitioner import Reader
from flowbutton.model.pieces import Source
from flowbutton.partitioners.files import file_name, file_suffix
from flowbutton.partitioners.read_pairs import ends_like_fastq, stem_of
from flowbutton.partitioners.sample_sheet import is_sheet
from flowbutton.partitioners.whole import PART_BYTES, Whole, WholeFile
from flowbutton.testing.partitioners import CutSource, MemoryAccess, PartitionerContract

FILES = {"b.txt": b"second\n", "a.tsv": b"first", "empty.fa.gz": b""}


def write_files(folder: Path) -> str:
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    return ",".join(str(folder / name) for name in FILES)


def cut(uri: str, data: MemoryAccess) -> CutSource:
    return CutSource(Whole(), Source("files", uri, {}), data)


@pytest.fixture
def data(tmp_path: Path) -> MemoryAccess:
    return MemoryAccess(tmp_path)


class TestWholeContract(PartitionerContract):
    sized = False

    def partitioner(self) -> Whole:
        return Whole()

    def source(self, folder: Path) -> Source:
        return Source("files", write_files(folder), {})

    def change(self, folder: Path) -> None:
        for name in FILES:
            with (folder / name).open("ab") as file:
                file.write(b"more")

    def oracle(self, folder: Path) -> list[bytes]:
        return [(folder / name).read_bytes() for name in FILES]

    def read(self, reader: Reader) -> list[bytes]:
        return [cast(WholeFile, reader).read()]

    def options(self, size: int) -> Mapping[str, Any]:  # noqa: ARG002  # whole files have no size to choose
        return {}


def test_a_list_keeps_its_order_and_a_glob_is_sorted(data: MemoryAccess, tmp_path: Path) -> None:
    listed = write_files(tmp_path)
    assert [piece.key for piece in cut(listed, data).pieces({})] == [
        (("file", "b.txt"), ("ordinal", 0)),
        (("file", "a.tsv"), ("ordinal", 1)),
        (("file", "empty.fa.gz"), ("ordinal", 2)),
    ]
    assert [piece.key[0][1] for piece in cut(f"{tmp_path}/*.t*", data).pieces({})] == ["a.tsv", "b.txt"]


@pytest.mark.parametrize("name", ["a,b.txt", "a[1].txt", "a*.txt", " a.txt"])
def test_a_name_that_exists_is_taken_literally(data: MemoryAccess, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    (tmp_path / "a1.txt").write_bytes(b"y")
    (piece,) = cut(f"{tmp_path}/{name}", data).pieces({})
    assert dict(piece.key)["file"] == name


def test_the_reader_hands_out_path_bytes_and_suffix(data: MemoryAccess, tmp_path: Path) -> None:
    write_files(tmp_path)
    source = cut(f"{tmp_path}/empty.fa.gz,{tmp_path}/b.txt", data)
    packed, text = (cast(WholeFile, source.open(piece)) for piece in source.pieces({}))
    assert (packed.suffix, text.suffix) == (".fa.gz", ".txt")
    assert text.path() == tmp_path / "b.txt"
    assert (text.read(), text.consumed) == (b"second\n", 1)


def test_a_file_that_is_an_object_gets_a_path(data: MemoryAccess) -> None:
    source = cut(data.keep(b"derived"), data)
    (piece,) = source.pieces({})
    assert cast(WholeFile, source.open(piece)).path().read_bytes() == b"derived"


def test_content_names_name_and_bytes_but_not_the_folder(data: MemoryAccess, tmp_path: Path) -> None:
    contents = []
    for folder, name, text in [("1", "a", b"x"), ("2", "a", b"x"), ("1", "b", b"x"), ("3", "a", b"y")]:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_bytes(text)
        contents += [piece.content for piece in cut(f"{tmp_path}/{folder}/{name}", data).pieces({})]
    assert contents[0] == contents[1]
    assert len(set(contents)) == 3


def test_a_large_file_is_digested_in_parts_and_by_ranges(data: MemoryAccess, tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(PART_BYTES + 3)  # sparse
    whole = Whole()
    (group,) = whole.probe(Source("s", str(path), {}), data)
    parts = whole.index_parts(group)
    assert [part.bytes for part in parts] == [PART_BYTES, 3]
    assert whole.index(parts[1], data).decode() == hashlib.sha256(b"\0" * 3).hexdigest()
    whole.index(parts[0], data)
    assert max((stop or 0) - start for _, start, stop in data.reads) <= 8 * 1024**2


@pytest.mark.parametrize(
    ("uri", "what"),
    [
        ("no.txt", "missing"),
        ("no-*.txt", "no file matches"),
        ("b.txt,no.txt,nor.txt", "missing"),
        ("b.txt,", "has no name"),
    ],
)
def test_a_missing_file_is_named(data: MemoryAccess, tmp_path: Path, uri: str, what: str) -> None:
    write_files(tmp_path)
    names = ",".join(f"{tmp_path}/{name}" if name else "" for name in uri.split(","))
    with pytest.raises(MissingInput, match=what) as caught:
        cut(names, data)
    assert ("1 more" in caught.value.why) == ("nor" in uri)


def test_a_file_that_changes_is_found_out(data: MemoryAccess, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"before")
    source = cut(str(path), data)
    reader = cast(WholeFile, source.open(source.pieces({})[0]))
    path.write_bytes(b"after and longer")
    with pytest.raises(ChangedInput):
        reader.read()
    with pytest.raises(ChangedInput):
        reader.path()
    with pytest.raises(ChangedInput):
        source.partitioner.index(source.parts[0][0], data)


def test_the_query_of_an_address_is_no_part_of_a_name() -> None:
    signed = "https://lab/run7/NA12_S1_L002_R1_001.fastq.gz?X-Amz-Credential=A/b.c&X-Amz-Signature=0123"
    assert (file_name(signed), file_suffix(signed)) == ("NA12_S1_L002_R1_001.fastq.gz", ".fastq.gz")
    assert (stem_of(signed), ends_like_fastq(signed)) == ("NA12_S1_L002_R1_001", True)
    assert is_sheet("https://lab/s.tsv?sig=1")
    assert not is_sheet("https://lab/s.fq?sheet=s.tsv")
    assert file_name("/data/what?.fa") == "what?.fa", "in a path it is a letter like any other"
