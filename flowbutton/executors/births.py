"""How the process that workers are forked from is made: by a fork of this one while it is young, else afresh.

Here: the driver's hold on a nursery, and `forked_ahead`, by which a command that is about to run has one at hand before
it has read its pipeline: what both need is then imported once, and no worker waits for an interpreter to start.
Not here: what a nursery does (`executors.nursery`), who runs what (`executors.processes`).
Imports `executors.nursery`, `executors.marks`.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from time import monotonic, sleep
from typing import Protocol

from flowbutton.executors import nursery
from flowbutton.executors.marks import Marks, grow, shared_memory

_CLOSE_S = 5.0  # a killed process is gone in milliseconds, unless the kernel holds it in a dead file system
_LOOK_S = 0.001


class Nursery:
    """The driver's hold on a nursery process. From `begin` on ``places`` are those of the marks that no worker has."""

    marks: Marks
    places: list[int]

    def __init__(self, *, fork: bool) -> None:
        self._requests, their_requests = socket.socketpair()
        self.reports, their_reports = Pipe(duplex=False)
        self._memory = shared_memory(1)
        read, write = os.pipe()
        self._orders = os.fdopen(write, "wb")
        fds = their_requests.fileno(), their_reports.fileno(), self._memory
        # A Ctrl-C between its birth and its first line must not end it: it inherits the mask, and lifts it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, nursery.DRIVERS_SIGNALS)
        try:
            with their_requests, their_reports, os.fdopen(read, "rb") as orders:
                self._process: _Process = (_Forked if fork else _fresh)(orders.fileno(), fds)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def begin(self, work: bytes, slots: int) -> None:
        """Hand over the pickled work function, and what may have changed in this process since the birth."""
        grow(self._memory, slots)
        self.marks, self.places = Marks(self._memory, slots), list(range(slots))
        self._forget_memory()
        with contextlib.suppress(BrokenPipeError), self._orders:
            pickle.dump(nursery.Order(slots, tuple(sys.path), dict(os.environ)), self._orders)
            self._orders.write(work)

    def fork(self, number: int, place: int, end: Connection) -> None:
        """Ask for a worker on this end of a pipe. A dead nursery is heard of in its reports, not here."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            socket.send_fds(self._requests, [nursery.REQUEST.pack(nursery.FORK, number, place)], [end.fileno()])

    def kill(self, number: int) -> None:
        """Ask for a worker's end."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._requests.send(nursery.REQUEST.pack(nursery.KILL, number, 0))

    def abandon(self) -> None:
        """Kill it: it may be deep in an import, and hear nothing. Workers that it has made end with it."""
        self._process.kill()

    def close(self) -> None:
        """End it and all its workers."""
        self._forget_memory()
        self._orders.close()
        self._requests.close()
        self.reports.close()
        try:
            self._process.wait(_CLOSE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _forget_memory(self) -> None:
        if self._memory >= 0:
            os.close(self._memory)
            self._memory = -1


_ahead: list[Nursery] = []
"""The nursery that `forked_ahead` made and nobody has taken."""


def new_nursery() -> Nursery:
    """Return the nursery that was forked ahead, a fresh one if there is none."""
    return _ahead.pop() if _ahead else Nursery(fork=False)


@contextlib.contextmanager
def forked_ahead() -> Iterator[None]:
    """Have a nursery at hand inside, forked from this process as it is now.

    For a command, before it loads what is not flowbutton's: what it has imported its workers have, so nothing may be
    there yet that can't be forked (threads: then, and elsewhere than on Linux, nothing is done), or that workers must
    import afresh (modules of the user).
    """
    if sys.platform == "linux" and _threads() == 1:
        _ahead.append(Nursery(fork=True))
    try:
        yield
    finally:
        while _ahead:
            _ahead.pop().close()


def _threads() -> int:
    """Return how many threads this process has, those of C libraries counted."""
    return len([*Path("/proc/self/task").iterdir()])


class _Process(Protocol):
    """A child process, as `subprocess.Popen` is one."""

    def kill(self) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


def _fresh(orders: int, fds: tuple[int, int, int]) -> subprocess.Popen[bytes]:
    """Make a nursery of a new interpreter."""
    code = (
        "import gc, sys; gc.disable(); sys.path[:] = sys.argv[4:]; "
        "from flowbutton.executors.nursery import main; main(*map(int, sys.argv[1:4]))"
    )
    return subprocess.Popen([sys.executable, "-c", code, *map(str, fds), *sys.path], stdin=orders, pass_fds=fds)


class _Forked:
    """A nursery that is a fork of this process, which has one thread."""

    def __init__(self, orders: int, fds: tuple[int, int, int]) -> None:
        self._code: int | None = None
        self._pid = os.fork()
        if self._pid == 0:
            _be_nursery(orders, fds)

    def kill(self) -> None:
        """End it at once."""
        if self._code is None:
            os.kill(self._pid, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code when it has ended."""
        until = None if timeout is None else monotonic() + timeout
        while self._code is None:
            ended, status = os.waitpid(self._pid, os.WNOHANG if until else 0)
            if ended:
                self._code = os.waitstatus_to_exitcode(status)
            elif until and monotonic() > until:
                raise subprocess.TimeoutExpired("nursery", timeout or 0.0)
            else:
                sleep(_LOOK_S)
        return self._code


def _be_nursery(orders: int, fds: tuple[int, int, int]) -> None:
    """Turn this fork into a nursery; never returns."""
    code = 1
    try:
        gc.disable()  # as in a fresh one: `nursery.main` turns it on
        os.dup2(orders, 0)
        for file in Path("/proc/self/fd").iterdir():  # as a fresh one, it holds nothing of this process open
            if int(file.name) not in (0, 1, 2, *fds):
                with contextlib.suppress(OSError):
                    os.close(int(file.name))
        nursery.main(*fds)
        code = 0
    except BaseException:  # noqa: BLE001  A wall: the command's own code must not go on in its fork.
        traceback.print_exc()
    finally:
        os._exit(code)
