"""What a node keeps of its done tasks, in little memory: about 200 bytes each, since there may be 10⁵ of them.

Each result is its row and outline as the store has them (`model.outlines`). Imports `flowbutton.model`, `engine.tasks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, ValuesView
from typing import TypeVar, overload

from flowbutton.engine.tasks import Result
from flowbutton.model.canonical import Json
from flowbutton.model.outlines import Outlined
from flowbutton.worker.payload import StoredRow

ItemT = TypeVar("ItemT")


class Lazy(Sequence[ItemT]):
    """A sequence of values that are made when asked for: ``make(place)`` for each of ``count()`` places."""

    def __init__(self, count: Callable[[], int], make: Callable[[int], ItemT]) -> None:
        self._count, self._make = count, make

    def __len__(self) -> int:
        return self._count()

    @overload
    def __getitem__(self, place: int) -> ItemT: ...
    @overload
    def __getitem__(self, place: slice) -> list[ItemT]: ...
    def __getitem__(self, place: int | slice) -> ItemT | list[ItemT]:
        if isinstance(place, slice):
            return [self._make(one) for one in range(*place.indices(len(self)))]
        return self._make(range(len(self))[place])

    def __iter__(self) -> Iterator[ItemT]:
        return map(self._make, range(len(self)))


class Column(Mapping[int, ItemT]):
    """One value per task: a list, and the place of each task in it, which several columns share."""

    def __init__(self, places: Mapping[int, int], values: Sequence[ItemT]) -> None:
        self._places, self._values = places, values

    def __getitem__(self, task: int) -> ItemT:
        return self._values[self._places[task]]

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def values(self) -> ValuesView[ItemT]:
        """The values, in the order in which the tasks came."""
        return _Values(self._values)


class _Values(ValuesView[ItemT]):
    """The values of a column, without a look at each task's place."""

    def __init__(self, values: Sequence[ItemT]) -> None:
        self._values = values

    def __iter__(self) -> Iterator[ItemT]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, value: object) -> bool:
        return value in self._values


class Results(Mapping[int, Result]):
    """Results by task, in the order in which they came."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._kept: dict[int, Outlined] = {}
        self._reused = set[int]()  # those that were there before the run

    def __setitem__(self, task: int, result: Result) -> None:
        self._kept[task] = result.outlined
        if result.reused:
            self._reused.add(task)

    def __getitem__(self, task: int) -> Result:
        return Result(self._stage, self._kept[task], task in self._reused)

    def __contains__(self, task: object) -> bool:
        return task in self._kept

    def __iter__(self) -> Iterator[int]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def reused(self) -> int:
        """How many of them were there before the run."""
        return len(self._reused)

    def fingerprint(self, task: int) -> str:
        """Return a task's fingerprint."""
        return self._kept[task].fingerprint

    def stored(self, task: int) -> StoredRow:
        """Return where a task's record lies."""
        return StoredRow(self._stage, self._kept[task].bare)

    def content(self, task: int, output: str | None) -> Json:
        """Return what names an output's content, as `Result.content`."""
        return self._kept[task].content(output)

    def described(self, task: int, output: str | None) -> tuple[Json, int]:
        """Return both: what names an output's content, and its size."""
        kept = self._kept[task]
        return kept.content(output), kept.bytes_of(output)

    def bytes_of(self, task: int, output: str | None) -> int:
        """Return the size of an output, as `Result.bytes_of`."""
        return self._kept[task].bytes_of(output)
