"""Every bad FASTQ input has an error that says what, where and what to do; none loses a read."""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path
from typing import Any

import pytest

from flowbutton.model.errors import (
    BadInput,
    ChangedInput,
    FlowbuttonError,
    MalformedRecord,
    MissingInput,
    OptionError,
    TruncatedInput,
    UnpairedReads,
)
from flowbutton.model.pieces import ObjectInfo, Source
from flowbutton.partitioners.fastq import Fastq, FastqReads
from flowbutton.partitioners.files import find_files
from flowbutton.testing.packing import bgzip, gzip_members
from flowbutton.testing.partitioners import CutSource, MemoryAccess

RECORDS = [b"@r%d\nACGTA\n+\nIIIII\n" % number for number in range(60)]
GOOD = b"".join(RECORDS)


@pytest.fixture
def access(tmp_path: Path) -> MemoryAccess:
    return MemoryAccess(tmp_path)


def read_all(access: MemoryAccess, uri: str, fastq: Fastq | None = None, **options: Any) -> bytes:
    """Go through all steps as the engine does, with small parts and pieces; return the text of all files."""
    fastq = fastq or Fastq(part_bytes=200, block_bytes=60, object_bytes=150)
    cut_source = CutSource(fastq, Source("reads", uri, {}), access)
    text = b""
    for piece in cut_source.pieces({"size": 100, **options}):
        reader = cut_source.open(piece)
        assert isinstance(reader, FastqReads)
        for file in range(reader.files):
            text += b"".join(reader.text(file))
    return text


def refused(access: MemoryAccess, text: bytes, error: type[FlowbuttonError], **where: int) -> FlowbuttonError:
    """Return the error of a file with this content, after looking at its place, the same for three codings."""
    found: list[FlowbuttonError] = []
    for packed in (text, gzip_members(text), bgzip(text, block=70)):
        access.objects["bad.fq"] = packed
        with pytest.raises(error) as caught:
            read_all(access, "bad.fq")
        assert caught.value.where == {"file": "bad.fq", **where}
        found.append(caught.value)
    assert len({problem.what for problem in found}) == 1
    assert str(pickle.loads(pickle.dumps(found[0]))) == str(found[0])
    return found[0]


def test_a_record_with_a_line_missing(access: MemoryAccess) -> None:
    text = b"".join([*RECORDS[:30], b"@r30\nACGTA\n+\n", *RECORDS[31:]])
    error = refused(access, text, MalformedRecord, record=32, byte=text.index(b"ACGTA", text.index(b"@r31")))
    assert "'@'" in error.what


def test_a_record_with_a_line_too_many(access: MemoryAccess) -> None:
    text = b"".join([*RECORDS[:30], b"@r30\nACGTA\nACGTA\n+\nIIIII\n", *RECORDS[31:]])
    error = refused(access, text, MalformedRecord, record=31, byte=text.index(b"ACGTA\n+\nIIIII", text.index(b"@r30")))
    assert "'+'" in error.what


def test_qualities_of_another_length(access: MemoryAccess) -> None:
    text = b"".join([*RECORDS[:12], b"@r12\nACGTA\n+\nIIII\n", *RECORDS[13:]])
    error = refused(access, text, MalformedRecord, record=13, byte=text.index(b"@r12"))
    assert error.what == "a read has 5 bases but 4 qualities"


def test_a_zero_byte(access: MemoryAccess) -> None:
    text = b"".join([*RECORDS[:12], b"@r12\nAC\0TA\n+\nIIIII\n", *RECORDS[13:]])
    assert "zero byte" in refused(access, text, MalformedRecord, record=13, byte=text.index(b"@r12")).what


def test_fasta(access: MemoryAccess) -> None:
    assert "FASTA" in refused(access, b">chr1\nACGT\n>chr2\nAC\n", MalformedRecord, record=1, byte=0).what


