"""Sample sheets and file names: what belongs together, and what is refused with the line."""

from __future__ import annotations

import pytest

from flowbutton.model.errors import BadInput
from flowbutton.partitioners.read_pairs import find_pairs, lane_of
from flowbutton.partitioners.sample_sheet import parse_sheet, resolve


def test_a_sheet_of_tabs() -> None:
    lanes = parse_sheet(b"sample\tlane\tploidy\tr1\tr2\nA\tL1\t2\ta1\ta2\nA\tL2\t2\tb1\t\n", "/in/s.tsv")
    assert [(lane.sample, lane.lane, lane.ploidy, lane.files) for lane in lanes] == [
        ("A", "L1", 2, ("/in/a1", "/in/a2")),
        ("A", "L2", 2, ("/in/b1",)),
    ]
    assert {lane.read_group for lane in lanes} == {"A"}


def test_a_sheet_as_spreadsheets_write_it() -> None:
    content = '\ufeff"sample","fastq_1","fastq_2","read_group"\r\n\r\nA , a 1.fq,"b,2.fq",rg1\r\n\r\nA,c.fq,d.fq,\r\n'
    lanes = parse_sheet(content.encode(), "s.csv")
    assert [lane.files for lane in lanes] == [("a 1.fq", "b,2.fq"), ("c.fq", "d.fq")]
    assert [(lane.lane, lane.read_group) for lane in lanes] == [("L1", "rg1"), ("L2", "A")]


def test_comments_and_short_rows() -> None:
    lanes = parse_sheet(b"# made by hand\nsample,r1,r2\nA,a.fq\n#B,b.fq,\n", "s.csv")
    assert [lane.files for lane in lanes] == [("a.fq",)]


def test_other_columns_are_for_people() -> None:
    content = b"patient,sex,sample,lane,fastq_1,fastq_2,status,\np,XX,s,L1,a_1.fq,a_2.fq,0,\n"
    assert parse_sheet(content, "s.csv") == parse_sheet(b"sample,lane,r1,r2\ns,L1,a_1.fq,a_2.fq\n", "s.csv")


def test_semicolons_and_odd_names() -> None:
    content = '# a;b\nsample;r1;r2\n"a\u2028;b";x,1.fq;x,2.fq\nМ 1;y.fq;\n'.encode()
    lanes = parse_sheet(content, "s.csv")
    assert [(lane.sample, lane.files) for lane in lanes] == [("a\u2028;b", ("x,1.fq", "x,2.fq")), ("М 1", ("y.fq",))]


def test_a_home_folder_is_the_shells() -> None:
    with pytest.raises(BadInput, match="begins with '~'"):
        resolve("~/a.fq", "s.csv")


@pytest.mark.parametrize(
    ("path", "sheet", "uri"),
    [
        ("a.fq", "/in/s.csv", "/in/a.fq"),
        ("./a.fq", "in/s.csv", "in/a.fq"),
        ("../a.fq", "file:///in/s.csv", "file:///in/../a.fq"),
        ("/abs/a.fq", "in/s.csv", "/abs/a.fq"),
        ("file:///a.fq", "in/s.csv", "file:///a.fq"),
        ("a.fq", "s.csv", "a.fq"),
    ],
)
def test_paths_are_relative_to_the_sheet(path: str, sheet: str, uri: str) -> None:
    assert resolve(path, sheet) == uri


