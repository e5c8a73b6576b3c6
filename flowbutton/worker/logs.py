"""What a task prints: file descriptors 1 and 2 go to a file while it runs, since C libraries print below Python.

Imports nothing of flowbutton.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, cast

TAIL_BYTES = 8192
"""What of a log stays in the task record."""


@dataclass(slots=True)
class Captured:
    """What was printed: all of it, once the block has ended."""

    text: bytes = field(default=b"")

    @property
    def tail(self) -> str:
        """The last 8 KiB, as text."""
        return self.text[-TAIL_BYTES:].decode("utf-8", "replace")

    @property
    def is_longer_than_tail(self) -> bool:
        """Whether the record's tail is not the whole log."""
        return len(self.text) > TAIL_BYTES


def _sink() -> BinaryIO:
    """Open a nameless file: in memory where the system can, since making one on disk costs more than a small task."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("flowbutton-log"), "w+b")
    return cast(BinaryIO, tempfile.TemporaryFile())


@contextmanager
def captured() -> Iterator[Captured]:
    """Capture standard output and error of the process, whoever writes them."""
    found = Captured()
    with _sink() as sink:
        sys.stdout.flush()
        sys.stderr.flush()
        saved = os.dup(1), os.dup(2)
        os.dup2(sink.fileno(), 1)
        os.dup2(sink.fileno(), 2)
        try:
            yield found
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(saved[0], 1)
            os.dup2(saved[1], 2)
            os.close(saved[0])
            os.close(saved[1])
            sink.seek(0)
            found.text = sink.read()
