"""Where bad reads are tolerated, what is read is the file without them, however it is cut; each is told once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from flowbutton.model.canonical import Json
from flowbutton.model.errors import BadInput, FlowbuttonError, MalformedRecord
from flowbutton.model.pieces import Source
from flowbutton.model.stage import Tally
from flowbutton.partitioners.fastq import Fastq, FastqReads
from flowbutton.partitioners.fastq_aside import ANOTHER_NAME, MATES
from flowbutton.testing.packing import bgzip, gzip_members
from flowbutton.testing.partitioners import CutSource, MemoryAccess

CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda text: text,
    "gzip": gzip_members,
    "bgzf": bgzip,
    "tiny blocks": lambda text: bgzip(text, block=11),
}


def good(number: int, mate: int, length: int) -> bytes:
    # Qualities that look like the first letters of other lines.
    return b"@r%d/%d x\n%s\n+\n%s\n" % (number, mate, b"ACGT" * length, (b"@+#I" * length))


def _replaced(line: int, change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    def spoil(record: bytes) -> bytes:
        lines = record.split(b"\n")
        lines[line] = change(lines[line])
        return b"\n".join(lines)

    return spoil


FAULTS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "a quality less": ("with unequal bases and qualities", _replaced(3, lambda line: line[:-1])),
    "a base less": ("with unequal bases and qualities", _replaced(1, lambda line: line[1:])),
    "no '@'": ("without '@'", _replaced(0, lambda line: line[1:])),
    "an empty name": ("without '@'", _replaced(0, lambda _: b"")),
    "no '+'": ("without '+'", _replaced(2, lambda _: b"")),
    "a blank in the qualities": ("with an impossible quality", _replaced(3, lambda line: line[:-1] + b" ")),
    "no ASCII in the qualities": ("with an impossible quality", _replaced(3, lambda line: b"\xe9" + line[1:])),
    "a delete in the bases": ("with an impossible base", _replaced(1, lambda line: b"\x7f" + line[1:])),
    "a tab in the bases": ("with an impossible base", _replaced(1, lambda line: line[:-1] + b"\t")),
    "a zero in the name": ("with a zero byte", _replaced(0, lambda line: line + b"\0")),
}
OTHER_NAME = (ANOTHER_NAME, _replaced(0, lambda line: b"@q" + line[2:]))


@dataclass(frozen=True)
class Spoiled:
    """Units of one read, or two, with the reason why each is bad, if it is, and which of its reads is."""

    units: tuple[tuple[bytes, ...], ...]
    bad: dict[int, tuple[str, int]]

    def texts(self, files: int, *, kept: bool) -> list[bytes]:
        """Return the text of one file or of two; ``kept``: of the good units only."""
        units = [unit for number, unit in enumerate(self.units) if not kept or number not in self.bad]
        return [
            b"".join(read for unit in units for read in (unit if files == 1 else unit[file : file + 1]))
            for file in range(files)
        ]


@st.composite
def spoiled(draw: st.DrawFn, *, mates: int) -> Spoiled:
    lengths = draw(st.lists(st.integers(1, 12), max_size=14))
    kinds = [*FAULTS.values(), OTHER_NAME][: None if mates == 2 else -1]
    units, bad = [], {}
    for number, length in enumerate(lengths):
        unit = [good(number, mate + 1, length + mate) for mate in range(mates)]
        if draw(st.integers(0, 3)) == 0:
            reason, spoil = draw(st.sampled_from(kinds))
            mate = mates - 1 if reason == ANOTHER_NAME else draw(st.integers(0, mates - 1))
            unit[mate] = spoil(unit[mate])
            bad[number] = (reason, mate)
        units.append(tuple(unit))
    return Spoiled(tuple(units), bad)


@dataclass(frozen=True)
class Outcome:
    """What was read of all pieces, per file, and one tally for all of them."""

    texts: list[bytes]
    tally: Tally
    consumed: int
    records: int


def read_tolerantly(fastq: Fastq, access: MemoryAccess, uri: str, *, size: int, backwards: bool = False) -> Outcome:
    """Read all pieces, each file of each twice, with a tally of its own for each; join what they say."""
    cut_source = CutSource(fastq, Source("reads", uri, {}), access)
    (layout,) = cut_source.layouts
    total, consumed = Tally(), 0
    texts = [b""] * len(layout.group.objects)
    for piece in fastq.cut(layout, size=size):
        reader, tally = fastq.open(piece, access), Tally()
        assert isinstance(reader, FastqReads)
        reader.tolerate(tally)
        files = range(reader.files)
        found = {file: b"".join(reader.text(file)) for file in (reversed(files) if backwards else files)}
        assert {file: b"".join(reader.text(file)) for file in files} == found
        assert reader.consumed == piece.records
        assert reader.left_out == sum(tally.aside_by.values()) + sum(tally.filtered_by.values())
        texts = [text + found[file] for file, text in enumerate(texts)]
        consumed += reader.consumed
        total.aside += tally.aside
        for reason, count in tally.filtered_by.items():
            total.filtered(reason, count)
        for reason, count in tally.aside_by.items():
            total.aside_by[reason] = total.aside_by.get(reason, 0) + count
    return Outcome(texts, total, consumed, layout.records or 0)


def reads_of(line: Mapping[str, Json]) -> Sequence[dict[str, Any]]:
    return cast(Sequence[dict[str, Any]], line["reads"])


def check(outcome: Outcome, data: Spoiled, files: int, mates: int) -> None:
    """Hold an outcome against what was spoiled: kept, told, counted."""
    aside = outcome.tally.aside
    assert outcome.texts == data.texts(files, kept=True)
    told = [(line["reason"], tuple(read["text"].encode("latin-1") for read in reads_of(line))) for line in aside]
    assert told == [(reason, data.units[number]) for number, (reason, _) in data.bad.items()]
    whole = data.texts(files, kept=False)
    for line, (number, (_, mate)) in zip(aside, data.bad.items(), strict=True):
        reads = reads_of(line)
        assert [read["record"] for read in reads] == [
            number + 1 if files == mates else number * mates + place + 1 for place in range(mates)
        ]
        for place, read in enumerate(reads):
            text = whole[place if files == mates else 0]
            assert text[read["byte"] :].startswith(data.units[number][place])
        assert f"record {reads[mate]['record']}, byte {reads[mate]['byte']}" in cast(str, line["record"])
    kept = (len(data.units) - len(data.bad)) * mates
    assert outcome.consumed == outcome.records == kept + len(data.bad) * mates
    assert outcome.tally.filtered_by == ({MATES: len(data.bad)} if mates == 2 and data.bad else {})


cases = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
sizes = st.integers(1, 200) | st.integers(200, 20_000)


@pytest.mark.parametrize("coding", CODINGS)
@cases
@given(data=spoiled(mates=1), size=sizes, part=st.integers(1, 300), block=st.integers(1, 120))
@example(data=Spoiled((), {}), size=1, part=1, block=1)
def test_single_reads(coding: str, data: Spoiled, size: int, part: int, block: int, tmp_path: Path) -> None:
    access = MemoryAccess(tmp_path)
    (access.objects["x.fq"],) = map(CODINGS[coding], data.texts(1, kept=False))
    check(read_tolerantly(Fastq(part_bytes=part, block_bytes=block), access, "x.fq", size=size), data, 1, 1)


@pytest.mark.parametrize("coding", CODINGS)
@cases
@given(data=spoiled(mates=2), size=sizes, block=st.integers(1, 120), backwards=st.booleans())
def test_pairs_in_two_files(coding: str, data: Spoiled, size: int, block: int, backwards: bool, tmp_path: Path) -> None:
    access = MemoryAccess(tmp_path)
    for file, text in enumerate(data.texts(2, kept=False), start=1):
        access.objects[f"x_{file}.fq"] = CODINGS[coding](text)
    fastq = Fastq(part_bytes=90, block_bytes=block, object_bytes=70)
    check(read_tolerantly(fastq, access, "x_1.fq,x_2.fq", backwards=backwards, size=size), data, 2, 2)


@pytest.mark.parametrize("coding", CODINGS)
@cases
@given(data=spoiled(mates=2), size=sizes, block=st.integers(1, 120))
def test_pairs_in_turn(coding: str, data: Spoiled, size: int, block: int, tmp_path: Path) -> None:
    access = MemoryAccess(tmp_path)
    (access.objects["/in/x.fq"],) = map(CODINGS[coding], data.texts(1, kept=False))
    access.objects["/in/sheet.csv"] = b"sample,r1,interleaved\ns,x.fq,yes\n"
    fastq = Fastq(part_bytes=90, block_bytes=block, object_bytes=70)
    check(read_tolerantly(fastq, access, "/in/sheet.csv", size=size), data, 1, 2)


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_left_out_is_an_error_where_nothing_is_tolerated(fault: str, tmp_path: Path) -> None:
    access = MemoryAccess(tmp_path)
    records = [good(number, 1, 5) for number in range(30)]
    records[7] = FAULTS[fault][1](records[7])
    access.objects["x.fq"] = b"".join(records)
    pieces = CutSource(Fastq(block_bytes=60), Source("reads", "x.fq", {}), access).pieces({"size": 100})
    with pytest.raises(MalformedRecord) as caught:
        [list(Fastq().open(piece, access).text()) for piece in pieces]
    assert caught.value.where == {"file": "x.fq", "record": 8, "byte": sum(map(len, records[:7]))}
    assert "tolerate" in caught.value.hint


RECORDS = [good(number, 1, 5) for number in range(60)]


@pytest.mark.parametrize(
    ("text", "record", "byte"),
    [
        (b"".join([*RECORDS[:9], *RECORDS[9].splitlines(keepends=True)[:3], *RECORDS[10:]]), 11, None),
        (b"".join([*RECORDS[:9], b"ACGT\n", *RECORDS[9:]]), 10, None),
        (b"".join([*RECORDS[:9], b"a\nb\nc\nd\n", *RECORDS[9:]]), 10, sum(map(len, RECORDS[:9]))),
        (b"".join(RECORDS)[:-3], 60, sum(map(len, RECORDS[:-1]))),
        (b"".join(RECORDS)[: -len(b"@+#I" * 5) - 1], 60, sum(map(len, RECORDS[:-1]))),
    ],
    ids=[
        "a line too few",
        "a line too many",
        "four lines of something else",
        "cut in the qualities",
        "cut before them",
    ],
)
def test_a_broken_frame_is_an_error_all_the_same(text: bytes, record: int, byte: int | None, tmp_path: Path) -> None:
    for pack in CODINGS.values():
        access = MemoryAccess(tmp_path)
        access.objects["x.fq"] = pack(text)
        with pytest.raises(FlowbuttonError) as caught:
            read_tolerantly(Fastq(block_bytes=60), access, "x.fq", size=100)
        where = caught.value.where
        assert (where["file"], where["record"]) == ("x.fq", record)
        assert isinstance(where["byte"], int)
        assert byte is None or where["byte"] == byte
        assert "tolerate" not in caught.value.hint


def test_a_last_record_without_its_newline_is_set_aside_if_it_is_there_in_full(tmp_path: Path) -> None:
    access = MemoryAccess(tmp_path)
    access.objects["x.fq"] = b"".join([*RECORDS[:-1], FAULTS["no '@'"][1](RECORDS[-1])])[:-1]
    outcome = read_tolerantly(Fastq(), access, "x.fq", size=100)
    assert outcome.texts == [b"".join(RECORDS[:-1])]
    (line,) = outcome.tally.aside
    assert reads_of(line)[0]["text"].encode() == RECORDS[-1][1:-1]


def test_no_more_is_told_than_shows_that_it_is_too_much(tmp_path: Path) -> None:
    access = MemoryAccess(tmp_path)
    access.objects["x.fq"] = b"".join(FAULTS["a base less"][1](record) for record in RECORDS)
    (piece,) = CutSource(Fastq(), Source("reads", "x.fq", {}), access).pieces({})
    reader, tally = Fastq().open(piece, access), Tally(tolerated=5)
    reader.tolerate(tally)
    with pytest.raises(BadInput, match="more than the 5 tolerated"):
        list(reader.text())
    assert len(tally.aside) == 6
