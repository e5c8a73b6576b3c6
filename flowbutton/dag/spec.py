"""The language: what a pipeline file may say, as strict models.

Here: the models, and pydantic's findings turned into problems with a place and a hint.
Not here: YAML (`dag.load`), values of params (`dag.params`), what names mean (`dag.build`).
Imports `model.units`, pydantic.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    ValidationError,
    model_validator,
)

from flowbutton.dag.explain import explain
from flowbutton.dag.graph import Mode, OnError
from flowbutton.dag.load import Document, whole
from flowbutton.dag.partial import without
from flowbutton.dag.problems import show_value
from flowbutton.model.units import Unfit, parse_bytes, parse_duration

ParamType = Literal["string", "int", "float", "bool", "bytes", "duration", "choice", "uri", "list"]
ItemType = Literal["string", "int", "float", "bool", "bytes", "duration", "uri"]

WHEN = re.compile(r"\$\{params\.([A-Za-z][A-Za-z0-9_-]*)\}")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise Unfit(f"'{text}' is not a valid name", "a letter comes first, then letters, digits, _ and -")
    return text


def _condition(value: object) -> object:
    if not isinstance(value, str) or not WHEN.fullmatch(value):
        hint = "write ${params.NAME} of a bool or a nullable param, alone"
        raise Unfit(f"{show_value(value)} is no condition", hint)
    return value


def _version(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    hint = "write 'flowbutton: 1', without quotes or a decimal point"
    raise Unfit(f"{show_value(value)} is not a version of the language", hint)


def _amount(parse: Callable[[Any], float]) -> Callable[[object], float]:
    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, str | int):
            return parse(show_value(value))
        return parse(value)

    return read


def _count(value: object) -> object:
    if isinstance(value, str) and WHEN.fullmatch(value):
        return value
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Unfit(
            f"{show_value(value)} is not a number of records", "write 0 or more, or ${params.NAME} of an int, alone"
        )
    return value


def _element(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _memory(value: object) -> object:
    return value if isinstance(value, dict) else {"base": value, "per_input_byte": 0}


Name = Annotated[str, AfterValidator(_name)]
Condition = Annotated[str, BeforeValidator(_condition)]
Whole = Annotated[StrictInt, BeforeValidator(whole)]
Bytes = Annotated[int, BeforeValidator(_amount(parse_bytes))]
Seconds = Annotated[float, BeforeValidator(_amount(parse_duration)), Field(gt=0)]
Number = StrictInt | StrictFloat | str
Element = Annotated[str, BeforeValidator(_element)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]
Options = dict[str, Any]


class Model(BaseModel):
    """Base of the language's models: no unknown keys, frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Param(Model):
    """A param. ``default_with`` names params: the default holds while those keep theirs, else the value is null.

    ``needs`` names params that must have a value where this one has one; false counts as none.
    """

    type: ParamType
    nullable: StrictBool = False
    default: Any = None
    default_with: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    unit: str | None = None
    min: Number | None = None
    max: Number | None = None
    choices: tuple[str, ...] = ()
    items: ItemType | None = None
    help: str = ""

    @property
    def has_default(self) -> bool:
        """Whether a value need not be given: a default is written, or null is allowed."""
        return "default" in self.model_fields_set or self.nullable


class SourceSpec(Model):
    """A source: a partitioner by name, where the data are, and the partitioner's options."""

    partitioner: str
    uri: str = Field(alias="from")
    options: Options = Field(alias="with", default_factory=dict)
    when: Condition | None = None


class Gather(Model):
    """What an argument gathers: ``stage.output``, or of that only what matches key columns or meets an interval."""

    producer: str = Field(alias="from")
    match: Texts | None = None
    overlap: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"from": value} if isinstance(value, str) else value


class Memory(Model):
    """Memory of a task in bytes: ``base + per_input_byte × bytes in``; what is not said, the stage's code says."""

    base: Bytes | None = None
    per_input_byte: Annotated[StrictInt | StrictFloat | None, Field(ge=0)] = None


