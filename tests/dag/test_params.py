"""Values of params: precedence, types, bounds, placeholders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowbutton.dag.params import absolute, forgotten_units, resolve
from flowbutton.dag.placeholders import Value, substitute
from flowbutton.dag.problems import Positions, Problems
from flowbutton.dag.spec import Spec

ENV = {"HOME": "/home/me"}


def problems_of() -> Problems:
    return Problems(Positions("p.yaml", {}, {}))


def resolved(
    params: Mapping[str, Any], *, file: Mapping[str, Any] | None = None, line: Mapping[str, str] | None = None
) -> tuple[dict[str, Value], list[str]]:
    """Return values, and what is said of problems."""
    spec = Spec.model_validate(
        {"flowbutton": 1, "name": "p", "params": params, "stages": {"a": {"uses": "a.b"}}, "outputs": {"a": "a"}}
    )
    problems = problems_of()
    values = resolve(
        spec, problems, params_file=file or {}, command_line=line or {}, env=ENV, folder="/file", cwd="/here"
    )
    told = [f"{p.what}; {p.hint}" if p.hint else p.what for p in problems.sorted()]
    return values, told


def test_the_command_line_goes_before_the_file_and_the_file_before_the_default() -> None:
    params = {name: {"type": "int", "default": 1} for name in "abc"}
    values, told = resolved(params, file={"b": 2, "c": 2}, line={"c": "3"})
    assert (values, told) == ({"a": 1, "b": 2, "c": 3}, [])


@pytest.mark.parametrize(
    ("param", "text", "value"),
    [
        ({"type": "string"}, "no", "no"),
        ({"type": "string"}, "null", "null"),
        ({"type": "string", "nullable": True}, "null", None),
        ({"type": "int"}, "1e6", 1_000_000),
        ({"type": "int"}, " 0x10 ", 16),
        ({"type": "float"}, "2", 2.0),
        ({"type": "bool"}, "true", True),
        ({"type": "bytes"}, "1.5 GB", 1_500_000_000),
        ({"type": "bytes"}, "4096", 4096),
        ({"type": "duration"}, "15m", 900.0),
        ({"type": "choice", "choices": ["no", "1e3"]}, "1e3", "1e3"),
        ({"type": "uri"}, "a/b.fq", "/here/a/b.fq"),
        ({"type": "uri"}, "sample:a", "sample:a"),
        ({"type": "list"}, "a, b", ["a", "b"]),
        ({"type": "list"}, "", []),
        ({"type": "list", "items": "int"}, "1,2", [1, 2]),
        ({"type": "list", "items": "uri"}, "a,s3://b", ["/here/a", "s3://b"]),
    ],
)
def test_text_of_the_command_line_is_read_by_the_params_type(param: Mapping[str, Any], text: str, value: Value) -> None:
    values, told = resolved({"x": param}, line={"x": text})
    assert told == []
    assert values == {"x": value}
    assert type(values["x"]) is type(value)


@pytest.mark.parametrize(
    ("param", "text", "said"),
    [
        ({"type": "int", "help": "How many"}, "many", "'many' is not a whole number; How many"),
        ({"type": "int"}, "1.5", "1.5 is not a whole number"),
        ({"type": "int"}, "0755", "'0755' is not a whole number; write 755; octal numbers are written 0o755"),
        ({"type": "int", "min": 10, "unit": "bp"}, "9", "9 is below 10 bp"),
        ({"type": "bytes", "max": "1MiB"}, "2MiB", "2MiB is above 1MiB"),
        ({"type": "bool"}, "yes", "'yes' is not a bool; write true or false"),
        ({"type": "bool"}, "null", "null is not allowed, since the param is not nullable"),
        ({"type": "duration"}, "15", "'15' is not a duration; say the unit: 15s, 15m or 15h"),
        ({"type": "list", "items": "int"}, "1,b", "item 2: 'b' is not a whole number"),
        (
            {"type": "choice", "choices": ["zip", "cross"]},
            "corss",
            "'corss' is not one of zip, cross; did you mean 'cross'?",
        ),
    ],
)
def test_values_that_do_not_fit_are_told(param: Mapping[str, Any], text: str, said: str) -> None:
    assert resolved({"x": param}, line={"x": text}) == ({}, [said])


def test_few_bytes_without_a_unit_are_doubted() -> None:
    params: dict[str, Any] = {name: {"type": "bytes"} for name in ("a", "b", "c", "d")} | {"n": {"type": "int"}}
    spec = Spec.model_validate(
        {"flowbutton": 1, "name": "p", "params": params, "stages": {"x": {"uses": "a.b"}}, "outputs": {"x": "x"}}
    )
    line = {"a": "32", "b": "32B", "c": "1024", "n": "32"}
    doubts = forgotten_units(spec, params_file={"d": 7, "a": 64}, command_line=line)
    assert [(doubt.what, doubt.hint, doubt.where) for doubt in doubts] == [
        ("'d' is 7 bytes", "if another unit is meant, write it: 7MiB", {"given_by": "d"}),
        ("'a' is 32 bytes", "if another unit is meant, write it: 32MiB", {"given_by": "-p a=32"}),
    ]


def test_all_problems_of_all_origins_are_told() -> None:
    params = {"size": {"type": "int", "default": 1}, "reads": {"type": "uri", "help": "Reads"}}
    values, told = resolved(params, file={"size": "5"}, line={"reeds": "a"})
    assert told == [
        "'5' is not a whole number; remove the quotes",
        "there is no param called 'reeds'; did you mean 'reads'?",
        "param 'reads' has no value; give it by -p reads=... (Reads)",
    ]
    assert values == {"size": 1}


@pytest.mark.parametrize(
    ("param", "said"),
    [
        (
            {"type": "string", "default": "a", "min": 1},
            "'min' does not go with 'type: string'; it does with int, float, bytes, duration",
        ),
        ({"type": "int", "default": 1, "max": "much"}, "'much' is not a whole number"),
        (
            {"type": "choice", "default": None, "nullable": True},
            "a choice has nothing to choose from; add 'choices: [a, b]'",
        ),
        ({"type": "int", "default": 1, "items": "int"}, "'items' does not go with 'type: int'; it does with list"),
        ({"type": "int", "default": 0, "min": 1}, "0 is below 1"),
        ({"type": "string", "default": 5}, "5 is not text; put quotes around it"),
        (
            {"type": "int", "default": 1, "default_with": ["y"], "nullable": True},
            "there is no param called 'y'; there are: x",
        ),
        (
            {"type": "int", "default": 1, "default_with": ["x"]},
            "'default_with' needs 'nullable: true'; where the default does not hold, it is null",
        ),
        ({"type": "int", "default": 1, "needs": ["y"]}, "there is no param called 'y'; there are: x"),
    ],
)
def test_declarations_that_contradict_themselves_are_told(param: Mapping[str, Any], said: str) -> None:
    assert resolved({"x": param})[1] == [said]


TRUTH = {
    "reads": {"type": "uri", "default": "sample:reads"},
    "truth": {"type": "uri", "default": "sample:truth", "nullable": True, "default_with": ["reads"]},
    "score": {"type": "bool", "default": True, "nullable": True, "default_with": ["truth"]},
}


def test_a_default_holds_only_with_the_defaults_that_it_names() -> None:
    assert resolved(TRUTH)[0] == {"reads": "sample:reads", "truth": "sample:truth", "score": True}
    assert resolved(TRUTH, line={"reads": "sample:reads"})[0]["truth"] == "sample:truth"
    assert resolved(TRUTH, line={"reads": "my.fq"})[0] == {"reads": "/here/my.fq", "truth": None, "score": None}
    assert resolved(TRUTH, line={"reads": "my.fq", "truth": "my.vcf"})[0]["truth"] == "/here/my.vcf"
    assert resolved(TRUTH, line={"reads": "my.fq", "score": "true"})[0]["score"] is True


def test_defaults_that_name_each_other_fall_together() -> None:
    params = {
        "a": {"type": "int", "default": 1, "nullable": True, "default_with": ["b"]},
        "b": {"type": "int", "default": 2, "nullable": True, "default_with": ["a"]},
    }
    assert resolved(params)[0] == {"a": 1, "b": 2}
    assert resolved(params, line={"a": "5"})[0] == {"a": 5, "b": None}


NEEDS = {
    "red": {"type": "uri", "nullable": True, "needs": ["nir", "check"]},
    "nir": {"type": "uri", "nullable": True, "help": "Near infrared"},
    "check": {"type": "bool", "default": True},
}


def test_a_param_needs_others_only_where_it_has_a_value() -> None:
    assert resolved(NEEDS) == ({"red": None, "nir": None, "check": True}, [])
    assert resolved(NEEDS, line={"nir": "b"})[1] == []
    assert resolved(NEEDS, line={"red": "a", "nir": "b"})[1] == []
    assert resolved(NEEDS, line={"red": "a", "check": "false"})[1] == [
        "param 'nir' has no value, but 'red' needs it; give it by -p nir=... (Near infrared), or leave 'red' out",
        "param 'check' has no value, but 'red' needs it; give it by -p check=true, or leave 'red' out",
    ]


def test_paths_count_from_where_they_are_written() -> None:
    params = {"x": {"type": "uri", "default": "a.fq"}}
    assert resolved(params)[0] == {"x": "/file/a.fq"}
    assert resolved(params, file={"x": "a.fq"})[0] == {"x": "/here/a.fq"}
    assert resolved(params, line={"x": "../a.fq"})[0] == {"x": "/here/../a.fq"}
    assert resolved({"x": {"type": "uri", "default": "${env:HOME}/a.fq"}})[0] == {"x": "/home/me/a.fq"}


@pytest.mark.parametrize("uri", ["s3://b/k", "file:///a", "sample:genomics/reads.tsv", "/a/b", "object:ab12"])
def test_a_uri_with_a_scheme_and_an_absolute_path_stay(uri: str) -> None:
    assert absolute(uri, "/folder") == uri


VALUES: dict[str, Value] = {"n": 5, "on": True, "f": 0.5, "s": "a b", "none": None, "list": [1, 2]}


def filled(value: Any) -> tuple[Any, list[str]]:
    problems = problems_of()
    found = substitute(value, values=VALUES, env=ENV, problems=problems, path=("with",))
    return found, [problem.what for problem in problems.sorted()]


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("${params.n}", 5),
        ("${params.on}", True),
        ("${params.none}", None),
        ("${params.list}", [1, 2]),
        ("x${params.n}-${params.on}-${params.f}", "x5-true-0.5"),
        ("${env:HOME}", "/home/me"),
        ("${env:HOME}/${params.s}", "/home/me/a b"),
        ("$${params.n}", "${params.n}"),
        ("$$", "$"),
        ("$5 and $x", "$5 and $x"),
        ({"a": ["${params.n}", {"b": "$$"}], "c": 1.5}, {"a": [5, {"b": "$"}], "c": 1.5}),
    ],
)
def test_placeholders_are_filled(value: Any, wanted: Any) -> None:
    assert filled(value) == (wanted, [])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("${params.m}", "there is no param called 'm'"),
        ("a ${n}", "unknown placeholder '${n}'"),
        ("${params.n + 1}", "unknown placeholder '${params.n + 1}'"),
        ("${env:NOWHERE}", "the environment variable 'NOWHERE' is not set"),
        ("${params.n", "'${params.n' is not closed"),
        ("a${params.none}", "'${params.none}' is null, which can't stand inside a text"),
        ("a${params.list}", "'${params.list}' is a list, which can't stand inside a text"),
    ],
)
def test_placeholders_that_can_not_be_filled_are_told(value: str, said: str) -> None:
    assert filled(value)[1] == [said]


@given(st.text())
def test_doubled_dollars_keep_any_text(text: str) -> None:
    assert filled(text.replace("$", "$$")) == (text, [])


@given(st.text(st.characters(exclude_characters="$")))
def test_a_filled_value_is_not_filled_again(text: str) -> None:
    values: dict[str, Value] = {"x": "${params.x}" + text}
    problems = problems_of()
    assert substitute("${params.x}!", values=values, env={}, problems=problems, path=()) == f"{values['x']}!"
    assert len(problems) == 0
