"""The Python API: a pipeline loaded, planned and run by the engine that the command line uses.

Here: `load` and what it returns, `Pipeline`.
Not here: where files are found (`pipeline_files`), what is computed (`dag`, `engine`), what the command line asks
(`ui.asking`). Imports `flowbutton.model`, `dag`, `profiles`, `pipeline_files`, `stages`; `engine`
when something is planned or run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from flowbutton.dag.graph import Graph
from flowbutton.dag.load import load as load_yaml
from flowbutton.dag.pipeline import PipelineFile, prepare, read_pipeline
from flowbutton.dag.problems import Positions
from flowbutton.dag.spec import Profile
from flowbutton.engine.settings import Settings, Site
from flowbutton.model.canonical import Json
from flowbutton.model.errors import Failure, FlowbuttonError, OptionError, Problem
from flowbutton.model.near import did_you_mean
from flowbutton.model.registry import load as load_registered
from flowbutton.model.registry import partitioner_named, registered
from flowbutton.model.stage import StageDefinition
from flowbutton.pipeline_files import find_pipeline, importable, read_text
from flowbutton.profiles import Config, choose, config_file, read_config
from flowbutton.stages.define import find_stage
from flowbutton.stores.uris import default_store, named

if TYPE_CHECKING:
    from flowbutton.dag.plan import Plan
    from flowbutton.engine.journal import Listener
    from flowbutton.engine.run import Report

Given = Json | os.PathLike[str] | Sequence[os.PathLike[str]]
"""A param's value as Python has it: what YAML could say, or a path."""
StageFunction = Callable[..., Any] | StageDefinition
"""A typed function, decorated as a stage or not."""


class RunFailed(FlowbuttonError):
    """A run ended with failed tasks; the first one is told. ``report`` has all of them.

    Printed, it shows the worker's traceback too, and the end of what the task printed.
    """

    failure = Failure.BUG

    def __init__(self, report: Report) -> None:
        first, others = report.failures[0], len(report.failures) - 1
        more = f"; {others} more failed" if others else ""
        super().__init__(
            f"stage '{first.task.node}' failed: {first.error.what}",
            why=first.error.why + more,
            hint=first.error.hint,
            **{**first.error.where, "run": str(report.folder)},
        )
        self.report = report
        if first.traceback:
            self.add_note(f"In the worker:\n{first.traceback.rstrip()}")
        if first.log:
            self.add_note(f"It printed:\n{first.log.rstrip()}")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.report,)


