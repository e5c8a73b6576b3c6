"""The contract of what runs calls. Every implementation inherits `flowbutton.testing.ExecutorContract`.

An executor carries a given function to where it runs; it knows neither stores nor stages, and decides nothing:
retry, cache, admission and order are the engine's (law 7). Imports nothing of flowbutton.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


class Emit(Protocol):
    """What the carried function says while it runs."""

    def __call__(self, message: bytes, /) -> None:
        """Send a small message."""

    def at(self, item: int, /) -> None:
        """Begin the call's ``item`` (0, 1, ...). Nothing is sent: `Lost`, `TimedOut` and `Raised` tell the last one."""


Work = Callable[[bytes, Emit], bytes]
"""The function that is carried: ``work(payload, emit) -> answer``."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many calls run at once, and the memory in bytes that they share (None: not limited here).

    ``call_s`` is what a call costs beside its work, in seconds as measured so far: where it is much, small tasks
    should travel in larger batches.
    """

    slots: int
    memory_bytes: int | None
    call_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt at a piece of work. ``id`` is unique in the executor's life; payloads are at most 64 KiB.

    ``timeout_s`` counts from `Started`, and anew from each `Emit.at`: a call of many items has that much for each of
    them, whatever the work function is doing (also in C code, without the interpreter's lock).
    ``memory_bytes`` is what the engine expects it to take; an executor may use it to choose a machine, and need not
    enforce it.
    """

    id: int
    payload: bytes
    memory_bytes: int
    timeout_s: float | None


@dataclass(frozen=True, slots=True)
class Started:
    """The call began to run. At most once per call, before all else that is said of it."""

    id: int


@dataclass(frozen=True, slots=True)
class Progressed:
    """The running call emitted a message; in the order of emission."""

    id: int
    message: bytes


@dataclass(frozen=True, slots=True)
class Returned:
    """The call ended with an answer. Last event of the call."""

    id: int
    answer: bytes


@dataclass(frozen=True, slots=True)
class Raised:
    """The work function itself raised, which it should not: a bug in it. Last event of the call.

    ``item`` is the one that it had begun last, None if it told of none: here, in `Lost` and in `TimedOut`.
    """

    id: int
    traceback: str
    item: int | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """What ran the call is gone: killed, crashed, out of memory; ``why`` says how. Last event of the call."""

    id: int
    why: str
    item: int | None = None


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The call, or an item of it, ran longer than ``timeout_s``, and the call was stopped. Last event of the call."""

    id: int
    after_s: float
    item: int | None = None


Event = Started | Progressed | Returned | Raised | Lost | TimedOut


class Executor(ABC):
    """Runs calls somewhere.

    Holds: every submitted call gets exactly one last event (`Returned`, `Raised`, `Lost` or `TimedOut`), or none when
    it was cancelled or the executor was closed; one worker that is killed costs only the calls that it was running;
    the capacity is whole again afterwards.
    Does not hold: any order between calls; that a cancelled call did not run.
    Not thread-safe: one thread drives it.
    """

    shares_files: bool = True
    """Whether calls see this machine's files."""

    @property
    @abstractmethod
    def capacity(self) -> Capacity:
        """What can run at once; may change with time. `submit` of more is legal: the rest waits."""

    @abstractmethod
    def submit(self, calls: Sequence[Call]) -> None:
        """Take calls; they start in the order given as slots become free. Returns at once.

        Raises:
            ValueError: a call's id was used before.
        """

    @abstractmethod
    def events(self, timeout_s: float) -> Sequence[Event]:
        """Return what has happened, waiting up to ``timeout_s`` seconds for a first event; may be empty."""

    @abstractmethod
    def cancel(self, ids: Sequence[int]) -> None:
        """Stop calls if that is possible: a waiting one never starts, a running one is killed. Best effort."""

    @abstractmethod
    def close(self) -> None:
        """Stop everything that is running, at once, and free what is held. May be called twice."""
