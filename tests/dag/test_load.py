"""YAML by the rules of YAML 1.2's core schema: nothing turns into something else, and everything has its place."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from flowbutton.dag import load as loading
from flowbutton.dag.load import NODE_LIMIT, load, read_scalar
from flowbutton.dag.problems import Position

SURPRISES = {
    "no": "no", "off": "off", "yes": "yes", "on": "on", "y": "y", "NO": "NO",
    "true": True, "True": True, "FALSE": False, "tRue": "tRue",
    "null": None, "~": None, "": None, "nULL": "nULL",
    "1e3": 1000.0, "1.": 1.0, ".5": 0.5, "-1.5E-2": -0.015, "+3": 3, "0": 0, "-0": 0,
    "12:30:00": "12:30:00", "1:30": "1:30", "2024-05-01": "2024-05-01",
    "0755": "0755", "007": "007", "00": "00", "-01": "-01", "0o17": 15, "0x1F": 31, "0b11": "0b11",
    "1_000": "1_000", ".inf": ".inf", ".nan": ".nan", "1e999": "1e999", "1.2.3": "1.2.3", "32MiB": "32MiB", "=": "=",
}  # fmt: skip


@pytest.mark.parametrize(("text", "value"), SURPRISES.items())
def test_a_plain_scalar_is_read_by_the_table_of_the_docstring(text: str, value: object) -> None:
    found = load(f"key: {text}\n", file="f").value["key"]
    assert (found, type(found)) == (value, type(value))


@given(st.integers())
def test_every_integer_is_itself(value: int) -> None:
    assert read_scalar(str(value)) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_is_itself(value: float) -> None:
    found = read_scalar(repr(value))
    assert isinstance(found, float)
    assert found == value


@given(st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=("Cs",))))
def test_quoted_text_is_itself(value: str) -> None:
    document = load("key: " + json.dumps(value), file="f")
    assert document.value == {"key": value}
    assert len(document.problems) == 0


@given(st.from_regex(r"[0-9a-zA-Z_:.+-]{0,12}", fullmatch=True))
@example("0x")
@example("1__0")
def test_a_scalar_that_is_text_is_the_text_as_written(text: str) -> None:
    value = read_scalar(text)
    assert value == text if isinstance(value, str) else json.loads(json.dumps(value)) == value


TINY = """\
name: "tiny"  # a comment
base: &base {memory: 2GiB, on: yes, many: [a, 'b c', "d\\te"]}
lines: |
  a.fq
folded: >-
  one
  two
stages:
  - double:
      <<: *base
      uses: tiny:double
      é: ü
