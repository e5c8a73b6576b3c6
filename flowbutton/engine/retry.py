"""What happens to a task that failed: again, alone, with more memory, or never. Pure.

Imports `flowbutton.model`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from flowbutton.model.errors import Failure, FlowbuttonError, NoSpace

FIRST_DELAY_S = 0.25
LONGEST_DELAY_S = 30.0
MEMORY_FACTOR = 2
RESOURCE_RETRIES = 2


@dataclass(frozen=True, slots=True)
class Again:
    """Run the task again after a delay, with this many times its declared memory."""

    delay_s: float
    memory_factor: int


def decide(error: FlowbuttonError, *, attempts: int, retries: int, memory_factor: int, seed: str) -> Again | None:
    """Decide about a task that has failed ``attempts`` times, the last time with ``error``; None: it has failed.

    Bad input and bugs are never retried, nor a full disk. What ran out of memory or time gets twice the memory, twice
    at most. What was lost or throttled is retried ``retries`` times with growing, jittered delays.
    """
    if isinstance(error, NoSpace):
        return None
    if error.failure is Failure.RESOURCE:
        more = memory_factor * MEMORY_FACTOR
        return Again(0.0, more) if attempts <= min(RESOURCE_RETRIES, retries) else None
    if error.failure is Failure.TRANSIENT and attempts <= retries:
        return Again(backoff_s(attempts, seed), memory_factor)
    return None


def backoff_s(attempt: int, seed: str) -> float:
    """Return the delay before the next attempt: doubled each time, between half of it and all of it by ``seed``."""
    longest = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** (attempt - 1))
    jitter = hashlib.sha256(f"{seed}:{attempt}".encode()).digest()[0] / 255
    return longest * (0.5 + 0.5 * jitter)
