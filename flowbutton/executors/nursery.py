"""The process that workers are forked from, and what a worker does.

Here: the nursery (loads the work function once, forks a worker when asked, reaps it and tells how it ended) and the
loop of a worker. A nursery has one thread, so forking is safe whatever threads the driver has, and a fork of loaded
modules is ready in milliseconds.
Not here: who runs what and for how long (`executors.processes`).
Each worker leads a process group of its own, so that killing it also kills the programs that it started. When the
driver is gone the nursery sees the end of its requests and kills every group, also one that is deep in C code; when the
nursery itself is killed the kernel kills its workers (prctl(2), PR_SET_PDEATHSIG, on Linux) or they find their pipe
closed. Not for Windows. Imports `flowbutton.model`.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import pickle
import selectors
import signal
import socket
import struct
import sys
import threading
import traceback
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from flowbutton.executors.marks import Marks
from flowbutton.model.executor import Work
from flowbutton.model.late import OF_OTHERS, put_off

REQUEST = struct.Struct("!cQI")
"""To the nursery: what to do, with which worker, and its place among the marks. `FORK` comes with the worker's end of
its pipe."""
FORK, KILL = b"F", b"K"

REPORT = struct.Struct("!cQq")
"""From the nursery: what happened, to which worker, and a number: its pid (`FORKED`), its exit code (`ENDED`)."""
FORKED, ENDED = b"f", b"e"
BROKEN = b"!"
"""From the nursery, followed by a traceback: it can't make workers."""

PROGRESS, ANSWER, FAULT = b"p", b"a", b"x"
"""From a worker, followed by the message, the answer, the traceback."""

DRIVERS_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM})
"""Sent to the driver's whole process group, by a terminal or a supervisor; a nursery is in it."""

_PR_SET_PDEATHSIG = 1
_HEAP = 16 << 20


class Order(NamedTuple):
    """What a nursery reads first from its standard input; the pickled work function follows.

    Search path and environment are the driver's at that time: the nursery may have been born before they were settled.
    """

    places: int
    path: tuple[str, ...]
    environ: dict[str, str]


def main(requests_fd: int, reports_fd: int, marks_fd: int) -> None:
    """Be a nursery until the driver closes the requests. What it is for comes by standard input."""
    # What these mean is the driver's business. The driver blocked them until we could say so.
    for number in DRIVERS_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, DRIVERS_SIGNALS)
    requests, reports = socket.socket(fileno=requests_fd), Connection(reports_fd, readable=False)
    with requests, reports, contextlib.suppress(BrokenPipeError):
        try:
            with open(0, "rb", closefd=False) as orders:
                order: Order = pickle.load(orders)
                marks = Marks(marks_fd, order.places)
                os.close(marks_fd)
                sys.path[:] = order.path
                os.environ.clear()
                os.environ.update(order.environ)
                work: Work = pickle.load(orders)
        except EOFError:
            return  # the driver had no use for it, or has ended
        except BaseException:  # noqa: BLE001  A wall: importing the work function runs code that is not ours.
            reports.send_bytes(BROKEN + traceback.format_exc().encode())
            return
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        _flush()  # else each worker would print again what the import printed
        put_off(*OF_OTHERS)
        hold_freed_memory()
        gc.freeze()  # else each worker's collector would look at all that is loaded, and copy its pages
        gc.enable()  # it was born without: imports leave no cycles, and looking for them takes a sixth of their time
        _Nursery(requests, reports, work, marks).tend()


def hold_freed_memory() -> None:
    """Make the allocator of this process, and of its forks, hold some MiB of freed memory for what comes next.

    glibc gives memory back at a limit that grows with the largest block freed so far; at first it is so low that arrays
    of a MiB, made and freed by turns, are fresh pages each time. Measured: a worker that reads 79 MB of FASTQ then
    takes 28,000 page faults and twice the CPU time; with this, none. Nothing is touched, so it costs nothing itself.
    """
    bytes(_HEAP)