class ResourcesSpec(Model):
    """What a task needs. ``memory: 4GiB`` is short for a base of 4 GiB and nothing per input byte."""

    memory: Annotated[Memory | None, BeforeValidator(_memory)] = None
    timeout: Seconds | None = None


class Tolerate(Model):
    """How many bad records a stage may set aside before it fails: a number, or an int param."""

    records: Annotated[StrictInt | str, BeforeValidator(_count)]


class StageSpec(Model):
    """A stage: its code, what its arguments are bound to, its options, and how its tasks are run."""

    uses: str | None = None
    command: Annotated[tuple[Element, ...], Field(min_length=1)] | None = None
    stdin: str | None = None
    stdout: str | None = None
    outputs: Annotated[dict[str, str], Field(min_length=1)] | str | None = None
    version: Annotated[Whole, Field(ge=1)] | None = None
    for_each: dict[str, str] = Field(default_factory=dict)
    mode: Mode | None = None
    gather: dict[str, Gather] = Field(default_factory=dict)
    fan_in: Annotated[Whole, Field(ge=2)] | None = None
    share: dict[str, str] = Field(default_factory=dict)
    options: Options = Field(alias="with", default_factory=dict)
    when: Condition | None = None
    resources: ResourcesSpec = ResourcesSpec()
    retries: Annotated[Whole, Field(ge=0)] = 2
    on_error: OnError = "fail"
    tolerate: Tolerate = Tolerate(records=0)

    @model_validator(mode="after")
    def _one_code(self) -> StageSpec:
        if (self.uses is None) == (self.command is None):
            what = "a stage has one of 'uses' and 'command'"
            raise Unfit(what, "write 'uses: NAME' of a registered stage, or 'uses: module:function'")
        given = [name for name in ("stdin", "stdout", "outputs", "version") if getattr(self, name) is not None]
        if self.command is None and given:
            raise Unfit(
                f"'{given[0]}' belongs to a stage of a 'command'", f"remove it: the code of '{self.uses}' says it"
            )
        return self


class ExecutorSpec(Model):
    """Stages that run by another executor than the rest."""

    stages: Texts
    workers: Annotated[Whole, Field(ge=1)] | None = None


class Profile(Model):
    """Where and with what to run; never what is computed, so no params."""

    executor: str | None = None
    workers: Annotated[Whole, Field(ge=1)] | None = None
    executors: dict[str, ExecutorSpec] = Field(default_factory=dict)
    store: str | None = None
    intermediates: str | None = None
    results: str | None = None
    resources: dict[str, ResourcesSpec] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_place(self) -> Profile:
        if self.executor in self.executors:
            what = f"'{self.executor}' is already the executor of all stages"
            raise Unfit(what, "name under 'executors' only those that run elsewhere")
        named = [stage for given in self.executors.values() for stage in given.stages]
        twice = next((stage for stage in named if named.count(stage) > 1), None)
        if twice is not None:
            raise Unfit(f"stage '{twice}' is given to an executor twice", "name it once under 'executors'")
        return self


class Spec(Model):
    """A whole pipeline file."""

    flowbutton: Annotated[Literal[1], BeforeValidator(_version)]
    name: Name
    params: dict[Name, Param] = Field(default_factory=dict)
    sources: dict[Name, SourceSpec] = Field(default_factory=dict)
    stages: dict[Name, StageSpec] = Field(min_length=1)
    outputs: dict[str, Texts] = Field(min_length=1)
    profiles: dict[Name, Profile] = Field(default_factory=dict)


def read_spec(document: Document) -> Spec | None:
    """Check a document against the language; what does not hold is in ``document.problems``.

    Returns:
        What the document says but for what is wrong in it, so that the rest can be checked too; None where too little
        is left for that.
    """
    if document.value is None:
        if not document.problems:
            document.problems.add((), "the file is empty", hint="a pipeline begins with 'flowbutton: 1'")
        return None
    try:
        return Spec.model_validate(document.value)
    except ValidationError as error:
        rest = without(document.value, explain(error, Spec, document.problems))
    try:
        return Spec.model_validate(rest)
    except ValidationError:
        return None
