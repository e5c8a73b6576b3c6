"""A pipeline file, from its text to its graph.

Here: the two doors of this room, `read_pipeline` and `prepare`. Each raises one `SpecError` with all problems that can
be told at that point. Not here: reading files, the environment (the caller does). Imports `model`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flowbutton.dag.build import build
from flowbutton.dag.graph import Graph
from flowbutton.dag.load import load
from flowbutton.dag.params import resolve
from flowbutton.dag.problems import Positions, Problems
from flowbutton.dag.spec import Profile, Spec, read_spec
from flowbutton.dag.wires import FindPartitioner, FindStage
from flowbutton.model.canonical import Json, digest_bytes


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline file that follows the language. ``digest`` is that of its text."""

    path: Path
    text: str
    digest: str
    spec: Spec
    positions: Positions


def read_pipeline(path: Path, text: str) -> Pipeline:
    """Read a pipeline file's text.

    Raises:
        SpecError: it is no YAML, or does not follow the language.
    """
    document = load(text, file=str(path))
    spec = read_spec(document)
    document.problems.raise_if_any()
    assert spec is not None  # else there was a problem
    return Pipeline(path, text, digest_bytes(text.encode()), spec, document.positions)


def prepare(
    pipeline: Pipeline,
    *,
    find_stage: FindStage,
    find_partitioner: FindPartitioner,
    env: Mapping[str, str],
    cwd: Path,
    params_file: Mapping[str, Json] | None = None,
    command_line: Mapping[str, str] | None = None,
    profile: Profile | None = None,
) -> Graph:
    """Give the params their values, and make the graph.

    Args:
        env: The environment, for ``${env:NAME}``.
        cwd: The current folder, absolute; relative paths in ``params_file`` and ``command_line`` count from it.
        profile: The chosen profile; only its resources are used here.

    Raises:
        SpecError: values or graph have problems; both are told.
    """
    problems = Problems(pipeline.positions)
    folder = (cwd / pipeline.path).parent.as_posix()
    values = resolve(
        pipeline.spec,
        problems,
        params_file=params_file or {},
        command_line=command_line or {},
        env=env,
        folder=folder,
        cwd=cwd.as_posix(),
    )
    # Without a value for each param the graph's own problems can't be told from those that follow of it.
    if len(values) < len(pipeline.spec.params):
        problems.raise_if_any()
    return build(
        pipeline.spec,
        values,
        find_stage=find_stage,
        find_partitioner=find_partitioner,
        problems=problems,
        env=env,
        folder=folder,
        profile=profile,
    )