class _Nursery:
    """Forks, kills and reaps workers, in one thread."""

    def __init__(self, requests: socket.socket, reports: Connection, work: Work, marks: Marks) -> None:
        self._requests, self._reports, self._work, self._marks = requests, reports, work, marks
        self._pids: dict[int, int] = {}  # worker -> pid, of those not reaped
        self._wake_read, self._wake_write = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def tend(self) -> None:
        """Serve requests until their end; then kill all workers and reap them."""
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        try:
            self._selector.register(self._wake_read, selectors.EVENT_READ, self._reap)
            self._selector.register(self._requests, selectors.EVENT_READ, self._serve)
            while all(key.data() for key, _ in self._selector.select()):
                pass
        finally:
            for pid in self._pids.values():
                kill_group(pid)
            for pid in self._pids.values():
                os.waitpid(pid, 0)

    def _serve(self) -> bool:
        """Do what one request says; false at the end of requests."""
        data, fds, _, _ = socket.recv_fds(self._requests, REQUEST.size, 1)
        for fd in fds:
            os.set_inheritable(fd, False)  # programs that a worker starts must not hold its pipe open
        if not data:
            return False
        kind, worker, place = REQUEST.unpack(data)
        if kind == FORK:
            return self._fork(worker, place, fds[0])
        if worker in self._pids:  # else it ended by itself, and that is reported
            kill_group(self._pids[worker])
        return True

    def _fork(self, worker: int, place: int, fd: int) -> bool:
        nursery = os.getpid()
        try:
            pid = os.fork()
        except OSError:  # no more processes or memory; the driver decides how often to ask again
            os.close(fd)
            self._reports.send_bytes(REPORT.pack(ENDED, worker, 1))
            return True
        if pid == 0:
            self._be_worker(nursery, place, fd)
        os.close(fd)
        with contextlib.suppress(OSError):  # the worker does the same; whoever is first
            os.setpgid(pid, pid)
        self._pids[worker] = pid
        self._reports.send_bytes(REPORT.pack(FORKED, worker, pid))
        return True

    def _be_worker(self, nursery: int, place: int, fd: int) -> None:
        """Turn this fork into a worker; never returns."""
        code = 1
        try:
            os.setpgid(0, 0)
            if self._libc:
                self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            # A handler that does nothing, not SIG_IGN, which the programs that the work starts would inherit.
            signal.signal(signal.SIGINT, lambda *_: None)
            signal.siginterrupt(signal.SIGINT, False)
            for held in (self._requests, self._reports, self._wake_read, self._wake_write, self._selector):
                held.close()
            if os.getppid() == nursery:  # else it died before the kernel knew that we want to go with it
                work_off(Connection(fd), self._work, partial(self._marks.set, place))
            code = 0
        finally:
            _flush()
            os._exit(code)

    def _reap(self) -> bool:
        """Report the workers that ended."""
        with contextlib.suppress(BlockingIOError):
            self._wake_read.recv(4096)
        for worker, pid in list(self._pids.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self._pids[worker]
                kill_group(pid)  # programs that it started and left behind
                self._reports.send_bytes(REPORT.pack(ENDED, worker, os.waitstatus_to_exitcode(status)))
        return True


def kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # full, or closed by the work
            stream.flush()


def work_off(connection: Connection, work: Work, mark: Callable[[int], None]) -> None:
    """Answer calls until the driver closes the pipe."""
    with connection, contextlib.suppress(EOFError, ConnectionResetError, BrokenPipeError):
        while True:
            connection.send_bytes(answer_call(connection, work, mark, connection.recv_bytes()))


def answer_call(connection: Connection, work: Work, mark: Callable[[int], None], payload: bytes) -> bytes:
    messages = _Messages(connection, mark)
    try:
        return ANSWER + work(payload, messages)
    except BaseException:  # noqa: BLE001  The worker's wall: whatever the work function raises is told.
        return FAULT + traceback.format_exc().encode(errors="backslashreplace")
    finally:
        messages.end()
        _flush()  # an idle worker is ended by SIGKILL, and then it's too late


class _Messages:
    """The messages and marks of one call. A thread that outlives the call can't speak into the next one."""

    def __init__(self, connection: Connection, mark: Callable[[int], None]) -> None:
        self._connection, self._lock, self._open = connection, threading.Lock(), True
        self._mark = mark

    def at(self, item: int) -> None:
        with self._lock:
            if self._open:
                self._mark(item)

    def __call__(self, message: bytes) -> None:
        with self._lock:
            if self._open:
                self._connection.send_bytes(PROGRESS + message)

    def end(self) -> None:
        with self._lock:
            self._open = False
