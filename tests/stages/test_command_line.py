"""Placeholders of command lines: what they stand for, and that no value can become more than the text that it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from flowbutton.model.command import Command, Feed, Slot, parse_template
from flowbutton.model.errors import BadInput, OptionError
from flowbutton.stages.command import command_stage
from flowbutton.stages.command_line import CommandLine, Files

WORK = Path("/work")


def line(*argv: str, feeds: dict[str, Feed] | None = None, inputs: Any = None, options: Any = None) -> list[str]:
    """Return the elements of a command line."""
    command = Command(("tool", *argv), feeds or {}, tuple(options or {}), {"": "one.txt", "two": "2.txt"})
    return CommandLine(command, inputs or {}, options or {}, WORK).elements()[1:]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("plain", ("plain",)),
        ("", ("",)),
        ("{reads}", (Slot("reads", ()),)),
        ("--in={reads.r1}.x", ("--in=", Slot("reads", ("r1",)), ".x")),
        ("{{print $1}}", ("{print $1}",)),
        ("{{{a}}}", ("{", Slot("a", ()), "}")),
        ("{a}{b}", (Slot("a", ()), Slot("b", ()))),
    ],
)
def test_templates_are_split_at_their_placeholders(text, parts):
    assert parse_template(text) == parts


@pytest.mark.parametrize("text", ["{", "}", "{print $1}", "{}", "{a b}", "a}b", "{a.}", "{1}"])
def test_a_brace_that_is_no_placeholder_is_refused(text):
    with pytest.raises(ValueError, match="is no placeholder"):
        parse_template(text)


@given(st.text())
def test_any_text_can_be_written_with_doubled_braces(text):
    assert "".join(map(str, parse_template(text.replace("{", "{{").replace("}", "}}")))) == text


def test_files_are_named_from_the_working_folder():
    pairs = Files({"r1": WORK / "in/reads/1.fq", "r2": WORK / "in/reads/2.fq"})
    feeds = {"reads": Feed.PIECE}
    found = line("{reads.r1}", "-2={reads.r2}", "-o", "{out}", "{out.two}", feeds=feeds, inputs={"reads": pairs})
    assert found == ["in/reads/1.fq", "-2=in/reads/2.fq", "-o", "one.txt", "2.txt"]
    with pytest.raises(BadInput, match=r"'\{reads\}' is no file") as caught:
        line("{reads}", feeds=feeds, inputs={"reads": pairs})
    assert "{reads.r1}, {reads.r2}" in caught.value.why


def test_gathered_files_are_as_many_elements(tmp_path: Path):
    many = Files({}, [tmp_path / "in/parts/000001.tsv", tmp_path / "in/parts/000002.tsv"])
    (tmp_path / "in").mkdir()
    command = Command(("cat", "{parts}", "--all={parts.list}"), {"parts": Feed.RESULTS}, (), {"": "x"})
    found = CommandLine(command, {"parts": many}, {}, tmp_path).elements()
    assert found == ["cat", "in/parts/000001.tsv", "in/parts/000002.tsv", "--all=in/parts.list"]
    assert (tmp_path / "in/parts.list").read_text() == "in/parts/000001.tsv\nin/parts/000002.tsv\n"


def test_values_are_written_as_people_write_them():
    options = {"n": 5, "x": 0.1, "on": True, "words": ["a b", "c"], "none": None, "minus": -2}
    argv = [f"{{with.{name}}}" for name in options] + ["--n={with.n}", "--none={with.none}"]
    assert line(*argv, options=options) == ["5", "0.1", "true", "a b", "c", "-2", "--n=5"]


def test_attributes_of_items_are_named():
    item = {"contig": "chr1", "span": {"start": 7}}
    feeds = {"region": Feed.VALUE}
    assert line("{region.contig}:{region.span.start}", feeds=feeds, inputs={"region": item}) == ["chr1:7"]
    with pytest.raises(BadInput, match=r"'\{region\.stop\}' is not in the item") as caught:
        line("{region.stop}", feeds=feeds, inputs={"region": item})
    assert "contig, span" in caught.value.why


def test_a_whole_item_and_a_table_are_files_of_json(tmp_path: Path):
    command = Command(("cat", "{item}", "{table}"), {"item": Feed.VALUE, "table": Feed.VALUE}, (), {"": "x"})
    values = {"item": {"b": 1, "a": "x"}, "table": [{"sample": "A"}]}
    assert CommandLine(command, values, {}, tmp_path).elements() == ["cat", "in/item.json", "in/table.json"]
    assert (tmp_path / "in/item.json").read_text() == '{"a":"x","b":1}'
    assert (tmp_path / "in/table.json").read_text() == '[{"sample":"A"}]'


@given(st.text().filter(lambda text: "\0" not in text and not text.startswith("-")))
def test_a_text_is_one_element_whatever_it_holds(text):
    feeds = {"sample": Feed.VALUE}
    assert line("{sample}", "--x={sample}", feeds=feeds, inputs={"sample": text}) == [text, f"--x={text}"]


@given(st.text().filter(lambda text: "\0" not in text))
def test_a_text_behind_an_option_may_begin_with_a_dash(text):
    assert line("--x={sample}", feeds={"sample": Feed.VALUE}, inputs={"sample": f"-{text}"}) == [f"--x=-{text}"]


@pytest.mark.parametrize("argument", ["{sample}", "{sample}.bam"])
def test_a_text_that_would_be_an_option_is_refused(argument):
    with pytest.raises(BadInput, match="begins with '-'") as caught:
        line(argument, feeds={"sample": Feed.VALUE}, inputs={"sample": "-rf"})
    assert "--name={sample}" in caught.value.hint


@pytest.mark.parametrize("value", ["a\0b", {"a": 1}, [1, 2]])
def test_what_is_no_text_is_refused(value):
    with pytest.raises(BadInput, match="can't be put on a command line"):
        line("x={item.part}", feeds={"item": Feed.VALUE}, inputs={"item": {"part": value}})


def command(**changes: Any) -> Command:
    """Return a command that copies a file."""
    told: dict[str, Any] = {"argv": ("cp", "{file}", "{out}"), "inputs": {"file": Feed.RESULT}, "options": ()}
    return Command(**{**told, "outputs": {"": "copy.txt"}, **changes})


def test_the_address_says_all():
    whole = command(options=("n",), stdin="{file}", stdout="x", version=3, program="ab")
    assert Command.at(whole.address) == whole
    assert list(Command.at(command(inputs={"z": Feed.RESULT, "a": Feed.PIECE}).address).inputs) == ["z", "a"]


def test_a_stage_is_made_of_an_address_with_its_programs_digest():
    stage = command_stage(command().address)
    assert len(Command.at(stage.uses).program) == 64
    assert command_stage(stage.uses).uses == stage.uses
    assert stage.ledger is None
    assert command_stage(command(inputs={"file": Feed.PIECE}).address).ledger.argument == "file"


def test_a_program_that_is_not_there_is_told():
    with pytest.raises(OptionError, match="there is no program 'pythno3'") as caught:
        command_stage(command(argv=("pythno3", "{file}")).address)
    assert "did you mean 'python3'" in caught.value.hint
    with pytest.raises(OptionError, match="that may be run") as caught:
        command_stage(command(argv=("./run.sh", "{file}")).address)
    assert "is an input" in caught.value.hint


def test_options_that_begin_an_element_must_not_look_like_options():
    stage = command_stage(command(argv=("cp", "{with.a}", "--b={with.b}", "{file}"), options=("a", "b")).address)
    assert stage.options(a=-1, b="-x").model_dump() == {"a": -1, "b": "-x"}
    for wrong in ("-x", ["fine", "--x"]):
        with pytest.raises(ValidationError, match="would be read as an option"):
            stage.options(a=wrong, b=1)
