"""BAM cut by records and by regions; pysam is the oracle."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowbutton.model.errors import BadInput, ChangedInput, MalformedRecord, OptionError, TruncatedInput
from flowbutton.model.partitioner import Reader
from flowbutton.model.pieces import Source
from flowbutton.partitioners.bam import Bam, BamReads
from flowbutton.testing.packing import bgzip
from flowbutton.testing.partitioners import CutSource, MemoryAccess, PartitionerContract

CONTIGS = {"one": 40_000, "two": 100_000, "three": 16_384}
HEADER = pysam.AlignmentHeader.from_references([*CONTIGS], [*CONTIGS.values()])


def alignment(number: int, contig: int, position: int, cigar: str = "4M", flag: int = 0) -> pysam.AlignedSegment:
    read = pysam.AlignedSegment(HEADER)
    read.query_name, read.query_sequence, read.flag = f"r{number}", "ACGT", flag
    read.reference_id, read.reference_start, read.cigarstring = contig, position, cigar or None
    read.query_qualities = pysam.qualitystring_to_array("IIII")
    read.set_tag("XN", number)
    return read


def write_bam(path: Path, reads: Sequence[pysam.AlignedSegment], *, block: int = 100) -> Path:
    """Write a BAM by htslib, then pack its text again in blocks of ``block`` bytes."""
    with pysam.AlignmentFile(str(path), "wb", header=HEADER) as file:
        for read in reads:
            file.write(read)
    path.write_bytes(bgzip(gzip.decompress(path.read_bytes()), block=block))
    return path


def cut(path: Path, *, checkpoint_bytes: int = 1) -> CutSource:
    partitioner = Bam(checkpoint_bytes=checkpoint_bytes)
    return CutSource(partitioner, Source("reads", str(path), {}), MemoryAccess(path.parent))


def open_all(source: CutSource, **options: Any) -> list[BamReads]:
    return [cast(BamReads, source.open(piece)) for piece in source.pieces(options)]


def lines(path: Path) -> list[str]:
    """Return a BAM's alignments as SAM lines, by htslib."""
    with pysam.AlignmentFile(str(path), check_sq=False) as file:
        return [read.to_string() for read in file.fetch(until_eof=True)]


