"""When a call that runs out of sight is given up. Pure: time, in seconds of one clock, is an argument.

For places that never tell that a call is gone (functions as a service): a call that has begun is given up when it has
shown no sign of life for a while; one that has not begun when there is none of any other either, or when many that were
sent after it have begun: what only waits its turn is not lost. Imports nothing of flowbutton.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds without a sign of life of a call that has begun; of all, for one that has not; later calls before it."""

    silence_s: float
    start_s: float
    overtaken: int


@dataclass(slots=True)
class _Watched:
    wave: int
    since_s: float
    begun: bool = False
    overtaken: int = 0


@dataclass(slots=True)
class Watch:
    """What was sent and heard of calls that are not over."""

    patience: Patience
    _calls: dict[int, _Watched] = field(default_factory=dict)
    _waves: int = 0
    _last_sign_s: float = 0.0

    def sent(self, calls: Iterable[int], now_s: float) -> None:
        """Calls went out together, in no order among them."""
        self._waves += 1
        self._last_sign_s = max(self._last_sign_s, now_s)
        for call in calls:
            self._calls[call] = _Watched(self._waves, now_s)

    def heard(self, call: int, now_s: float) -> bool:
        """A call gave a sign of life. Return whether it was the first one."""
        watched = self._calls[call]
        first, watched.begun, watched.since_s = not watched.begun, True, now_s
        self._last_sign_s = now_s
        if first:
            for other in self._calls.values():
                other.overtaken += not other.begun and other.wave < watched.wave
        return first

    def over(self, call: int) -> None:
        """A call has ended, or nobody wants it any more."""
        self._calls.pop(call, None)

    def was_blind(self, now_s: float) -> None:
        """Nothing could be heard up to now; it says nothing about the calls."""
        self._last_sign_s = now_s
        for watched in self._calls.values():
            watched.since_s = now_s

    def given_up(self, now_s: float) -> list[tuple[int, str]]:
        """Return the calls that are to be taken for lost, each with the reason; they stay until `over`."""
        found = ((call, self._why(watched, now_s)) for call, watched in self._calls.items())
        return [(call, why) for call, why in found if why]

    def _why(self, watched: _Watched, now_s: float) -> str:
        if watched.begun:
            silent_s = now_s - watched.since_s
            return f"no sign of life for {silent_s:.0f} s" if silent_s > self.patience.silence_s else ""
        if watched.overtaken >= self.patience.overtaken:
            return f"it did not begin, while {watched.overtaken} calls that were sent after it did"
        idle_s = now_s - max(watched.since_s, self._last_sign_s)
        return (
            f"it did not begin, and no other was heard of for {idle_s:.0f} s" if idle_s > self.patience.start_s else ""
        )
