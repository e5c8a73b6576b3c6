"""From what the command line asks to a loaded pipeline and settings, through the doors of the Python API.

Not here: what pipelines, profiles and params are (`flowbutton.api`). Imports `api`, `pipeline_files`, `dag`,
`engine.settings`.
"""

from __future__ import annotations

from dataclasses import dataclass

from flowbutton.api import Pipeline, load
from flowbutton.dag.graph import Graph
from flowbutton.dag.pipeline import PipelineFile
from flowbutton.engine.settings import Settings
from flowbutton.pipeline_files import find_pipeline, make_importable
from flowbutton.ui.options import Asked


@dataclass(frozen=True, slots=True)
class Prepared:
    """A pipeline that is ready to be planned or run."""

    loaded: Pipeline
    settings: Settings

    @property
    def file(self) -> PipelineFile:
        """The pipeline file."""
        return self.loaded.file

    @property
    def graph(self) -> Graph:
        """What the file says, with params put in."""
        return self.loaded.graph


def prepare_asked(asked: Asked) -> Prepared:
    """Read the pipeline that is asked for, and settle its params and settings.

    Raises:
        MissingInput: the pipeline or the params file is not there.
        OptionError: there is no such profile, or no such executor.
        SpecError: the pipeline or its params have problems; all are told.
    """
    path = find_pipeline(asked.pipeline)
    make_importable(path)
    loaded = load(path, texts=asked.params, params_file=asked.params_file, profile=asked.profile)
    settings = loaded.settings(
        store=asked.store,
        intermediates=asked.intermediates,
        results=asked.results,
        executor=asked.executor,
        workers=asked.workers,
    )
    return Prepared(loaded, settings)
