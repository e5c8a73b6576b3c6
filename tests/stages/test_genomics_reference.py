"""References: what is made of one, and which are refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from flowbutton.model.errors import BadInput, TruncatedInput
from flowbutton.stages.genomics import index_reference
from flowbutton.stages.genomics.reference import Contig, contigs, genome_of

pytest.importorskip("pysam", reason="needs the extra 'genomics'")

TEXT = b">one first\nACGTACGTAC\nACGT\n>two\nGGGTTTACCA\n"


def indexed(folder: Path, content: bytes, name: str = "ref.fa"):
    (folder / "scratch").mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    return index_reference(folder / name, str(folder / "scratch"))


@pytest.mark.parametrize(
    "content", [TEXT, gzip.compress(TEXT, mtime=0), gzip.compress(TEXT[:9], mtime=0) + gzip.compress(TEXT[9:], mtime=0)]
)
def test_plain_and_gzip_references_come_out_uncompressed(tmp_path: Path, content: bytes) -> None:
    index = indexed(tmp_path, content)
    assert index.fasta.read_bytes() == TEXT
    assert contigs(index.fai) == [Contig("one", 14), Contig("two", 10)]


def test_the_same_reference_gives_the_same_files_anywhere(shared: Path, tmp_path: Path) -> None:
    reference = (shared / "data" / "genomics" / "sim-diploid" / "ref.fa").read_bytes()
    made = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        made.append(indexed(tmp_path / name, reference, f"{name}.fa"))
    assert all(one.read_bytes() == other.read_bytes() for one, other in zip(*made, strict=True))


def test_the_tools_find_the_index_beside_the_linked_fasta(tmp_path: Path) -> None:
    import pysam

    index = indexed(tmp_path, TEXT)
    apart = index._replace(fai=index.fai.rename(tmp_path / "cached"))
    (tmp_path / "task").mkdir()
    with pysam.FastaFile(str(genome_of(apart.fasta, apart.fai, str(tmp_path / "task")).fasta)) as fasta:
        assert fasta.fetch("two", 3, 6) == "TTT"
    assert not index.fai.exists()


@pytest.mark.parametrize(
    ("content", "kind", "says"),
    [
        (b"", BadInput, "has no contigs"),
        (gzip.compress(b"", mtime=0), BadInput, "has no contigs"),
        (b"@read\nACGT\n+\nIIII\n", BadInput, "is not FASTA"),
        (b">a\nAC\n>b\nAC\n>a\nAC\n", BadInput, "'a' stands twice"),
        (b">a\nAC\n> b\nAC\n", BadInput, "no name"),
        (b">a\nAC\n>#b\nAC\n", BadInput, "no VCF can hold"),
        (b">a,b\nAC\n", BadInput, "no VCF can hold"),
        (b">a<b\nAC\n", BadInput, "no VCF can hold"),
        (b">a\nAC\n>* the rest\nAC\n", BadInput, "no BAM can hold"),
        (b">a\nAC\n>b\n>c\nAC\n", BadInput, "'b' has no bases"),
        (b">a\nACGT\n>b\nAC\n>c\n", BadInput, "'c' has no bases.*line 5"),
        (b">a\nACGT\nA\nACGT\n", BadInput, "lines of unequal length.*line 4"),
        (b">a\r\nACGT\r\n>b\nAC\nACG\n", BadInput, "lines of unequal length.*line 5"),
        (b">a\nACGT\nACG\r\n>b\nACGT\nACGT\r\n", BadInput, "lines of unequal length.*line 6"),
        (b">a\r\nACGT\r\nACGT\nAC\r\n", BadInput, "lines of unequal length.*line 4"),
        (b">a b\nACGT\nAC \n", BadInput, "line 3.*it is ' '"),
        (b">a b\nAC\rGT\n", BadInput, "line 2.*it is '.r'"),
        (b">a b\r\nACGT\r\r\n", BadInput, "line 2.*it is '.r'"),
        (b">a\nAC\n>b b\rACGT\nAC\n", BadInput, "carriage return.*line 3"),
        (b">a\nA\0GT\n", BadInput, "no letter.*line 2"),
        (b">a\nACGT\n@AGT\n", BadInput, "line 3.*it is '@'"),
        (b">a\xfc\nACGT\n", BadInput, "can't be printed.*line 1"),
        (b">a\nAC\n>a\x01b\nAC\n", BadInput, "can't be printed.*line 3"),
        (gzip.compress(TEXT, mtime=0)[:-12], TruncatedInput, "ends in the middle"),
        (gzip.compress(TEXT, mtime=0)[:-8] + b"\0" * 8, BadInput, "can't be uncompressed"),
    ],
)
def test_what_is_not_a_reference_is_refused(tmp_path: Path, content: bytes, kind: type[BadInput], says: str) -> None:
    with pytest.raises(kind, match=says) as caught:
        indexed(tmp_path, content)
    assert type(caught.value) is kind
    assert caught.value.where["file"] == "ref.fa"