empty:
"""
ODD = [
    *"?!\t\ufeffab: -[]{},#&*|>'\"%`\\0.~<=é\u2028\x85\r😀\x00\n",
    "\n  ",
    "- ",
    ": ",
    " #",
    "---\n",
    "...\n",
    "<<: ",
]


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML was built without libyaml")
@given(edits=st.lists(st.tuples(st.integers(0, len(TINY)), st.integers(0, 3), st.sampled_from(ODD)), max_size=3))
@example([(TINY.index("ouble"), 0, "\t")])
@example([(TINY.index("uses"), 0, "\ufeff")])
@example([(TINY.index("2GiB"), 4, "")])
@example([(TINY.index("mory"), 0, "? ")])
@example([(TINY.index("2GiB"), 4, "!!int")])
def test_libyaml_reads_what_pyyaml_reads_and_what_it_refuses_is_read_by_pyyaml(
    edits: list[tuple[int, int, str]],
) -> None:
    text = TINY
    for place, length, put in edits:
        text = text[:place] + put + text[place + length :]
    quick = load(text, file="f")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "_quick", loading._Nodes)
        slow = load(text, file="f")
    assert repr(quick.value) == repr(slow.value)
    assert [str(problem) for problem in quick.problems.sorted()] == [str(one) for one in slow.problems.sorted()]
    assert quick.positions == slow.positions


def told(text: str) -> list[tuple[int, int, str]]:
    return [(int(p.where["line"]), int(p.where["column"]), p.what) for p in load(text, file="f.yaml").problems.sorted()]


def test_keys_and_values_have_their_places() -> None:
    document = load("stages:\n  align:\n    with: {preset: sr}\n    list: [a,\n      b]\n", file="f")
    assert document.positions.of_key(("stages", "align", "with", "preset")) == Position(3, 12)
    assert document.positions.of_value(("stages", "align", "with", "preset")) == Position(3, 20)
    assert document.positions.of_value(("stages", "align", "list", 1)) == Position(5, 7)
    assert document.positions.of_value(("stages", "align", "with", "absent", "deeper")) == Position(3, 11)


def test_all_double_keys_are_told_and_the_first_stays() -> None:
    text = "a: 1\nb: {c: 1, c: 2}\na: 3\n"
    assert told(text) == [(2, 11, "the key 'c' is given twice"), (3, 1, "the key 'a' is given twice")]
    assert load(text, file="f").value == {"a": 1, "b": {"c": 1}}


@pytest.mark.parametrize("text", ["", "# only a comment\n", "null\n"])
def test_a_file_that_says_nothing_is_none_and_what_that_means_is_for_who_reads_it(text: str) -> None:
    document = load(text, file="f")
    assert document.value is None
    assert not document.problems


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a:\n\tb: 1\n", (2, 1, "a tab stands where YAML wants spaces")),
        ("a: [1, 2\nb: 3\n", (1, 4, "this '[' is not closed")),
        ("a: 1\n---\nb: 2\n", (2, 1, "a second document begins here")),
        ("a: x\0y\n", (1, 5, "the character #x0000 is not allowed in YAML")),
        ("ok: 1\n1: b\n", (2, 1, "'1' is a key, and keys are text")),
        ("[a, b]: c\n", (1, 1, "this is a key, and keys are text")),
        ("a: !!python/name:os.system x\n", (1, 4, "the tag !!python/name:os.system is not allowed")),
        ("a: !!int 5\n", (1, 4, "the tag !!int is not allowed")),
        ("a: !own {b: 1}\n", (1, 4, "the tag !own is not allowed")),
        ("a: &x [*x]\n", (1, 4, "an anchor holds an alias of itself")),
        ("a: *nowhere\n", (1, 4, "there is no anchor &nowhere above")),
        ("a: {<<: 5}\n", (1, 5, "<< brings in a mapping, and this is none")),
    ],
)
def test_what_is_no_yaml_for_us_is_told_with_its_place(text: str, problem: tuple[int, int, str]) -> None:
    assert told(text) == [problem]


def test_quotes_and_str_tags_make_keys_and_values_text() -> None:
    assert load("'1': !!str 5\n'<<': no\n", file="f").value == {"1": "5", "<<": "no"}


def test_merges_bring_in_what_is_not_there() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], z: 3}\nd: {<<: *b, <<: *a}\n"
    document = load(text, file="f")
    assert not len(document.problems)
    assert document.value["c"] == {"x": 1, "y": 1, "z": 3}
    assert document.value["d"] == {"x": 1, "y": 2, "z": 2}
    assert document.positions.of_value(("c", "x")) == Position(1, 11)


def test_aliases_of_aliases_do_not_fill_the_memory() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    problems = load("\n".join(lines), file="f").problems.sorted()
    assert [p.what for p in problems] == [f"the aliases of this file expand to more than {NODE_LIMIT:,} values"]


PIECES = [
    "{", "}", "[", "]", ":", ": ", "\n", "\n  ", "- ",
    "'", '"', "&a ", "*a", "<<: *a", "\t", "!!x ", "#", "|", ">", "%",
    "@", "\0", "---\n", "...\n", "? ", ",", "stages", "name: x", "$", "\\", "\u2028", "é", "5", "a b",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@example("  a: 1\nb: 2\n")
@example("a: [1,\n")
@example("a: >x\n")
@example("% x\n")
def test_any_text_is_read_or_told_of_in_words_of_ours_at_a_place_in_it(text: str) -> None:
    problems = load(text, file="f").problems.sorted()
    for problem in problems:
        assert 1 <= int(problem.where["line"]) <= text.count("\n") + text.count("\u2028") + 1
        assert not re.search(r"expected|while |scalar|token|<[a-z ]+>", f"{problem.what} {problem.why} {problem.hint}")
