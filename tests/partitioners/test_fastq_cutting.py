"""Reads come back once and in order, whatever the coding, the size of pieces and of indexing parts, and the text."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pysam
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from flowbutton.model.pieces import ObjectInfo, Source
from flowbutton.partitioners.fastq import Fastq, FastqReads
from flowbutton.partitioners.fastq_index import MARK
from flowbutton.partitioners.fastq_layout import FileMap, Lane, cut_lane
from flowbutton.testing.packing import bgzip, gzip_members
from flowbutton.testing.partitioners import CutSource, MemoryAccess


def _thirds(text: bytes) -> tuple[bytes, bytes, bytes]:
    third = len(text) // 3
    return text[:third], text[third : 2 * third], text[2 * third :]


def _mixed(text: bytes) -> bytes:
    one, two, three = _thirds(text)
    return bgzip(one, block=64) + gzip_members(two, b"") + bgzip(three, block=64)


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda text: text,
    "gzip": gzip_members,
    "members": lambda text: gzip_members(*_thirds(text)),
    "empty member": lambda text: gzip_members(b"", text[:9], b"", text[9:], b""),
    "padded": lambda text: gzip_members(text) + bytes(700),
    "bgzf": bgzip,
    "tiny blocks": lambda text: bgzip(text, block=11),
    "two bgzf": lambda text: bgzip(text[: len(text) // 2], block=100) + bgzip(text[len(text) // 2 :], block=100),
    "mixed": _mixed,
    "gzip then bgzf": lambda text: gzip_members(text[:50]) + bgzip(text[50:], block=40),
}


@st.composite
def records(draw: st.DrawFn, *, lengths: st.SearchStrategy[int]) -> list[bytes]:
    """Records with qualities that look like headers and separators."""
    newline = draw(st.sampled_from([b"\n", b"\r\n"]))
    made = []
    for number, length in enumerate(draw(st.lists(lengths, max_size=12))):
        first = draw(st.sampled_from([b"@", b"+", b"I"]))
        quality = (first + b"#" * length)[:length]
        again = draw(st.sampled_from([b"+", b"+read%d" % number]))
        made.append(newline.join([b"@read%d c" % number, b"N" * length, again, quality, b""]))
    return made


def cut_and_read(fastq: Fastq, access: MemoryAccess, uri: str, **options: Any) -> list[list[bytes]]:
    """Return, per file of all lanes, the text of each piece; pieces are read last to first."""
    cut_source = CutSource(fastq, Source("reads", uri, {}), access)
    found: list[list[bytes]] = []
    for layout in cut_source.layouts:
        pieces = fastq.cut(layout, **options)
        assert sum(piece.records or 0 for piece in pieces) == layout.records
        assert sum(piece.bytes for piece in pieces) == (layout.bytes if pieces else 0)
        assert all(piece.records for piece in pieces)
        readers = [fastq.open(piece, access) for piece in pieces]
        texts = [[b"".join(reader.text(file)) for file in range(reader.files)] for reader in reversed(readers)]
        assert [reader.consumed for reader in readers] == [piece.records for piece in pieces]
        found += [[text[file] for text in reversed(texts)] for file in range(len(layout.group.objects))]
    return found


@pytest.mark.parametrize("coding", CODINGS)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    wanted=records(lengths=st.integers(0, 40) | st.sampled_from([0, 1, 300])),
    size=st.integers(1, 200) | st.integers(200, 20_000),
    part=st.integers(1, 300),
    block=st.integers(1, 120),
    kept=st.integers(1, 400),
    cut_newline=st.booleans(),
)
@example(wanted=[], size=1, part=1, block=1, kept=1, cut_newline=False)
@example(wanted=[b"@a\n\n+\n\n"], size=1, part=1, block=1, kept=1, cut_newline=True)
@example(wanted=[b"@a\nA\n+\nI\n"] * 9, size=1, part=7, block=3, kept=5, cut_newline=True)
def test_each_read_comes_once_and_in_order(
    coding: str, wanted: list[bytes], size: int, part: int, block: int, kept: int, cut_newline: bool, tmp_path: Path
) -> None:
    access = MemoryAccess(tmp_path)
    text = b"".join(wanted)
    ending = text[-1:] if cut_newline else b""
    access.objects["reads.fastq"] = CODINGS[coding](text[: len(text) - len(ending)])
    fastq = Fastq(part_bytes=part, block_bytes=block, object_bytes=kept)
    (pieces,) = cut_and_read(fastq, access, "reads.fastq", size=size)
    assert b"".join(pieces) == text
    if coding == "plain" and size == 1:
        assert len(pieces) == len(wanted)
    if size > 20_000:
        assert len(pieces) <= 1


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=records(lengths=st.sampled_from([0, 3, 50_000, 700])), size=st.integers(1, 200_000))
def test_very_uneven_reads_are_never_split(wanted: list[bytes], size: int, tmp_path: Path) -> None:
    access = MemoryAccess(tmp_path)
    access.objects["reads.fastq"] = b"".join(wanted)
    (pieces,) = cut_and_read(Fastq(part_bytes=30_000, block_bytes=4_000), access, "reads.fastq", size=size)
    starts = {0}
    for record in wanted:
        starts.add(max(starts) + len(record))
    ends = [sum(map(len, pieces[: number + 1])) for number in range(len(pieces))]
    assert set(ends) <= starts
    assert b"".join(pieces) == b"".join(wanted)


@pytest.mark.parametrize("coding", ["plain", "gzip", "bgzf", "tiny blocks", "mixed"])
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 200)), max_size=15), size=st.integers(1, 3000))
def test_mates_stay_together(coding: str, lengths: list[tuple[int, int]], size: int, tmp_path: Path) -> None:
    access = MemoryAccess(tmp_path)
    for mate in (1, 2):
        text = b"".join(
            b"@r%d/%d\n%s\n+\n%s\n" % (number, mate, b"A" * pair[mate - 1], b"I" * pair[mate - 1])
            for number, pair in enumerate(lengths)
        )
        access.objects[f"x_{mate}.fq"] = CODINGS[coding](text)
    fastq = Fastq(part_bytes=90, block_bytes=50, object_bytes=70)
    first, second = cut_and_read(fastq, access, "x_1.fq,x_2.fq", size=size)
    for one, two in zip(first, second, strict=True):
        assert _names(one) == _names(two)
    assert [name for text in first for name in _names(text)] == [b"@r%d" % number for number in range(len(lengths))]


def _names(text: bytes) -> list[bytes]:
    return [line[:-2] for line in text.split(b"\n")[:-1:4]]


@given(pairs=st.integers(0, 20), size=st.integers(1, 400))
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_interleaved_pairs_are_not_divided(pairs: int, size: int, tmp_path: Path) -> None:
    access = MemoryAccess(tmp_path)
    access.objects["/in/x.fq"] = b"".join(b"@r%d/%d\nAC\n+\nII\n" % (n // 2, n % 2 + 1) for n in range(2 * pairs))
    access.objects["/in/sheet.csv"] = b"sample,r1,interleaved\ns,x.fq,yes\n"
    (pieces,) = cut_and_read(Fastq(block_bytes=30), access, "/in/sheet.csv", size=size)
    assert b"".join(pieces) == access.objects["/in/x.fq"]
    assert all(text.count(b"\n") % 8 == 0 for text in pieces)


@pytest.mark.parametrize(("size", "small"), [(1 << 30, False), (100_000, False), (20_000, True), (333, True)])
def test_real_data_come_back_whole(shared: Path, tmp_path: Path, size: int, small: bool) -> None:
    fastq = Fastq(part_bytes=40_000, block_bytes=9_000, object_bytes=70_000) if small else Fastq()
    sheets = sorted((shared / "data" / "genomics").glob("*/samples.tsv"))
    assert sheets
    for sheet in sheets if size > 1000 else sheets[1:2]:
        with sheet.open() as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        paths = [sheet.parent / row[name] for row in rows for name in ("r1", "r2")]
        found = cut_and_read(fastq, MemoryAccess(tmp_path), str(sheet), size=size)
        assert [b"".join(pieces) for pieces in found] == [gzip.decompress(path.read_bytes()) for path in paths]


def test_records_are_those_of_htslib(shared: Path, tmp_path: Path) -> None:
    path = shared / "data" / "genomics" / "human-na12878-chr22" / "NA12878_L1_R1.fastq.gz"
    with pysam.FastxFile(str(path)) as file:
        wanted = [(entry.name, entry.comment, entry.sequence, entry.quality) for entry in file]
    access = MemoryAccess(tmp_path)
    cut_source = CutSource(Fastq(block_bytes=5000), Source("reads", str(path), {}), access)
    found = []
    for number, piece in enumerate(cut_source.pieces({"size": 4000})):
        folder = tmp_path / str(number)
        folder.mkdir()
        reader = cut_source.open(piece)
        assert isinstance(reader, FastqReads)
        (written,) = reader.write(folder)
        with pysam.FastxFile(str(written)) as file:
            found += [(entry.name, entry.comment, entry.sequence, entry.quality) for entry in file]
    assert found == wanted


def test_contents_do_not_depend_on_the_size_of_pieces(tmp_path: Path) -> None:
    access = MemoryAccess(tmp_path)
    access.objects["r.fq"] = b"".join(b"@r%d\nACGT\n+\nIIII\n" % n for n in range(400))
    cut_source = CutSource(Fastq(block_bytes=500), Source("reads", "r.fq", {}), access)
    fine = {piece.content for piece in cut_source.pieces({"size": 1000})}
    coarse = cut_source.pieces({"size": 2000})
    assert len({piece.content for piece in coarse}) == len(coarse)
    assert cut_source.pieces({"size": 1 << 20})[0].content not in fine
    assert {piece.content for piece in cut_source.pieces({"size": 1000})} == fine


def test_appended_reads_leave_the_earlier_pieces_as_they_are(tmp_path: Path) -> None:
    access = MemoryAccess(tmp_path)
    text = b"".join(b"@r%03d\nACGT\n+\nIIII\n" % n for n in range(400))
    contents = []
    for amount in (200, 400):
        access.objects["r.fq"] = text[: amount * 18]
        cut_source = CutSource(Fastq(block_bytes=500), Source("reads", "r.fq", {}), access)
        contents.append([piece.content for piece in cut_source.pieces({"size": 1000})])
    before, after = contents
    assert after[: len(before) - 1] == before[:-1]


@pytest.mark.parametrize("coding", ["plain", "gzip", "tiny blocks", "two bgzf", "mixed"])
def test_contents_do_not_depend_on_the_size_of_parts(coding: str, tmp_path: Path) -> None:
    access = MemoryAccess(tmp_path)
    access.objects["r.fq"] = CODINGS[coding](b"".join(b"@r%d\nACGT\n+\nIIII\n" % n for n in range(2000)))
    found = []
    for part in (1, 700, 5_000, 1 << 30):
        fastq = Fastq(part_bytes=part, block_bytes=600, object_bytes=900)
        cut_source = CutSource(fastq, Source("reads", "r.fq", {}), access)
        assert len(cut_source.parts[0]) > 1 or part > 700 or coding == "gzip"
        found.append(cut_source.pieces({"size": 1500}))
    assert len(found[0]) > 1
    assert all(pieces == found[0] for pieces in found)


def test_a_small_file_has_several_parts(tmp_path: Path) -> None:
    access = MemoryAccess(tmp_path)
    access.objects["r.fq"] = b"@r\nACGT\n+\nIIII\n" * 900_000
    fastq, source = Fastq(), Source("reads", "r.fq", {})
    (group,) = fastq.probe(source, access)
    parts = fastq.index_parts(group)
    assert len(parts) == 4
    assert sum(part.bytes for part in parts) == group.objects[0].size


def test_pieces_of_much_kept_text_stay_small(tmp_path: Path) -> None:
    access = MemoryAccess(tmp_path)
    text = b"".join(b"@r%d\nACGT\n+\nIIII\n" % n for n in range(20_000))
    access.objects["r.fq"] = gzip_members(text)
    cut_source = CutSource(Fastq(block_bytes=500, object_bytes=500), Source("reads", "r.fq", {}), access)
    (piece,) = cut_source.pieces({"size": 1 << 30})
    assert len(access.objects) > 700
    assert len(json.dumps(piece.body)) < 1000
    reader = cut_source.open(piece)
    assert isinstance(reader, FastqReads)
    assert b"".join(reader.text()) == text


def _lane(units: Sequence[int], stored: Sequence[int]) -> Lane:
    """Return a lane of one file with marks at these units, each so many bytes after the one before."""
    marks = np.zeros(len(units), MARK)
    lines = np.concatenate(([0], np.cumsum(units))) * 4
    before = np.concatenate(([0], np.cumsum(stored)))
    info = ObjectInfo("r.fq", int(before[-1]), "")
    file = FileMap(info, (("r.fq", "plain"),), marks, lines, before, before, sum(units), True)
    return Lane((file,), sum(units), False)


def _plain_cuts(units: Sequence[int], stored: Sequence[int], size: int) -> list[int]:
    """Return the first units of pieces by the rule itself, multiple by multiple."""
    found, unit, byte = {0}, 0, 0
    for run, rise in zip(units, stored, strict=True):
        multiples = range(-(-(byte + 1) // size) * size, byte + rise + 1, size)
        found |= {unit - (byte - wanted) * run // rise for wanted in multiples}
        unit, byte = unit + run, byte + rise
    return sorted(found - {unit})


@settings(deadline=None, max_examples=200)
@given(
    marks=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 60)), min_size=1, max_size=9), size=st.integers(1, 90)
)
def test_cuts_lie_where_the_multiples_of_the_size_are(marks: list[tuple[int, int]], size: int) -> None:
    units, stored = ([mark[place] for mark in marks] for place in (0, 1))
    pieces = cut_lane(_lane(units, stored), size=size, sample="s", read_group="s", lane_name="L1", partitioner="fastq")
    records = [piece.records or 0 for piece in pieces]
    assert [sum(records[:number]) for number in range(len(records))] == _plain_cuts(units, stored, size)


def test_a_tiny_size_costs_no_more_than_there_are_reads() -> None:
    lane = _lane([1, 2, 1], [10**12, 3, 10**12])
    pieces = cut_lane(lane, size=1, sample="s", read_group="s", lane_name="L1", partitioner="fastq")
    assert [piece.records for piece in pieces] == [1, 1, 1, 1]
