"""Whether the two reads of each pair have the same name, as far as both have been read.

Imports `flowbutton.model`, `fastq_records`.
"""

from __future__ import annotations

from dataclasses import dataclass

from flowbutton.model.errors import UnpairedReads
from flowbutton.partitioners.fastq_records import line_ends, names_of, same_names


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A pair, by its number from 0, whose reads have different names."""

    pair: int
    names: tuple[bytes, bytes]

    def error(self, file: str, record: int) -> UnpairedReads:
        """Return the error that says so; the second read is record ``record`` of ``file``."""
        first, second = (name.decode("ascii", "backslashreplace") for name in self.names)
        return UnpairedReads(
            "two reads of a pair have different names",
            why=f"the first read is '{first}', the second '{second}'",
            hint="both must be the same reads in the same order, as the sequencer wrote them",
            file=file,
            record=record,
        )


class Mates:
    """Compares the names of first and second reads, in the order in which they come, of either as far as the other."""

    def __init__(self) -> None:
        self._pair = 0
        self._ahead = [bytearray(), bytearray()]

    def add(self, mate: int, headers: bytes) -> list[Mismatch]:
        """Take the next header lines, whole, of the first reads (``mate`` 0) or the second ones (1).

        Returns:
            The mismatches among the pairs of which both reads are there by now.
        """
        self._ahead[mate] += headers
        left, right = self._ahead
        stop = left.rfind(b"\n", 0, min(len(left), len(right))) + 1
        stops, count = (stop, stop), left.count(b"\n", 0, stop)
        found: list[Mismatch] = []
        if not same_names(bytes(left[:stop]), bytes(right[:stop])):
            count = min(left.count(b"\n"), right.count(b"\n"))
            stops = (_end_of_line(left, count), _end_of_line(right, count))
            pairs = zip(names_of(bytes(left[: stops[0]])), names_of(bytes(right[: stops[1]])), strict=True)
            found = [Mismatch(self._pair + n, names) for n, names in enumerate(pairs) if names[0] != names[1]]
        self._pair += count
        del left[: stops[0]], right[: stops[1]]
        return found


def _end_of_line(text: bytearray, count: int) -> int:
    """Return the byte after the first ``count`` lines."""
    return int(line_ends(text)[count - 1]) + 1 if count else 0
