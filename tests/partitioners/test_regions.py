"""Regions from BED, .fai and FASTA."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowbutton.model.errors import BadInput, ChangedInput, MalformedRecord, OptionError, TruncatedInput
from flowbutton.model.partitioner import Reader
from flowbutton.model.pieces import Source
from flowbutton.partitioners.regions import Region, RegionRange, Regions
from flowbutton.testing.packing import bgzip
from flowbutton.testing.partitioners import CutSource, MemoryAccess, PartitionerContract

BED = b"""browser position chr7:1-100
track name="targets" description="a track"
# a comment
chr1\t10\t25\tname with blanks\t0\t+\r
chr1\t25\t26

chr1\t30\t30\tno bases
chr2 0 7
"""


def cut(path: Path) -> CutSource:
    return CutSource(Regions(), Source("regions", str(path), {}), MemoryAccess(path.parent))


def regions(path: Path, **options: Any) -> list[tuple[str, int, int]]:
    source = cut(path)
    found = [cast(RegionRange, source.open(piece)).region() for piece in source.pieces(options)]
    return [(region.contig, region.start, region.stop) for region in found]


class TestRegionsContract(PartitionerContract):
    def partitioner(self) -> Regions:
        return Regions()

    def source(self, folder: Path) -> Source:
        (folder / "a.bed").write_bytes(b"# only this\nchr1\t3\t90\n")
        (folder / "b.fa").write_bytes(b">one\nACGT\n")
        (folder / "c.fai").write_bytes(b"c\t50\t3\t60\t61\n")
        return Source("regions", ",".join(str(folder / name) for name in ("a.bed", "b.fa", "c.fai")), {})

    def change(self, folder: Path) -> None:
        (folder / "a.bed").write_bytes(b"chr1\t3\t91\n")
        (folder / "b.fa").write_bytes(b">one\nACGTA\n")
        (folder / "c.fai").write_bytes(b"c\t51\t3\t60\t61\n")

    def oracle(self, folder: Path) -> list[bytes]:
        bed = (folder / "a.bed").read_bytes().split(b"\n")[1].split(b"\t")
        assert (folder / "b.fa").read_bytes() == b">one\nACGT\n"
        length = int((folder / "c.fai").read_bytes().split(b"\t")[1])
        intervals = [(b"chr1", int(bed[1]), int(bed[2])), (b"one", 0, 4), (b"c", 0, length)]
        return [b"%b:%d" % (contig, base) for contig, start, stop in intervals for base in range(start, stop)]

    def read(self, reader: Reader) -> list[bytes]:
        region = cast(RegionRange, reader).region()
        return [f"{region.contig}:{base}".encode() for base in range(region.start, region.stop)]

    def options(self, size: int) -> Mapping[str, Any]:
        return {"size": size}


@settings(deadline=None)
@given(
    gaps=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 60)), max_size=8),
    size=st.integers(1, 80),
    whole=st.booleans(),
)
def test_every_base_comes_once_in_the_order_of_the_file(gaps: list[tuple[int, int]], size: int, whole: bool) -> None:
    intervals, at = [], 0
    for gap, length in gaps:
        intervals.append((at + gap, at + gap + length))
        at += gap + length
    intervals.reverse()  # a BED need not be sorted
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.bed"
        path.write_text("".join(f"c\t{start}\t{stop}\n" for start, stop in intervals))
        found = regions(path, size=size, whole=whole)
        assert cut(path).layouts[0].records == sum(stop - start for start, stop in intervals)
    bases = [base for _, start, stop in found for base in range(start, stop)]
    assert bases == [base for start, stop in intervals for base in range(start, stop)]
    for _, start, stop in found:
        assert any(first <= start and stop <= last for first, last in intervals)
        assert whole or stop - start <= size
    if whole:
        assert [(start, stop) for _, start, stop in found] == [row for row in intervals if row[0] < row[1]]


@pytest.mark.parametrize(("name", "pack"), [("x.bed", bytes), ("x.bed.gz", gzip.compress), ("x.bed.gz", bgzip)])
def test_bed_with_all_that_people_write_into_it(tmp_path: Path, name: str, pack: Any) -> None:
    (tmp_path / name).write_bytes(pack(BED))
    assert regions(tmp_path / name, size=10) == [
        ("chr1", 10, 20),
        ("chr1", 20, 25),
        ("chr1", 25, 26),
        ("chr2", 0, 7),
    ]


def test_a_reference_gives_its_contigs(tmp_path: Path) -> None:
    (tmp_path / "x.fa").write_bytes(b">one\nACGTA\nCC\n>none\n>two\nA\n")
    (tmp_path / "y.fa.gz").write_bytes(bgzip(b">one\nACGTA\nCC\n>none\n>two\nA\n"))
    (tmp_path / "x.fa.fai").write_bytes(b"one\t7\t5\t5\t6\ntwo\t1\t25\t1\t2\n")
    for name in ("x.fa", "y.fa.gz", "x.fa.fai"):
        assert regions(tmp_path / name, size=4) == [("one", 0, 4), ("one", 4, 7), ("two", 0, 1)]
        assert regions(tmp_path / name, size=4, whole=True) == [("one", 0, 7), ("two", 0, 1)]


def test_keys_content_and_count(tmp_path: Path) -> None:
    (tmp_path / "x.bed").write_bytes(b"c\t5\t9\n")
    source = cut(tmp_path / "x.bed")
    (piece,) = source.pieces({})
    assert piece.key == (("file", "x.bed"), ("ordinal", 0), ("contig", "c"), ("start", 5), ("stop", 9))
    reader = cast(RegionRange, source.open(piece))
    assert (reader.region(), reader.region(), reader.consumed) == (Region("c", 5, 9), Region("c", 5, 9), 4)


def test_a_bed_without_intervals_has_no_regions(tmp_path: Path) -> None:
    (tmp_path / "x.bed").write_bytes(b"# none\n")
    assert regions(tmp_path / "x.bed") == []


@pytest.mark.parametrize(
    "line",
    [b"chr1\t9\t8", b"chr1\t-1\t8", b"chr1\tx\t8", b"chr1\t1.5\t8", b"chr1\t1", b"chr1", b"\t1\t2", b"chr1\t1\t"],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "x.bed"
    path.write_bytes(b"# first\nchr1\t1\t2\n" + line + b"\n")
    with pytest.raises(MalformedRecord, match="not a line of a BED") as caught:
        cut(path)
    assert caught.value.where == {"file": str(path), "line": 3}


def test_intervals_that_overlap_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.bed"
    path.write_bytes(b"c\t0\t9\nd\t0\t9\nc\t8\t8\nc\t20\t30\nc\t8\t10\n")
    with pytest.raises(BadInput, match=r"overlap .*lines 1 and 5") as caught:
        cut(path)
    assert caught.value.where == {"file": str(path), "line": 5}


@pytest.mark.parametrize(
    ("name", "data", "kind", "match"),
    [
        ("x.bed.gz", gzip.compress(BED, mtime=0)[:-12], TruncatedInput, "ends inside"),
        ("x.bed.gz", gzip.compress(BED, mtime=0)[:-8] + b"\0" * 8, BadInput, "damaged"),
        ("x.fai", b"one\t7\n", MalformedRecord, "not a line of a .fai"),
        ("x.fai", b"", BadInput, "without contigs"),
        ("x.fa", b"", BadInput, "without contigs"),
        ("x.vcf", b"", BadInput, "can't be taken from this file"),
    ],
)
def test_files_that_hold_no_regions(tmp_path: Path, name: str, data: bytes, kind: type[BadInput], match: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(kind, match=match) as caught:
        cut(tmp_path / name)
    assert caught.value.where["file"] == str(tmp_path / name)


def test_a_size_below_one_is_refused_and_a_change_found_out(tmp_path: Path) -> None:
    path = tmp_path / "x.bed"
    path.write_bytes(b"c\t0\t9\n")
    source = cut(path)
    with pytest.raises(OptionError):
        source.pieces({"size": 0})
    path.write_bytes(b"c\t0\t10\n")
    with pytest.raises(ChangedInput):
        source.partitioner.index(source.parts[0][0], source.data)
