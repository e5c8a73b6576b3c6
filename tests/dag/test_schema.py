"""The JSON Schema of the language: what it refuses is refused, typos are flagged, what ships is taken."""

from __future__ import annotations

import copy
import functools
import json
import re
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from flowbutton.dag import spec
from flowbutton.dag.load import load
from flowbutton.dag.pipeline import prepare, read_pipeline
from flowbutton.dag.schema import pipeline_schema
from flowbutton.dag.schema_words import FIELDS, MODELS
from flowbutton.model.errors import SpecError
from flowbutton.model.registry import partitioner_named
from flowbutton.stages.define import find_stage, map_stage
from flowbutton.ui.catalog import installed_partitioners, installed_stages
from flowbutton.ui.cli import call

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "pipelines").glob("*.yaml"))


def validator_of(schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture(scope="module")
def schema():
    stages, partitioners = installed_stages(), installed_partitioners()
    return pipeline_schema(
        {entry.name: entry.thing for entry in stages.entries},
        {entry.name: entry.thing for entry in partitioners.entries},
        ["processes", "serial"],
    )


@pytest.fixture(scope="module")
def validator(schema):
    return validator_of(schema)


@functools.cache
def genomics():
    return load((ROOT / "pipelines/genomics.yaml").read_text(), file="").value


def documented():
    for document in sorted((ROOT / "docs").rglob("*.md")):
        for number, block in enumerate(re.findall(r"^```yaml\n(.*?)^```$", document.read_text(), re.M | re.S)):
            if re.search(r"^flowbutton: 1", block, re.M):
                yield pytest.param(block, id=f"{document.name}-{number}")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_what_ships_is_taken(validator, path):
    assert [error.message for error in validator.iter_errors(load(path.read_text(), file="").value)] == []


@pytest.mark.parametrize("text", [*documented()])
def test_what_the_documents_show_is_taken(validator, text):
    assert [error.message for error in validator.iter_errors(load(text, file="").value)] == []


GONE = object()
TYPOS = {
    "a key of the file": (("stagse",), {}),
    "a key of a stage": (("stages", "align", "foreach"), {}),
    "a stage": (("stages", "align", "uses"), "genomics.aline"),
    "an option": (("stages", "align", "with", "prest"), "sr"),
    "a choice": (("stages", "align", "with", "preset"), "ont"),
    "a number": (("stages", "call", "with", "ploidy"), "two"),
    "an argument": (("stages", "align", "for_each", "read"), "reads"),
    "an argument that can't gather": (("stages", "align", "gather"), {"reads": "reads"}),
    "a key of gather": (("stages", "bam", "gather", "alignments", "mach"), "sample"),
    "a partitioner": (("sources", "reads", "partitioner"), "fastqs"),
    "a partitioner's option": (("sources", "reads", "with", "sise"), "1MiB"),
    "a unit": (("sources", "reads", "with", "size"), "1Mb/s"),
    "a type": (("params", "ploidy", "type"), "integer"),
    "a default": (("params", "normalize", "default"), "yes"),
    "choices": (("params", "preset", "choices"), GONE),
    "a time": (("stages", "align", "resources"), {"timeout": "15 minutes"}),
    "a condition": (("stages", "align", "when"), "${params.a} and b"),
    "an executor": (("profiles",), {"one": {"executor": "processe"}}),
    "a name": (("name",), "two words"),
    "no code": (("stages", "align", "uses"), GONE),
}


def changed_at(path, new):
    value = copy.deepcopy(genomics())
    inner = value
    for key in path[:-1]:
        inner = inner.setdefault(key, {})
    if new is GONE:
        del inner[path[-1]]
    else:
        inner[path[-1]] = new
    return value


@pytest.mark.parametrize("typo", TYPOS)
def test_typos_are_flagged_where_they_stand(validator, typo):
    path, new = TYPOS[typo]
    places = [tuple(error.absolute_path) for error in validator.iter_errors(changed_at(path, new))]
    # An unknown key is told at the mapping that holds it, a union at its own place.
    assert any(place[: len(path)] == path or place in (path[:-1], path[:-2]) for place in places), places


def holds(value):
    try:
        pipeline = read_pipeline(ROOT / "pipelines/genomics.yaml", json.dumps(value))
        prepare(pipeline, find_stage=find_stage, find_partitioner=partitioner_named, env={"NAME": "x"}, cwd=ROOT)
    except SpecError as error:  # that a param lost its only use is no matter of a schema
        return all(problem.what.startswith("nothing uses param") for problem in error.problems)
    return True


def places(value, path=()):
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*path, key))


VALUES = [
    *(None, True, 0, 1, 2.5, -1, "", "x", "3", "32MiB", "1.5 kB", "15m", "250ms", "2h", "reads", "align.profile", "sr"),
    *("${params.normalize}", "${params.chunk_size}", "${params.preset}", "a ${params.preset} b", "${env:NAME}", "$$"),
    *([], ["a"], ["align"], {}, {"from": "align"}, {"base": "1GiB"}, {"records": 3}),
    *("genomics.call", "module:function", "fastq", "serial"),
]


