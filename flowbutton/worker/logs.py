"""What a task prints: file descriptors 1 and 2 go to a file while it runs, since C libraries print below Python.

Credentials of the environment are taken out. Imports `model.secrets`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Self, cast

from flowbutton.model.secrets import credentials, redacted_bytes

TAIL_BYTES = 8192
"""What of a log stays in the task record."""


@dataclass(frozen=True, slots=True)
class Captured:
    """What was printed."""

    text: bytes

    @property
    def tail(self) -> str:
        """The last 8 KiB, as text."""
        return self.text[-TAIL_BYTES:].decode("utf-8", "replace")

    @property
    def is_longer_than_tail(self) -> bool:
        """Whether the record's tail is not the whole log."""
        return len(self.text) > TAIL_BYTES


_NOTHING = Captured(b"")


def _sink() -> BinaryIO:
    """Open a nameless file: in memory where the system can, since making one on disk costs more than a small task."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("flowbutton-log"), "w+b")
    return cast(BinaryIO, tempfile.TemporaryFile())


class Capture:
    """Captures standard output and error of the process, whoever writes them, while it is entered."""

    def __enter__(self) -> Self:
        self._sink = _sink()
        _flush()
        # Whoever runs the worker may have put streams of its own in Python's place, as Lithops and notebooks do.
        self._streams = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = sys.__stdout__ or sys.stdout, sys.__stderr__ or sys.stderr
        self._saved = os.dup(1), os.dup(2)
        self._turn()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _flush()
        for place, saved in enumerate(self._saved, 1):
            os.dup2(saved, place)
            os.close(saved)
        sys.stdout, sys.stderr = self._streams
        self._sink.close()

    def take(self) -> Captured:
        """Return what was printed since the last time."""
        _flush()
        if not os.fstat(self._sink.fileno()).st_size:
            return _NOTHING
        self._sink.seek(0)
        found = Captured(redacted_bytes(self._sink.read(), credentials(os.environ)))
        self._sink.close()
        # A new one: a program that the task left running prints on, and not into the next one's log.
        self._sink = _sink()
        self._turn()
        return found

    def _turn(self) -> None:
        os.dup2(self._sink.fileno(), 1)
        os.dup2(self._sink.fileno(), 2)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
