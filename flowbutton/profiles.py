"""Profiles: the pipeline file's, and those of the user's own configuration.

``config.yaml`` in ``$XDG_CONFIG_HOME/flowbutton`` (``~/.config/flowbutton``) has ``profiles:`` as a pipeline file has
them, and ``default_profile:``, which holds where no profile is named. Of two profiles with one name the pipeline file's
is taken, whole. Pure: text and environment are handed in. Imports `flowbutton.model`, `dag`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field, ValidationError

from flowbutton.dag.explain import explain
from flowbutton.dag.load import load
from flowbutton.dag.pipeline import PipelineFile
from flowbutton.dag.spec import ExecutorSpec, Model, Name, Profile
from flowbutton.model.errors import OptionError
from flowbutton.model.near import did_you_mean


class UserConfig(Model):
    """What a user's ``config.yaml`` may say."""

    profiles: dict[Name, Profile] = Field(default_factory=dict)
    default_profile: Name | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """A user's configuration: what it says, where it stands, and the line of ``default_profile``."""

    said: UserConfig = field(default_factory=UserConfig)
    file: str = ""
    default_line: int = 0


def config_file(env: Mapping[str, str]) -> Path:
    """Return where the user's configuration is looked for."""
    base = env.get("XDG_CONFIG_HOME", "")
    # The XDG specification says that a relative path is to be ignored.
    folder = Path(base) if Path(base).is_absolute() else Path(env.get("HOME", "~")).expanduser() / ".config"
    return folder / "flowbutton" / "config.yaml"


def read_config(text: str, file: str) -> Config:
    """Read a configuration.

    Raises:
        SpecError: it is no YAML, or says what a configuration can't; all problems are told.
    """
    document = load(text, file=file)
    document.problems.raise_if_any("configuration")
    said = UserConfig()
    try:
        said = UserConfig.model_validate({} if document.value is None else document.value)
    except ValidationError as error:
        explain(error, UserConfig, document.problems)
    document.problems.raise_if_any("configuration")
    return Config(said, file, document.positions.of_value(("default_profile",)).line)


def choose(pipeline: PipelineFile, name: str | None, config: Config) -> Profile | None:
    """Return the profile called ``name``, or the default one; None if there is neither.

    Raises:
        OptionError: there is no such profile.
    """
    wanted = name or config.said.default_profile
    if wanted is None:
        return None
    known = {**config.said.profiles, **pipeline.spec.profiles}
    if wanted not in known:
        places = f"{pipeline.path} and {config.file}" if config.file else f"{pipeline.path}"
        raise OptionError(
            f"there is no profile called '{wanted}'",
            why="" if name else "it is the default profile",
            hint=did_you_mean(wanted, known) if known else f"there are no profiles in {places}",
            **({"file": str(pipeline.path)} if name else {"file": config.file, "line": config.default_line}),
        )
    if wanted in pipeline.spec.profiles:
        return known[wanted]
    # A user's profile is for many pipelines: it may name stages that this one does not have.
    resources = {stage: needs for stage, needs in known[wanted].resources.items() if stage in pipeline.spec.stages}
    executors = {name: _only(given, pipeline) for name, given in known[wanted].executors.items()}
    executors = {name: given for name, given in executors.items() if given.stages}
    return known[wanted].model_copy(update={"resources": resources, "executors": executors})


def _only(given: ExecutorSpec, pipeline: PipelineFile) -> ExecutorSpec:
    stages = tuple(stage for stage in given.stages if stage in pipeline.spec.stages)
    return given.model_copy(update={"stages": stages})