def test_wrapped_records(access: MemoryAccess) -> None:
    error = refused(access, b"@r\nACGT\nACGT\n+\nIIII\nIIII\n" * 4, MalformedRecord, record=1, byte=0)
    assert "several lines" in error.what
    assert "seqtk" in error.hint


def test_text_that_ends_inside_a_record(access: MemoryAccess) -> None:
    error = refused(access, GOOD + b"@last\nACGTA\n", TruncatedInput, record=61, byte=len(GOOD) + 12)
    assert "ends inside a record" in error.what


def test_text_that_ends_inside_the_qualities(access: MemoryAccess) -> None:
    refused(access, GOOD + b"@last\nACGTA\n+\nIII", MalformedRecord, record=61, byte=len(GOOD))


def test_text_that_ends_before_the_qualities(access: MemoryAccess) -> None:
    refused(access, GOOD + b"@last\nACGTA\n+\n", MalformedRecord, record=61, byte=len(GOOD))


def test_empty_lines_at_the_end_are_left_out(access: MemoryAccess) -> None:
    for ending in (b"\n", b"\n\n\n", b"\n" * 400, b"\r\n\r\n"):
        access.objects["ok.fq"] = GOOD + ending
        assert read_all(access, "ok.fq") == GOOD


def test_an_empty_line_in_the_middle(access: MemoryAccess) -> None:
    text = b"".join([*RECORDS[:7], b"\n", *RECORDS[7:]])
    refused(access, text, MalformedRecord, record=8, byte=text.index(b"\n\n") + 1)


@pytest.mark.parametrize("missing", [1, 8, 9, 100])
def test_truncated_gzip(access: MemoryAccess, missing: int) -> None:
    packed = gzip_members(GOOD)
    access.objects["x.fq.gz"] = packed[:-missing]
    with pytest.raises(TruncatedInput) as caught:
        read_all(access, "x.fq.gz")
    assert caught.value.where == {"file": "x.fq.gz", "byte": len(packed) - missing}


def test_gzip_truncated_in_the_header_of_its_second_member(access: MemoryAccess) -> None:
    first = gzip_members(GOOD)
    for length in (1, 2, 5):
        access.objects["x.fq.gz"] = first + first[:length]
        with pytest.raises(TruncatedInput) as caught:
            read_all(access, "x.fq.gz")
        assert caught.value.where["byte"] == len(first) + length


def test_gzip_with_garbage_after_it(access: MemoryAccess) -> None:
    packed = gzip_members(GOOD)
    for garbage in (b"garbage", bytes(5) + b"x"):
        access.objects["x.fq.gz"] = packed + garbage
        with pytest.raises(BadInput, match="something else after its last member") as caught:
            read_all(access, "x.fq.gz")
        assert caught.value.where == {"file": "x.fq.gz", "byte": len(packed)}


@pytest.mark.parametrize("place", [-6, -2], ids=["checksum", "length"])
def test_gzip_with_a_wrong_trailer(access: MemoryAccess, place: int) -> None:
    packed = bytearray(gzip_members(GOOD, GOOD))
    packed[place] ^= 1
    access.objects["x.fq.gz"] = bytes(packed)
    with pytest.raises(BadInput, match="a gzip file is damaged") as caught:
        read_all(access, "x.fq.gz")
    assert caught.value.where == {"file": "x.fq.gz", "byte": len(gzip_members(GOOD))}


def test_bgzf_cut_between_two_blocks(access: MemoryAccess) -> None:
    access.objects["x.fq.gz"] = bgzip(GOOD, block=70, end=False)
    with pytest.raises(TruncatedInput, match="lacks the empty block"):
        read_all(access, "x.fq.gz")
    assert read_all(access, "x.fq.gz", allow_missing_eof=True) == GOOD


