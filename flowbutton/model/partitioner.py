"""The contract of what cuts sources. Every implementation inherits `flowbutton.testing.PartitionerContract`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from flowbutton.model.canonical import Json
from flowbutton.model.pieces import Group, IndexPart, Layout, Piece, Place, Source, files_in
from flowbutton.model.stage import Tally
from flowbutton.model.store import DataAccess


class Reader(ABC):
    """What a stage's function gets for a piece: opened, lazy, and counting what it has handed out.

    A subclass per format adds the format's own methods. Types are checked when the graph is built: an argument
    annotated with a reader class takes a source whose partitioner opens that class.
    """

    @property
    @abstractmethod
    def key(self) -> Mapping[str, str | int]:
        """The piece's key columns."""

    @property
    @abstractmethod
    def consumed(self) -> int:
        """Owned records handed out or left out so far; the ledger compares the sum with the producer's count."""

    def tolerate(self, tally: Tally) -> None:
        """Leave bad records out, from the first one on, and tell ``tally`` of each; called before anything is read.

        Whether a record is left out depends on it alone (on a pair, where pairs are what is never divided): not on the
        cut, not on how many others were. Left out is exactly what would have been an error otherwise, so what is read
        from good data does not change. Each is told once, however often the piece is read. A file in which records
        can't be told apart any more is an error all the same.

        A reader that does nothing here goes on raising.
        """
        del tally


@runtime_checkable
class WritesFiles(Protocol):
    """A reader that can write its piece as files, for programs (``command:`` stages). Optional.

    Holds: the files are of the source's own format, complete in themselves (with a header where the format has one),
    and hold the owned records in order, without halo; writing them counts the records as handed out.
    """

    def as_files(self, folder: Path) -> Mapping[str, Path]:
        """Write files into the empty ``folder``, or link them there; return them by part: ``""`` names a single one.

        Names depend on the piece's content alone, never on place or time: programs may write them into their outputs.
        Raises as the reader's other methods.
        """


class Partitioner(ABC):
    """Cuts one kind of source at its own seams: probe → index → layout → cut → open.

    Holds, for every option: the pieces of `cut` own each record of the source exactly once, in source order; `cut` and
    `layout` are pure; only `index` and an opened reader read the data, by ranges.
    Does not hold: equal sizes. A record longer than ``size`` makes a longer piece; it is never split.
    In doubt: raise. A refused source costs a message, a lost record costs a result.

    Keyword-only parameters of `cut` after ``layout`` are the partitioner's options in the YAML (``with:``); ``size``
    is one of them where there is a size to choose.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    """Raised when `index` answers differently for the same bytes: it is in the fingerprint of indexing tasks."""
    reader: ClassVar[type[Reader]]
    unit: ClassVar[str]
    """What the ledger counts: "read pairs", "alignments", "files"."""
    columns: ClassVar[tuple[str, ...]] = ()
    """Every column that the key of a piece may have, whatever the options: names are checked against them before
    anything is read. Empty if they are not known."""

    @abstractmethod
    def probe(self, source: Source, data: DataAccess) -> Sequence[Group]:
        """Find the objects of a source and group them. Cheap (heads, a few KiB): it runs in the driver.

        Raises:
            MissingInput, BadInput: a file is missing, or is not of this format; every file is checked, the first
                problem is raised with the count of the others in its ``why``.
        """

    @abstractmethod
    def index_parts(self, group: Group) -> Sequence[IndexPart]:
        """Return the indexing tasks of a group: one or more; each runs on a worker as an ordinary task."""

    @abstractmethod
    def index(self, part: IndexPart, data: DataAccess) -> bytes:
        """Pass over one part, once; return what `layout` needs, in the partitioner's own small encoding (no pickle).

        It names the content that it saw by digests, so that pieces are known by content and not by place or time.
        Raises `ChangedInput` if the object's identity is not that of the part any more.
        """

    @abstractmethod
    def layout(self, group: Group, indexes: Sequence[bytes]) -> Layout:
        """Join the indexes of a group's parts, in the order of `index_parts`. Pure. Raises `BadInput`."""

    @abstractmethod
    def cut(self, layout: Layout) -> Sequence[Piece]:
        """Divide a group into pieces. Pure: equal input, equal output. None for a group without records.

        Implementations add keyword-only options (``*, size: int = ...``).
        Raises:
            OptionError: an option has a value that can't be used (``size`` below 1).
        """

    @abstractmethod
    def open(self, piece: Piece, data: DataAccess) -> Reader:
        """Open a reader on a piece; nothing is read before it is asked for."""

    def table(self, groups: Sequence[Group]) -> Json:
        """Return what the source says besides its data, a list of rows; bound by ``share: {x: source.table}``.

        For FASTQ: one row per sample, in order of first appearance: sample, read_group names, ploidy. No paths.
        """
        return [dict(group.key) for group in groups]

    def places(self, piece: Piece) -> Sequence[Place]:
        """Return where a piece lies, for people who look for what is wrong with it; the files alone, if not overridden.

        Pure; what is not known for certain is left out.
        """
        return [Place(file) for file in files_in(piece.body)]
