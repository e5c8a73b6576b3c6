"""Bundles: artifacts whose parts are sorted by an ordered key. This is the shuffle.

Here: the key schema, intervals over keys, and the contracts of writing and reading.
Not here: the bytes on disk (`stages.bundles`). Imports nothing of flowbutton.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

BundleKey = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class KeySchema:
    """The columns of a bundle's key, in sort order.

    When ``width`` is above 0 the last column is the start of a half-open bin ``[start, start + width)``; bins are fixed
    and fine, and depend on no consumer.
    """

    columns: tuple[str, ...]
    width: int = 0

    def __post_init__(self) -> None:
        if not self.columns or len(set(self.columns)) != len(self.columns) or self.width < 0:
            raise ValueError(f"a key schema needs distinct columns and a width of 0 or more, got {self}")


@dataclass(frozen=True, slots=True)
class Interval:
    """What of a bundle is wanted: equal values in some key columns, and a half-open range of the binned column.

    Columns that are not named are free. ``start`` and ``stop`` of None mean no bound.
    """

    equal: Mapping[str, str | int]
    start: int | None = None
    stop: int | None = None

    def meets(self, schema: KeySchema, key: BundleKey) -> bool:
        """Return whether the bin named by ``key`` has a point in common with this interval."""
        named = dict(zip(schema.columns, key, strict=True))
        if any(named[column] != value for column, value in self.equal.items()):
            return False
        position = key[-1]
        if self.start is None and self.stop is None:
            return True
        assert isinstance(position, int)
        return (self.stop is None or position < self.stop) and (
            self.start is None or position + max(schema.width, 1) > self.start
        )


@runtime_checkable
class BundleSink(Protocol):
    """Where a stage writes a bundle. Keys may come in any order; parts of one key stay in the order of adding."""

    def add(self, key: BundleKey, data: bytes) -> None:
        """Add one part."""


class Parts(Protocol):
    """What a gather over bundles gets: the parts wanted, of all upstream tasks, read by range when asked for."""

    @property
    def schema(self) -> KeySchema | None:
        """The key schema; None when there is no upstream task at all."""

    def keys(self) -> Sequence[BundleKey]:
        """Return the distinct keys, sorted."""

    def __iter__(self) -> Iterator[tuple[BundleKey, list[bytes]]]:
        """Yield each key, sorted, with its parts in the order of the upstream items (never by arrival)."""

    def each(self) -> Iterator[tuple[BundleKey, bytes]]:
        """Yield each part with its key, in the same order: memory does not grow with how many parts a key has."""
