"""From what the command line asks to a graph and settings.

Precedence: command line, then profile, then default. Here: finding the pipeline and its params file, profiles, the
default store. Not here: values of params (`dag.params`). Imports `flowbutton.model`, `dag`, `engine.run`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import flowbutton
from flowbutton.dag.graph import Graph
from flowbutton.dag.load import load as load_yaml
from flowbutton.dag.pipeline import Pipeline, prepare, read_pipeline
from flowbutton.dag.problems import did_you_mean
from flowbutton.dag.spec import Profile
from flowbutton.engine.run import Settings
from flowbutton.model.canonical import Json
from flowbutton.model.errors import MissingInput, OptionError
from flowbutton.model.registry import load as load_registered
from flowbutton.stages.define import find_stage
from flowbutton.ui.options import Asked, default_store
from flowbutton.worker.context import partitioner_named

_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A pipeline that is ready to be planned or run."""

    pipeline: Pipeline
    graph: Graph
    settings: Settings


def prepare_asked(asked: Asked) -> Prepared:
    """Read the pipeline that is asked for, and settle its params and settings.

    Raises:
        MissingInput: the pipeline or the params file is not there.
        OptionError: there is no such profile, or no such executor.
        SpecError: the pipeline or its params have problems; all are told.
    """
    path = find_pipeline(asked.pipeline)
    _make_importable(path.resolve().parent)
    pipeline = read_pipeline(path, _read(path, "pipeline"))
    profile = _profile(pipeline, asked.profile)
    graph = prepare(
        pipeline,
        find_stage=find_stage,
        find_partitioner=partitioner_named,
        env=os.environ,
        cwd=Path.cwd(),
        params_file=_params_of(asked.params_file),
        command_line=asked.params,
        profile=profile,
    )
    return Prepared(pipeline, graph, _settings(asked, profile or Profile()))


def find_pipeline(name: str) -> Path:
    """Return the file that ``name`` means: a path, or a pipeline that ships with flowbutton.

    Raises:
        MissingInput: there is neither; the hint names the likeliest.
    """
    path = Path(name)
    if path.is_file():
        return path
    shipped = {file.stem: file for file in sorted(_shipped_folder().glob("*.yaml"))}
    if name in shipped:
        return shipped[name]
    raise MissingInput(
        f"there is no pipeline '{name}'",
        why="it is a folder" if path.is_dir() else "",
        hint=_nearest(path, shipped),
        file=name,
    )


def _shipped_folder() -> Path:
    """Return where the pipelines are that ship: in the wheel, or in the checkout of an editable install."""
    package = Path(flowbutton.__file__).parent
    inside = package / "pipelines"
    return inside if inside.is_dir() else package.parent / "pipelines"


def _nearest(path: Path, shipped: Mapping[str, Path]) -> str:
    folder = path if path.is_dir() else path.parent
    files = [str(file) for file in sorted(folder.glob("*")) if file.suffix in _SUFFIXES]
    close = get_close_matches(str(path), [*files, *shipped], n=1)
    if close:
        return f"did you mean '{close[0]}'?"
    known = ", ".join(shipped)
    return f"give a pipeline file, or one that ships: {known}" + (f"; files there: {', '.join(files)}" if files else "")


def _read(path: Path, kind: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise OptionError(
            f"the {kind} file is not text", why=str(error), hint="save it as UTF-8", file=str(path)
        ) from error
    except OSError as error:
        near = get_close_matches(path.name, [file.name for file in path.parent.glob("*")], n=1)
        hint = f"did you mean '{path.with_name(near[0])}'?" if near and near[0] != path.name else "check the name"
        raise MissingInput(
            f"the {kind} file can't be read", why=str(error.strerror), hint=hint, file=str(path)
        ) from error


def _make_importable(folder: Path) -> None:
    """Let ``uses: module:function`` find modules beside the pipeline file, here and in workers."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), *([before] if before else [])])


def _params_of(path: Path | None) -> Mapping[str, Json]:
    if path is None:
        return {}
    document = load_yaml(_read(path, "params"), file=str(path))
    document.problems.raise_if_any()
    if not isinstance(document.value, dict):
        raise OptionError("the params file is no mapping", why="", hint="write lines of 'name: value'", file=str(path))
    return document.value


def _profile(pipeline: Pipeline, name: str | None) -> Profile | None:
    if name is None:
        return None
    profiles = pipeline.spec.profiles
    if name not in profiles:
        raise OptionError(
            f"there is no profile called '{name}'",
            why="",
            hint=did_you_mean(name, profiles) if profiles else "this pipeline file has no profiles",
            file=str(pipeline.path),
        )
    return profiles[name]


def _settings(asked: Asked, profile: Profile) -> Settings:
    results = asked.results or Path(profile.results or "results")
    executor = asked.executor or profile.executor or "processes"
    load_registered("executors", executor)
    return Settings(
        store=asked.store or profile.store or default_store(results),
        results=results,
        executor=executor,
        workers=asked.workers or profile.workers,
    )
