"""Work for executors under test: what it does is written in its payload.

Apart from `testing.executors`, so that a worker need not load pytest. Imports `flowbutton.model`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from flowbutton.model.executor import Emit, Work


def perform(payload: bytes, emit: Emit) -> bytes:
    """The carried function: ``name argument``, the name that of a function below."""
    name, _, argument = payload.partition(b" ")
    return _DEEDS[name](argument, emit)


def _echo(argument: bytes, _: Emit) -> bytes:
    return argument


def _chatter(argument: bytes, emit: Emit) -> bytes:
    for n in range(int(argument)):
        emit(b"%d" % n)
    return b"said"


def _raise(argument: bytes, _: Emit) -> bytes:
    raise RuntimeError(argument.decode())


def _die(_: bytes, __: Emit) -> bytes:
    os.kill(os.getpid(), signal.SIGKILL)
    return b"still alive"


def _leave(argument: bytes, _: Emit) -> bytes:
    os._exit(int(argument))


def _hold(_: bytes, emit: Emit) -> bytes:
    """Emit the process id, then hang in C code, interpreter lock held: no Python code can stop this."""
    emit(b"%d" % os.getpid())
    ctypes.PyDLL(None).sleep(3600)
    return b"held for an hour"


def _stroll(argument: bytes, emit: Emit) -> bytes:
    """Go through so many items, in 0.25 s each."""
    for item in range(int(argument)):
        emit.at(item)
        time.sleep(0.25)
    return b"strolled"


def _at(argument: bytes, emit: Emit) -> bytes:
    """Go through items quickly, up to the one named, and do a deed there: ``3 die``."""
    number, _, deed = argument.partition(b" ")
    for item in range(int(number) + 1):
        emit.at(item)
    return perform(deed, emit)


def _wait_for(argument: bytes, emit: Emit) -> bytes:
    """Emit the process id, then wait until a file exists."""
    emit(b"%d" % os.getpid())
    until(Path(os.fsdecode(argument)).exists, "the gate opens")
    return b"%d" % os.getpid()


def _enter(argument: bytes, _: Emit) -> bytes:
    """Stand in a room (a folder) until its gate (a file beside it) is open; answer how many stood there at most."""
    room = Path(os.fsdecode(argument))
    mine = room / str(time.monotonic_ns())
    mine.touch(exist_ok=False)
    until(room.with_suffix(".gate").exists, "the gate opens")
    crowd = len(list(room.iterdir()))
    mine.unlink()
    return b"%d" % crowd


def _meet(argument: bytes, _: Emit) -> bytes:
    """Return when as many calls as the folder's name says are here."""
    room = Path(os.fsdecode(argument))
    (room / str(time.monotonic_ns())).touch(exist_ok=False)
    until(lambda: len(list(room.iterdir())) >= int(room.name), "all have met")
    return b"met"


_DEEDS: dict[bytes, Work] = {
    b"echo": _echo,
    b"chatter": _chatter,
    b"raise": _raise,
    b"die": _die,
    b"leave": _leave,
    b"hold": _hold,
    b"stroll": _stroll,
    b"at": _at,
    b"wait": _wait_for,
    b"enter": _enter,
    b"meet": _meet,
}


def until(condition: Callable[[], bool], what: str, *, patience_s: float = 300.0) -> None:
    """Wait until ``condition`` holds; fail when it takes too long."""
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, f"waited {patience_s} s until {what}"
        time.sleep(0.005)


def is_gone(pid: int) -> bool:
    """Whether a process runs no more (a zombie does not)."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