@dataclass(frozen=True, slots=True, repr=False)
class Pipeline:
    """A pipeline that has been read and checked, with a value for each param. `load` makes it.

    Nothing of it changes: other params mean another `load`, which costs milliseconds.

    >>> pipeline = flowbutton.load("words.yaml")
    >>> pipeline.plan()  # doctest: +ELLIPSIS
    stage  tasks  done  to run...
    >>> report = pipeline.run(executor="serial")
    >>> report.status
    <Status.DONE: 'done'>
    >>> report.files["total.json"].read_text()
    '4'
    """

    file: PipelineFile
    graph: Graph
    profile: Profile

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self.graph.name

    @property
    def params(self) -> Mapping[str, Json]:
        """The value of each param."""
        return self.graph.params

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is no mistake for certain, but looks like one."""
        return self.graph.warnings

    def __repr__(self) -> str:
        return f"<Pipeline {self.name} of {self.file.path}: {', '.join(self.graph.stages)}>"

    def settings(
        self,
        *,
        store: str | os.PathLike[str] | None = None,
        intermediates: str | None = None,
        results: str | os.PathLike[str] | None = None,
        executor: str | None = None,
        workers: int | None = None,
        wait: bool = False,
        listener: Listener | None = None,
    ) -> Settings:
        """Return where and with what to run: what is given, then what the profile says, then the defaults.

        Raises:
            OptionError: there is no such executor, or the number of workers is below 1.
            BadInput: the name of the pipeline file, or of the results folder, is not text in UTF-8.
        """
        if workers is not None and workers < 1:
            raise OptionError(f"{workers} is not a number of workers", why="", hint="write a whole number, 1 or more")
        place = os.fspath(results or self.profile.results or "results")
        beside = default_store(place)
        chosen = executor or self.profile.executor or "processes"
        apart = {} if executor else self.profile.executors  # who chooses one now, wants that for all
        elsewhere = tuple(Site(name, given.stages, given.workers) for name, given in apart.items() if name != chosen)
        for name in (chosen, *(site.executor for site in elsewhere)):
            load_registered("executors", name)
        return Settings(
            store=os.fspath(store) if store is not None else self.profile.store or beside,
            intermediates=intermediates or self.profile.intermediates,
            results=place,
            executor=chosen,
            workers=workers or self.profile.workers,
            elsewhere=elsewhere,
            wait_s=None if wait else 0.0,
            listeners=() if listener is None else (listener,),
            spec_file=named(self.file.path.resolve()),
        )

    def plan(
        self,
        *,
        store: str | os.PathLike[str] | None = None,
        intermediates: str | None = None,
        results: str | os.PathLike[str] | None = None,
    ) -> Plan:
        """Return what is done and what would run; printed, it is the table of ``flowbutton plan``. Nothing runs.

        Raises:
            FlowbuttonError: a source is missing or can't be used.
        """
        return self.plan_in(self.settings(store=store, intermediates=intermediates, results=results))

    def run(
        self,
        *,
        store: str | os.PathLike[str] | None = None,
        intermediates: str | None = None,
        results: str | os.PathLike[str] | None = None,
        executor: str | None = None,
        workers: int | None = None,
        wait: bool = False,
        listener: Listener | None = None,
    ) -> Report:
        """Run to the end, publish the outputs, and return what it came to. What is done already is reused.

        Args:
            store: Where work is kept: a folder or a URI; ``.flowbutton`` beside the results if not given.
            intermediates: A Redis for small intermediate results, ``redis://host``; what it loses is made again.
            results: Where outputs go: a folder or ``s3://bucket/prefix``; ``results`` if not given.
            executor: ``processes`` (if not given), ``serial``, or one of a plug-in.
            workers: Tasks at once; one per CPU if not given.
            wait: Whether to wait while another run holds the same pipeline and results.
            listener: Is called with the kind and the fields of each event, in this thread.

        Raises:
            RunFailed: a task failed for good and ended the run; it holds the report.
            Locked: another run holds the same pipeline and results.
            FlowbuttonError: a source is missing, the ledger is broken, or the disk is full.
            KeyboardInterrupt: the user stopped it; what was done is kept, and running again goes on from there.
        """
        from flowbutton.engine.run import Status

        settings = self.settings(
            store=store,
            intermediates=intermediates,
            results=results,
            executor=executor,
            workers=workers,
            wait=wait,
            listener=listener,
        )
        report = self.run_in(settings)
        if report.status is Status.FAILED:
            raise RunFailed(report)
        return report

    def plan_in(self, settings: Settings) -> Plan:
        """Plan with settings that were made before."""
        from flowbutton.engine.run import plan

        with importable(self.file.path):
            _check_modules(self.file)
            return plan(self.graph, settings, spec_text=self.file.text)

    def run_in(self, settings: Settings) -> Report:
        """Run with settings that were made before; failed tasks are told in the report, and not raised."""
        from flowbutton.engine.run import run

        with importable(self.file.path):
            _check_modules(self.file)
            return run(self.graph, settings, spec_text=self.file.text)


def load(
    pipeline: str | os.PathLike[str],
    *,
    params: Mapping[str, Given] | None = None,
    params_file: str | os.PathLike[str] | None = None,
    profile: str | None = None,
    stages: Mapping[str, StageFunction] | None = None,
    texts: Mapping[str, str] | None = None,
) -> Pipeline:
    """Read a pipeline and check all of it; nothing runs, and no data are read.

    >>> flowbutton.load("words.yaml", params={"least": 4}).params["least"]
    4
    >>> flowbutton.load("words.yaml", params={"laest": 4})
    Traceback (most recent call last):
    flowbutton.model.errors.SpecError: the pipeline has 1 problem: there is no param called 'laest' ...

    Args:
        pipeline: A pipeline file, or the name of one that ships (``genomics``).
        params: Values of params, typed; relative paths count from the current folder. They go before ``params_file``.
        params_file: A YAML or JSON file of params.
        profile: A profile of the pipeline file, or of the user's configuration.
        stages: Functions by the names under which the file uses them. One that workers can't import (of a script, a
            notebook, a closure) is sent to them by value.
        texts: Values of params as the command line writes them; they go before ``params``.

    Raises:
        MissingInput: the pipeline or the params file is not there.
        OptionError: there is no such profile, or a function can't be a stage.
        SpecError: the pipeline or its params have problems; all are told.
    """
    path = find_pipeline(os.fspath(pipeline))
    file = read_pipeline(path, read_text(path, "pipeline"))
    chosen = choose(file, profile, _config())
    typed = {name: _plain(value) for name, value in (params or {}).items()}
    written, places = _params_of(params_file)
    with importable(path):
        graph = prepare(
            file,
            find_stage=_finder(file, stages or {}),
            find_partitioner=partitioner_named,
            env=os.environ,
            cwd=Path.cwd(),
            params_file=written | typed,
            command_line=texts or {},
            profile=chosen,
            params_positions=places.without(typed),
            executors=registered("executors"),
        )
        _check_modules(file)
    return Pipeline(file, graph, chosen or Profile())


def _finder(file: PipelineFile, stages: Mapping[str, StageFunction]) -> Callable[[str], StageDefinition]:
    """Return what finds stages: among those that are given, by name, then as all are found."""
    used = {stage.uses for stage in file.spec.stages.values() if stage.uses is not None}
    for name in stages:
        if name not in used:
            raise OptionError(f"no stage uses '{name}'", why="", hint=did_you_mean(name, used), file=str(file.path))
    if not stages:
        return find_stage
    from flowbutton.stages.by_value import given_stage

    given = {name: given_stage(name, stage) for name, stage in stages.items()}
    return lambda uses: given[uses] if uses in given else find_stage(uses)


def _check_modules(file: PipelineFile) -> None:
    """Refuse code of modules that is not what workers, who import it afresh, would run.

    Raises:
        OptionError: a module beside the file was changed since it was imported, or its name is that of another one.
    """
    local = {stage.uses.partition(":")[0] for stage in file.spec.stages.values() if stage.uses and ":" in stage.uses}
    if not local:
        return
    from flowbutton.stages.code import changed_modules, look_at

    for name in sorted(local):
        top = sys.modules.get(name.partition(".")[0])
        if top is None:
            continue
        look_at(name)
        found, before = PathFinder.find_spec(top.__name__), top.__file__
        if found is not None and found.origin and before and Path(found.origin).resolve() != Path(before).resolve():
            raise OptionError(
                f"the module '{top.__name__}' of this pipeline is not the one that this Python has imported",
                why=f"it is {found.origin}, and {before} was there before",
                hint="rename one of them, or load this pipeline in another process",
            )
    changed = changed_modules()
    if changed:
        raise OptionError(
            f"the module '{changed[0]}' was changed since this Python imported it",
            why="workers would run the new code, and this process knows the old one",
            hint="restart Python (in a notebook: the kernel), or give functions of the notebook by stages=",
        )


def _params_of(file: str | os.PathLike[str] | None) -> tuple[dict[str, Json], Positions]:
    """Return what a params file says, and where."""
    if file is None:
        return {}, Positions("", {}, {})
    path = Path(file)
    document = load_yaml(read_text(path, "params"), file=str(path))
    document.problems.raise_if_any("params file")
    if document.value is None:
        return {}, document.positions
    if not isinstance(document.value, dict):
        hint = "write lines of 'name: value'"
        raise OptionError("the params file is not a mapping", why="", hint=hint, file=str(path))
    return document.value, document.positions


def _plain(value: Given) -> Json:
    """Return a param's value as YAML would have it: paths are text, tuples are lists."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return cast(Json, value)


def _config() -> Config:
    place = config_file(os.environ)
    return read_config(read_text(place, "configuration"), str(place)) if place.exists() else Config()
