"""The contract of partitioners as a test suite, and a `DataAccess` for tests.

Here: `MemoryAccess`, `PartitionerContract`. Not here: the contract's words (`model.partitioner`).
Imports `flowbutton.model`, pytest, hypothesis.
"""

from __future__ import annotations

import fnmatch
import json
import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowbutton.model.canonical import digest_bytes
from flowbutton.model.errors import MissingInput, OptionError
from flowbutton.model.partitioner import Partitioner, Reader, WritesFiles
from flowbutton.model.pieces import IndexPart, Layout, ObjectInfo, Piece, Source
from flowbutton.testing.kinds import leave_out, needs


class MemoryAccess:
    """Reads files by their paths and objects from memory, keeps derived bytes in memory, and notes every read.

    Args:
        scratch: A folder for `fetch` of what is in memory.

    Attributes:
        objects: Bytes by URI, kept ones and those that a test puts there.
        reads: (URI, start, stop) of every read, in order.
    """

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.objects: dict[str, bytes] = {}
        self.reads: list[tuple[str, int, int | None]] = []

    def head(self, uri: str) -> ObjectInfo:
        """Return size and identity."""
        if uri in self.objects:
            return ObjectInfo(uri, len(self.objects[uri]), digest_bytes(self.objects[uri]))
        path = self._path(uri)
        try:
            stat = path.stat()
        except OSError as error:
            raise self._missing(uri, error) from error
        return ObjectInfo(uri, stat.st_size, f"{stat.st_size}-{stat.st_mtime_ns}")

    def glob(self, pattern: str) -> list[str]:
        """Return the URIs that match, sorted."""
        path = self._path(pattern)
        folder = Path(path.anchor)
        found = map(str, folder.glob(str(path.relative_to(folder))))
        return sorted([*found, *fnmatch.filter(self.objects, pattern)])

    def read(self, uri: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes of a file or an object."""
        self.reads.append((uri, start, stop))
        if uri in self.objects:
            return self.objects[uri][start:stop]
        try:
            with self._path(uri).open("rb") as file:
                file.seek(start)
                return file.read() if stop is None else file.read(max(stop - start, 0))
        except OSError as error:
            raise self._missing(uri, error) from error

    def keep(self, data: bytes) -> str:
        """Keep bytes under their digest."""
        uri = f"object:{digest_bytes(data)}"
        self.objects[uri] = data
        return uri

    def fetch(self, uri: str) -> Path:
        """Return a file with the bytes."""
        if uri not in self.objects:
            self.head(uri)
            return self._path(uri)
        path = self.scratch / uri.replace("/", "_").replace(":", "_")
        path.write_bytes(self.objects[uri])
        return path

    @staticmethod
    def _path(uri: str) -> Path:
        return Path(uri.removeprefix("file://"))

    @staticmethod
    def _missing(uri: str, error: OSError) -> MissingInput:
        return MissingInput(
            "a file is missing or can't be read", why=str(error.strerror), hint="check the path", file=uri
        )


class CutSource:
    """A source that was probed, indexed and laid out: what the engine does before it cuts."""

    def __init__(self, partitioner: Partitioner, source: Source, data: MemoryAccess) -> None:
        self.partitioner, self.source, self.data = partitioner, source, data
        self.groups = list(partitioner.probe(source, data))
        self.parts: list[Sequence[IndexPart]] = [partitioner.index_parts(group) for group in self.groups]
        self.indexes = [[partitioner.index(part, data) for part in parts] for parts in self.parts]
        self.layouts = self.lay_out()

    def lay_out(self) -> list[Layout]:
        """Join the indexes."""
        pairs = zip(self.groups, self.indexes, strict=True)
        return [self.partitioner.layout(group, indexes) for group, indexes in pairs]

    def pieces(self, options: Mapping[str, Any]) -> list[Piece]:
        """Cut all groups."""
        return [piece for layout in self.layouts for piece in self.partitioner.cut(layout, **options)]

    def open(self, piece: Piece) -> Reader:
        """Open one piece."""
        return self.partitioner.open(piece, self.data)


_inherited = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.function_scoped_fixture],
)


class PartitionerContract(ABC):
    """What every partitioner must hold. Inherit it, fill in the abstract methods; pytest finds the tests."""

    sized: ClassVar[bool] = True
    """There is a size to choose; without it, what is about sizes is left out."""

    def __init_subclass__(cls) -> None:
        """Leave out the tests of what this kind of partitioner can't show."""
        super().__init_subclass__()
        leave_out(cls, {"sized"} if cls.sized else set())

    @abstractmethod
    def partitioner(self) -> Partitioner:
        """Return the partitioner; make its indexing parts small, so that the source has several."""

    @abstractmethod
    def source(self, folder: Path) -> Source:
        """Write a source into ``folder``, the same bytes each time; small, real and odd."""

    @abstractmethod
    def change(self, folder: Path) -> None:
        """Change the data of each group of the source in ``folder``, so that its last record is another one."""

    @abstractmethod
    def oracle(self, folder: Path) -> list[bytes]:
        """Return the source's records, found without the partitioner, in source order."""

    @abstractmethod
    def read(self, reader: Reader) -> list[bytes]:
        """Return the records that a reader owns, in the same form as those of the oracle."""

    @abstractmethod
    def options(self, size: int) -> Mapping[str, Any]:
        """Return the options of `Partitioner.cut` for pieces of ``size``; no options if there is no size to choose."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Return the folder that holds the source."""
        folder = tmp_path / "source"
        folder.mkdir()
        return folder

    @pytest.fixture
    def cut_source(self, folder: Path, tmp_path: Path) -> CutSource:
        """Return the source, ready to be cut."""
        return CutSource(self.partitioner(), self.source(folder), MemoryAccess(tmp_path))

    @_inherited
    @given(size=st.integers(1, 1 << 16))
    def test_each_record_comes_once_and_in_order(self, cut_source: CutSource, folder: Path, size: int) -> None:
        pieces = cut_source.pieces(self.options(size))
        found = [record for piece in pieces for record in self.read(cut_source.open(piece))]
        assert found == self.oracle(folder)

    @_inherited
    @given(size=st.integers(1, 1 << 16))
    def test_pieces_readers_and_layouts_count_the_same(self, cut_source: CutSource, size: int) -> None:
        for layout in cut_source.layouts:
            consumed = 0
            for piece in cut_source.partitioner.cut(layout, **self.options(size)):
                reader = cut_source.open(piece)
                assert reader.consumed == 0
                self.read(reader)
                assert piece.records in (None, reader.consumed)
                consumed += reader.consumed
            assert layout.records in (None, consumed)

    @_inherited
    @given(size=st.integers(1, 1 << 16))
    def test_the_order_of_reading_does_not_matter(self, cut_source: CutSource, size: int) -> None:
        pieces = cut_source.pieces(self.options(size))
        forth = [self.read(cut_source.open(piece)) for piece in pieces]
        assert [self.read(cut_source.open(piece)) for piece in reversed(pieces)] == forth[::-1]

    @_inherited
    @given(size=st.integers(1, 1 << 16))
    def test_layout_and_cut_are_pure_and_read_nothing(self, cut_source: CutSource, size: int) -> None:
        before = len(cut_source.data.reads)
        again = [
            piece
            for layout in cut_source.lay_out()
            for piece in cut_source.partitioner.cut(layout, **self.options(size))
        ]
        assert again == cut_source.pieces(self.options(size)) == cut_source.pieces(self.options(size))
        assert len(cut_source.data.reads) == before

    def test_the_index_is_the_same_when_made_again(self, cut_source: CutSource) -> None:
        for parts, indexes in zip(cut_source.parts, cut_source.indexes, strict=True):
            assert [cut_source.partitioner.index(part, cut_source.data) for part in parts] == indexes

    def test_descriptions_survive_json(self, cut_source: CutSource) -> None:
        partitioner = cut_source.partitioner
        groups = [_through_json(group) for group in cut_source.groups]
        parts = [[_through_json(part) for part in partitioner.index_parts(group)] for group in groups]
        indexes = [[partitioner.index(part, cut_source.data) for part in some] for some in parts]
        pieces = [
            _through_json(piece)
            for group, some in zip(groups, indexes, strict=True)
            for piece in partitioner.cut(partitioner.layout(group, some), **self.options(1000))
        ]
        assert pieces == cut_source.pieces(self.options(1000))
        found = [self.read(cut_source.open(piece)) for piece in pieces]
        assert found == [self.read(cut_source.open(piece)) for piece in cut_source.pieces(self.options(1000))]

    def test_keys_are_distinct_and_of_one_shape(self, cut_source: CutSource) -> None:
        pieces = cut_source.pieces(self.options(1))
        assert max(Counter(piece.key for piece in pieces).values(), default=1) == 1
        assert len({tuple((name, type(value)) for name, value in piece.key) for piece in pieces}) <= 1
        for piece in pieces:
            assert dict(cut_source.open(piece).key) == dict(piece.key)
            assert not self.partitioner().columns or {*dict(piece.key)} <= {*self.partitioner().columns}

    def test_the_content_of_a_piece_does_not_depend_on_its_place_and_time(
        self, cut_source: CutSource, tmp_path: Path
    ) -> None:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        source = self.source(elsewhere)
        for path in elsewhere.rglob("*"):
            os.utime(path, (1, 1))
        other = CutSource(self.partitioner(), source, MemoryAccess(tmp_path))
        contents = [piece.content for piece in other.pieces(self.options(1000))]
        assert contents == [piece.content for piece in cut_source.pieces(self.options(1000))]

    def test_the_content_of_a_piece_follows_its_data(self, cut_source: CutSource, folder: Path) -> None:
        before = cut_source.pieces(self.options(1 << 30))
        self.change(folder)
        changed = CutSource(cut_source.partitioner, cut_source.source, cut_source.data)
        after = changed.pieces(self.options(1 << 30))
        assert not {piece.content for piece in before} & {piece.content for piece in after}

    def test_opening_reads_nothing(self, cut_source: CutSource) -> None:
        before = len(cut_source.data.reads)
        for piece in cut_source.pieces(self.options(1000)):
            cut_source.open(piece)
        assert len(cut_source.data.reads) == before

    def test_readers_stay_inside_their_objects(self, cut_source: CutSource) -> None:
        before = len(cut_source.data.reads)
        for piece in cut_source.pieces(self.options(1000)):
            self.read(cut_source.open(piece))
        for uri, start, stop in cut_source.data.reads[before:]:
            size = cut_source.data.head(uri).size
            assert 0 <= start <= (size if stop is None else stop) <= size, f"{uri} [{start}, {stop}) of {size}"

    def test_files_for_programs_are_the_same_anywhere_and_hold_all_records(
        self, cut_source: CutSource, tmp_path: Path
    ) -> None:
        for number, piece in enumerate(cut_source.pieces(self.options(200))):
            made = []
            for place in ("here", "there"):
                reader, folder = cut_source.open(piece), tmp_path / f"{place}{number}"
                if not isinstance(reader, WritesFiles):
                    return  # programs can't have such a source, and the graph says so
                folder.mkdir()
                files = reader.as_files(folder)
                assert all(path.parent == folder and path.is_file() for path in files.values())
                assert piece.records is None or reader.consumed == piece.records
                made.append({part: (path.name, path.read_bytes()) for part, path in files.items()})
            assert made[0] == made[1]

    def test_places_lie_in_their_files(self, cut_source: CutSource) -> None:
        for piece in cut_source.pieces(self.options(1)):
            for place in cut_source.partitioner.places(piece):
                size = cut_source.data.head(place.file).size
                start, stop = place.bytes or (0, size)
                assert 0 <= start <= stop <= size
                assert place.records is None or 0 < place.records[0] <= place.records[1]

    @needs(sized=True)
    def test_a_size_below_one_is_refused(self, cut_source: CutSource) -> None:
        with pytest.raises(OptionError):
            cut_source.pieces(self.options(0))


def _through_json(value: Any) -> Any:
    """Return a group, part or piece with its ``body`` written as JSON and read again."""
    return replace(value, body=json.loads(json.dumps(value.body, allow_nan=False)))
