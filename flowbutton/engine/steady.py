"""What the driver itself does in the store, done again where that can help (law 7: retry is the engine's).

Only what may be repeated: puts of what is known by its content, and commits, which are put-if-absent.
Imports `flowbutton.model`, `engine.retry`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from flowbutton.engine.retry import backoff_s
from flowbutton.model.errors import Failure, FlowbuttonError

ATTEMPTS = 5
ValueT = TypeVar("ValueT")
Pause = Callable[[float], None]


def steadily(action: Callable[[], ValueT], *, pause: Pause) -> ValueT:
    """Do ``action``, again after a growing pause where it failed in passing; ``pause`` waits for seconds.

    Raises:
        FlowbuttonError: what it raised the last time, or at once what is not transient.
    """
    for attempt in range(1, ATTEMPTS):
        try:
            return action()
        except FlowbuttonError as error:
            if error.failure is not Failure.TRANSIENT:
                raise
            pause(backoff_s(attempt, type(error).__name__))
    return action()