@pytest.mark.parametrize("missing", [29, 40, 60, 85])
@pytest.mark.parametrize("part", [50, 200, 1 << 20])
def test_bgzf_cut_inside_a_block(access: MemoryAccess, missing: int, part: int) -> None:
    access.objects["x.fq.gz"] = bgzip(GOOD, block=70)[:-missing]
    with pytest.raises(TruncatedInput):
        read_all(access, "x.fq.gz", Fastq(part_bytes=part, block_bytes=60), allow_missing_eof=True)


def test_bgzf_with_a_damaged_block(access: MemoryAccess) -> None:
    start = len(bgzip(GOOD[:700], block=70, end=False))
    packed = bytearray(bgzip(GOOD, block=70))
    packed[start + 30] ^= 255
    access.objects["x.fq.gz"] = bytes(packed)
    with pytest.raises(BadInput, match="a block of a BGZF file is damaged") as caught:
        read_all(access, "x.fq.gz")
    assert caught.value.where == {"file": "x.fq.gz", "byte": start}


def test_bgzf_with_a_hole(access: MemoryAccess) -> None:
    start = len(bgzip(GOOD[:700], block=70, end=False))
    packed = bgzip(GOOD, block=70)
    access.objects["x.fq.gz"] = packed[:start] + b"\xff" * 20 + packed[start + 20 :]
    with pytest.raises(BadInput, match="BGZF") as caught:
        read_all(access, "x.fq.gz", Fastq(block_bytes=60))
    assert caught.value.where == {"file": "x.fq.gz", "byte": start}
    # A part that begins shortly before the hole can't tell which of its blocks to believe; it is refused all the same.
    with pytest.raises(BadInput, match="BGZF"):
        read_all(access, "x.fq.gz", Fastq(part_bytes=50, block_bytes=60))


def pair(access: MemoryAccess, first: bytes, second: bytes) -> str:
    access.objects |= {"x_R1.fq": first, "x_R2.fq": second}
    return "x_R1.fq,x_R2.fq"


def test_a_pair_of_unequal_length(access: MemoryAccess) -> None:
    with pytest.raises(UnpairedReads) as caught:
        read_all(access, pair(access, GOOD, b"".join(RECORDS[:-3])))
    assert caught.value.where == {"file": "x_R1.fq", "record": 58}
    assert "x_R2.fq has 57, x_R1.fq has 60" in caught.value.why


def test_a_pair_with_different_names(access: MemoryAccess) -> None:
    second = b"".join([*RECORDS[:40], b"@other\nA\n+\nI\n", *RECORDS[41:]])
    with pytest.raises(UnpairedReads) as caught:
        read_all(access, pair(access, GOOD, second))
    assert caught.value.where == {"file": "x_R2.fq", "record": 41}
    assert "'r40'" in caught.value.why
    assert "'other'" in caught.value.why


def test_names_of_a_pair_may_differ_in_what_is_no_name(access: MemoryAccess) -> None:
    first = b"@a/1\nA\n+\nI\n@b 1:N:0\nA\n+\nI\n@c\nA\n+\nI\n@d\tx\r\nA\r\n+\r\nI\r\n"
    second = b"@a/2\nA\n+\nI\n@b 2:N:0\nA\n+\nI\n@c comment\nA\n+\nI\n@d\r\nA\r\n+\r\nI\r\n"
    assert read_all(access, pair(access, first, second), size=1 << 20) == first + second


def test_interleaved_reads_that_are_not_pairs(access: MemoryAccess) -> None:
    access.objects["/s.csv"] = b"sample,r1,interleaved\ns,x.fq,true\n"
    access.objects["/x.fq"] = b"@a/1\nA\n+\nI\n@a/2\nA\n+\nI\n@b\nA\n+\nI\n@c\nA\n+\nI\n"
    with pytest.raises(UnpairedReads) as caught:
        read_all(access, "/s.csv")
    assert caught.value.where == {"file": "/x.fq", "record": 4}
    access.objects["/x.fq"] += b"@odd\nA\n+\nI\n"
    with pytest.raises(UnpairedReads, match="odd number"):
        read_all(access, "/s.csv")


