"""Names resolved: what the file's references point to, what lies on a circle, what `when` drops.

Here: wires, which are references whose names were found. Not here: whether their types fit (`dag.bind`).
Imports `model`; networkx where there is a circle to show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from flowbutton.dag.commands import command_of
from flowbutton.dag.graph import TABLE, BindingKind, Producer, digraph_of
from flowbutton.dag.order import Producers, has_circle
from flowbutton.dag.placeholders import Value
from flowbutton.dag.problems import Path, Problems
from flowbutton.dag.spec import WHEN, Gather, Spec
from flowbutton.model.errors import FlowbuttonError, MissingExtra
from flowbutton.model.near import did_you_mean
from flowbutton.model.partitioner import Partitioner
from flowbutton.model.stage import StageDefinition

FindStage = Callable[[str], StageDefinition]
FindPartitioner = Callable[[str], Partitioner]


@dataclass(frozen=True, slots=True)
class Code:
    """The code that the names in a file stand for; what was not found is missing here, and a problem."""

    partitioners: Mapping[str, Partitioner]
    definitions: Mapping[str, StageDefinition]

    def is_optional(self, stage: str, argument: str) -> bool:
        """Return whether a stage's function can do without an argument."""
        definition = self.definitions.get(stage)
        parameter = definition.inputs.get(argument) if definition else None
        return parameter is not None and parameter.optional


@dataclass(frozen=True, slots=True)
class Wire:
    """One argument of ``stage`` and its producer, whose name exists. ``path`` is where the reference stands."""

    stage: str
    argument: str
    kind: BindingKind
    producer: Producer
    path: Path
    gather: Gather | None = None


def find_code(spec: Spec, *, find_stage: FindStage, find_partitioner: FindPartitioner, problems: Problems) -> Code:
    """Find all partitioners and stage definitions that the file names; not of what is wrong already."""
    partitioners: dict[str, Partitioner] = {}
    definitions: dict[str, StageDefinition] = {}
    missing: set[str] = set()

    def tell(path: Path, error: FlowbuttonError) -> None:
        """Tell why code was not found; what one installation cures is told once."""
        if not (isinstance(error, MissingExtra) and error.hint in missing):
            problems.add(path, error.what, why=error.why, hint=error.hint)
        if isinstance(error, MissingExtra):
            missing.add(error.hint)

    for name, source in spec.sources.items():
        if problems.touched(("sources", name)):
            continue
        try:
            partitioners[name] = find_partitioner(source.partitioner)
        except FlowbuttonError as error:
            tell(("sources", name, "partitioner"), error)
    for name, stage in spec.stages.items():
        if problems.touched(("stages", name)):
            continue
        uses, place = stage.uses, "uses"
        if uses is None:
            command = command_of(name, spec, partitioners, problems)
            if command is None:
                continue
            uses, place = command.address, "command"
        try:
            definitions[name] = find_stage(uses)
        except FlowbuttonError as error:
            tell(("stages", name, place), error)
    return Code(partitioners, definitions)


def find_wires(spec: Spec, code: Code, problems: Problems) -> list[Wire]:
    """Resolve every reference of every stage, but for arguments that its function does not have."""
    wires: list[Wire] = []
    for stage, argument, kind, text, path, gather in _references(spec):
        definition = code.definitions.get(stage)
        if definition is not None and argument not in definition.inputs:
            continue
        producer = find_producer(text, spec, code, problems, path)
        if producer is not None:
            wires.append(Wire(stage, argument, kind, producer, path, gather))
    return wires


def find_producer(text: str, spec: Spec, code: Code, problems: Problems, path: Path) -> Producer | None:
    """Resolve ``name`` or ``name.output``; None, and a problem, where there is no such thing."""
    name, dot, output = text.partition(".")
    if name in spec.sources:
        columns = code.partitioners[name].columns if name in code.partitioners else ()
        if dot and columns and output not in (TABLE, *columns):
            what = f"the pieces of source '{name}' have no key column '{output}'"
            problems.add(path, what, hint=did_you_mean(output, [TABLE, *columns]))
            return None
        return Producer(name, output if dot else None)
    if name not in spec.stages:
        if problems.touched(("sources", name)) or problems.touched(("stages", name)) or "${" in text:
            return None
        hint = did_you_mean(name, [*spec.sources, *spec.stages])
        problems.add(path, f"there is no source or stage called '{name}'", hint=hint)
        return None
    definition = code.definitions.get(name)
    if dot and definition is not None and output not in definition.outputs:
        if set(definition.outputs) == {""}:
            problems.add(path, f"stage '{name}' has one output, without a name", hint=f"write '{name}'")
        else:
            hint = did_you_mean(output, definition.outputs)
            problems.add(path, f"stage '{name}' has no output '{output}'", hint=hint)
        return None
    return Producer(name, output if dot else None)


