"""Running calls as functions of a Lithops backend: the waiting calls go out as one map, ends are taken as they come.

Only payloads, messages and answers (names, never data) go through Lithops' storage. Ours: time limits, signs of life,
giving up, retries (the engine's). Not used: `FunctionExecutor.wait`, which replaces signal handlers.
Not here: the backend and its configuration (`executors.lithops_backend`), what a function does
(`executors.lithops_call`), when a silent call is given up (`executors.patience`).
Imports `flowbutton.model`, `executors`.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from time import monotonic, sleep
from typing import Any

from flowbutton.executors.carry import packed
from flowbutton.executors.lithops_backend import Backend, Lane, runtime_memory_mb
from flowbutton.executors.lithops_call import Trip, code_digest, door
from flowbutton.executors.lithops_post import Post
from flowbutton.executors.lithops_runtime import versions_here
from flowbutton.executors.patience import Patience, Watch
from flowbutton.executors.serial import take
from flowbutton.executors.supervised import Outcome
from flowbutton.model.errors import OptionError, WorkerLost
from flowbutton.model.executor import (
    Call,
    Capacity,
    Event,
    Executor,
    Lost,
    Progressed,
    Raised,
    Returned,
    Started,
    TimedOut,
    Work,
)
from flowbutton.model.process import ProcessIdentity


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: between looks, between signs of life; without one of a call, of any call; waited for at `close`."""

    look_s: float
    beat_s: float
    silence_s: float
    start_s: float
    close_s: float


LOCAL, REMOTE = Pace(0.2, 0.2, 60.0, 120.0, 10.0), Pace(0.5, 5.0, 40.0, 300.0, 0.0)

_MARGIN_S = 5.0
"""What Lithops takes of a function's life for itself."""


@dataclass(slots=True, eq=False)
class _Sent:
    call: Call
    lane: Lane
    future: Any
    sent_s: float
    begun_s: float | None = None


