"""Functions that no worker can import: sent as bytes, with the work function, to the workers of one run.

The bytes go by the executor's own channel and never through a store, and a worker makes functions only of what came
that way: so nobody who can write to a store can make a worker run code. Here: making such a stage, and finding it again
in a worker. Not here: what its fingerprint names (`stages.value_code`). Imports `flowbutton.model`, `stages`;
cloudpickle only inside a function.
"""

from __future__ import annotations

import pickle
import types
import typing
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from flowbutton.model.errors import OptionError
from flowbutton.model.stage import StageDefinition
from flowbutton.stages.code import CodeIdentity
from flowbutton.stages.define import describe, find_stage, is_named_tuple
from flowbutton.stages.value_code import identify_value, importable

BYTES_LIMIT = 8 * 1024**2
"""What a function may weigh with all that it holds: it travels to every worker."""


@dataclass(frozen=True, eq=False)
class ByValue:
    """A function, the bytes by which it travels, and its identity. Called, it is the function."""

    function: Callable[..., Any]
    packed: bytes
    identity: CodeIdentity

    def code_identity(self) -> CodeIdentity:
        """Return the function's identity."""
        return self.identity

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self.function(*args, **kwargs)


@dataclass(frozen=True, eq=False)
class Carried:
    """Finds stages in a worker: among the functions that came with the work, by name, else as all are found."""

    packed: Mapping[str, bytes]

    def __call__(self, uses: str) -> StageDefinition:
        """Return the stage. Raises as `stages.define.find_stage`."""
        return _unpacked(uses, self.packed[uses]) if uses in self.packed else find_stage(uses)


def carried(stages: Iterable[StageDefinition]) -> Mapping[str, bytes]:
    """Return the bytes of those stages whose functions travel by value, by name."""
    return {stage.uses: stage.function.packed for stage in stages if isinstance(stage.function, ByValue)}


def given_stage(name: str, given: Callable[..., Any] | StageDefinition) -> StageDefinition:
    """Return the stage that a function given from Python makes: found by its module where it has one, else by value.

    Raises:
        OptionError: the function can't be a stage, can't be sent, or is too large.
    """
    stage = given if isinstance(given, StageDefinition) else _described(name, given)
    function = stage.function
    if importable(function) and "." not in function.__qualname__:  # `find_stage` looks at a module's top
        return replace(stage, uses=f"{function.__module__}:{function.__qualname__}")
    function, hints = _resolved(name, function)
    identity, notes = identify_value(function, hints)
    for note in notes:
        warnings.warn(f"stage '{name}': {note}: it may run again without need", UserWarning, stacklevel=4)
    packed = _packed(name, (function, stage.version, stage.ledger, stage.resources))
    return replace(stage, uses=name, function=ByValue(function, packed, identity))


def _described(name: str, function: Callable[..., Any]) -> StageDefinition:
    try:
        return describe(function, uses=name, version=1, ledger=None, resources=None)
    except (TypeError, NameError, ValueError) as error:
        raise OptionError(f"'{name}' can't be a stage", why=str(error), hint="give each parameter a type") from error


def _resolved(name: str, function: Callable[..., Any]) -> tuple[types.FunctionType, Mapping[str, Any]]:
    """Return a copy of a function with its annotations evaluated: their names are not there in another process."""
    if not isinstance(function, types.FunctionType):
        hint = "write a function that calls it"
        raise OptionError(f"'{name}' can't be sent to workers", why=f"{function!r} is no Python function", hint=hint)
    hints = typing.get_type_hints(function, include_extras=True)
    for hint in hints.values():
        _resolve_fields(hint)
    copy = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__, copy.__doc__, copy.__annotations__ = function.__kwdefaults__, function.__doc__, hints
    copy.__module__, copy.__qualname__ = function.__module__, function.__qualname__
    return copy, hints


def _resolve_fields(hint: Any) -> None:
    """Evaluate the annotations of named tuples, as happens without ``from __future__ import annotations``."""
    for kind in (hint, *typing.get_args(hint)):
        if is_named_tuple(kind) and not importable(kind):
            kind.__annotations__ = typing.get_type_hints(kind, include_extras=True)


def _packed(name: str, value: object) -> bytes:
    import cloudpickle

    try:
        data: bytes = cloudpickle.dumps(value)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise OptionError(
            f"the function of stage '{name}' can't be sent to workers",
            why=str(error),
            hint="open files, locks and connections inside the function, or make them inputs",
        ) from error
    if len(data) > BYTES_LIMIT:
        raise OptionError(
            f"the function of stage '{name}' holds {len(data) // 1024**2} MiB",
            why=f"it is sent to every worker, so at most {BYTES_LIMIT // 1024**2} MiB",
            hint="make the data that it closes over a source, and bind that under share",
        )
    return data


@lru_cache(maxsize=64)
def _unpacked(uses: str, data: bytes) -> StageDefinition:
    function, version, ledger, resources = pickle.loads(data)
    return describe(function, uses=uses, version=version, ledger=ledger, resources=resources)
