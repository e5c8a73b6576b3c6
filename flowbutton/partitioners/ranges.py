"""Ranges of bytes that are wanted of a file: neighbours are fetched together.

Imports nothing of flowbutton.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence

Span = tuple[int, int]
"""Bytes ``[start, stop)`` of a file."""


def merged_spans(spans: Iterable[Span], *, gap: int) -> list[Span]:
    """Join spans, in any order, that overlap or lie at most ``gap`` bytes apart; sorted, empty ones left out."""
    joined: list[Span] = []
    for start, stop in sorted(span for span in spans if span[0] < span[1]):
        if joined and start - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        else:
            joined.append((start, stop))
    return joined


class Fetched:
    """Bytes of a file, by the spans that were wanted.

    Args:
        read: Returns bytes ``[start, stop)`` of the file.
        spans: What will be asked for.
        gap: Spans that lie at most so many bytes apart are one read.
    """

    def __init__(self, read: Callable[[int, int], bytes], spans: Sequence[Span], *, gap: int) -> None:
        merged = merged_spans(spans, gap=gap)
        self._blocks = [read(start, stop) for start, stop in merged]
        self._starts = [start for start, _ in merged]

    def bytes_of(self, span: Span) -> bytes:
        """Return the bytes of one of the spans."""
        start, stop = span
        if start >= stop:
            return b""
        number = bisect_right(self._starts, start) - 1
        base = self._starts[number]
        return self._blocks[number][start - base : stop - base]
