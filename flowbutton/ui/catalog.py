"""What is installed: stages and partitioners, ours and those of plug-ins, with where they come from.

Here: the lists, and what one of them says of itself, as plain values. A plug-in that can't be imported is in the list
with its error, and takes nothing else with it. Not here: how it prints (`ui.describe`).
Imports `flowbutton.model`, `stages`, `dag`, `worker`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from flowbutton.dag.fits import reader_fits, show_type
from flowbutton.dag.options import cut_model, cut_words
from flowbutton.model.bundle import Parts
from flowbutton.model.canonical import Json
from flowbutton.model.docstrings import read_docstring
from flowbutton.model.errors import FlowbuttonError, OptionError
from flowbutton.model.near import did_you_mean
from flowbutton.model.partitioner import Partitioner
from flowbutton.model.registry import partitioner_named, registered
from flowbutton.model.stage import Parameter, StageDefinition
from flowbutton.stages.define import find_stage, stages_of

ThingT = TypeVar("ThingT")
Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Origin:
    """The distribution that registers something; both empty for code that no distribution registers."""

    distribution: str = ""
    version: str = ""

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}" if self.distribution else "not installed: found by its module"


@dataclass(frozen=True, slots=True)
class Entry(Generic[ThingT]):
    """Something installed, under the name that a pipeline uses."""

    name: str
    origin: Origin
    thing: ThingT


@dataclass(frozen=True, slots=True)
class Broken:
    """An entry point that can't be loaded, and why."""

    name: str
    origin: Origin
    error: FlowbuttonError


@dataclass(frozen=True, slots=True)
class Catalog(Generic[ThingT]):
    """All that is registered under one group, sorted by name."""

    entries: tuple[Entry[ThingT], ...]
    broken: tuple[Broken, ...]

    def find(self, kind: str, name: str) -> Entry[ThingT]:
        """Return the entry called ``name``.

        Raises:
            OptionError: there is none; the hint names the likeliest.
        """
        for entry in self.entries:
            if entry.name == name:
                return entry
        for broken in self.broken:
            if name.partition(".")[0] == broken.name:
                raise broken.error
        hint = did_you_mean(name, (entry.name for entry in self.entries))
        raise OptionError(f"there is no {kind} called '{name}'", why="", hint=hint)


def installed_stages() -> Catalog[StageDefinition]:
    """Return every registered stage of every domain that can be imported."""
    return _catalog("stages", stages_of)


def installed_partitioners() -> Catalog[Partitioner]:
    """Return every registered partitioner that can be imported."""
    return _catalog("partitioners", lambda name: {name: partitioner_named(name)})


def _catalog(group: str, load: Callable[[str], Mapping[str, ThingT]]) -> Catalog[ThingT]:
    entries: list[Entry[ThingT]] = []
    broken: list[Broken] = []
    for name, point in sorted(registered(group).items()):
        origin = _origin(point)
        try:
            entries += (Entry(found, origin, thing) for found, thing in sorted(load(name).items()))
        except FlowbuttonError as error:
            broken.append(Broken(name, origin, error))
    return Catalog(tuple(entries), tuple(broken))


def _origin(point: EntryPoint) -> Origin:
    return Origin(point.dist.name, point.dist.version) if point.dist is not None else Origin()


def stage_named(name: str) -> Entry[StageDefinition]:
    """Return an installed stage, or a function by ``module:function``.

    Raises:
        OptionError: there is no such stage.
    """
    return Entry(name, Origin(), find_stage(name)) if ":" in name else installed_stages().find("stage", name)


def summary_of(thing: StageDefinition | Partitioner) -> str:
    """Return the first line of help."""
    return read_docstring(_doc(thing)).summary


def _doc(thing: StageDefinition | Partitioner) -> str:
    return thing.help if isinstance(thing, StageDefinition) else type(thing).__doc__ or ""


def stage_facts(entry: Entry[StageDefinition], partitioners: Iterable[Entry[Partitioner]]) -> Facts:
    """Return all that a stage says of itself, as JSON."""
    stage, words = entry.thing, read_docstring(entry.thing.help)
    known = [*partitioners]
    return {
        "name": entry.name,
        "summary": words.summary,
        "help": words.text,
        "inputs": [_input(parameter, words.arguments, known) for parameter in stage.inputs.values()],
        "outputs": [{"name": name, "type": show_type(kind)} for name, kind in stage.outputs.items()],
        "options": option_facts(stage.options, words.arguments),
        "ledger": None if stage.ledger is None else {"rule": str(stage.ledger.balance), "of": stage.ledger.argument},
        "resources": {
            "memory_base_bytes": stage.resources.memory_base_bytes,
            "memory_per_input_byte": stage.resources.memory_per_input_byte,
            "memory_per_shared_byte": stage.resources.memory_per_shared_byte,
            "timeout_s": stage.resources.timeout_s,
        },
        "from": _from(entry, stage.function.__module__),
    }


def partitioner_facts(entry: Entry[Partitioner]) -> Facts:
    """Return all that a partitioner says of itself, as JSON."""
    partitioner = entry.thing
    words = read_docstring(type(partitioner).__doc__)
    reader = partitioner.reader
    return {
        "name": entry.name,
        "summary": words.summary,
        "help": words.text,
        "unit": partitioner.unit,
        "columns": [*partitioner.columns],
        "reader": {
            "type": f"{reader.__module__}.{reader.__qualname__}",
            "summary": read_docstring(reader.__doc__).summary,
            "key": read_docstring(reader.key.__doc__).summary,
        },
        "options": option_facts(cut_model(partitioner), cut_words(partitioner)),
        "from": _from(entry, type(partitioner).__module__),
    }


def option_facts(model: type[BaseModel], words: Mapping[str, str]) -> list[Facts]:
    """Return what is known of each option: name, type, whether it must be given, default, help."""
    found: list[Facts] = []
    for name, field in model.model_fields.items():
        default: Json = None
        if not field.is_required():
            default = to_jsonable_python(field.get_default(call_default_factory=True))
        fact = {"name": name, "type": show_type(field.annotation), "required": field.is_required(), "default": default}
        found.append({**fact, "help": words.get(name) or field.description or ""})
    return found


def _input(parameter: Parameter, words: Mapping[str, str], partitioners: Iterable[Entry[Partitioner]]) -> Facts:
    fitting = [entry.name for entry in partitioners if reader_fits(entry.thing.reader, parameter.type)]
    shown = show_type(parameter.type)
    return {
        "name": parameter.name,
        "type": f"Sequence[{shown}]" if parameter.gathers and parameter.type is not Parts else shown,
        "gathers": parameter.gathers,
        "optional": parameter.optional,
        "partitioners": [] if parameter.gathers else fitting,
        "help": words.get(parameter.name, ""),
    }


def _from(entry: Entry[Any], module: str) -> Facts:
    return {"distribution": entry.origin.distribution, "version": entry.origin.version, "module": module}
