"""Spec and values → graph. Pure: the code that names stand for is found by functions that are handed in.

Here: the order of the checks, the nodes, outputs, and what is needed for them. Not here: names (`dag.wires`), a stage's
arguments (`dag.bind`), options (`dag.options`). Imports `model`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from flowbutton.dag.bind import bind
from flowbutton.dag.graph import Graph, Producer, SourceNode, StageNode
from flowbutton.dag.options import check_cut_options, check_options
from flowbutton.dag.order import Producers, in_order, producers_of, upstream
from flowbutton.dag.outputs import check_files, find_alternatives, outputs_left
from flowbutton.dag.params import absolute
from flowbutton.dag.placeholders import Value, check_places, named_params, substitute
from flowbutton.dag.problems import Path, Positions, Problems, show_value
from flowbutton.dag.spec import Profile, ResourcesSpec, Spec
from flowbutton.dag.wires import (
    Code,
    FindPartitioner,
    FindStage,
    Wire,
    check_circles,
    check_names,
    dropped_by_when,
    edges_of,
    find_code,
    find_wires,
    may_be_dropped,
)
from flowbutton.model.canonical import Json
from flowbutton.model.errors import Problem
from flowbutton.model.near import did_you_mean
from flowbutton.model.stage import Resources, StageDefinition


def build(
    spec: Spec,
    values: Mapping[str, Value],
    *,
    find_stage: FindStage,
    find_partitioner: FindPartitioner,
    problems: Problems,
    env: Mapping[str, str],
    folder: str,
    profile: Profile | None = None,
    executors: Collection[str] | None = None,
) -> Graph:
    """Make the graph of a pipeline.

    Args:
        values: A value for each param of ``spec``.
        problems: What was found before; what is found here is added.
        env: The environment, for ``${env:NAME}``.
        folder: The pipeline file's folder, from which relative paths in ``from`` count.
        profile: Resources of stages, which go before those of the spec.
        executors: Names that profiles may use; None if they are not known.

    Raises:
        SpecError: ``problems`` is not empty at the end.
    """
    check_names(spec, problems)
    check_places(spec, problems)
    code = find_code(spec, find_stage=find_stage, find_partitioner=find_partitioner, problems=problems)
    wires = find_wires(spec, code, problems)
    whole = producers_of([*spec.sources, *spec.stages], edges_of(wires))
    check_circles(spec, wires, whole, problems)
    dropped = dropped_by_when(spec, wires, code, values, problems)
    nodes = _Nodes(spec, code, values, env, folder, profile or Profile(), problems)
    sources = {name: nodes.source(name) for name in spec.sources if name in code.partitioners and name not in dropped}
    stages = {
        name: nodes.stage(name, [wire for wire in wires if wire.stage == name], dropped)
        for name in spec.stages
        if name in code.definitions
    }
    _check_profile(spec, executors, problems)
    check_files(spec, problems)
    optional = may_be_dropped(spec, wires, code)
    alternatives = {name: find_alternatives(name, spec, code, optional, problems) for name in spec.outputs}
    if not len(problems):  # a misspelt name leaves what it means unused: that would be told twice
        _check_use(spec, whole, problems)
        _check_some_output(spec, alternatives, dropped, problems)
    problems.raise_if_any()
    return _assemble(spec, values, sources, stages, alternatives, dropped, whole, problems.positions)


@dataclass(frozen=True, slots=True)
class _Nodes:
    spec: Spec
    code: Code
    values: Mapping[str, Value]
    env: Mapping[str, str]
    folder: str
    profile: Profile
    problems: Problems

    def source(self, name: str) -> SourceNode:
        spec, path = self.spec.sources[name], ("sources", name)
        uri = self._substituted(spec.uri, (*path, "from"))
        if not isinstance(uri, str):
            what = f"'{spec.uri}' is no URI: its value is {show_value(uri)}"
            self.problems.add((*path, "from"), what, hint="use a uri param")
            uri = ""
        options: dict[str, Json] = {}
        given = self._options(spec.options, (*path, "with"))
        if given is not None:
            options = check_cut_options(self.code.partitioners[name], given, self.problems, (*path, "with"))
        return SourceNode(name, spec.partitioner, absolute(uri, self.folder), options, self._line(path))

    def stage(self, name: str, wires: list[Wire], dropped: set[str]) -> StageNode:
        spec, path = self.spec.stages[name], ("stages", name)
        definition = self.code.definitions[name]
        bindings = bind(name, wires, self.spec, self.code, self.problems)
        options: dict[str, Json] = {}
        # A condition and an option may share a nullable param, so a dropped stage's options need not fit.
        given = None if name in dropped else self._options(spec.options, (*path, "with"))
        if given is not None:
            options = check_options(definition.options, _without(given, definition), self.problems, (*path, "with"))
        resources = _resources(definition.resources, spec.resources)
        if name in self.profile.resources:
            resources = _resources(resources, self.profile.resources[name])
        return StageNode(
            name=name,
            definition=definition,
            bindings=tuple(binding for binding in bindings if binding.producer.name not in dropped),
            mode=spec.mode or "zip",
            fan_in=spec.fan_in,
            options=options,
            resources=resources,
            retries=spec.retries,
            on_error=spec.on_error,
            tolerate_records=self._tolerated(spec.tolerate.records, (*path, "tolerate", "records")),
            line=self._line(path),
        )

    def _tolerated(self, given: int | str, path: Path) -> int:
        before = len(self.problems)
        if self._waits(given):
            return 0
        value = self._substituted(given, path)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        if len(self.problems) == before:
            self.problems.add(
                path, f"'{given}' is not a number of records: its value is {show_value(value)}", hint="use an int param"
            )
        return 0

    def _options(self, given: Mapping[str, Json], path: Path) -> dict[str, Json] | None:
        """Put params into options; None where that has problems, since a check would only tell them again."""
        if self._waits(given):
            return None
        before = len(self.problems)
        filled = {name: self._substituted(value, (*path, name)) for name, value in given.items()}
        return filled if len(self.problems) == before else None

    def _waits(self, value: Json) -> bool:
        """Return whether a value needs a param that has none, since something is wrong with it."""
        return any(name not in self.values and self.problems.touched(("params", name)) for name in named_params(value))

    def _substituted(self, value: Json, path: Path) -> Json:
        return substitute(value, values=self.values, env=self.env, problems=self.problems, path=path)

    def _line(self, path: Path) -> int:
        return self.problems.positions.of_key(path).line


def _without(given: Mapping[str, Json], definition: StageDefinition) -> dict[str, Json]:
    """Return options without arguments among them, which are told where arguments are."""
    return {name: value for name, value in given.items() if name not in definition.inputs}


def _resources(base: Resources, spec: ResourcesSpec) -> Resources:
    """Return ``base`` with what ``spec`` says in its place."""
    memory = spec.memory
    if memory is not None and memory.base is not None:
        base = replace(base, memory_base_bytes=memory.base)
    if memory is not None and memory.per_input_byte is not None:
        base = replace(base, memory_per_input_byte=float(memory.per_input_byte), memory_per_shared_byte=None)
    return base if spec.timeout is None else replace(base, timeout_s=spec.timeout)


def _check_profile(spec: Spec, executors: Collection[str] | None, problems: Problems) -> None:
    for name, profile in spec.profiles.items():
        at = ("profiles", name)
        named: list[tuple[Path, str, bool]] = [((*at, "resources", stage), stage, True) for stage in profile.resources]
        for executor, given in profile.executors.items():
            named += [((*at, "executors", executor, "stages"), stage, False) for stage in given.stages]
            _check_executor((*at, "executors", executor), executor, executors, problems, key=True)
        _check_executor((*at, "executor"), profile.executor, executors, problems)
        for path, stage, key in named:
            if stage not in spec.stages:
                hint = did_you_mean(stage, spec.stages)
                problems.add(path, f"there is no stage called '{stage}'", hint=hint, key=key)


def _check_executor(
    path: Path, name: str | None, known: Collection[str] | None, problems: Problems, *, key: bool = False
) -> None:
    if name is not None and known is not None and name not in known:
        what = f"there is no executor called '{name}'"
        problems.add(path, what, hint=did_you_mean(name, known, listed="installed"), key=key)


def _assemble(
    spec: Spec,
    values: Mapping[str, Value],
    sources: Mapping[str, SourceNode],
    stages: Mapping[str, StageNode],
    alternatives: Mapping[str, list[Producer]],
    dropped: set[str],
    whole: Producers,
    positions: Positions,
) -> Graph:
    """Put together what is left after `when`, without what only served a dropped stage or an alternative not taken."""
    outputs = outputs_left(alternatives, dropped, positions)
    nowhere = set(whole) - upstream(whole, [producer.name for group in alternatives.values() for producer in group])
    running = {name: node for name, node in stages.items() if name not in dropped}
    edges = [
        (binding.producer.name, name, binding.argument) for name, node in running.items() for binding in node.bindings
    ]
    left = producers_of([*sources, *running], edges)
    ends = [node.producers[0].name for node in outputs] + [name for name in running if name in nowhere]
    needed = upstream(left, ends)
    final = {name: left[name] for name in whole if name in needed}
    published = {node.name for node in outputs}
    return Graph(
        name=spec.name,
        sources={name: node for name, node in sources.items() if name in needed},
        stages={name: stages[name] for name in in_order(final) if name in stages},
        outputs=outputs,
        dropped=(
            *(name for name in whole if name not in needed),
            *(name for name in alternatives if name not in published),
        ),
        warnings=_warnings(spec, nowhere, whole, positions),
        params=values,
    )


def _check_some_output(
    spec: Spec, alternatives: Mapping[str, list[Producer]], dropped: set[str], problems: Problems
) -> None:
    """Report params with which nothing is left to publish: somebody forgot one, and would wait for nothing."""
    if all(producer.name in dropped for producers in alternatives.values() for producer in producers):
        conditions = [source.when for source in spec.sources.values() if source.when]
        conditions = conditions or [stage.when for stage in spec.stages.values() if stage.when]
        params = dict.fromkeys(when.removeprefix("${params.").removesuffix("}") for when in conditions)
        why = "'when' drops all that makes one"
        problems.add(("outputs",), "no output is left", why=why, hint=f"give one of these params: {', '.join(params)}")


def _check_use(spec: Spec, whole: Producers, problems: Problems) -> None:
    """Report sources and params that nothing uses: what they are for is missing, or misspelt."""
    taken = {*chain.from_iterable(whole.values())}
    for name in spec.sources:
        if name not in taken:
            hint = "bind it to an argument of a stage, or remove it"
            problems.add(("sources", name), f"no stage uses source '{name}'", hint=hint, key=True)
    used = {*named_params(spec.model_dump(mode="json", include={"sources": True, "stages": True}))}
    for name in spec.params:
        if name not in used:
            hint = f"write ${{params.{name}}} where it is meant, or remove it"
            problems.add(("params", name), f"nothing uses param '{name}'", hint=hint, key=True)


def _warnings(spec: Spec, nowhere: set[str], whole: Producers, positions: Positions) -> tuple[Problem, ...]:
    """Return what is no mistake for certain, but looks like one: a stage may be there for its ledger alone."""
    found = Problems(positions)
    for name in nowhere.intersection(spec.stages).difference(*whole.values()):
        found.add(("stages", name), f"no output needs stage '{name}'", hint="it runs; name it in outputs", key=True)
    return found.sorted()
