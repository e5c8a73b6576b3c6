"""Stages: what a stage is, what its function may ask for, and how its records are counted.

Here: the values that describe a stage. Not here: the decorators (`stages.define`), codecs (`stages.codecs`).
Imports `model`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Generic, NewType, TypeVar

from pydantic import BaseModel

from flowbutton.model.canonical import Json
from flowbutton.model.errors import BadInput
from flowbutton.model.pieces import Item, Scalar

Scratch = NewType("Scratch", str)
"""Annotate a parameter with it to get the path of an empty folder, removed after the task."""

AnyFile = Annotated[Path, "whatever a stage returned"]
"""Annotate a parameter with it to get any stage's result as a file, whatever its type; not a bundle."""


RAISE_TOLERATE = "correct the data, or raise 'tolerate: {records: N}' of this stage, or the param that stands there"
"""What to do where too many records are bad."""


class Balance(StrEnum):
    """What a stage promises of record counts."""

    CONSERVES = "conserves"  # in = out + filtered + set aside
    REDUCES = "reduces"  # out says nothing of in; in must equal what the producer emitted
    EXPANDS = "expands"  # as reduces: more may come out


@dataclass(frozen=True, slots=True)
class LedgerRule:
    """The promise, and the argument whose records it is about.

    ``owned``: where the argument is gathered by overlap, the tasks' intervals together hold each record once, so all
    that the producer emitted must be consumed.
    """

    balance: Balance
    argument: str
    owned: bool = False


def conserves(argument: str, *, owned: bool = False) -> LedgerRule:
    """Each record of ``argument`` comes out, or is filtered or set aside with a reason. ``owned``: see `LedgerRule`."""
    return LedgerRule(Balance.CONSERVES, argument, owned)


def reduces(argument: str) -> LedgerRule:
    """All records of ``argument`` are consumed; what comes out is of another kind."""
    return LedgerRule(Balance.REDUCES, argument)


def expands(argument: str) -> LedgerRule:
    """All records of ``argument`` are consumed; more may come out."""
    return LedgerRule(Balance.EXPANDS, argument)


class Tally:
    """Counts a task's records. A function asks for it by annotating a parameter with it.

    Readers count what they hand out by themselves; `consumed` is for arguments that are not readers.

    Args:
        tolerated: How many bad records the whole stage may set aside; None, where nobody limits them. The engine holds
            the sum over all tasks against it; one task alone stops as soon as it is beyond.
    """

    def __init__(self, *, tolerated: int | None = None) -> None:
        self.tolerated = tolerated
        self.aside: list[dict[str, Json]] = []
        self.consumed_by: dict[str, int] = {}
        self.made: int | None = None
        self.filtered_by: dict[str, int] = {}
        self.aside_by: dict[str, int] = {}
        self.apart_by: dict[str, int] = {}
        self.samples: list[str] = []
        self.warnings: list[str] = []

    def consumed(self, argument: str, count: int) -> None:
        """Count ``count`` records read from ``argument``."""
        self.consumed_by[argument] = self.consumed_by.get(argument, 0) + count

    def out(self, count: int) -> None:
        """Count records that came out."""
        self.made = (self.made or 0) + count

    def filtered(self, reason: str, count: int) -> None:
        """Count records that the method leaves out on purpose."""
        if count:
            self.filtered_by[reason] = self.filtered_by.get(reason, 0) + count

    def set_aside(self, reason: str, record: str, **kept: Json) -> None:
        """Count one bad record, and keep a line about it in the run's folder.

        Args:
            reason: What is wrong with it, in the same words for all records with the same fault.
            record: Which one it is, for people: file, number, byte.
            kept: What else the line holds: the record's bytes, say.

        Raises:
            BadInput: this task alone sets more records aside than the whole stage may.
        """
        self.aside_by[reason] = self.aside_by.get(reason, 0) + 1
        self.aside.append({"reason": reason, "record": record, **kept})
        if len(self.samples) < 10:
            self.samples.append(f"{record}: {reason}")
        if self.tolerated is not None and len(self.aside) > self.tolerated:
            raise BadInput(
                f"one task alone set more than the {self.tolerated} tolerated records aside",
                why="; ".join(self.samples),
                hint=RAISE_TOLERATE,
            )

    def apart(self, kind: str, count: int) -> None:
        """Count records that stand beside the balance: supplementary alignments, say."""
        if count:
            self.apart_by[kind] = self.apart_by.get(kind, 0) + count

    def warn(self, text: str) -> None:
        """Say in a sentence what people should know before they believe the result; the run's last lines tell it."""
        self.warnings.append(text)

    @property
    def counted_nothing(self) -> bool:
        """Whether nothing was said of any record, nor of the result."""
        by = self.consumed_by or self.filtered_by or self.aside_by or self.apart_by or self.samples or self.warnings
        return self.made is None and not by


ValueT = TypeVar("ValueT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Items(Generic[ValueT]):
    """What a stage returns that makes items: rows of key columns and a pydantic value, in order."""

    rows: tuple[tuple[Mapping[str, Scalar], ValueT], ...]

    def items(self) -> list[Item]:
        """Return the rows as items."""
        return [Item(tuple(key.items()), value.model_dump(mode="json")) for key, value in self.rows]


@dataclass(frozen=True, slots=True)
class Resources:
    """What a task is expected to need: ``memory_base_bytes + memory_per_input_byte × bytes in``.

    ``memory_per_shared_byte`` is for those of the bytes that come by ``share``, where they need another factor: a
    reference genome is mapped or read in part, a table of all formulas is held.
    """

    memory_base_bytes: int = 256 * 1024**2
    memory_per_input_byte: float = 2.0
    memory_per_shared_byte: float | None = None
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One input argument: its annotation, without ``Sequence`` when the argument gathers."""

    name: str
    type: Any
    gathers: bool
    optional: bool = False


@dataclass(frozen=True, slots=True)
class StageDefinition:
    """A registered function: what the graph checks against and what the worker calls.

    ``outputs`` maps output names to types; a stage with one output has the name ``""`` alone.
    ``options`` is the model of the keyword-only parameters. ``uses`` finds it again in another process:
    a registered name or ``module:function``.
    """

    uses: str
    version: int
    function: Callable[..., Any]
    inputs: Mapping[str, Parameter]
    options: type[BaseModel]
    outputs: Mapping[str, Any]
    ledger: LedgerRule | None = None
    resources: Resources = field(default_factory=Resources)
    scratch: str | None = None
    tally: str | None = None
    help: str = ""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function as it is: the same function runs alone in a test."""
        return self.function(*args, **kwargs)
