"""Read quality: counted as plain Python counts it, and the same however the reads are cut and the parts are merged."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from flowbutton.model.canonical import canonical
from flowbutton.model.errors import MalformedRecord, OptionError
from flowbutton.model.pieces import Source
from flowbutton.partitioners.fastq import Fastq, FastqReads
from flowbutton.stages.genomics import merge_quality, read_quality
from flowbutton.stages.genomics.quality_table import CYCLES, SKETCH_SIZE, QualityTable, Sketch
from flowbutton.testing.partitioners import CutSource, MemoryAccess

ADAPTER = "AGATCGGAAGAG"
Read = tuple[str, str]


def text_of(reads: Sequence[Read], *, end: str = "\n") -> bytes:
    return "".join(
        f"@r{number}{end}{bases}{end}+{end}{marks}{end}" for number, (bases, marks) in enumerate(reads)
    ).encode()


def tables(folder: Path, sheet: str, files: dict[str, bytes], *, size: int) -> list[QualityTable]:
    for name, text in files.items():
        (folder / name).write_bytes(text)
    (folder / "reads.tsv").write_text(sheet)
    data = MemoryAccess(folder)
    source = CutSource(Fastq(), Source("reads", str(folder / "reads.tsv"), {}), data)
    readers = [source.open(piece) for piece in source.pieces({"size": size})]
    assert all(isinstance(reader, FastqReads) for reader in readers)
    found = [read_quality(reader, adapters=(ADAPTER,)) for reader in readers]
    assert [reader.consumed for reader in readers] == [
        sum(file.reads for sample in table.samples.values() for file in sample.files.values()) for table in found
    ]
    return found


def single(folder: Path, reads: Sequence[Read], *, size: int = 1 << 20, end: str = "\n") -> list[QualityTable]:
    return tables(folder, "sample\tr1\ns\ta.fq\n", {"a.fq": text_of(reads, end=end)}, size=size)


def as_json(table: QualityTable) -> bytes:
    return canonical(table.model_dump(mode="json"))


def counted(reads: Sequence[Read]) -> dict[str, Any]:
    """Count in the plainest way."""
    quality: Counter[tuple[int, int]] = Counter()
    content: Counter[tuple[str, int]] = Counter()
    gc: Counter[int] = Counter()
    mean: Counter[int] = Counter()
    adapters: Counter[int] = Counter()
    for bases, marks in reads:
        letters = [letter if letter in "ACGT" else "N" for letter in bases.upper()]
        content.update((letter, cycle) for cycle, letter in enumerate(letters))
        quality.update((ord(mark) - 33, cycle) for cycle, mark in enumerate(marks))
        if bases:
            mean[sum(ord(mark) - 33 for mark in marks) // len(marks)] += 1
        if called := len(letters) - letters.count("N"):
            gc[100 * (letters.count("G") + letters.count("C")) // called] += 1
        if ADAPTER in bases:
            adapters[bases.index(ADAPTER)] += 1
    return {
        "reads": len(reads),
        "bases": sum(len(bases) for bases, _ in reads),
        "lengths": dict(Counter(len(bases) for bases, _ in reads)),
        "quality": quality,
        "content": content,
        "mean_quality": dict(mean),
        "gc": dict(gc),
        "adapters": dict(adapters),
    }


def flat(by_cycle: dict[Any, tuple[int, ...]]) -> dict[tuple[Any, int], int]:
    return {(key, cycle): n for key, cycles in by_cycle.items() for cycle, n in enumerate(cycles) if n}


bases_of = st.one_of(
    st.text("ACGTNacgtn", max_size=70),
    st.builds(lambda a, b: a + ADAPTER + b, st.text("ACGT", max_size=20), st.text("ACGT", max_size=20)),
    st.just("ACGT" * 13),
)
read_of = bases_of.flatmap(
    lambda bases: st.tuples(st.just(bases), st.text("!#5:@FI~", min_size=len(bases), max_size=len(bases)))
)


@settings(deadline=None, max_examples=40)
@given(reads=st.lists(read_of, min_size=1, max_size=30), end=st.sampled_from(["\n", "\r\n"]))
@example(reads=[("", "")], end="\n")
@example(reads=[(ADAPTER[:6], "I" * 6), (ADAPTER[6:], "I" * 6)], end="\n")  # an adapter across two reads is none
@example(reads=[("N" * 5, "!" * 5), (ADAPTER * 2, "I" * 24)], end="\r\n")
def test_counts_are_those_of_plain_python(reads: list[Read], end: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = merge_quality(single(Path(folder), reads, end=end)).samples["s"].files["R1"]
    expected = counted(reads)
    assert flat(found.quality) == expected["quality"]
    assert flat(found.content) == expected["content"]
    assert {cycle: n for (_, cycle), n in flat(found.adapters).items()} == expected["adapters"]
    for name in ("reads", "bases", "lengths", "mean_quality", "gc"):
        assert getattr(found, name) == expected[name]


def merged_as_tree(parts: list[QualityTable], shape: st.DataObject) -> QualityTable:
    while len(parts) > 1:
        start = shape.draw(st.integers(0, len(parts) - 2))
        stop = shape.draw(st.integers(start + 2, len(parts)))
        parts = [*parts[:start], merge_quality(parts[start:stop]), *parts[stop:]]
    return merge_quality(parts)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(
    pairs=st.lists(st.tuples(read_of, read_of), min_size=1, max_size=25),
    lanes=st.integers(1, 2),
    size=st.integers(150, 3000),
    shape=st.data(),
)
def test_no_cut_and_no_tree_of_merges_shows(
    pairs: list[tuple[Read, Read]], lanes: int, size: int, shape: st.DataObject
) -> None:
    ones, twos = ([pair[mate] for pair in pairs] for mate in (0, 1))
    files = {f"{lane}_{mate}.fq": text_of(reads) for lane in range(lanes) for mate, reads in ((1, ones), (2, twos))}
    sheet = "sample\tlane\tr1\tr2\n" + "".join(f"s\tL{lane}\t{lane}_1.fq\t{lane}_2.fq\n" for lane in range(lanes))
    with tempfile.TemporaryDirectory() as folder:
        whole = merge_quality(tables(Path(folder), sheet, files, size=1 << 30))
        parts = tables(Path(folder), sheet, files, size=size)
    order = shape.draw(st.permutations(parts))
    assert as_json(merged_as_tree(list(order), shape)) == as_json(whole)
    assert QualityTable.model_validate(json.loads(as_json(whole))) == whole


@settings(deadline=None, max_examples=20)
@given(
    seen=st.lists(st.integers(0, 2 * SKETCH_SIZE), max_size=2 * SKETCH_SIZE),
    cut=st.integers(0, 4 * SKETCH_SIZE),
)
@example(seen=[*range(2 * SKETCH_SIZE)] * 2, cut=SKETCH_SIZE)
def test_a_sketch_of_parts_is_the_sketch_of_all(seen: list[int], cut: int) -> None:
    def sketch(values: list[int]) -> Sketch:
        smallest = sorted(Counter(values).items())[:SKETCH_SIZE]
        return Sketch(hashes=tuple(value for value, _ in smallest), counts=tuple(count for _, count in smallest))

    assert sketch(seen[:cut]) + sketch(seen[cut:]) == sketch(seen)


def test_duplicates_are_pairs_whose_first_fifty_bases_both_repeat(tmp_path: Path) -> None:
    letters = ["".join("ACGT"[(number >> shift) & 3] for shift in range(0, 12, 2)) + "A" * 50 for number in range(400)]
    ones = [(bases, "I" * 56) for bases in letters]
    twice = [*ones, *ones[:100]]
    table = merge_quality(
        tables(
            tmp_path,
            "sample\tr1\tr2\ns\t1.fq\t2.fq\n",
            {"1.fq": text_of([*twice, *ones]), "2.fq": text_of([*twice, *ones[1:], ones[0]])},
            size=5000,
        )
    )
    assert table.samples["s"].starts.duplicate_share == pytest.approx(100 / 900)


def test_interleaved_pairs_count_as_two_files(tmp_path: Path) -> None:
    ones, twos = [("ACGT", "IIII"), ("GG", "##")] * 9, [("TTTTT", "55555"), ("N", "!")] * 9
    both = [read for pair in zip(ones, twos, strict=True) for read in pair]
    text = text_of(both).replace(b"@r", b"@x")
    names = [f"@r{number // 2}".encode() for number in range(len(both))]
    lines = text.split(b"\n")
    lines[0:-1:4] = names
    (tmp_path / "i").mkdir()
    (tmp_path / "p").mkdir()
    paired = {"1.fq": text_of(ones), "2.fq": text_of(twos)}
    apart = merge_quality(tables(tmp_path / "p", "sample\tr1\tr2\ns\t1.fq\t2.fq\n", paired, size=50))
    sheet = "sample\tr1\tinterleaved\ns\ti.fq\ttrue\n"
    together = merge_quality(tables(tmp_path / "i", sheet, {"i.fq": b"\n".join(lines)}, size=50))
    assert as_json(together) == as_json(apart)


def test_of_a_long_read_the_first_thousand_bases_are_counted(tmp_path: Path) -> None:
    reads = [("A" * CYCLES + "G" * 500, "I" * CYCLES + "#" * 500), ("ACGT", "IIII")]
    file = merge_quality(single(tmp_path, reads)).samples["s"].files["R1"]
    assert file.lengths == {4: 1, CYCLES + 500: 1}
    assert file.bases == CYCLES + 504
    assert set(file.quality) == {40}
    assert len(file.quality[40]) == CYCLES


def test_an_impossible_quality_is_an_error_that_names_the_read(tmp_path: Path) -> None:
    reads = [("ACGT", "IIII")] * 7 + [("ACGT", "II\x1fI")]
    with pytest.raises(MalformedRecord) as caught:
        single(tmp_path, reads)
    assert caught.value.where["record"] == 8
    assert "r7" in caught.value.what
    assert "31" in caught.value.why


@pytest.mark.parametrize(("marks", "suspected"), [("hhhgfB", True), ("IIIF#!", False), ("~~~~!5", False)])
def test_qualities_with_offset_64_are_suspected(tmp_path: Path, marks: str, suspected: bool) -> None:
    [table] = single(tmp_path, [("ACGTAC", marks)])
    assert table.samples["s"].files["R1"].phred64_suspected is suspected


@pytest.mark.parametrize("adapter", ["", "acgt", "AC-T"])
def test_an_adapter_of_other_letters_is_refused(tmp_path: Path, adapter: str) -> None:
    (tmp_path / "a.fq").write_bytes(text_of([("A", "I")]))
    source = CutSource(Fastq(), Source("reads", str(tmp_path / "a.fq"), {}), MemoryAccess(tmp_path))
    [piece] = source.pieces({})
    with pytest.raises(OptionError, match="adapter"):
        read_quality(source.open(piece), adapters=(ADAPTER, adapter))


def test_nothing_merged_is_an_empty_table() -> None:
    assert merge_quality([]) == QualityTable(samples={})
