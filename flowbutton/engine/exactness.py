"""Whether a stage's results depend on how its sources are cut: the stage again with other pieces, compared.

The other run does everything that the stage needs anew, in a store of its own. Two answers are compared task by task
where both runs have the same tasks (by key, in the order of the data), else joined in order, as a file cut in pieces
is: equal bytes are a proof for this input and these two cuts, not for all.
Imports `flowbutton.model`, `dag`, `engine`.
"""

from __future__ import annotations

import hashlib
import inspect
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flowbutton import __version__
from flowbutton.dag.graph import Graph
from flowbutton.dag.order import upstream
from flowbutton.engine.expansion import Expansion
from flowbutton.engine.nodes import Node
from flowbutton.engine.reuse import Records
from flowbutton.engine.run import Status, run, settled
from flowbutton.engine.settings import Settings
from flowbutton.engine.source_node import SourceNode
from flowbutton.model.canonical import Json
from flowbutton.model.composite import COMPOSITE
from flowbutton.model.errors import MissingInput, OptionError
from flowbutton.model.pieces import Key
from flowbutton.model.records import ASIDE, KEPT
from flowbutton.model.registry import partitioner_named

PIECE_OPTIONS = ("size", "window")
"""The options of a partitioner that say how large its pieces are."""

_JOINED = ("bytes", "file", COMPOSITE)
_BLOCK = 8 * 1024**2


@dataclass(frozen=True, slots=True)
class Compared:
    """One result in both runs; ``key`` is that of its task, None where the results of all tasks were joined."""

    key: Mapping[str, Json] | None
    output: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """What came of it. ``cuts``: by source its pieces in the run, those in the other one, and the latter's options."""

    run: str
    stage: str
    cuts: Mapping[str, tuple[int, int, Mapping[str, Json]]]
    results: Sequence[Compared]

    @property
    def is_exact(self) -> bool:
        """Whether all results are the same."""
        return all(result.expected == result.found for result in self.results)

    def to_json(self) -> dict[str, Json]:
        """Return what is written to the run's folder."""
        cuts: dict[str, Json] = {
            name: {"pieces": before, "other_pieces": after, "other_options": dict(options)}
            for name, (before, after, options) in self.cuts.items()
        }
        results: list[Json] = [
            {"key": None if one.key is None else dict(one.key), "output": one.output, "expected": one.expected,
             "found": one.found}
            for one in self.results
        ]  # fmt: skip
        return {
            "run": self.run,
            "stage": self.stage,
            "exact": self.is_exact,
            "sources": cuts,
            "results": results,
            "flowbutton": __version__,
            "python": platform.python_version(),
            "machine": platform.machine(),
        }


def needed_for(graph: Graph, stage: str) -> Graph:
    """Return what of a graph a stage needs, with the stage, without outputs.

    Raises:
        MissingInput: there is no such stage in the graph, or `when` dropped it.
    """
    if stage not in graph.stages:
        hint = f"its stages: {', '.join(graph.stages)}"
        raise MissingInput(f"the run has no stage '{stage}'", why="", hint=hint)
    names = upstream(graph.producers, [stage])
    return replace(
        graph,
        sources={name: node for name, node in graph.sources.items() if name in names},
        stages={name: node for name, node in graph.stages.items() if name in names},
        outputs=(),
    )


