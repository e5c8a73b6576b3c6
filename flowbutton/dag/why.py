"""Why a stage has something to run: reasons as values, their words and their JSON.

Here: one small value per kind of reason. Not here: how they are found (`dag.reasons`). Imports `model.canonical`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from flowbutton.model.canonical import Json
from flowbutton.model.pieces import split_query

_SHOWN = 3
"""So many names stand in the text; all are in the JSON."""
_LONGEST = 40


@dataclass(frozen=True, slots=True)
class New:
    """No earlier run of this pipeline into this results folder has finished the stage."""

    def __str__(self) -> str:
        return "new"

    def to_json(self) -> dict[str, Json]:
        """Return the reason as JSON."""
        return {"kind": "new"}


@dataclass(frozen=True, slots=True)
class Changed:
    """One named thing has another value; None where it was or is not there."""

    what: Literal["uses", "version", "option", "library"]
    name: str
    before: str | None
    now: str | None

    def __str__(self) -> str:
        said = {"option": "option changed: ", "library": "library changed: "}.get(self.what, "")
        return f"{said}{self.name} {self.values}"

    @property
    def values(self) -> str:
        """The two values, as people write a change."""
        return f"{_short(self.before)} → {_short(self.now)}"

    def to_json(self) -> dict[str, Json]:
        """Return the reason as JSON."""
        return {"kind": self.what, "name": self.name, "before": self.before, "now": self.now}


@dataclass(frozen=True, slots=True)
class Differing:
    """Named things that differ, that came, and that went."""

    changed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changed or self.added or self.gone)

    def to_json(self) -> dict[str, Json]:
        """Return the names as JSON."""
        return {"changed": list(self.changed), "added": list(self.added), "gone": list(self.gone)}


@dataclass(frozen=True, slots=True)
class CodeChanged:
    """Functions, classes and constants (``module:name``) that the stage's function reaches have changed."""

    parts: Differing

    def __str__(self) -> str:
        # Who calls what came or went has changed too, and says more.
        told = self.parts.changed or self.parts.added or self.parts.gone
        return f"code changed: {_few(told)}"

    def to_json(self) -> dict[str, Json]:
        """Return the reason as JSON."""
        return {"kind": "code", **self.parts.to_json()}


@dataclass(frozen=True, slots=True)
class FilesChanged:
    """Files of a source are others: by size and time, or ETag; what is in them is known when they are indexed."""

    files: Differing

    def __str__(self) -> str:
        words = (("changed", self.files.changed), ("new", self.files.added), ("gone", self.files.gone))
        return ", ".join(f"{word}: {_few(map(_base, names))}" for word, names in words if names)

    def to_json(self) -> dict[str, Json]:
        """Return the reason as JSON."""
        return {"kind": "files", **self.files.to_json()}


@dataclass(frozen=True, slots=True)
class InputChanged:
    """An argument takes something else: its producer gave another answer, or is another one.

    ``before`` and ``now`` are producers as the pipeline file names them, None where the argument was or is not bound.
    ``causes`` tell what of a source has changed.
    """

    argument: str
    before: str | None
    now: str | None
    causes: tuple[Cause, ...] = ()

    def __str__(self) -> str:
        if self.before is None:
            return f"input added: {self.argument} from {self.now}"
        if self.now is None:
            return f"input removed: {self.argument} from {self.before}"
        if self.before != self.now:
            return f"input changed: {self.argument} from {self.before} → {self.now}"
        told = "; ".join(_as_cause(cause) for cause in self.causes)
        return f"input changed: {self.now}" + (f" ({told})" if told else "")

    def to_json(self) -> dict[str, Json]:
        """Return the reason as JSON."""
        causes: list[Json] = [cause.to_json() for cause in self.causes]
        return {"kind": "input", "argument": self.argument, "before": self.before, "now": self.now, "causes": causes}


@dataclass(frozen=True, slots=True)
class SomeNew:
    """Some items have not been seen before; the others are done. ``total`` of None is not known yet."""

    count: int
    total: int | None
    word: Literal["piece", "task"]

    def __str__(self) -> str:
        of = "" if self.total is None else f" of {self.total:,}"
        plural = self.word if (self.count if self.total is None else self.total) == 1 else f"{self.word}s"
        return f"{self.count:,}{of} {plural} {'is' if self.count == 1 else 'are'} new"

    def to_json(self) -> dict[str, Json]:
        """Return the reason as JSON."""
        return {"kind": "items", "count": self.count, "total": self.total, "of": f"{self.word}s"}


@dataclass(frozen=True, slots=True)
class Gone:
    """Results that were there are no longer in the store, or are damaged."""

    count: int
    total: int

    def __str__(self) -> str:
        if self.count < self.total:
            return f"{self.count:,} of {self.total:,} results are gone from the store"
        return "its results are gone from the store"

    def to_json(self) -> dict[str, Json]:
        """Return the reason as JSON."""
        return {"kind": "gone", "count": self.count, "total": self.total}


@dataclass(frozen=True, slots=True)
class Renamed:
    """Nothing of the stage has changed, but this version of flowbutton makes fingerprints in another way."""

    def __str__(self) -> str:
        return "another version of flowbutton names tasks in another way"

    def to_json(self) -> dict[str, Json]:
        """Return the reason as JSON."""
        return {"kind": "engine"}


@dataclass(frozen=True, slots=True)
class Waits:
    """It waits for what comes before it; where that gives its old answer again, the old results stay good."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"after {_few(self.names)}"

    def to_json(self) -> dict[str, Json]:
        """Return the reason as JSON."""
        return {"kind": "waits", "for": list(self.names)}


Cause = Changed | CodeChanged | FilesChanged | Renamed
"""What may have changed of a stage or source itself."""

Reason = Cause | New | InputChanged | SomeNew | Gone | Waits


def differing(before: Mapping[str, str], now: Mapping[str, str]) -> Differing:
    """Return the names whose values differ, that came and that went, each sorted."""
    return Differing(
        changed=tuple(sorted(name for name in before.keys() & now.keys() if before[name] != now[name])),
        added=tuple(sorted(now.keys() - before.keys())),
        gone=tuple(sorted(before.keys() - now.keys())),
    )


def _as_cause(cause: Cause) -> str:
    match cause:
        case FilesChanged(Differing(changed, (), ())):
            return _few(map(_base, changed))
        case Changed("option", name):
            return f"{name} {cause.values}"
    return str(cause)


def _few(names: Iterable[str]) -> str:
    told = [*names]
    more = f" and {len(told) - _SHOWN:,} more" if len(told) > _SHOWN else ""
    return ", ".join(told[:_SHOWN]) + more


def _base(uri: str) -> str:
    return split_query(uri)[0].rstrip("/").rpartition("/")[2]


def _short(value: str | None) -> str:
    if value is None:
        return "nothing"
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…"