def check_names(spec: Spec, problems: Problems) -> None:
    """Report a source and a stage that have one name."""
    for name in spec.stages:
        if name in spec.sources:
            what = f"a source and a stage are both called '{name}'"
            problems.add(("stages", name), what, hint="rename one of them", key=True)


def edges_of(wires: Iterable[Wire]) -> list[tuple[str, str, str]]:
    """Return (producer, consumer, the consumer's argument) of each wire."""
    return [(wire.producer.name, wire.stage, wire.argument) for wire in wires]


def check_circles(spec: Spec, wires: list[Wire], producers: Producers, problems: Problems) -> None:
    """Report each group of stages that wait for each other, by one circle through it, with its lines."""
    if {*spec.sources} & {*spec.stages}:
        return  # two nodes of one name would look like a circle; that problem is told already
    if not has_circle(producers):
        return
    import networkx as nx

    digraph = digraph_of(producers, edges_of(wires))
    for group in nx.strongly_connected_components(digraph):
        first = min(group, key=list(digraph).index)
        if len(group) == 1 and not digraph.has_edge(first, first):
            continue
        circle = [(edge[0], edge[1]) for edge in nx.find_cycle(digraph.subgraph(group), first)]
        shown = " → ".join([*(producer for producer, _ in circle), first])
        places = {
            (wire.producer.name, wire.stage): problems.positions.of_value(wire.path).line for wire in reversed(wires)
        }
        why = "; ".join(f"{edge[1]} takes {edge[0]} (line {places[edge]})" for edge in circle)
        what = "this stage waits for itself" if len(circle) == 1 else f"these stages wait for each other: {shown}"
        problems.add(("stages", first), what, why=why, hint="take one of these out", key=True)


def dropped_by_when(
    spec: Spec, wires: list[Wire], code: Code, values: Mapping[str, Value], problems: Problems
) -> set[str]:
    """Return the sources and stages that conditions drop, and the stages that need one of those.

    An argument that the function can do without does not need its producer, unless the stage's tasks come of it.
    """
    dropped = {
        name
        for room, nodes in (("sources", spec.sources), ("stages", spec.stages))
        for name, node in nodes.items()
        if node.when is not None and not _holds(node.when, spec, values, problems, (room, name, "when"))
    }
    return _with_followers(dropped, wires, code)


def may_be_dropped(spec: Spec, wires: list[Wire], code: Code) -> set[str]:
    """Return the sources and stages that some values of the params drop."""
    sources = {name for name, source in spec.sources.items() if source.when is not None}
    stages = {name for name, stage in spec.stages.items() if stage.when is not None}
    return _with_followers(sources | stages, wires, code)


def _with_followers(dropped: set[str], wires: list[Wire], code: Code) -> set[str]:
    while True:
        more = {
            wire.stage
            for wire in wires
            if wire.producer.name in dropped
            and (wire.kind is BindingKind.ITEM or not code.is_optional(wire.stage, wire.argument))
        } - dropped
        if not more:
            return dropped
        dropped |= more


def _holds(when: str, spec: Spec, values: Mapping[str, Value], problems: Problems, path: Path) -> bool:
    match = WHEN.fullmatch(when)
    assert match is not None  # the model has checked it
    name = match[1]
    param = spec.params.get(name)
    if param is None:
        if not problems.touched(("params", name)):
            problems.add(path, f"there is no param called '{name}'", hint=did_you_mean(name, spec.params))
        return True
    if param.type != "bool" and not param.nullable and not problems.touched(("params", name)):
        what = f"the param '{name}' is always there, so it is no condition"
        problems.add(path, what, hint="a condition is a bool, or a param with 'nullable: true'")
    return values.get(name, True) is not None and values.get(name, True) is not False


def _references(spec: Spec) -> Iterator[tuple[str, str, BindingKind, str, Path, Gather | None]]:
    for name, stage in spec.stages.items():
        at = ("stages", name)
        for argument, text in stage.for_each.items():
            yield name, argument, BindingKind.ITEM, text, (*at, "for_each", argument), None
        for argument, text in stage.share.items():
            yield name, argument, BindingKind.SHARE, text, (*at, "share", argument), None
        for argument, gather in stage.gather.items():
            yield name, argument, BindingKind.GATHER, gather.producer, (*at, "gather", argument), gather
