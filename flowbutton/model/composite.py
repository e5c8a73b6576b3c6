"""Composites: artifacts that are an ordered list of ranges of other artifacts, and of a few bytes of their own.

A stage that joins large results returns one: nobody's memory or disk holds the whole, no byte is copied until it is
published. Here: the list and its bytes, and the handle by which a stage names what it does not read.
Not here: reading a composite (`stores.artifacts`), publishing it. Imports `model.canonical`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from flowbutton.model.canonical import Json, canonical, digest_bytes

COMPOSITE = "composite"
"""The kind of an artifact whose object is a list of parts; its size is that of all parts, not of the list."""


class Span(NamedTuple):
    """Bytes ``[start, stop)`` of the object with this digest."""

    digest: str
    start: int
    stop: int


Part = Span | bytes
"""A range of an object, or bytes that stand in the list itself."""
LONGEST_OWN = 64 * 1024
"""Bytes of its own that a list holds in one part at most; longer ones are an object."""


@dataclass(frozen=True, slots=True)
class Composition:
    """What a composite is made of, in order.

    Neighbours that lie one after the other are one part, and none is empty; so a list has one form. Two lists that cut
    the same bytes elsewhere are two artifacts.
    """

    parts: tuple[Part, ...]

    @classmethod
    def of(cls, parts: Iterable[Part]) -> Composition:
        """Return the parts in their one form."""
        found: list[Part] = []
        for part in parts:
            last = found[-1] if found else None
            if isinstance(part, bytes) and isinstance(last, bytes):
                found[-1] = last + part
            elif isinstance(part, Span) and isinstance(last, Span) and (last.digest, last.stop) == part[:2]:
                found[-1] = Span(last.digest, last.start, part.stop)
            elif length_of(part):
                found.append(part)
        return cls(tuple(found))

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return sum(map(length_of, self.parts))

    @property
    def digests(self) -> set[str]:
        """The objects that it needs."""
        return {part.digest for part in self.parts if isinstance(part, Span)}

    def spread(self, put: Callable[[bytes], str]) -> Composition:
        """Return the list with its long bytes in objects of their own; ``put`` puts them and returns their digest."""
        return Composition(
            tuple(
                Span(put(part), 0, len(part)) if isinstance(part, bytes) and len(part) > LONGEST_OWN else part
                for part in self.parts
            )
        )

    def cut(self, start: int, stop: int) -> Iterator[Part]:
        """Yield the parts of its bytes ``[start, stop)``."""
        for begin, part in self.placed():
            low, high = max(start - begin, 0), min(stop - begin, length_of(part))
            if low < high:
                yield part[low:high] if isinstance(part, bytes) else _cut(part, low, high)

    def placed(self) -> Iterator[tuple[int, Part]]:
        """Yield each part with the byte of the whole where it begins."""
        return zip(accumulate(map(length_of, self.parts), initial=0), self.parts, strict=False)

    def encode(self) -> bytes:
        """Return the bytes; the inverse of `decode`."""
        parts: list[Json] = [
            base64.b64encode(part).decode() if isinstance(part, bytes) else [*part] for part in self.parts
        ]
        return canonical({COMPOSITE: 1, "parts": parts})

    @classmethod
    def decode(cls, data: bytes) -> Composition:
        """Read what `encode` wrote."""
        parts = json.loads(data)["parts"]
        return cls(tuple(base64.b64decode(part) if isinstance(part, str) else Span(*part) for part in parts))


@dataclass(frozen=True, slots=True)
class Stored:
    """A result as it lies in the store: a stage's parameter of this type gets a file or bytes without fetching them.

    ``read(start, stop)`` returns bytes of it, each checked; ``size`` is in bytes.
    """

    composition: Composition
    read: Callable[[int, int], bytes]

    @classmethod
    def of(cls, data: bytes) -> Stored:
        """Return some bytes as if they lay in a store: for a stage's function that runs alone."""
        digest = digest_bytes(data)
        return cls(Composition.of([Span(digest, 0, len(data))]), lambda start, stop: data[start:stop])

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.composition.size

    def part(self, start: int, stop: int) -> Stored:
        """Return its bytes ``[start, stop)``, which are not read."""
        if not 0 <= start <= stop <= self.size:
            raise ValueError(f"bytes [{start}, {stop}) are not in the {self.size} bytes of a result")
        cut = Composition.of(self.composition.cut(start, stop))
        return Stored(cut, lambda low, high: self.read(start + low, min(start + high, stop)))


@dataclass(frozen=True, slots=True)
class Composite:
    """What a stage returns that joins results: parts of its inputs, and bytes of its own, in order.

    ``suffix`` is the extension of the file that the whole is.
    """

    parts: Sequence[Stored | bytes]
    suffix: str = ""

    @property
    def composition(self) -> Composition:
        """What it is made of, composites among the parts taken apart."""
        return Composition.of(
            one for part in self.parts for one in ((part,) if isinstance(part, bytes) else part.composition.parts)
        )

    def write(self, path: Path) -> Path:
        """Write the whole into a file: for a stage's function that runs alone."""
        with path.open("wb") as file:
            for part in self.parts:
                file.write(part if isinstance(part, bytes) else part.read(0, part.size))
        return path


def length_of(part: Part) -> int:
    """Return how many bytes a part has."""
    return len(part) if isinstance(part, bytes) else part.stop - part.start


def _cut(part: Span, low: int, high: int) -> Span:
    return Span(part.digest, part.start + low, part.start + high)
