"""`docs/language.md` is true: its tables of values are tried, and each of its statements about params and YAML."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from flowbutton.dag.graph import Graph
from flowbutton.dag.load import NODE_LIMIT, load, read_scalar
from flowbutton.dag.options import cut_model
from flowbutton.dag.pipeline import prepare, read_pipeline
from flowbutton.dag.spec import ItemType, ParamType
from flowbutton.model.errors import SpecError
from flowbutton.model.registry import load as load_registered
from flowbutton.model.units import parse_bytes

TEXT = (Path(__file__).resolve().parents[2] / "docs/language.md").read_text(encoding="utf-8")
PIPELINE = """\
flowbutton: 1
name: p
params: {x: %s}
sources: {reads: {partitioner: fastq, from: "${params.x}"}}
stages: {quality: {uses: genomics.read_quality, for_each: {reads: reads}}}
outputs: {"{ordinal}.json": quality}
"""
OPTION = PIPELINE.replace('from: "${params.x}"', "from: a.fq").replace(
    "for_each: {reads: reads}", 'for_each: {reads: reads}, with: {adapters: ["${params.x}"]}'
)


def rows(head: str) -> Iterator[list[str]]:
    """Yield the rows of the table with a header."""
    table = TEXT.split(f"{head}\n", 1)[1].split("\n\n", 1)[0]
    for line in table.splitlines()[1:]:
        yield [cell.strip() for cell in line.strip()[1:-1].split("|")]


def examples(cell: str) -> list[str]:
    return re.findall(r"`([^`]*)`", cell)


def pairs(head: str, column: int) -> list[tuple[str, str]]:
    """Return what the first column names, with each of the examples in another one."""
    return [(row[0].strip("`"), text) for row in rows(head) for text in examples(row[column]) if text != "choices"]


PLAIN: dict[str, type | tuple[type, ...]] = {
    "null": type(None), "true or false": bool, "a whole number": int, "a number": float, "text": str,
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "text"), [(row[0], text) for row in rows("| is | if it is written |") for text in examples(row[1])]
)
def test_plain_values_are_what_the_table_says(kind: str, text: str) -> None:
    assert type(read_scalar(text)) is PLAIN[kind]
    assert type(load(f"key: {text}\n", file="f").value["key"]) is PLAIN[kind]


TYPES = list(rows("| type | takes | does not take |"))


def test_every_type_of_a_param_is_in_the_table() -> None:
    assert [examples(row[0])[0] for row in TYPES] == list(get_args(ParamType))
    assert {*get_args(ParamType)} - {*get_args(ItemType)} == {"choice", "list"}


def problems_of(make: Callable[..., Graph], declared: str, **given: Any) -> list[str]:
    try:
        make(OPTION % declared, **given)
    except SpecError as error:
        return [problem.what for problem in error.problems if "params.x" in str(problem.where.get("at"))]
    return []


@pytest.mark.parametrize(
    ("kind", "text"), [(examples(r[0])[0], text) for r in TYPES for text in examples(r[1]) if text != "choices"]
)
def test_a_param_takes_what_the_table_says(make: Callable[..., Graph], kind: str, text: str) -> None:
    assert problems_of(make, f"{{type: {kind}, default: {text}}}") == []


@pytest.mark.parametrize(("kind", "text"), pairs("| type | takes | does not take |", 2))
def test_a_param_does_not_take_what_the_table_says(make: Callable[..., Graph], kind: str, text: str) -> None:
    assert len(problems_of(make, f"{{type: {kind}, default: {text}}}")) == 1


PARTITIONERS = list(rows("| partitioner | cuts | options | key columns |"))


@pytest.mark.parametrize("row", PARTITIONERS, ids=lambda row: examples(row[0])[0])
def test_the_options_of_a_partitioner_are_those_of_the_table(row: list[str]) -> None:
    model = cut_model(load_registered("partitioners", examples(row[0])[0])())
    told = {name: value for name, _, value in (text.partition(": ") for text in examples(row[2]))}
    assert {*told} == {*model.model_fields}
    for name, text in told.items():
        default = model.model_fields[name].default
        assert default in (read_scalar(text), parse_bytes(text) if text[0].isdigit() else None), name


@pytest.mark.parametrize("row", PARTITIONERS, ids=lambda row: examples(row[0])[0])
def test_the_key_columns_of_a_partitioner_are_those_of_the_table(row: list[str]) -> None:
    assert tuple(examples(row[3])) == load_registered("partitioners", examples(row[0])[0]).columns


def test_the_command_line_goes_before_the_params_file_and_that_before_the_default(make: Callable[..., Graph]) -> None:
    text = PIPELINE % "{type: uri, default: /default}"
    assert make(text).params["x"] == "/default"
    assert make(text, params_file={"x": "/file"}).params["x"] == "/file"
    assert make(text, params_file={"x": "/file"}, command_line={"x": "/line"}).params["x"] == "/line"


def test_a_list_is_written_with_commas_and_null_is_null_where_it_may_be(make: Callable[..., Graph]) -> None:
    names = OPTION.replace('["${params.x}"]', '"${params.x}"') % "{type: list, nullable: true, default: [z]}"
    assert make(names, command_line={"x": "a,b"}).params["x"] == ["a", "b"]
    text = PIPELINE % "{type: uri, nullable: true, default: a}"
    text = text.replace("from:", 'when: "${params.x}", from:').replace(
        "sources: {", "sources: {more: {partitioner: fastq, from: b}, "
    )
    text = text.replace("stages: {", "stages: {other: {uses: genomics.read_quality, for_each: {reads: more}}, ")
    text = text.replace("outputs: {", 'outputs: {"{sample}.json": other, ')
    assert make(text, command_line={"x": "null"}).params["x"] is None


def test_an_environment_variable_may_stand_in_a_default_and_a_param_may_not(make: Callable[..., Graph]) -> None:
    text = PIPELINE % '{type: uri, default: "${env:DATA}/a.fq"}'
    assert make(text, env={"DATA": "/data"}).sources["reads"].uri == "/data/a.fq"
    assert problems_of(make, '{type: uri, default: "${params.y}/a.fq"}') == ["a default can't use another param"]


def test_one_document_of_at_most_so_many_values(told: Callable[..., list[str]]) -> None:
    assert f"{NODE_LIMIT:,} values at most" in TEXT
    assert told("flowbutton: 1\n---\nflowbutton: 1\n")[0].startswith("2:1: a second document begins here")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_a_byte_order_mark_do_not_matter(make: Callable[..., Graph], end: str, mark: str) -> None:
    text = PIPELINE % "{type: uri, default: a.fq}"
    assert list(make(mark + text.replace("\n", end)).stages) == ["quality"]


def test_whole_numbers_with_an_exponent_are_whole_numbers(make: Callable[..., Graph]) -> None:
    text = PIPELINE.replace("for_each: {reads: reads}", "for_each: {reads: reads}, retries: 1e1")
    assert make(text % "{type: uri, default: a.fq}").stages["quality"].retries == 10


def test_a_pipeline_with_problems_is_read_as_far_as_it_is_right() -> None:
    pipeline = read_pipeline(Path("p.yaml"), PIPELINE % "{type: urri, default: a.fq, hlp: x}")
    assert list(pipeline.spec.stages) == ["quality"]
    assert len(pipeline.problems) == 2


def test_what_follows_of_a_problem_is_not_told(told: Callable[..., list[str]]) -> None:
    wrong = PIPELINE.replace("genomics.read_quality", "genomics.reed_quality").replace(
        "partitioner: fastq", "partitioner: 5"
    )
    assert [line.split(" ")[1] for line in told(wrong % "{type: urri}")] == [
        "params.x.type:", "sources.reads.partitioner:", "stages.quality.uses:",
    ]  # fmt: skip


def test_preparing_a_pipeline_twice_tells_the_same(told: Callable[..., list[str]]) -> None:
    del told
    pipeline = read_pipeline(Path("p.yaml"), PIPELINE % "{type: uri}")
    found = []
    for _ in range(2):
        with pytest.raises(SpecError) as caught:
            prepare(pipeline, find_stage=_none, find_partitioner=_none, env={}, cwd=Path("/"))
        found.append([problem.what for problem in caught.value.problems])
    assert found[0] == found[1]


def _none(name: str) -> Any:
    raise SpecError(()) from KeyError(name)