@pytest.mark.parametrize(
    ("content", "what", "line"),
    [
        (b"", "is empty", 1),
        (b"sample,r1\n", "has no rows", 1),
        (b"sample,r2\nA,x\n", "no column 'r1'", 1),
        (b"r1,r2\nA,x\n", "no column 'sample'", 1),
        (b"sample,r1,ploidi\nA,x,1\n", "'ploidi': is it 'ploidy'", 1),
        (b"sample,fastq_1,fastq2\nA,x,y\n", "'fastq2': is it 'fastq_2'", 1),
        (b"sample,r1,read2\nA,x,y_2.fastq.gz\n", "names reads in a column 'read2'", 2),
        ("sample,r1\nA,x\n".encode("utf-16"), "not UTF-8", 1),
        (b"sample,r1\nA,x\nB,d/../x\n", "the file 'd/../x' twice", 3),
        (b"sample,r1,fastq_1\nA,x,y\n", "the column 'r1' twice", 1),
        (b"sample,r1\n\nA,x,y\n", "3 fields", 3),
        (b"sample,r1\n,x\n", "no 'sample'", 2),
        (b"sample,r1\nA,\n", "no 'r1'", 2),
        (b"sample,lane,r1\nA,1,x\nA,1,y\n", "sample 'A', lane '1' twice", 3),
        (b"sample,r1\nA,x\nB,x\n", "the file 'x' twice", 3),
        (b"sample,r1,r2\nA,x,x\n", "the file 'x' twice", 2),
        (b"sample,r1,ploidy\nA,x,two\n", "ploidy 'two'", 2),
        (b"sample,r1,ploidy\nA,x,0\n", "ploidy '0'", 2),
        (b"sample,r1,interleaved\nA,x,perhaps\n", "'perhaps'", 2),
        (b"sample,r1,r2,interleaved\nA,x,y,yes\n", "interleaved row", 2),
        (b'sample,r1\nA,"x\n', "can't be read", 2),
        (b"sample,r1\nA,\xff\n", "not UTF-8", 1),
    ],
)
def test_what_is_wrong_with_a_sheet_is_said_with_its_line(content: bytes, what: str, line: int) -> None:
    with pytest.raises(BadInput, match=what) as caught:
        parse_sheet(content, "s.csv")
    assert caught.value.where == {"file": "s.csv", "line": line}


def test_a_sample_has_one_ploidy() -> None:
    with pytest.raises(BadInput, match="two ploidies"):
        parse_sheet(b"sample,r1,ploidy\nA,x,2\nA,y,1\n", "s.csv")


@pytest.mark.parametrize(
    ("files", "lanes"),
    [
        (["d/a_R1.fastq.gz", "d/a_R2.fastq.gz"], [("a", "L1", 2)]),
        (["a_1.fq", "a_2.fq", "b_1.fq", "b_2.fq"], [("a", "L1", 2), ("b", "L1", 2)]),
        (["x.fq", "y.fq.gz"], [("x", "L1", 1), ("y", "L1", 1)]),
        (
            [f"NA_S7_L00{lane}_R{mate}_001.fastq.gz" for lane in (1, 2) for mate in (1, 2)],
            [("NA", "L001", 2), ("NA", "L002", 2)],
        ),
        (["a.R1.fq", "a.R2.fq", "c_1_1.fq", "c_1_2.fq"], [("a", "L1", 2), ("c_1", "L1", 2)]),
        (["a_R1.fq"], [("a_R1", "L1", 1)]),
    ],
)
def test_pairs_are_told_by_their_names(files: list[str], lanes: list[tuple[str, str, int]]) -> None:
    found = find_pairs(files[::-1])
    assert [(lane.sample, lane.lane, len(lane.files)) for lane in found] == lanes
    assert [file for lane in found for file in lane.files] == sorted(files)


@pytest.mark.parametrize(
    "files",
    [
        ["a_R1.fq", "a_R2.fq", "a.fq"],
        ["a_R1.fq", "a_1.fq"],
        ["a_R1.fq", "a_R1.fq.gz"],
        ["one/a_R1.fq", "one/a_R2.fq", "two/a_R1.fq", "two/a_R2.fq"],
        ["a_R2.fq"],
    ],
)
def test_names_that_leave_it_open_are_refused(files: list[str]) -> None:
    with pytest.raises(BadInput, match=r"not clear|no file of first reads") as caught:
        find_pairs(files)
    assert "sheet" in caught.value.hint


def test_two_files_named_by_hand_are_a_pair() -> None:
    assert lane_of(["x/one_R1.fq.gz", "y/other.fq.gz"]).files == ("x/one_R1.fq.gz", "y/other.fq.gz")
