"""FASTA cut into ranges of bases; pysam is the oracle."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowbutton.model.errors import (
    BadInput,
    ChangedInput,
    FlowbuttonError,
    MalformedRecord,
    OptionError,
    TruncatedInput,
    UncuttableSource,
)
from flowbutton.model.partitioner import Reader
from flowbutton.model.pieces import Source
from flowbutton.partitioners.fasta import Fasta, FastaBody, FastaSequence
from flowbutton.testing.packing import bgzip
from flowbutton.testing.partitioners import CutSource, MemoryAccess, PartitionerContract


def cut(path: Path, *, part_bytes: int = 40, digest_bases: int = 16) -> CutSource:
    partitioner = Fasta(part_bytes=part_bytes, digest_bases=digest_bases)
    return CutSource(partitioner, Source("reference", str(path), {}), MemoryAccess(path.parent))


def readers(source: CutSource, **options: int) -> list[FastaSequence]:
    return [cast(FastaSequence, source.open(piece)) for piece in source.pieces(options)]


def wrap(bases: str, width: int, end: str = "\n") -> str:
    return "".join(bases[at : at + width] + end for at in range(0, len(bases), width))


class TestFastaContract(PartitionerContract):
    def partitioner(self) -> Fasta:
        return Fasta(part_bytes=37, digest_bases=16)

    def source(self, folder: Path) -> Source:
        (folder / "a.fa").write_bytes((">one described\r\n" + wrap("ACGTNacgtn" * 7, 9, "\r\n")).encode()[:-2])
        text = ">two\n" + wrap("TTAGGG" * 15 + "R", 13)
        (folder / "b.fa.gz").write_bytes(bgzip(text.encode(), block=20))
        (folder / "c.fa").write_bytes(b">three\nA")
        return Source("reference", f"{folder}/*.fa*", {})

    def change(self, folder: Path) -> None:
        for name in ("a.fa", "c.fa"):
            path = folder / name
            path.write_bytes(path.read_bytes()[:-1] + b"C")
        packed = folder / "b.fa.gz"
        packed.write_bytes(bgzip(gzip.decompress(packed.read_bytes())[:-2] + b"Y\n", block=20))

    def oracle(self, folder: Path) -> list[bytes]:
        texts = [
            gzip.decompress((folder / name).read_bytes()) if name.endswith("gz") else (folder / name).read_bytes()
            for name in ("a.fa", "b.fa.gz", "c.fa")
        ]
        lines = [line for text in texts for line in text.splitlines() if not line.startswith(b">")]
        return [bytes([base]) for line in lines for base in line]

    def read(self, reader: Reader) -> list[bytes]:
        return [bytes([base]) for base in cast(FastaSequence, reader).sequence()]

    def options(self, size: int) -> Mapping[str, Any]:
        return {"size": size}


@dataclass(frozen=True)
class Written:
    sequences: dict[str, str]
    text: str


@st.composite
def fasta_files(draw: st.DrawFn) -> Written:
    names = draw(st.lists(st.text("abcXYZ019_.|:-", min_size=1, max_size=8), min_size=1, max_size=5, unique=True))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    text, sequences = "", {}
    for name in names:
        # samtools, the oracle, refuses a file whose last sequence is empty.
        sequences[name] = bases = draw(st.text("ACGTNacgtn", min_size=int(name == names[-1]), max_size=90))
        text += ">" + name + draw(st.sampled_from(["", " described", "\tx > y"])) + end
        text += wrap(bases, draw(st.integers(1, 100)), end)
        text += end * draw(st.sampled_from([0, 0, 0, 1, 2]))
    if draw(st.booleans()):
        text = text.removesuffix(end)
    return Written(sequences, text)


@settings(deadline=None, max_examples=80)
@given(
    file=fasta_files(),
    part_bytes=st.integers(1, 300),
    digest_bases=st.integers(1, 40),
    size=st.integers(1, 100),
    overlap=st.integers(0, 30),
    packed=st.sampled_from([0, 1, 7, 1000]),
    with_fai=st.booleans(),
)
def test_every_base_comes_once_and_the_halo_is_what_follows(
    file: Written, part_bytes: int, digest_bases: int, size: int, overlap: int, packed: int, with_fai: bool
) -> None:
    with TemporaryDirectory() as folder:
        path, plain = Path(folder) / "x.fa", Path(folder) / "plain.fa"
        text = file.text.encode()
        plain.write_bytes(text)
        path.write_bytes(bgzip(text, block=packed) if packed else text)
        pysam.faidx(str(plain))
        if with_fai:
            (Path(folder) / "x.fa.fai").write_bytes((Path(folder) / "plain.fa.fai").read_bytes())
        source = cut(path, part_bytes=part_bytes, digest_bases=digest_bases)
        body = cast(FastaBody, source.layouts[0].body)
        assert {item.contig.name: item.contig.length for item in body.sequences} == {
            name: len(bases) for name, bases in file.sequences.items()
        }
        assert source.layouts[0].records == sum(map(len, file.sequences.values()))
        seen = dict.fromkeys(file.sequences, "")
        with pysam.FastaFile(str(plain)) as oracle:
            for reader in readers(source, size=size, overlap=overlap):
                assert (reader.start, reader.stop) == (len(seen[reader.name]), reader.start + len(reader.sequence()))
                assert reader.with_halo().decode() == oracle.fetch(reader.name, reader.start, reader.stop + overlap)
                assert reader.consumed == reader.stop - reader.start <= size
                seen[reader.name] += reader.sequence().decode()
        assert seen == file.sequences


def test_a_long_line_may_cross_many_parts(tmp_path: Path) -> None:
    path = tmp_path / "x.fa"
    path.write_text(">one\n" + "ACGTA" * 200 + "\n>two\nCC\n")
    source = cut(path, part_bytes=7)
    assert [(r.name, r.start, r.stop) for r in readers(source, size=600)] == [
        ("one", 0, 600),
        ("one", 600, 1000),
        ("two", 0, 2),
    ]
    assert b"".join(r.sequence() for r in readers(source, size=600)) == b"ACGTA" * 200 + b"CC"


def test_keys_hold_file_contig_and_range(tmp_path: Path) -> None:
    path = tmp_path / "x.fa"
    path.write_text(">one\nACGTA\n")
    assert [piece.key for piece in cut(path).pieces({"size": 3})][1] == (
        ("file", "x.fa"),
        ("ordinal", 0),
        ("contig", "one"),
        ("start", 3),
        ("stop", 5),
    )


def test_a_piece_reads_only_its_range(tmp_path: Path) -> None:
    path = tmp_path / "x.fa"
    path.write_text(">one\n" + wrap("ACGTA" * 20_000, 60))
    source = cut(path, part_bytes=1 << 20)
    reader = readers(source, size=100)[500]
    before = len(source.data.reads)
    reader.sequence()
    assert [(stop or 0) - start for _, start, stop in source.data.reads[before:]] == [101]


@pytest.mark.parametrize("packed", [False, True])
def test_a_piece_says_where_its_bases_lie(tmp_path: Path, packed: bool) -> None:
    text = b">a\nACGT\nACGT\nAC\n>b\nTTTT\nGG\n"
    path = tmp_path / ("a.fa.gz" if packed else "a.fa")
    path.write_bytes(bgzip(text, block=7) if packed else text)
    source = CutSource(Fasta(), Source("reference", str(path), {}), MemoryAccess(tmp_path))
    for piece in source.pieces({"size": 3}):
        (place,) = source.partitioner.places(piece)
        assert place.bytes is not None
        stored = path.read_bytes()[slice(*place.bytes)]
        found = gzip.decompress(stored) if packed else stored
        bases = cast(FastaSequence, source.open(piece)).sequence()
        assert bases in found.replace(b"\n", b"")
        assert packed or found.replace(b"\n", b"") == bases


def test_content_follows_the_bases_shown_not_the_lines(tmp_path: Path) -> None:
    contents = []
    for number, text in enumerate([">a x\nACGTAC\n", ">a\nACG\nTAC\n", ">a\nACGTAG\n", ">b\nACGTAC\n"]):
        path = tmp_path / f"{number}.fa"
        path.write_text(text)
        contents.append(cut(path, digest_bases=3).pieces({"size": 3}))
    same, wrapped, changed, renamed = [[piece.content for piece in pieces] for pieces in contents]
    assert same == wrapped
    assert [a == b for a, b in zip(same, changed, strict=True)] == [True, False]
    assert not set(same) & set(renamed)


def test_reference_genomes(shared: Path, tmp_path: Path) -> None:
    for name in ("sim-diploid", "sarscov2-two-samples"):
        path = tmp_path / f"{name}.fa"
        path.write_bytes((shared / "data" / "genomics" / name / "ref.fa").read_bytes())
        source = cut(path, part_bytes=50_000, digest_bases=1 << 18)
        found = b"".join(reader.sequence() for reader in readers(source, size=10_000))
        with pysam.FastaFile(str(path)) as oracle:
            assert found.decode() == "".join(oracle.fetch(contig) for contig in oracle.references)


@pytest.mark.parametrize(
    ("text", "kind", "match", "where"),
    [
        (b"", BadInput, "reference without contigs", {}),
        (b"\n\n", BadInput, "reference without contigs", {}),
        (b"ACGT\n>a\nAC\n", BadInput, "not a FASTA file", {"line": 1}),
        (b"@r1\nACGT\n+\nIIII\n", BadInput, "not a FASTA file.*FASTQ", {"line": 1}),
        (b">a\nAC\n>b\nACGT\nAC\nACGT\n>c\nA\n", MalformedRecord, "not of equal length", {"record": 2, "line": 5}),
        (b">a\nAC\n>b\nAC\nACGT\n", MalformedRecord, "not of equal length", {"record": 2, "line": 5}),
        (b">a\nACGT\n\nACGT\n", MalformedRecord, "not of equal length", {"record": 1, "line": 3}),
        (b">a\n\nACGT\n", MalformedRecord, "not of equal length", {"record": 1, "line": 3}),
        (b">a\nACGT\nACGT\r\nACGT\r\n", MalformedRecord, "not of equal length", {"record": 1, "line": 3}),
        (b">a\nA\nAC\nACG\nACGT\nACGTA\nA\n", MalformedRecord, "not of equal length", {"record": 1, "line": 3}),
        (b">a\nAC\n>b\nAC\n>a\nAC\n", BadInput, "two sequences are called 'a'", {"record": 3}),
        (b">a\nAC\n>\nAC\n", MalformedRecord, "no name", {"record": 2, "line": 3}),
        (b">a\nAC\n> b\nAC\n", MalformedRecord, "no name", {"record": 2, "line": 3}),
        (b">a\nACGT\nA GT\n", MalformedRecord, "no base", {"record": 1, "byte": 9}),
        (b">a\nAC\n>b\nA\rGT\n", MalformedRecord, "no base", {"record": 2, "byte": 10}),
        (b">a\nAC\n>b\nACG\0\n", MalformedRecord, "no base", {"record": 2, "byte": 12}),
        (b">a\nAC\n>b\xff\nAC\n", MalformedRecord, "no base", {"record": 2, "byte": 8}),
        (b">a\nAC\n>b x\rACGT\n>c\nAC\n", MalformedRecord, "only before", {"record": 2, "byte": 10}),
        (b">a\rACGT\r>b\rAC\r", MalformedRecord, "only before", {"record": 1, "byte": 2}),
        (b">a\0\nAC\n", MalformedRecord, "no base", {"record": 1, "byte": 2}),
    ],
)
@pytest.mark.parametrize("part_bytes", [1, 3, 1000])
def test_bad_input(
    tmp_path: Path, text: bytes, kind: type[FlowbuttonError], match: str, where: dict[str, int], part_bytes: int
) -> None:
    path = tmp_path / "x.fa"
    path.write_bytes(text)
    with pytest.raises(kind, match=match) as caught:
        cut(path, part_bytes=part_bytes)
    assert caught.value.where == {"file": str(path)} | where


@pytest.mark.parametrize("begin", [b"", b"\n"])
def test_blocks_without_bases_may_come_first(tmp_path: Path, begin: bytes) -> None:
    path = tmp_path / "x.fa.gz"
    path.write_bytes(bgzip(begin) + bgzip(b">a\r\nACGT\r\n"))
    assert [reader.sequence() for reader in readers(cut(path), size=3)] == [b"ACG", b"T"]


def test_plain_gzip_is_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "x.fa.gz"
    path.write_bytes(gzip.compress(b">a\nACGT\n"))
    with pytest.raises(UncuttableSource, match="bgzip"):
        cut(path)


def test_a_bgzf_file_without_its_end_is_truncated(tmp_path: Path) -> None:
    path = tmp_path / "x.fa.gz"
    path.write_bytes(bgzip(b">a\nACGT\n", end=False))
    with pytest.raises(TruncatedInput, match="has no end"):
        cut(path)


@pytest.mark.parametrize("part_bytes", [50, 10_000])
def test_bytes_between_blocks_are_found_out(tmp_path: Path, part_bytes: int) -> None:
    path = tmp_path / "x.fa.gz"
    text = (">a\n" + wrap("ACGTTGCA" * 50, 60)).encode()
    path.write_bytes(bgzip(text[:200], end=False) + b"garbage" * 9 + bgzip(text[200:]))
    with pytest.raises(BadInput, match="no BGZF block") as caught:
        cut(path, part_bytes=part_bytes)
    assert caught.value.where["byte"] == len(bgzip(text[:200], end=False))


@pytest.mark.parametrize(
    ("fai", "kind", "match"),
    [
        ("a\t8\t3\t4\t5\n", BadInput, "does not belong"),
        ("a\t8\t3\t4\t5\nb\t3\t16\t4\t5\n", BadInput, "does not belong"),
        ("a\t8\t3\t5\t6\nb\t2\t16\t2\t3\n", BadInput, "does not belong"),
        ("a\t8\t3\t4\t5\nb\t2\t16\t2\t3\nc\t1\t30\t1\t2\n", BadInput, "does not belong"),
        ("a\t8\t3\t4\n", MalformedRecord, "not a line of a .fai"),
        ("a\t8\tx\t4\t5\n", MalformedRecord, "not a line of a .fai"),
        ("a\t8\t3\t0\t0\n", MalformedRecord, "not a line of a .fai"),
        ("", BadInput, "without contigs"),
    ],
)
def test_a_fai_that_does_not_fit(tmp_path: Path, fai: str, kind: type[BadInput], match: str) -> None:
    path = tmp_path / "x.fa"
    path.write_bytes(b">a\nACGT\nACGT\n>b\nAC\n")
    (tmp_path / "x.fa.fai").write_text(fai)
    with pytest.raises(kind, match=match) as caught:
        cut(path)
    assert caught.value.where["file"] == f"{path}.fai"


@pytest.mark.parametrize("options", [{"size": 0}, {"overlap": -1}])
def test_options_that_cannot_be_used(tmp_path: Path, options: dict[str, int]) -> None:
    path = tmp_path / "x.fa"
    path.write_bytes(b">a\nACGT\n")
    with pytest.raises(OptionError):
        cut(path).pieces(options)


def test_a_file_that_changes_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "x.fa"
    path.write_bytes(b">a\nACGT\n")
    source = cut(path)
    (reader,) = readers(source)
    path.write_bytes(b">a\nACGTT\n")
    with pytest.raises(ChangedInput):
        reader.sequence()
    with pytest.raises(ChangedInput):
        source.partitioner.index(source.parts[0][0], source.data)