@settings(max_examples=50, deadline=None)
@given(place=st.sampled_from([*places(genomics())][1:]), value=st.sampled_from(VALUES))
def test_what_the_schema_refuses_is_refused(validator, place, value):
    changed = changed_at(place, value)
    refused = [error.message for error in validator.iter_errors(changed)]
    if refused:
        assert not holds(changed), (place, value, refused)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("sources", "reads", "with", "size"), "1.5GB"),
        (("sources", "reads", "with", "size"), 4096),
        (("sources", "reads", "with", "size"), "${params.region_size}"),
        (("sources", "reads", "from"), "in/${params.preset}/*.fq"),
        (("stages", "call", "with", "ploidy"), None),
        (("stages", "call", "with", "mpileup_options"), ["-P", "${params.preset}"]),
        (("stages", "align", "with", "preset"), "${params.preset}"),
        (("stages", "align", "resources"), {"memory": "4GiB", "timeout": "15m"}),
        (("stages", "align", "resources"), {"memory": {"base": "1GiB", "per_input_byte": 4}}),
        (("stages", "bam", "gather", "windows", "match"), ["sample"]),
        (("outputs", "quality.json"), ["quality_summary"]),
        (("params", "chunk_size", "min"), "1KiB"),
    ],
)
def test_every_way_of_writing_is_taken(validator, path, value):
    changed = changed_at(path, value)
    assert [error.message for error in validator.iter_errors(changed)] == []
    assert holds(changed)


def test_every_mapping_of_the_language_is_closed(schema):
    def check(node, path):
        if isinstance(node, dict):
            if node.get("type") == "object" and "properties" in node:
                assert node.get("additionalProperties") is False, path
            for key, inner in node.items():
                check(inner, f"{path}.{key}")
        elif isinstance(node, list):
            for number, inner in enumerate(node):
                check(inner, f"{path}[{number}]")

    check(schema, "$")


def test_every_model_and_key_has_words():
    models = {
        name: model
        for name, model in vars(spec).items()
        if isinstance(model, type) and issubclass(model, spec.Model) and model is not spec.Model
    }
    assert models.keys() == MODELS.keys() == FIELDS.keys()
    for name, model in models.items():
        assert [field.alias or key for key, field in model.model_fields.items()] == [*FIELDS[name]], name


class Inner(BaseModel):
    """An option of several values."""

    width: int
    kind: Literal["a", "b"] = "a"


class Two(NamedTuple):
    """Two results."""

    one: int
    other: int


@map_stage("odd.stage")
def odd(
    text: str,
    *,
    inner: Inner,
    several: tuple[Inner, ...] = (),
    short: Annotated[str, Field(max_length=3)] = "abc",
    table: dict[str, float] | None = None,
) -> Two:
    """Take odd options.

    Args:
        inner: Two values.
    """
    del text, inner, several, short, table
    return Two(1, 2)


ODD = {"flowbutton": 1, "name": "odd", "outputs": {"a": "one.one"}}


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        ({"inner": {"width": 3}}, True),
        ({"inner": "${params.inner}"}, True),
        ({"inner": {"width": "${params.width}", "kind": "${params.kind}"}}, True),
        ({"inner": {"width": 3}, "several": [{"width": 1}, "${params.one}"], "short": "a${params.b}"}, True),
        ({"inner": {"width": 3}, "table": {"a": 1.5, "b": "${params.b}"}}, True),
        ({"inner": {"width": "three"}}, False),
        ({"inner": {"wide": 3}}, False),
        ({"inner": {"width": 3, "kind": "c"}}, False),
        ({"inner": {"width": 3}, "short": "abcd"}, False),
        ({"inner": {"width": 3}, "table": {"a": "b"}}, False),
        ({"inner": {"width": 3}, "several": [{"wide": 1}]}, False),
        ({}, False),
    ],
)
def test_options_of_any_type_are_checked_and_filled(options, taken):
    validator = validator_of(pipeline_schema({"odd.stage": odd}, {}, []))
    stage = {"uses": "odd.stage", "share": {"text": "a"}, "with": options}
    assert validator.is_valid(ODD | {"stages": {"one": stage}}) is taken


def test_a_stage_that_needs_an_option_needs_with():
    validator = validator_of(pipeline_schema({"odd.stage": odd}, {}, []))
    assert not validator.is_valid(ODD | {"stages": {"one": {"uses": "odd.stage", "share": {"text": "a"}}}})


def test_an_editor_is_told_what_things_are(schema):
    rule = next(rule for rule in schema["$defs"]["StageSpec"]["allOf"] if "genomics.call" in json.dumps(rule["if"]))
    options = rule["then"]["properties"]["with"]["properties"]
    assert options["ploidy"]["description"].startswith("1 or 2, for all samples")
    assert options["max_depth"]["default"] == 1_000_000
    assert "Region: What to call" in rule["then"]["properties"]["for_each"]["properties"]["region"]["description"]
    uses = schema["$defs"]["StageSpec"]["properties"]["uses"]
    assert "genomics.align" in [way.get("const") for way in uses["anyOf"]]


def test_the_command_prints_it_or_writes_it(capsys, tmp_path):
    assert call(["schema"]) == 0
    printed = json.loads(capsys.readouterr().out)
    validator_of(printed)
    assert call(["schema", "-o", str(tmp_path / "schema.json")]) == 0
    assert json.loads((tmp_path / "schema.json").read_text()) == printed


def test_a_file_that_can_not_be_written_is_told(capsys, tmp_path):
    assert call(["schema", "-o", str(tmp_path / "none" / "schema.json")]) == 2
    assert "the file can't be written" in capsys.readouterr().err
