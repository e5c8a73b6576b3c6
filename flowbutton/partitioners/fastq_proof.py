"""Proof that a text has good records only, made while it passes by: who reads the same bytes need not look again.

It holds for the bytes, not for a name: it is of use only where what is read is known to be what was looked at. That is
so for kept text: its objects are named by their content, and the store checks that when they are read. A file of the
user's has no such name; there every record is looked at when it is handed out.

Imports `fastq_records`.
"""

from __future__ import annotations

from flowbutton.partitioners.fastq_records import LINES, Seams, bad_records

_LONGEST = 1 << 24  # bytes of a record that goes over several steps; a longer one is left to the reader


class Proof:
    """Looks at a text from its first byte on, step by step."""

    def __init__(self) -> None:
        self._held = b""
        self._holds = True

    def feed(self, text: memoryview) -> Seams:
        """Take the next step; return its seams, which were looked for anyhow."""
        seams = Seams.of(text)
        if self._holds:
            self._look(text, seams)
        return seams

    def holds(self) -> bool:
        """Tell whether all of the text is good records and nothing else; the last newline may be missing.

        False in doubt: bad records, but also empty lines after the last one.
        """
        if self._held:
            self._judge(self._held + b"\n")
            self._held = b""
        return self._holds

    def _look(self, text: memoryview, seams: Seams) -> None:
        if self._held:
            missing = LINES - self._held.count(b"\n")
            if len(seams.ends) < missing:
                self._hold(b"".join((self._held, text)))
                return
            stop = int(seams.ends[missing - 1]) + 1
            self._judge(b"".join((self._held, text[:stop])))
            text, seams = text[stop:], seams.split(missing)[1]
        whole = len(seams.ends) // LINES * LINES
        if whole:
            stop = int(seams.ends[whole - 1]) + 1
            self._holds &= not len(bad_records(text[:stop], seams.split(whole)[0]))
            text = text[stop:]
        self._hold(bytes(text))

    def _hold(self, text: bytes) -> None:
        self._holds &= len(text) <= _LONGEST
        self._held = text if self._holds else b""

    def _judge(self, record: bytes) -> None:
        """Look at what should be one whole record."""
        seams = Seams.of(record)
        self._holds &= len(seams.ends) == LINES and not len(bad_records(record, seams))
