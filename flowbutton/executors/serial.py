"""Running calls in the driver's own process, one after the other, for debugging. Imports `flowbutton.model`."""

from __future__ import annotations

import time
import traceback
from collections import OrderedDict
from collections.abc import Sequence

from flowbutton.model.executor import Call, Capacity, Event, Executor, Progressed, Raised, Returned, Started, Work


class SerialExecutor(Executor):
    """Runs one call in each `events`, in this process: breakpoints work, prints appear, profilers see all.

    Holds: order; one call at a time, so the capacity is one slot whatever ``slots`` says (it is taken so that all
    executors open alike).
    Does not hold: isolation. Work that kills its process kills the driver. A running call can't be stopped: not by
    `cancel`, and not by its ``timeout_s``, so `TimedOut` never comes (a breakpoint may last as long as it takes).
    Messages of a call arrive with its end. Ctrl-C goes through as KeyboardInterrupt, and the call that it hits gets no
    last event.
    """

    def __init__(self, work: Work, *, slots: int = 1, memory_bytes: int | None = None) -> None:
        if slots < 1:
            raise ValueError(f"slots must be at least 1, not {slots}")
        self._work = work
        self._capacity = Capacity(slots=1, memory_bytes=memory_bytes)
        self._waiting: OrderedDict[int, Call] = OrderedDict()
        self._used: set[int] = set()
        self._closed = False

    @property
    def capacity(self) -> Capacity:
        """One slot."""
        return self._capacity

    def submit(self, calls: Sequence[Call]) -> None:
        """Take calls; the next `events` runs the first that waits."""
        if self._closed:
            raise ValueError("the executor is closed")
        take(calls, self._used, self._waiting)

    def events(self, timeout_s: float) -> Sequence[Event]:
        """Run the next call and return all its events. With none waiting, wait as asked and return none."""
        if not self._waiting:
            if not self._closed:
                time.sleep(max(0.0, timeout_s))
            return ()
        _, call = self._waiting.popitem(last=False)
        happened: list[Event] = [Started(call.id)]
        said = _Said(call.id, happened)
        try:
            answer = self._work(call.payload, said)
        except (Exception, SystemExit):  # noqa: BLE001  The worker's wall, here in the driver.
            happened.append(Raised(call.id, traceback.format_exc(), said.item))
        else:
            happened.append(Returned(call.id, answer))
        return happened

    def cancel(self, ids: Sequence[int]) -> None:
        """Drop those that wait."""
        for id in ids:
            self._waiting.pop(id, None)

    def close(self) -> None:
        """Drop all that wait."""
        self._closed = True
        self._waiting.clear()


class _Said:
    """What a call says: messages become events, the item is kept."""

    def __init__(self, call: int, happened: list[Event]) -> None:
        self._call, self._happened = call, happened
        self.item: int | None = None

    def __call__(self, message: bytes) -> None:
        self._happened.append(Progressed(self._call, message))

    def at(self, item: int) -> None:
        self.item = item


def take(calls: Sequence[Call], used: set[int], waiting: OrderedDict[int, Call]) -> None:
    """Append ``calls`` to those waiting, all or none.

    Raises:
        ValueError: an id was used before.
    """
    fresh = {call.id: call for call in calls}
    again = sorted(used & fresh.keys())
    if again or len(fresh) < len(calls):
        raise ValueError(f"a call's id was used before: {again[0] if again else 'twice among these'}")
    used.update(fresh)
    waiting.update(fresh)
