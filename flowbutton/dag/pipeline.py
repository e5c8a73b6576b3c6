"""A pipeline file, from its text to its graph.

Here: the two doors of this room, `read_pipeline` and `prepare`. Each raises one `SpecError` with all problems that can
be told at that point. Not here: reading files, the environment (the caller does). Imports `model`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from flowbutton.dag.build import build
from flowbutton.dag.graph import Graph
from flowbutton.dag.load import load
from flowbutton.dag.params import forgotten_units, resolve
from flowbutton.dag.problems import Positions, Problems
from flowbutton.dag.spec import Profile, Spec, read_spec
from flowbutton.dag.wires import FindPartitioner, FindStage
from flowbutton.model.canonical import Json, digest_bytes
from flowbutton.model.errors import SpecError


@dataclass(frozen=True, slots=True)
class PipelineFile:
    """A pipeline file that was read. ``digest`` is that of its text.

    ``problems`` are those of the text alone; ``spec`` is without what they are about. `prepare` tells them.
    """

    path: Path
    text: str
    digest: str
    spec: Spec
    problems: Problems

    @property
    def positions(self) -> Positions:
        """Where each key and value stands."""
        return self.problems.positions


def read_pipeline(path: Path, text: str) -> PipelineFile:
    """Read a pipeline file's text.

    Raises:
        SpecError: it is no YAML, or so far from the language that no more can be told of it.
    """
    document = load(text, file=str(path))
    spec = read_spec(document)
    if spec is None:
        raise SpecError(document.problems.sorted())
    return PipelineFile(path, text, digest_bytes(text.encode()), spec, document.problems)


def prepare(
    pipeline: PipelineFile,
    *,
    find_stage: FindStage,
    find_partitioner: FindPartitioner,
    env: Mapping[str, str],
    cwd: Path,
    params_file: Mapping[str, Json] | None = None,
    command_line: Mapping[str, str] | None = None,
    profile: Profile | None = None,
    params_positions: Positions | None = None,
    executors: Collection[str] | None = None,
) -> Graph:
    """Give the params their values, and make the graph.

    Args:
        env: The environment, for ``${env:NAME}``.
        cwd: The current folder, absolute; relative paths in ``params_file`` and ``command_line`` count from it.
        profile: The chosen profile; only its resources are used here.
        params_positions: Where things stand in the file of ``params_file``.
        executors: Names of executors that profiles may use; None if they are not known.

    Raises:
        SpecError: the file, values or the graph have problems; all are told.
    """
    problems = pipeline.problems.copy()
    folder = (cwd / pipeline.path).parent.as_posix()
    values = resolve(
        pipeline.spec,
        problems,
        params_file=params_file or {},
        command_line=command_line or {},
        env=env,
        folder=folder,
        cwd=cwd.as_posix(),
        file_positions=params_positions,
    )
    graph = build(
        pipeline.spec,
        values,
        find_stage=find_stage,
        find_partitioner=find_partitioner,
        problems=problems,
        env=env,
        folder=folder,
        profile=profile,
        executors=executors,
    )
    doubts = forgotten_units(
        pipeline.spec,
        params_file=params_file or {},
        command_line=command_line or {},
        file_positions=params_positions,
    )
    return replace(graph, warnings=(*doubts, *graph.warnings))
