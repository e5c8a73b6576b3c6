"""Errors as data: what failed, why, what to do, and where.

Here: the one base class, and a subclass per kind of failure that the engine treats differently.
Not here: how errors print (`ui.errors`), what is retried and how often (`engine.retry`).
Imports nothing of flowbutton.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from typing import ClassVar


class Failure(StrEnum):
    """The class of a failure; each has one retry policy (`engine.retry`)."""

    BAD_INPUT = "bad input"  # the user's: never retried
    BUG = "bug"  # the stage's or ours: never retried, traceback kept
    RESOURCE = "resource"  # memory, disk, time: retried with more where that is allowed
    TRANSIENT = "transient"  # a lost worker, throttling, a cut connection: retried with backoff


class FlowbuttonError(Exception):
    """What failed (in the user's words), why (as far as known), what to do, and where.

    Args:
        what: One line, no full stop.
        why: The cause as far as it is known; may be empty.
        hint: What the reader can do about it.
        where: Place: ``file``, ``line``, ``column``, ``record`` (counted from 1), ``byte`` (from 0), ``key``, ...
    """

    failure: ClassVar[Failure] = Failure.BUG

    def __init__(self, what: str, *, why: str, hint: str, **where: str | int) -> None:
        super().__init__(what)
        self.what, self.why, self.hint, self.where = what, why, hint, where

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), self.what, why=self.why, hint=self.hint, **self.where), ()

    def __str__(self) -> str:
        place = ", ".join(f"{name} {value}" for name, value in self.where.items())
        text = f"{self.what} ({place})" if place else self.what
        if self.why:
            text += f": {self.why}"
        return f"{text}. {self.hint}" if self.hint else text


class BadInput(FlowbuttonError):
    """The data that the user gave can't be used as they are."""

    failure = Failure.BAD_INPUT


class MissingInput(BadInput):
    """A file or object that the pipeline names does not exist or can't be read."""


class MalformedRecord(BadInput):
    """One record breaks its format; ``file``, ``record`` and ``byte`` say which."""


class TruncatedInput(BadInput):
    """A file ends before its format says that it ends."""


class UnpairedReads(BadInput):
    """The two files of a pair do not hold the same reads in the same order."""


class UncuttableSource(BadInput):
    """No seam can be found in a source, so it can't be cut; the hint names the remedy."""


class ChangedInput(BadInput):
    """A source changed while the run was reading it."""


class OptionError(BadInput):
    """An option or parameter has a value that can't be used."""


class MissingExtra(BadInput):
    """An optional library is not installed; the hint is the install command."""


class Bug(FlowbuttonError):
    """A stage, partitioner, store or executor broke its contract, or a stage's code raised."""


class CommandFailed(FlowbuttonError):
    """A program of a `command` stage did not do what the stage declares; ``command`` and ``exit_code`` say more."""

    failure = Failure.BUG


class LedgerBroken(Bug):
    """Records were lost or doubled: the counts of a stage do not add up (law 1)."""


class CorruptObject(FlowbuttonError):
    """Stored bytes are not those that were put: ``key``, expected and found digests are named."""

    failure = Failure.TRANSIENT


class NotInStore(FlowbuttonError):
    """A key is not in the store."""

    failure = Failure.TRANSIENT


class ResourceExhausted(FlowbuttonError):
    """Memory, disk or time ran out."""

    failure = Failure.RESOURCE


class NoSpace(ResourceExhausted):
    """A disk is full. Retrying does not help until somebody makes room, so the engine does not."""


class WorkerLost(FlowbuttonError):
    """The process or function that ran a task is gone and did not answer."""

    failure = Failure.TRANSIENT


class Throttled(FlowbuttonError):
    """A service asked for fewer requests, or a connection was cut."""

    failure = Failure.TRANSIENT


class Locked(FlowbuttonError):
    """Another driver holds the lease for the same pipeline and results."""

    failure = Failure.BAD_INPUT


class Problem(FlowbuttonError):
    """One problem of a pipeline file; ``file``, ``line``, ``column`` and ``at`` (where in the YAML) say where."""

    failure = Failure.BAD_INPUT


class SpecError(FlowbuttonError):
    """All problems of a file that a user wrote, at once and sorted by line; ``kind`` says what the file is."""

    failure = Failure.BAD_INPUT

    def __init__(self, problems: Sequence[Problem], kind: str = "pipeline") -> None:
        self.problems = tuple(problems)
        self.kind = kind
        count = len(self.problems)
        super().__init__(
            f"the {kind} has {count} problem{'' if count == 1 else 's'}", why="", hint="correct them and run again"
        )

    def __str__(self) -> str:
        return "\n".join([f"{self.what}:", *(f"  {problem}" for problem in self.problems)])

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.problems, self.kind)
