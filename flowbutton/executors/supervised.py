"""One call in a forked child, watched: its time limits, its end, and signs of life while it runs.

For places where each call gets a process that we do not keep (functions as a service). Linux and macOS.
Imports `flowbutton.model`, `executors`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import signal
import sys
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection, Pipe
from time import monotonic
from typing import NamedTuple

from flowbutton.executors.marks import Marks, shared_memory
from flowbutton.executors.nursery import ANSWER, PROGRESS, answer_call, kill_group

_PR_SET_PDEATHSIG = 1

Beat = Callable[[list[bytes]], bool]
"""Tell a sign of life with the messages since the last one; false: nobody wants this call any more."""


class Outcome(NamedTuple):
    """How a call ended: ``kind`` is a class of `model.executor`, ``Cancelled``, or ``Unfit`` (it could not begin).

    ``body`` is its answer or its reason, ``after_s`` how long its last item ran, ``busy_s`` how long all of it.
    """

    kind: str
    messages: list[bytes]
    body: bytes = b""
    item: int | None = None
    after_s: float = 0.0
    busy_s: float = 0.0


def supervise(work: bytes, payload: bytes, timeout_s: float | None, beat: Beat, beat_s: float) -> Outcome:
    """Run a pickled work function on a payload; tell a sign of life at once and then every ``beat_s`` seconds."""
    if not beat([]):
        return Outcome("Cancelled", [])
    marks, began = Marks(shared_memory(1), 1), monotonic()
    marks.clear(0)
    ours, theirs = Pipe()
    supervisor, pid = os.getpid(), os.fork()
    if pid == 0:
        _be_child(supervisor, theirs, work, payload, partial(marks.set, 0))
    theirs.close()
    try:
        with ours:
            outcome = _Watch(pid, ours, marks, timeout_s).until_over(beat, beat_s)
    finally:
        kill_group(pid)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
    return outcome._replace(busy_s=monotonic() - began)


class _Watch:
    """Listens to a child until it has answered, is gone, or has run for too long."""

    def __init__(self, pid: int, pipe: Connection, marks: Marks, timeout_s: float | None) -> None:
        self._pid, self._pipe, self._marks, self._timeout_s = pid, pipe, marks, timeout_s
        self._began, self._messages = monotonic(), list[bytes]()

    def until_over(self, beat: Beat, beat_s: float) -> Outcome:
        next_beat = self._began + beat_s
        while True:
            outcome = self._listen(max(0.0, min(self._deadline_s, next_beat) - monotonic())) or self._expired()
            if outcome:
                return outcome
            if monotonic() >= next_beat:
                if not beat(self._messages):
                    return Outcome("Cancelled", [])
                self._messages, next_beat = [], monotonic() + beat_s

    def _listen(self, wait_s: float) -> Outcome | None:
        """Take in one message of the child; return how it ended, None while it goes on."""
        if not self._pipe.poll(wait_s):
            return None
        try:
            said = self._pipe.recv_bytes()
        except (EOFError, ConnectionResetError):
            return Outcome("Lost", self._messages, _how(self._pid).encode(), self._item)
        if said[:1] == PROGRESS:
            self._messages.append(said[1:])
            return None
        return Outcome("Returned" if said[:1] == ANSWER else "Raised", self._messages, said[1:], self._item)

    def _expired(self) -> Outcome | None:
        now = monotonic()
        if now < self._deadline_s or self._pipe.poll():  # who has answered in time is heard, however late
            return None
        return Outcome("TimedOut", self._messages, b"", self._item, now - self._begun_s)

    @property
    def _item(self) -> int | None:
        mark = self._marks.get(0)
        return None if mark is None else mark[0]

    @property
    def _begun_s(self) -> float:
        mark = self._marks.get(0)
        return self._began if mark is None else mark[1]

    @property
    def _deadline_s(self) -> float:
        return float("inf") if self._timeout_s is None else self._begun_s + self._timeout_s


def _be_child(supervisor: int, pipe: Connection, work: bytes, payload: bytes, mark: Callable[[int], None]) -> None:
    """Do the work in this fork; never returns."""
    try:
        os.setpgid(0, 0)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, lambda *_: None)
        if os.getppid() == supervisor:
            # Loaded inside the wall: importing the work function may raise too.
            pipe.send_bytes(answer_call(pipe, lambda data, emit: pickle.loads(work)(data, emit), mark, payload))
    finally:
        os._exit(0)


def _how(pid: int) -> str:
    """Say how a child ended that should not have."""
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code >= 0:
        return f"its process left with exit code {code} before it had answered"
    name = signal.Signals(-code).name
    hint = "; the system's out-of-memory killer does that" if name == "SIGKILL" else ""
    return f"killed by signal {-code} ({name}){hint}"