def cut_smaller(graph: Graph) -> Graph:
    """Return the graph with pieces of about a third of their size, where a source's partitioner has such an option."""
    sources = {}
    for name, node in graph.sources.items():
        known = inspect.signature(type(partitioner_named(node.partitioner)).cut).parameters
        sizes = {
            option: max(1, size // 3)
            for option in PIECE_OPTIONS
            if option in known and isinstance(size := node.options.get(option, known[option].default), int)
        }
        sources[name] = replace(node, options={**node.options, **sizes})
    return replace(graph, sources=sources)


def compare(graph: Graph, other: Graph, settings: Settings, stage: str, scratch: Path, *, run_id: str) -> Certificate:
    """Run ``stage`` as ``other`` cuts its sources; hold its results against those of the run that ``settings`` name.

    Args:
        graph: The run's own graph.
        other: The same pipeline with other sizes.
        scratch: A folder for the other run's store.

    Raises:
        MissingInput: there is no such stage, or the run's own results are gone or are of other inputs.
        OptionError: both cut alike, or the results can be compared neither task by task nor joined.
        FlowbuttonError: the other run failed.
    """
    graph, other = needed_for(graph, stage), needed_for(other, stage)
    anew = replace(
        settings, store=str(scratch / "store"), intermediates=None, results=str(scratch / "results"), listeners=()
    )
    before = _done(graph, settings, stage)
    report = run(other, anew, spec_text="")
    if report.status is not Status.DONE:
        raise report.failures[0].error
    after = _done(other, anew, stage)
    cuts = {
        name: (_pieces(before[0], name), _pieces(after[0], name), other.sources[name].options) for name in graph.sources
    }
    if all(had == has for had, has, _ in cuts.values()) and graph.stages == other.stages:
        raise OptionError(
            f"the other sizes cut nothing that '{stage}' needs in another way",
            why=f"pieces: {', '.join(f'{name} {count}' for name, (count, _, _) in cuts.items())}, in both",
            hint="give smaller sizes by -p",
        )
    results = _by_task(before, after, stage) or _joined(before, after, stage)
    return Certificate(run_id, stage, cuts, results)


_Answer = tuple[Expansion, Records]


def _done(graph: Graph, settings: Settings, stage: str) -> _Answer:
    expansion, records = settled(graph, settings)
    if not expansion.nodes[stage].finished:
        raise MissingInput(
            f"the results of '{stage}' are not all there",
            why="the run did not come so far, its inputs or the code were changed since, or they were cleaned away",
            hint="run the pipeline again, then verify that run",
        )
    return expansion, records


def _pieces(expansion: Expansion, name: str) -> int:
    node = expansion.nodes[name]
    return len(node.pieces.items) if isinstance(node, SourceNode) else 0


def _by_task(before: _Answer, after: _Answer, stage: str) -> list[Compared]:
    """Return the results task by task; nothing where the two runs have other tasks."""
    ours, theirs = (_keyed(answer[0].nodes[stage]) for answer in (before, after))
    if [key for key, _ in ours] != [key for key, _ in theirs]:
        return []
    return [
        Compared(dict(key), output, had[output][0], has[output][0])
        for (key, had), (_, has) in zip(ours, theirs, strict=True)
        for output in had
        if output not in (ASIDE, KEPT)
    ]


def _keyed(node: Node) -> list[tuple[Key, Mapping[str, tuple[str, int]]]]:
    return [(node.keys[task], result.artifacts) for task, result in node.ordered()]


def _joined(before: _Answer, after: _Answer, stage: str) -> list[Compared]:
    """Return the results of all tasks joined, by output.

    Raises:
        OptionError: joined they differ, which says nothing, or they are nothing that can be joined.
    """
    ours, theirs = (_digests(answer, stage) for answer in (before, after))
    if not ours or ours != theirs:
        raise OptionError(
            f"the results of '{stage}' can't be compared",
            why="it has a result for each piece, and joined in order they are not the same bytes, which may be right",
            hint="name a stage that gathers them",
        )
    return [Compared(None, output, ours[output], theirs[output]) for output in ours]


def _digests(answer: _Answer, stage: str) -> dict[str, str]:
    """Return the digests of what tasks gave, joined in the order of the data; nothing if it can't be joined."""
    expansion, records = answer
    sums: dict[str, hashlib._Hash] = {}
    for _, result in expansion.nodes[stage].ordered():
        for output, artifact in records.log(result.stored.stage).read(result.stored.row).artifacts.items():
            if artifact.kind not in _JOINED:
                return {}
            _add(sums.setdefault(output, hashlib.sha256()), records.reader(artifact), artifact.size)
    return {output: digest.hexdigest() for output, digest in sums.items()}


def _add(digest: hashlib._Hash, read: Callable[[int, int], bytes], size: int) -> None:
    for start in range(0, size, _BLOCK):
        digest.update(read(start, min(start + _BLOCK, size)))