def text_of(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


def raw_records(path: Path) -> list[bytes]:
    """Return a BAM's records as bytes: what htslib writes behind the header, split by their sizes."""
    text = text_of(path)
    with pysam.AlignmentFile(str(path), check_sq=False) as file:
        sizes = [len(name) + 1 + 8 for name in file.references]
    at = 8 + struct.unpack_from("<i", text, 4)[0] + 4 + sum(sizes)
    records = []
    while at < len(text):
        end = at + 4 + struct.unpack_from("<i", text, at)[0]
        records.append(text[at:end])
        at = end
    return records


MIXED = [
    alignment(1, 0, 5),
    alignment(2, 0, 5, "2M30000N2M"),
    alignment(3, 0, 16_383),
    alignment(4, 0, 39_990, flag=16),
    alignment(5, 1, 0, "", flag=4),
    alignment(6, 1, 20_000, "1S2M3D1M"),
    alignment(7, 1, 60_000, "1M20000D3M"),
    alignment(8, 2, 16_380, "1M1I2M"),
    alignment(9, -1, -1, "", flag=4),
    alignment(10, -1, -1, "", flag=4),
]


class TestBamContract(PartitionerContract):
    def partitioner(self) -> Bam:
        return Bam(checkpoint_bytes=1)

    def source(self, folder: Path) -> Source:
        write_bam(folder / "a.bam", MIXED)
        write_bam(folder / "b.bam", MIXED[::-1], block=7)
        write_bam(folder / "c.bam", MIXED[:1], block=60_000)
        write_bam(folder / "d.bam", [])
        return Source("reads", f"{folder}/*.bam", {})

    def change(self, folder: Path) -> None:
        for name in ("a.bam", "b.bam", "c.bam"):
            text = bytearray(text_of(folder / name))
            text[-1] ^= 1  # in the last record's tag XN
            (folder / name).write_bytes(bgzip(bytes(text), block=100))

    def oracle(self, folder: Path) -> list[bytes]:
        return [record for path in sorted(folder.glob("*.bam")) for record in raw_records(path)]

    def read(self, reader: Reader) -> list[bytes]:
        return list(cast(BamReads, reader).records())

    def options(self, size: int) -> Mapping[str, Any]:
        return {"size": size}


def sort_key(read: pysam.AlignedSegment) -> tuple[int, int]:
    return (read.reference_id if read.reference_id >= 0 else len(CONTIGS), read.reference_start)


@st.composite
def sorted_reads(draw: st.DrawFn) -> list[pysam.AlignedSegment]:
    reads = []
    for number in range(draw(st.integers(0, 25))):
        contig = draw(st.sampled_from([-1, 0, 1, 1, 2]))
        if contig < 0:
            reads.append(alignment(number, -1, -1, "", flag=4))
            continue
        position = draw(st.integers(0, [*CONTIGS.values()][contig] - 5))
        cigar = draw(st.sampled_from(["4M", "4M", "2S2M", "4I", "2M7000N2M", "1M40000D3M", ""]))
        reads.append(alignment(number, contig, position, cigar, flag=0 if cigar else 4))
    return sorted(reads, key=sort_key)


@settings(deadline=None, max_examples=60)
@given(
    reads=sorted_reads(),
    region_size=st.one_of(st.integers(3_000, 60_000), st.sampled_from([16_384, 1_000_000])),
    block=st.sampled_from([30, 200, 60_000]),
    checkpoint_bytes=st.sampled_from([1, 300]),
)
def test_by_region_every_alignment_has_one_owner_and_reaches_into_its_right_neighbours(
    reads: list[pysam.AlignedSegment], region_size: int, block: int, checkpoint_bytes: int
) -> None:
    with TemporaryDirectory() as folder:
        path = write_bam(Path(folder) / "x.bam", reads, block=block)
        source = cut(path, checkpoint_bytes=checkpoint_bytes)
        owned: list[str] = []
        touched = set()
        for reader in open_all(source, by="region", region_size=region_size):
            contig, start, stop = reader.key["contig"], int(reader.key["start"]), int(reader.key["stop"])
            touched.add((contig, start))
            mine = lines(reader.write(Path(folder) / "piece.bam"))
            assert reader.consumed == len(mine)
            owned += mine
            expected = [
                read.to_string()
                for read in reads
                if read.reference_id >= 0
                and read.reference_name == contig
                and read.reference_start < start < (read.reference_end or read.reference_start + 1)
            ]
            with_halo = lines(reader.write(Path(folder) / "piece.bam", halo=True))
            assert with_halo == expected + mine
            assert len(list(reader.halo())) == len(expected)
            assert all(start <= int(line.split("\t")[3]) - 1 < stop for line in mine if contig != "*")
        assert owned == lines(path)
        for read in reads:
            if read.reference_id >= 0:
                last = min(read.reference_end or read.reference_start + 1, CONTIGS[read.reference_name]) - 1
                for region in range(read.reference_start // region_size, last // region_size + 1):
                    assert (read.reference_name, region * region_size) in touched


def test_by_records_cuts_at_every_block_in_which_a_record_begins(tmp_path: Path) -> None:
    path = write_bam(tmp_path / "x.bam", MIXED, block=40)
    source = cut(path)
    assert source.layouts[0].records == 10
    pieces = source.pieces({"size": 1})
    assert [piece.records for piece in pieces] == [1] * 10
    assert sum(piece.bytes for piece in pieces) == path.stat().st_size - (cast(Any, pieces[0].body)["start"] >> 16)
    assert pieces[3].key == (("file", "x.bam"), ("ordinal", 0), ("part", 3))
    assert [piece.records for piece in source.pieces({"size": 1 << 30})] == [10]


def test_a_piece_is_a_bam_of_its_own(tmp_path: Path) -> None:
    path = write_bam(tmp_path / "x.bam", MIXED)
    with pysam.AlignmentFile(str(path)) as file:
        header = str(file.header)
    for number, reader in enumerate(open_all(cut(path), size=1)):
        piece = reader.write(tmp_path / f"piece{number}.bam")
        pysam.quickcheck(str(piece))
        assert reader.header == header
        assert list(reader.halo()) == []
        with pysam.AlignmentFile(str(piece)) as file:
            assert str(file.header) == header
    assert number > 2


def test_a_piece_says_where_it_lies(tmp_path: Path) -> None:
    path = write_bam(tmp_path / "a.bam", [alignment(n, 0, n * 10) for n in range(60)])
    source, size = cut(path), path.stat().st_size
    (whole,) = source.pieces({"size": size})
    (place,) = source.partitioner.places(whole)
    assert (place.file, place.records, place.bytes and place.bytes[1]) == (str(path), (1, 61), size)
    pieces = source.pieces({"size": 1})
    spans = [place.records for piece in pieces for place in source.partitioner.places(piece)]
    assert [number for span in spans if span for number in range(*span)] == [*range(1, 61)]
    regions = source.pieces({"by": "region", "region_size": 100})
    assert all(place.records is None for piece in regions for place in source.partitioner.places(piece))


def test_the_tail_is_a_piece_of_its_own(tmp_path: Path) -> None:
    path = write_bam(tmp_path / "x.bam", MIXED)
    *placed, tail = cut(path).pieces({"by": "region", "region_size": 50_000})
    assert [piece.key[2:] for piece in placed] == [
        (("contig", "one"), ("start", 0), ("stop", 40_000)),
        (("contig", "two"), ("start", 0), ("stop", 50_000)),
        (("contig", "two"), ("start", 50_000), ("stop", 100_000)),
        (("contig", "three"), ("start", 0), ("stop", 16_384)),
    ]
    assert (tail.key[2:], tail.records) == ((("contig", "*"), ("start", 0), ("stop", 0)), 2)


def test_a_long_cigar_passes_unharmed(tmp_path: Path) -> None:
    read = alignment(1, 1, 100, "4M")
    read.query_sequence = "ACGT" * 20_000
    read.cigartuples = [(0, 1), (1, 1)] * 40_000  # 80,000 operations: htslib writes them to the CG tag
    path = write_bam(tmp_path / "x.bam", [read, alignment(2, 1, 40_000)], block=60_000)
    halo = [reader for reader in open_all(cut(path), by="region", region_size=30_000) if reader.key["start"] == 30_000]
    (found,) = lines(halo[0].write(tmp_path / "halo.bam", halo=True))[:1]
    assert found == read.to_string()
    assert [len(list(reader.records())) for reader in open_all(cut(path), by="region", region_size=30_000)] == [1, 1]


def test_real_reads(shared: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.bam"
    reads = []
    with pysam.FastxFile(str(shared / "data/genomics/sim-diploid/sim_R1.fastq.gz")) as file:
        for number, entry in zip(range(5000), file, strict=False):
            read = alignment(number, 1, number * 19 % 99_000)
            read.query_sequence = entry.sequence
            read.cigarstring = f"{len(entry.sequence or '')}M"
            reads.append(read)
    with pysam.AlignmentFile(str(path), "wb", header=HEADER) as out:
        for read in sorted(reads, key=sort_key):
            out.write(read)
    source = cut(path, checkpoint_bytes=10_000)
    for options in ({"size": 50_000}, {"by": "region", "region_size": 7_000}):
        pieces = open_all(source, **options)
        assert len(pieces) > 5
        assert [record for piece in pieces for record in piece.records()] == raw_records(path)


def test_a_piece_reads_its_own_bytes_and_the_block_in_which_it_ends(tmp_path: Path) -> None:
    reads = [alignment(number, 1, number) for number in range(50_000)]
    source = cut(write_bam(tmp_path / "x.bam", reads, block=60_000), checkpoint_bytes=50_000)
    piece = source.pieces({"size": 100_000})[2]
    before = len(source.data.reads)
    assert len(list(cast(BamReads, source.open(piece)).records())) == piece.records
    read = sum((stop or 0) - start for _, start, stop in source.data.reads[before:])
    assert piece.bytes <= read <= piece.bytes + 2 * (1 << 16)


def test_content_follows_the_records_shown(tmp_path: Path) -> None:
    changed = [*MIXED[:-1], alignment(11, -1, -1, "", flag=4)]
    first, second = (
        cut(write_bam(tmp_path / f"{number}.bam", reads, block=200)) for number, reads in enumerate([MIXED, changed])
    )
    for options in ({"size": 1}, {"by": "region", "region_size": 20_000}):
        contents = [[piece.content for piece in source.pieces(options)] for source in (first, second)]
        assert contents[0][:2] == contents[1][:2]
        assert contents[0][-1] != contents[1][-1]


def test_an_unsorted_file_is_not_cut_by_region(tmp_path: Path) -> None:
    path = write_bam(tmp_path / "x.bam", [MIXED[2], MIXED[3], MIXED[0]])
    source = cut(path)
    assert len(source.pieces({"size": 1})) > 1
    with pytest.raises(BadInput, match=r"not sorted.*samtools sort") as caught:
        source.pieces({"by": "region"})
    assert caught.value.where == {"file": str(path), "record": 3}


@pytest.mark.parametrize("options", [{"size": 0}, {"region_size": 0, "by": "region"}, {"by": "name"}])
def test_options_that_cannot_be_used(tmp_path: Path, options: dict[str, Any]) -> None:
    source = cut(write_bam(tmp_path / "x.bam", MIXED))
    with pytest.raises(OptionError):
        source.pieces(options)


def test_a_file_that_changes_is_found_out(tmp_path: Path) -> None:
    path = write_bam(tmp_path / "x.bam", MIXED)
    source = cut(path)
    (reader,) = open_all(source)
    write_bam(path, MIXED[:5])
    with pytest.raises(ChangedInput):
        list(reader.records())
    with pytest.raises(ChangedInput):
        reader.header  # noqa: B018
    with pytest.raises(ChangedInput):
        source.partitioner.index(source.parts[0][0], source.data)


def patched(path: Path, change: Callable[[bytearray, int], None]) -> None:
    """Change a BAM's text; ``change`` gets it and where its second record begins."""
    records = raw_records(path)
    text = bytearray(text_of(path))
    change(text, len(text) - sum(map(len, records[1:])))
    path.write_bytes(bgzip(bytes(text), block=100))


def put(offset: int, kind: str, value: int) -> Callable[[bytearray, int], None]:
    return lambda text, at: struct.pack_into(kind, text, at + offset, value)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (put(0, "<i", 31), "it has 31 bytes"),
        (put(0, "<i", 1 << 30), "it has 1073741824 bytes"),
        (put(0, "<i", -5), "it has -5 bytes"),
        (put(20, "<i", 5_000), "but it has"),
        (put(20, "<i", -5), "but it has"),
        (put(12, "<B", 0), "but it has"),
        (put(16, "<H", 60_000), "but it has"),
        (put(4, "<i", 3), "outside the reference"),
        (put(4, "<i", -2), "outside the reference"),
        (put(8, "<i", 40_000), "outside the reference"),
        (put(8, "<i", -2), "outside the reference"),
    ],
)
def test_a_malformed_record_is_named(tmp_path: Path, change: Callable[[bytearray, int], None], match: str) -> None:
    path = write_bam(tmp_path / "x.bam", MIXED)
    patched(path, change)
    with pytest.raises(MalformedRecord, match=match) as caught:
        cut(path)
    assert {"file": str(path), "record": 2}.items() <= caught.value.where.items()
    assert path.read_bytes()[int(caught.value.where["byte"]) :][:4] == b"\x1f\x8b\x08\x04"


def test_a_record_longer_than_the_file(tmp_path: Path) -> None:
    path = write_bam(tmp_path / "x.bam", MIXED)
    patched(path, put(0, "<i", 100_000))
    with pytest.raises(TruncatedInput, match="ends inside a record") as caught:
        cut(path)
    assert caught.value.where["record"] == 2


def test_a_file_cut_in_a_record_but_closed(tmp_path: Path) -> None:
    path = write_bam(tmp_path / "x.bam", MIXED)
    path.write_bytes(bgzip(text_of(path)[:-10]))
    with pytest.raises(TruncatedInput, match="ends inside a record") as caught:
        cut(path)
    assert caught.value.where["record"] == 10


@pytest.mark.parametrize(
    ("make", "kind", "match"),
    [
        (lambda _: b"", BadInput, "empty"),
        (lambda _: b"CRAM\3\0", BadInput, "CRAM.*samtools view -b"),
        (lambda _: b"@HD\tVN:1.6\n", BadInput, "SAM, not BAM.*samtools view -b"),
        (lambda _: b"BAM\1", BadInput, "not a BAM"),
        (lambda bam: gzip.compress(bam, mtime=0), BadInput, "not a BAM"),
        (lambda _: bgzip(b"##fileformat=VCFv4.2\n"), BadInput, "not a BAM.*does not begin with 'BAM'"),
        (lambda _: bgzip(b"BAM\1" + struct.pack("<i", -4)), BadInput, "length of -4"),
        (lambda bam: bam[:-28], TruncatedInput, "has no end"),
        (lambda bam: bam[: len(bam) // 2], TruncatedInput, "has no end"),
        (lambda _: bgzip(b"BAM\1" + struct.pack("<i", 40) + b"@HD"), TruncatedInput, "inside its header"),
        (lambda _: bgzip(b"BAM\1" + struct.pack("<iii", 0, 2, 4) + b"one\0"), TruncatedInput, "inside its header"),
        (lambda bam: bam[:-28] + b"garbage" + bam[-28:], BadInput, "no BGZF block"),
        (lambda bam: bam + bam, BadInput, "another BAM behind.*samtools cat"),
        (lambda bam: bgzip(b"BAM\1" + struct.pack("<ii", 0, 0)) + bam, BadInput, "another BAM behind"),
    ],
)
def test_files_that_are_no_whole_bam(
    tmp_path: Path, make: Callable[[bytes], bytes], kind: type[BadInput], match: str
) -> None:
    path = write_bam(tmp_path / "x.bam", MIXED)
    path.write_bytes(make(path.read_bytes()))
    with pytest.raises(kind, match=match) as caught:
        cut(path)
    assert caught.value.where["file"] == str(path)


def test_a_damaged_block(tmp_path: Path) -> None:
    path = write_bam(tmp_path / "x.bam", MIXED, block=60_000)
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(BadInput, match="block of a BGZF file is damaged"):
        cut(path)
