"""Graphs that hold: the design's own pipeline, and what `when`, profiles and optional arguments make of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import networkx as nx
import pytest

from flowbutton.dag.graph import Binding, BindingKind, Graph, Producer
from flowbutton.dag.pipeline import read_pipeline
from flowbutton.dag.spec import Profile
from flowbutton.model.errors import SpecError
from flowbutton.model.units import parse_bytes

Make = Callable[..., Graph]


@pytest.fixture
def graph(make: Make, design: str) -> Graph:
    return make(design)


def test_the_pipeline_of_the_design_is_a_graph(graph: Graph) -> None:
    assert list(graph.stages) == [
        "quality", "summary", "index", "align", "survey", "regions", "call", "variants", "normalized", "bam",
    ]  # fmt: skip
    assert graph.dropped == ()
    assert {name for name, node in graph.stages.items() if node.fans_out} == {"quality", "align", "call", "bam"}


def test_bindings_are_in_the_order_of_the_functions_arguments(graph: Graph) -> None:
    assert graph.stages["call"].bindings == (
        Binding("region", BindingKind.ITEM, Producer("regions")),
        Binding("alignments", BindingKind.GATHER, Producer("align", "alignments"), overlap=("region", "window")),
        Binding("index", BindingKind.SHARE, Producer("index")),
    )
    assert graph.stages["bam"].bindings == (
        Binding("sample", BindingKind.ITEM, Producer("reads", "sample")),
        Binding("alignments", BindingKind.GATHER, Producer("align", "alignments"), match=("sample",)),
    )


def test_params_are_put_in_and_options_filled_up(graph: Graph) -> None:
    assert graph.sources["reads"].uri == "sample:genomics/reads.tsv"
    assert graph.sources["reads"].options == {"size": parse_bytes("32MiB"), "overlap_bp": 0, "strict": True}
    assert graph.stages["regions"].options == {"size": 1_000_000}
    assert graph.stages["align"].options == {"preset": "sr", "seed": None}
    assert graph.params["normalize"] is True


@pytest.mark.parametrize(("written", "read"), [("7", 7), ('"${params.region_size}"', 1_000_000)])
def test_how_many_bad_records_are_tolerated_may_be_a_param(make: Make, design: str, written: str, read: int) -> None:
    text = design.replace(
        "for_each: {reads: reads}}", f"for_each: {{reads: reads}}, tolerate: {{records: {written}}}}}"
    )
    assert make(text).stages["quality"].tolerate_records == read


def test_lines_are_those_of_the_names(graph: Graph, design: str) -> None:
    lines = design.splitlines()
    for nodes in (graph.sources, graph.stages):
        for name, node in nodes.items():
            assert lines[node.line - 1].strip().startswith(f"{name}:")


def test_resources_come_from_the_code_the_file_and_the_profile(make: Make, design: str) -> None:
    align = make(design).stages["align"].resources
    assert (align.memory_base_bytes, align.memory_per_input_byte, align.timeout_s) == (1 << 30, 4.0, 900.0)
    profile = Profile.model_validate({"resources": {"align": {"memory": {"base": "2GiB"}}, "call": {"memory": "3GiB"}}})
    stages = make(design, profile=profile).stages
    assert (stages["align"].resources.memory_base_bytes, stages["align"].resources.timeout_s) == (2 << 30, 900.0)
    assert stages["align"].resources.memory_per_input_byte == 4.0
    assert (stages["call"].resources.memory_base_bytes, stages["call"].resources.memory_per_input_byte) == (3 << 30, 0)
    assert stages["call"].resources.memory_per_shared_byte is None


def test_edges_name_the_arguments_and_the_digraph_is_frozen(graph: Graph) -> None:
    assert graph.digraph.edges["align", "call"]["arguments"] == ("alignments",)
    assert {*graph.digraph} == {*graph.sources, *graph.stages}
    with pytest.raises(nx.NetworkXError):
        graph.digraph.remove_node("call")


def test_stages_that_lead_nowhere_are_warned_of_and_run(graph: Graph) -> None:
    (warning,) = graph.warnings
    assert warning.what == "no output needs stage 'summary'"
    assert warning.where["line"] == 14
    assert {"quality", "summary"} <= {*graph.stages}


def test_sources_and_params_without_use_are_errors(told: Callable[..., list[str]], design: str) -> None:
    more = design.replace("sources:\n", "sources:\n  spare: {partitioner: whole, from: x}\n").replace(
        "params:\n", "params:\n  unused: {type: int, default: 1}\n"
    )
    assert told(more) == [
        "4:3 params.unused: nothing uses param 'unused'; write ${params.unused} where it is meant, or remove it",
        "11:3 sources.spare: no stage uses source 'spare'; bind it to an argument of a stage, or remove it",
    ]


def test_when_drops_a_stage_and_the_output_takes_the_next_alternative(make: Make, design: str) -> None:
    graph = make(design, command_line={"normalize": "false"})
    assert graph.dropped == ("normalized",)
    assert [o.producers for o in graph.outputs if o.name == "variants.vcf.gz"] == [(Producer("variants", "vcf"),)]


def test_what_needs_a_dropped_stage_is_dropped_and_so_is_what_only_served_it(make: Make, design: str) -> None:
    text = design.replace("  survey:  {uses", '  survey:  {when: "${params.normalize}", uses')
    graph = make(text, command_line={"normalize": "false"})
    assert list(graph.stages) == ["quality", "summary", "index", "align", "bam"]
    assert graph.dropped == ("survey", "regions", "call", "variants", "normalized", "variants.vcf.gz")
    assert [output.name for output in graph.outputs] == ["alignments/{sample}.bam"]


def test_a_dropped_source_takes_its_stages_along(make: Make, design: str) -> None:
    text = design.replace('from: "${params.reads}"', 'from: "${params.reads}", when: "${params.reads}"')
    text = text.replace(
        'reads:       {type: uri, default: "sample:genomics/reads.tsv"', "reads: {type: uri, nullable: true"
    )
    with pytest.raises(SpecError, match="no output is left"):
        make(text)
    assert list(make(text, command_line={"reads": "a.fq"}).stages) == list(make(design).stages)


REPORT = """\
flowbutton: 1
name: report
params: {calls: {type: bool, default: true}, seed: {type: int, nullable: true}}
sources:
  reads: {partitioner: fastq, from: a.fq}
  reference: {partitioner: whole, from: a.fa}
