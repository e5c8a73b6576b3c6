"""Why a stage has something to run: what it is now, held against what it was when it last finished. Pure.

Here: the identities of stages and sources as values, and their comparison.
Not here: the reasons and their words (`dag.why`), how identities are found and kept (`engine.identity`, `engine.past`).
Imports `dag.why`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from flowbutton.dag.why import (
    Cause,
    Changed,
    CodeChanged,
    FilesChanged,
    Gone,
    InputChanged,
    New,
    Reason,
    Renamed,
    SomeNew,
    Waits,
    differing,
)


@dataclass(frozen=True, slots=True)
class Making:
    """What makes a stage's or source's answers, beside its inputs.

    ``digest`` is the fixed part of its fingerprints. Values of ``options`` and ``shape`` are as people read them, and
    differ where the values do. ``shape`` is how items meet (fan-in, zip or cross, matched
    columns) and, of a source, where it is and how it is cut: it reaches fingerprints by the inputs that it chooses.
    ``files`` are a source's objects by URI, with what tells their contents apart.
    """

    digest: str
    uses: str
    version: int
    python: str
    options: Mapping[str, str] = field(default_factory=dict)
    shape: Mapping[str, str] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def whole_modules(self) -> tuple[str, ...]:
        """Modules of which any change counts, since it can't be told what of them is used (`stages.code`)."""
        return tuple(part.removesuffix(":*") for part in self.code if part.endswith(":*"))


@dataclass(frozen=True, slots=True)
class Taken:
    """What an argument takes: the producer in the pipeline file's words, its node, a digest of all that it gave."""

    producer: str
    node: str
    content: str


@dataclass(frozen=True, slots=True)
class Finished:
    """A stage or source as it was when all its tasks were done."""

    making: Making
    inputs: Mapping[str, Taken]
    tasks: int
    largest_share: float


@dataclass(frozen=True, slots=True)
class Present:
    """A stage or source now, as far as known records reach.

    ``inputs`` has those that are there already. Of the tasks known so far ``fresh`` have to run, of them ``gone`` were
    done once. ``waits`` are the nodes that have to finish before all tasks can be ready.
    """

    name: str
    making: Making
    inputs: Mapping[str, Taken]
    tasks: int | None
    fresh: int
    gone: int
    waits: tuple[str, ...]
    item: Literal["piece", "task"] = "task"


def reasons(now: Present, makings: Mapping[str, Making], before: Mapping[str, Finished]) -> tuple[Reason, ...]:
    """Return why ``now`` has something to run; empty where it hasn't.

    Args:
        now: The stage or source.
        makings: What all nodes are now, by name: a source's tells why an input of it changed.
        before: All nodes that finished in the latest run in which this one did; empty if there is none.
    """
    if not now.fresh and not now.waits:
        return ()
    found = [*_own(now, makings, before)]
    return (*found, Waits(now.waits)) if now.waits else tuple(found)


def _own(now: Present, makings: Mapping[str, Making], before: Mapping[str, Finished]) -> Iterator[Reason]:
    past = before.get(now.name)
    if past is None:
        yield New()
        return
    causes = [*changes(past.making, now.making)]
    inputs = [*_inputs(now, makings, before)] if now.fresh else []
    yield from causes
    yield from inputs
    if not now.fresh or past.making.digest != now.making.digest:
        return  # where the digest differs all of its tasks are new
    unseen = now.fresh - now.gone
    if now.gone or not (causes or inputs or now.waits):
        yield Gone(now.gone or now.fresh, now.tasks or now.fresh)
    if unseen and unseen != now.tasks and (inputs or now.waits):
        yield SomeNew(unseen, now.tasks, now.item)


def changes(before: Making, now: Making) -> Iterator[Cause]:
    """Yield what differs of a stage or source itself."""
    if before.uses != now.uses:
        yield Changed("uses", "uses", before.uses, now.uses)
        return
    files = differing(before.files, now.files)
    if files:
        yield FilesChanged(files)
    yield from _named(before.shape, now.shape)
    if before.digest == now.digest:
        return
    found = [*_digested(before, now)]
    yield from found or [Renamed()]


def _digested(before: Making, now: Making) -> Iterator[Cause]:
    """Yield what differs of that which the digest names."""
    if before.version != now.version:
        yield Changed("version", "version", str(before.version), str(now.version))
    yield from _named(before.options, now.options)
    for name in sorted(before.libraries.keys() | now.libraries.keys()):
        one, other = before.libraries.get(name), now.libraries.get(name)
        if one != other:
            yield Changed("library", name, one, other)
    code = differing(before.code, now.code)
    if code and before.python != now.python:
        yield Changed("library", "Python", before.python, now.python)  # it writes the same code as other trees
    elif code:
        yield CodeChanged(code)


def _named(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Cause]:
    names = differing(before, now)
    for name in (*names.changed, *names.added, *names.gone):
        yield Changed("option", name, before.get(name), now.get(name))


def _inputs(now: Present, makings: Mapping[str, Making], before: Mapping[str, Finished]) -> Iterator[InputChanged]:
    past = before[now.name].inputs
    for argument, taken in now.inputs.items():
        was = past.get(argument)
        if was is None:
            yield InputChanged(argument, None, taken.producer)
        elif was.content != taken.content and was.producer != taken.producer:
            yield InputChanged(argument, was.producer, taken.producer)
        elif was.content != taken.content:
            yield InputChanged(argument, was.producer, taken.producer, _causes(taken.node, makings, before))
    for argument in past.keys() - now.inputs.keys() if not now.waits else ():
        yield InputChanged(argument, past[argument].producer, None)


def _causes(node: str, makings: Mapping[str, Making], before: Mapping[str, Finished]) -> tuple[Cause, ...]:
    """Return what changed of a source; a stage's own row tells what changed of it."""
    if node not in before or not makings[node].files:
        return ()
    return tuple(changes(before[node].making, makings[node]))
