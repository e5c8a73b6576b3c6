"""BAMs made window by window: no option moves a seam, and the index is the one that samtools makes of the whole."""

from __future__ import annotations

import random
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bin_indexes import read_index
from genomics_driver import Driver
from hypothesis import given, settings
from hypothesis import strategies as st

from flowbutton.partitioners.bgzf import EOF_BLOCK
from flowbutton.stages.genomics import sorted_bam
from flowbutton.stages.genomics.alignment_index import index_part, write_index
from flowbutton.stages.genomics.alignments import BIN, bam_header
from flowbutton.stages.genomics.bin_index import bins_of, compressed, depth_of
from flowbutton.stages.genomics.deflate import BgzfWriter, blocks_of
from flowbutton.stages.genomics.reference import Contig

FLAGS = (0, 4, 16, 99, 256, 2048)
Record = tuple[int, int, int, int]
"""Contig, position, length, flag."""


def record(contig: int, position: int, length: int, flag: int) -> bytes:
    """Return a record of ``length`` aligned bases; of none where the flag says unmapped."""
    cigar = struct.pack("<I", length << 4) if not flag & 4 else b""
    body = struct.pack("<iiBBHHHiiii", contig, position, 2, 60, 0, len(cigar) // 4, flag, 0, -1, -1, 0) + b"r\0" + cigar
    return struct.pack("<i", len(body)) + body


@st.composite
def genomes(draw: st.DrawFn) -> tuple[list[int], list[Record]]:
    lengths = draw(st.sampled_from([[200_000], [70_000, 1, 300_000, 90_000], [3_000_000], [1 << 29, 90_000]]))
    rng = random.Random(draw(st.integers(0, 2**32)))
    found = []
    for contig, length in enumerate(lengths):
        reach = draw(st.sampled_from([1, 40_000, 2_000_000, length]))
        for _ in range(draw(st.sampled_from([0, 1, 40, 900]))):
            position = rng.randrange(min(length, reach))
            span = min(rng.choice([1, 150, 150, 150, 20_000]), length - position)
            found.append((contig, position, span, rng.choice(FLAGS)))
    return lengths, sorted(found) + [(-1, -1, 1, 4)] * draw(st.sampled_from([0, 1, 5]))


@settings(max_examples=25, deadline=None)
@given(genome=genomes(), seams=st.lists(st.integers(0, 4000), max_size=4))
def test_the_index_of_parts_is_that_of_the_whole(tmp_path_factory: Any, genome: Any, seams: list[int]) -> None:
    import pysam

    lengths, records = genome
    folder = tmp_path_factory.mktemp("index")
    contigs = [Contig(name=f"c{n}", length=length) for n, length in enumerate(lengths)]
    depth = depth_of(max(lengths))
    bounds = sorted({0, *(min(seam, len(records)) for seam in seams), len(records)})
    header = blocks_of(bam_header(contigs, []))
    whole, parts = header, []
    for start, stop in pairwise(bounds):
        path = folder / f"part{start}"
        with path.open("wb") as file:
            out = BgzfWriter(file)
            out.write(b"".join(record(*one) for one in records[start:stop]))
            out.flush()
        parts.append((len(whole), index_part(path, depth)))
        whole += path.read_bytes()
    bam = folder / "whole.bam"
    bam.write_bytes(whole + EOF_BLOCK)
    made, oracle = folder / "made", folder / "oracle"
    assert write_index(made, parts, len(contigs), depth) == len(records)
    pysam.index("-c" if depth != 5 else "-b", "-o", str(oracle), str(bam))
    assert read_index(made) == read_index(oracle)


@given(
    ranges=st.lists(st.tuples(st.integers(0, (1 << 29) - 1), st.integers(1, 1 << 20)), min_size=1),
    depth=st.sampled_from([5, 6]),
)
def test_bins_are_those_of_the_specification(ranges: list[tuple[int, int]], depth: int) -> None:
    def reg2bin(beg: int, end: int) -> int:
        """As in the CSI specification."""
        shift, offset = 14, ((1 << depth * 3) - 1) // 7
        for level in range(depth, 0, -1):
            if beg >> shift == (end - 1) >> shift:
                return offset + (beg >> shift)
            shift, offset = shift + 3, offset - (1 << level * 3 - 3)
        return 0

    start = np.array([one for one, _ in ranges], np.int64)
    stop = np.minimum(start + np.array([size for _, size in ranges]), 1 << 29)
    assert bins_of(start, stop, depth).tolist() == [
        reg2bin(a, b) for a, b in zip(start.tolist(), stop.tolist(), strict=True)
    ]


def test_a_small_bin_goes_into_the_one_above_it_and_no_further() -> None:
    far = 1 << 40
    assert compressed({4681: [(1, 2)], 585: [(3, 4)], 4682: [(far, 2 * far)]}, 5) == {
        585: [(1, 4)],
        4682: [(far, 2 * far)],
    }
    assert compressed({4681: [(1, 2)], 73: [(3, 4)]}, 5) == {4681: [(1, 2)], 73: [(3, 4)]}


@pytest.fixture
def place(shared: Path) -> Path:
    return shared / "data" / "genomics" / "sarscov2-two-samples"  # two bins of 16,384 bases: one seam


def test_neither_pieces_nor_windows_change_a_record_and_pieces_no_byte(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pysam

    monkeypatch.setattr(sorted_bam, "WINDOW_BASES", BIN)  # the smallest that cuts at each bin that holds something
    made = []
    for size in (400_000, 10**9):
        run = Driver(tmp_path / f"run{size}", str(place / "samples.tsv"), place / "ref.fa", seed=size)
        run.align(size)
        made.append([(bam.read_bytes(), index.read_bytes()) for bam, index in run.indexed_bams()])
    assert made[0] == made[1]
    counted = run.summaries
    monkeypatch.undo()
    for (bam, index), (whole, _) in zip(made[0], run.indexed_bams(), strict=True):
        assert bam != whole.read_bytes()  # a block ends at a seam: there was one
        place_of_it = tmp_path / "windows.bam"
        place_of_it.write_bytes(bam)
        assert pysam.view("--no-PG", "-h", str(place_of_it)) == pysam.view("--no-PG", "-h", str(whole))
        (tmp_path / "windows.bam.bai").write_bytes(index)
        pysam.index("-b", "-o", str(tmp_path / "oracle.bai"), str(place_of_it))
        assert read_index(tmp_path / "windows.bam.bai") == read_index(tmp_path / "oracle.bai")
    assert counted == run.summaries
