"""Which item of its call each worker is at, and since when: memory that the driver shares with its workers.

A mark costs a worker a few stores and the driver nothing: it looks when a worker is gone or a time limit may be over.
Clock: `time.monotonic`, which is one for all processes of a host. Imports nothing of flowbutton.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from time import monotonic

_WIDTH = 16
_NONE = -1


class Marks:
    """A place for each worker, numbered from 0: an item and its time. One process writes a place, another reads it."""

    def __init__(self, fd: int, places: int) -> None:
        self.places = places
        memory = memoryview(mmap.mmap(fd, places * _WIDTH))
        self._items, self._times = memory.cast("q"), memory.cast("d")

    def clear(self, place: int) -> None:
        """Say that no item was begun; only while the place's worker has no call."""
        self._items[2 * place] = _NONE

    def set(self, place: int, item: int) -> None:
        """Say that an item begins now."""
        # The time before the item: who reads the new item must not take it for as old as the one before.
        self._times[2 * place + 1] = monotonic()
        self._items[2 * place] = item

    def get(self, place: int) -> tuple[int, float] | None:
        """Return the item that was begun last and when, None if there is none."""
        item = self._items[2 * place]
        return None if item == _NONE else (item, self._times[2 * place + 1])


def shared_memory(places: int) -> int:
    """Return a new file descriptor of memory for so many places, to be mapped by `Marks` in several processes."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("flowbutton-marks")
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    grow(fd, places)
    return fd


def grow(fd: int, places: int) -> None:
    """Make memory for so many places; before it is mapped."""
    os.truncate(fd, max(places * _WIDTH, mmap.PAGESIZE))