stages:
  quality: {uses: genomics.read_quality, for_each: {reads: reads}}
  summary: {uses: genomics.merge_quality, gather: {parts: quality}}
  index: {uses: genomics.index_reference, share: {reference: reference}, when: "${params.calls}"}
  align: {uses: genomics.align, for_each: {reads: reads}, share: {index: index}, with: {preset: sr, seed: "${params.seed}"}}
  survey: {uses: genomics.survey, gather: {profiles: align.profile}}
  report: {uses: genomics.report, share: {quality: summary, rows: reads.table}}
outputs: {report.html: report, depth.json: survey}
"""  # noqa: E501


def test_an_optional_argument_is_not_bound_when_its_producer_is_dropped(make: Make) -> None:
    text = REPORT.replace("rows: reads.table", "rows: survey")
    assert [b.argument for b in make(text).stages["report"].bindings] == ["quality", "rows"]
    graph = make(text, command_line={"calls": "false"})
    assert [b.argument for b in graph.stages["report"].bindings] == ["quality"]
    assert not graph.digraph.has_node("survey")
    assert [output.name for output in graph.outputs] == ["report.html"]


def test_an_alternative_that_was_not_taken_does_not_run(make: Make) -> None:
    text = REPORT.replace("report.html: report, depth.json: survey", "report.html: [report, survey]")
    graph = make(text.replace("rows: reads.table}}", 'rows: reads.table}, when: "${params.calls}"}'))
    assert list(graph.stages) == ["quality", "summary", "report"]
    assert graph.outputs[0].producers == (Producer("report"), Producer("survey"))


def test_a_stage_without_its_items_is_dropped_though_the_argument_is_optional(make: Make) -> None:
    text = REPORT.replace("{quality: summary, rows: reads.table}", "{quality: summary}, for_each: {rows: align}")
    text = text.replace("report.html: report", '"{sample}.html": report, quality.json: summary')
    graph = make(text, command_line={"calls": "false"})
    assert "report" in graph.dropped
    assert [output.name for output in graph.outputs] == ["quality.json"]


def test_a_null_param_reaches_a_nullable_option(make: Make) -> None:
    assert make(REPORT).stages["align"].options["seed"] is None
    assert make(REPORT, command_line={"seed": "7"}).stages["align"].options["seed"] == 7


def test_the_options_of_a_dropped_stage_need_not_fit(make: Make) -> None:
    text = REPORT.replace('when: "${params.calls}"', 'when: "${params.seed}"').replace(
        "preset: sr", 'preset: "${params.seed}"'
    )
    text = text.replace("calls: {type: bool, default: true}, ", "")
    assert "align" in make(text).dropped


def test_a_stage_of_many_tasks_can_be_gone_through_element_by_element(make: Make) -> None:
    text = REPORT.replace(
        "report: {uses: genomics.report, share: {quality: summary, rows: reads.table}}",
        "report: {uses: genomics.report, for_each: {quality: quality, rows: align}, mode: zip}",
    ).replace("report.html: report", '"{sample}.html": report')
    node = make(text).stages["report"]
    assert [(b.argument, b.kind) for b in node.bindings] == [("quality", BindingKind.ITEM), ("rows", BindingKind.ITEM)]
    assert node.mode == "zip"


def test_relative_paths_in_the_file_count_from_its_folder(make: Make) -> None:
    assert make(REPORT).sources["reads"].uri == "/data/a.fq"
    text = REPORT.replace("from: a.fq", 'from: "${env:WHERE}/a.fq"')
    assert make(text, env={"WHERE": "/mnt"}).sources["reads"].uri == "/mnt/a.fq"
    assert make(text, env={"WHERE": "s3://bucket"}).sources["reads"].uri == "s3://bucket/a.fq"


def test_a_pipeline_knows_its_text(design: str) -> None:
    pipeline = read_pipeline(Path("p.yaml"), design)
    assert pipeline.digest != read_pipeline(Path("p.yaml"), design + "\n").digest
    assert pipeline.text == design
    assert pipeline.positions.of_value(("stages", "align", "with", "preset")).line == 20


def test_a_graph_depends_on_nothing_but_what_is_handed_in(make: Make, design: str, tmp_path: Path) -> None:
    before, here = make(design), Path.cwd()
    os.chdir(tmp_path)
    try:
        after = make(design)
    finally:
        os.chdir(here)
    assert (after.sources, after.outputs, after.params) == (before.sources, before.outputs, before.params)
    assert [node.options for node in after.stages.values()] == [node.options for node in before.stages.values()]