class LithopsExecutor(Executor):
    """Runs each call as a function of the Lithops backend that the user's Lithops configuration names.

    Holds: at most ``slots`` calls are out at once, each in a process of its own that is killed at its time limit or
    when it is cancelled (remote: within 5 s); a call whose function is gone without a word is `Lost` 40 s later, one
    that never began after 5 minutes without a sign of any other, or when twice as many as there are slots overtook it;
    flowbutton there has the same code and the same libraries as here.
    Does not hold: that a lost call has stopped.

    `submit` and `events` raise `OptionError` when the backend can't be used, or does not fit this flowbutton, and
    `WorkerLost` when Lithops' storage does not answer. Linux and macOS.
    """

    def __init__(self, work: Work, *, slots: int, memory_bytes: int | None = None, pace: Pace | None = None) -> None:
        if slots < 1:
            raise ValueError(f"slots must be at least 1, not {slots}")
        carried = packed(work)
        self._backend = Backend(slots)
        self.shares_files = self._backend.is_local
        self._pace = pace or (LOCAL if self._backend.is_local else REMOTE)
        self._slots, self._memory_bytes = slots, memory_bytes if self._backend.is_local else None
        self._used: set[int] = set()
        self._waiting: OrderedDict[int, Call] = OrderedDict()
        self._sent: dict[int, _Sent] = {}
        self._stopped: set[int] = set()
        self._happened: list[Event] = []
        self._watch = Watch(Patience(self._pace.silence_s, self._pace.start_s, 2 * slots))
        self._costs: deque[float] = deque(maxlen=32)
        self._ever_sent = self._closed = False
        self._saw_s = monotonic()
        prefix = f"flowbutton/{uuid.uuid4().hex}"
        self._post = Post(self._backend.storage, self._backend.bucket, prefix)
        trip = Trip(carried, self._backend.bucket, prefix, ProcessIdentity.current(), self._pace.beat_s, code_digest())
        self._function = door(trip, versions_here())

    @property
    def capacity(self) -> Capacity:
        """The slots that it was opened with; memory where calls run on this machine; what a call costs, as measured."""
        return Capacity(self._slots, self._memory_bytes, median(self._costs) if self._costs else 0.0)

    def submit(self, calls: Sequence[Call]) -> None:
        """Take calls; as many as there are free slots go out at once."""
        if self._closed:
            raise ValueError("the executor is closed")
        lives_s = self._backend.lives_s
        longest_s = max((call.timeout_s or 0.0 for call in calls), default=0.0)
        if lives_s is not None and longest_s > lives_s - _MARGIN_S:
            raise OptionError(
                f"a stage's timeout of {longest_s:.0f} s is longer than functions of {self._backend.name} live",
                why=f"their runtime_timeout is {lives_s:.0f} s, {_MARGIN_S:.0f} s of which Lithops needs",
                hint="raise runtime_timeout in the Lithops configuration, or lower 'resources: {timeout: ...}'",
            )
        take(calls, self._used, self._waiting)
        self._send()

    def events(self, timeout_s: float) -> Sequence[Event]:
        """Return what has happened, waiting up to ``timeout_s`` seconds for a first event."""
        if self._closed:
            return ()
        until = monotonic() + timeout_s
        while True:
            self._look()
            self._send()
            left = until - monotonic()
            if self._happened or left <= 0:
                happened, self._happened = self._happened, []
                return happened
            sleep(min(left, self._pace.look_s))

    def cancel(self, ids: Sequence[int]) -> None:
        """Drop those that wait; ask what runs to stop at its next sign of life."""
        for id in ids:
            self._waiting.pop(id, None)
        running = set(ids) & self._sent.keys() - self._stopped
        self._stopped |= running
        self._post.stop(running)

    def close(self) -> None:
        """Stop everything that is running, and remove what Lithops keeps."""
        if self._closed:
            return
        self._closed = True
        self._waiting.clear()
        try:
            if self._sent:
                self._post.stop_all()
            until = monotonic() + self._pace.close_s
            while monotonic() < until and any(not _is_over(sent.future) for sent in self._sent.values()):
                sleep(self._pace.look_s)
        finally:
            self._backend.close()
            if not self._sent and not self._backend.is_local:
                self._post.clear()

    # Out

    def _send(self) -> None:
        """Give waiting calls to lanes with room, those that need the same memory in one map."""
        for lane in self._backend.lanes:
            groups: dict[int | None, list[Call]] = defaultdict(list)
            for _ in range(min(lane.room - lane.busy, len(self._waiting))):
                call = self._waiting.popitem(last=False)[1]
                groups[self._memory_mb(call)].append(call)
            for memory_mb, calls in groups.items():
                self._map(lane, calls, memory_mb)

    def _memory_mb(self, call: Call) -> int | None:
        configured = self._backend.memory_mb
        return None if configured is None else runtime_memory_mb(configured, call.memory_bytes)

    def _map(self, lane: Lane, calls: Sequence[Call], memory_mb: int | None) -> None:
        began = monotonic()
        if not self._ever_sent:
            self._post.open()
        try:
            rows = [(call.payload, call.timeout_s, call.id) for call in calls]
            futures = self._backend.map(lane, self._function, rows, memory_mb)
        except OptionError as error:
            if not self._ever_sent:
                raise
            # It worked before: throttled, or a connection was cut. The engine waits and tries again.
            self._happened += [Lost(call.id, f"it could not be sent: {error.why}") for call in calls]
            return
        self._ever_sent = True
        lane.busy += len(calls)
        for call, future in zip(calls, futures, strict=True):
            self._sent[call.id] = _Sent(call, lane, future, began)
        self._watch.sent([call.id for call in calls], monotonic())

    # In

    def _look(self) -> None:
        """Take in signs of life, then ends, then give up what is silent."""
        if not self._sent:
            return
        over = [sent for sent in self._sent.values() if _is_over(sent.future)]
        if not self._hear():
            return
        litter: list[str] = []
        for sent in over:
            litter += self._backend.forget(sent.future)
            self._end(sent)
        self._post.delete(litter)
        for id, why in self._watch.given_up(monotonic()):
            self._leave(self._sent[id], Lost(id, why))

    def _hear(self) -> bool:
        """Take in signs of life; return whether they could be read.

        Raises:
            WorkerLost: they could not for so long that nothing is known any more.
        """
        try:
            beats = self._post.collect()
        except Exception as error:  # a wall: each storage of Lithops raises its own
            blind_s = monotonic() - self._saw_s
            if blind_s > self._pace.silence_s:
                raise WorkerLost(
                    "the storage of Lithops does not answer",
                    why=f"for {blind_s:.0f} s: {type(error).__name__}: {error}",
                    hint="what was done is kept; run again when it does",
                ) from error
            self._watch.was_blind(monotonic())
            return False
        self._saw_s = monotonic()
        for beat in beats:
            if beat.call in self._sent:
                self._say(self._sent[beat.call], beat.messages)
        return True

    def _say(self, sent: _Sent, messages: Sequence[bytes]) -> None:
        id = sent.call.id
        first = self._watch.heard(id, monotonic())
        if first:
            sent.begun_s = monotonic()
        if id in self._stopped:
            return
        if first:
            self._happened.append(Started(id))
        self._happened += [Progressed(id, message) for message in messages]

    def _end(self, sent: _Sent) -> None:
        """Take in the end of a call, as it told or as Lithops tells."""
        result = sent.future.result(throw_except=False, internal_storage=self._backend.internal_storage)
        id = sent.call.id
        if sent.future.error:
            error = sent.future._exception[1]
            if isinstance(error, TimeoutError) and sent.begun_s is not None:  # the end of the runtime's life
                self._leave(sent, TimedOut(id, monotonic() - sent.begun_s))
            else:
                self._leave(sent, Lost(id, f"{type(error).__name__}: {error}"))
            return
        outcome = Outcome(*result)
        if outcome.kind == "Unfit":
            raise OptionError(
                f"functions of {self._backend.name} can't run tasks of this flowbutton",
                why=outcome.body.decode(),
                hint="bring its runtime to the same state: flowbutton runtime build",
            )
        if outcome.kind == "Cancelled":
            self._leave(sent, Lost(id, "it was stopped, but not by this driver"))
            return
        self._costs.append(monotonic() - sent.sent_s - outcome.busy_s)
        self._say(sent, outcome.messages)
        self._leave(sent, _event(id, outcome))

    def _leave(self, sent: _Sent, last: Event) -> None:
        """Let go of a call that is over or given up; a cancelled one gets no last event."""
        id = sent.call.id
        del self._sent[id]
        sent.lane.busy -= 1
        self._watch.over(id)
        if id in self._stopped:
            self._stopped.discard(id)
        else:
            self._happened.append(last)


def _event(id: int, outcome: Outcome) -> Event:
    match outcome.kind:
        case "Returned":
            return Returned(id, outcome.body)
        case "Raised":
            return Raised(id, outcome.body.decode(), outcome.item)
        case "TimedOut":
            return TimedOut(id, outcome.after_s, outcome.item)
    return Lost(id, outcome.body.decode(), outcome.item)


def _is_over(future: Any) -> bool:
    return bool(future.ready or future.success or future.done)