def test_a_file_that_changes(tmp_path: Path, access: MemoryAccess) -> None:
    path = tmp_path / "x.fq"
    path.write_bytes(GOOD)
    fastq, source = Fastq(), Source("reads", str(path), {})
    (group,) = fastq.probe(source, access)
    (part,) = fastq.index_parts(group)
    (piece,) = fastq.cut(fastq.layout(group, [fastq.index(part, access)]))
    os.utime(path, (1, 1))
    with pytest.raises(ChangedInput):
        fastq.index(part, access)
    with pytest.raises(ChangedInput):
        list(fastq.open(piece, access).text())


def test_missing_files_are_all_named(access: MemoryAccess) -> None:
    access.objects["/s.csv"] = b"sample,r1,r2\na,a1.fq,a2.fq\nb,b1.fq,\n"
    access.objects["/a2.fq"] = GOOD
    with pytest.raises(MissingInput) as caught:
        read_all(access, "/s.csv")
    assert caught.value.where["file"] == "/a1.fq"
    assert "1 more can't be read: /b1.fq" in caught.value.why


def test_sources_that_name_nothing_useful(access: MemoryAccess, tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="pattern"):
        read_all(access, str(tmp_path / "none*.fq"))
    with pytest.raises(MissingInput):
        read_all(access, str(tmp_path / "none.fq"))
    with pytest.raises(BadInput, match="names 3 files"):
        read_all(access, "a.fq,b.fq,c.fq")
    access.objects["x.fq.bz2"] = b"BZh91AY"
    with pytest.raises(BadInput, match="bzip2"):
        read_all(access, "x.fq.bz2")


@pytest.mark.parametrize("name", ["a[1].fq", "a,b.fq"])
def test_a_file_may_be_called_like_a_pattern(access: MemoryAccess, name: str) -> None:
    access.objects[name] = GOOD
    assert read_all(access, name) == GOOD


def test_a_server_is_not_asked_for_a_name_with_a_comma(tmp_path: Path) -> None:
    asked: list[str] = []

    class Server(MemoryAccess):
        def head(self, uri: str) -> ObjectInfo:
            asked.append(uri)
            return super().head(uri)

    server, names = Server(tmp_path), ["s3://b/r_1.fq", "s3://b/r_2.fq"]
    server.objects |= dict.fromkeys(names, GOOD)
    assert len(read_all(server, ",".join(names))) == 2 * len(GOOD)
    assert [info.uri for info in find_files(Source("x", ",".join(names), {}), server)] == names
    assert set(asked) == set(names)


@pytest.mark.parametrize(
    ("text", "hint"), [(b"\xef\xbb\xbf" + GOOD, "tail -c [+]4"), (GOOD.replace(b"\n", b"\r"), "tr '.r' '.n'")]
)
def test_what_editors_do(access: MemoryAccess, text: bytes, hint: str) -> None:
    error = refused(access, text, BadInput, byte=0)
    assert re.search(hint, error.hint)


def test_sizes_below_one(access: MemoryAccess) -> None:
    access.objects["x.fq"] = GOOD
    with pytest.raises(OptionError):
        read_all(access, "x.fq", size=0)


def test_what_is_read_twice_counts_once(access: MemoryAccess, tmp_path: Path) -> None:
    uri = pair(access, GOOD, GOOD)
    cut_source = CutSource(Fastq(), Source("reads", uri, {}), access)
    (piece,) = cut_source.pieces({})
    reader = cut_source.open(piece)
    assert isinstance(reader, FastqReads)
    assert [path.read_bytes() for path in reader.write(tmp_path)] == [GOOD, GOOD]
    assert b"".join(reader.text(1)) == GOOD
    assert reader.consumed == piece.records == 120
    assert (reader.sample, reader.read_group, reader.files, reader.paired) == ("x", "x", 2, True)
