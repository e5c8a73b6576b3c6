"""The contract suite's own test: partitioners that break one promise each must fail it.

The right one is that of the example plug-in, so this holds the example too.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import sys
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flowbutton.model.canonical import digest_json
from flowbutton.model.partitioner import Partitioner, Reader
from flowbutton.model.pieces import Group, IndexPart, Layout, Piece, Place, Source
from flowbutton.model.store import DataAccess
from flowbutton.testing.partitioners import CutSource, MemoryAccess, PartitionerContract

PLUGIN = Path(__file__).resolve().parents[2] / "examples/plugin/earthquakes/json_lines.py"
_spec = importlib.util.spec_from_file_location("example_json_lines", PLUGIN)
assert _spec is not None
assert _spec.loader is not None
example = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = example
_spec.loader.exec_module(example)
JsonLines, JsonLinesReader = example.JsonLines, example.JsonLinesReader


class Contract(PartitionerContract):
    """Two files, in blocks of a line."""

    def __init__(self, kind: type[Partitioner]) -> None:
        self.kind = kind

    def partitioner(self) -> Partitioner:
        return self.kind(part_bytes=40, block_bytes=1)

    def source(self, folder: Path) -> Source:
        for name in "ab":
            (folder / name).write_text("".join(f'{{"{name}": {number}}}\n' for number in range(9)))
        return Source("lines", str(folder / "*"), {})

    def change(self, folder: Path) -> None:
        for name in "ab":
            with (folder / name).open("a") as file:
                file.write('{"new": true}\n')

    def oracle(self, folder: Path) -> list[bytes]:
        lines = [line for name in "ab" for line in (folder / name).read_text().splitlines()]
        return [json.dumps(json.loads(line)).encode() for line in lines]

    def read(self, reader: Reader) -> list[bytes]:
        return [json.dumps(found).encode() for found in reader]

    def options(self, size: int) -> Mapping[str, Any]:
        return {"size": size}


class Cutting(JsonLines):
    """Cuts as it should, and then changes the pieces."""

    def cut(self, layout: Layout, *, size: int = 1) -> Sequence[Piece]:
        return self.changed(list(super().cut(layout, size=size)))

    @abstractmethod
    def changed(self, pieces: list[Piece]) -> list[Piece]: ...


class LosesTheLastPiece(Cutting):
    def changed(self, pieces: list[Piece]) -> list[Piece]:
        return pieces[:-1]


class DoublesAtABorder(Cutting):
    def changed(self, pieces: list[Piece]) -> list[Piece]:
        first = pieces[0].body["start"]
        return [*pieces[:-1], replace(pieces[-1], body={**pieces[-1].body, "start": first})]


class TurnsRound(Cutting):
    def changed(self, pieces: list[Piece]) -> list[Piece]:
        return pieces[::-1]


class CountsTooMany(Cutting):
    def changed(self, pieces: list[Piece]) -> list[Piece]:
        return [replace(piece, records=(piece.records or 0) + 1) for piece in pieces]


class TrustsThePieces(JsonLines):
    """The layout's count is wrong, and nothing compares it with the pieces'."""

    def layout(self, group: Group, indexes: Sequence[bytes]) -> Layout:
        return replace(super().layout(group, indexes), records=7)


class ForgetsToCount(JsonLines):
    def open(self, piece: Piece, data: DataAccess) -> Reader:
        class Silent(JsonLinesReader):
            consumed = 0

        return Silent(piece, data)


class SharesItsPlace(JsonLines):
    """One open reader for all: the second goes on where the first ended."""

    last = -1

    def open(self, piece: Piece, data: DataAccess) -> Reader:
        partitioner = self

        class Going(JsonLinesReader):
            def __iter__(self) -> Iterator[dict[str, Any]]:
                if self._start == 0 or self._start >= partitioner.last:
                    partitioner.last = self._start
                    yield from super().__iter__()

        return Going(piece, data)


class LooksAgain(JsonLines):
    """Reads the data when it cuts."""

    def index(self, part: IndexPart, data: DataAccess) -> bytes:
        self.data = data
        return super().index(part, data)

    def cut(self, layout: Layout, *, size: int = 1) -> Sequence[Piece]:
        self.data.read(layout.group.objects[0].uri, 0, 1)
        return super().cut(layout, size=size)


class Rolls(JsonLines):
    """Names content by chance."""

    def index(self, part: IndexPart, data: DataAccess) -> bytes:
        blocks = json.loads(super().index(part, data))
        return json.dumps([[*block[:3], os.urandom(4).hex()] for block in blocks]).encode()


class KeepsATuple(Cutting):
    """The body is no JSON: it comes back as another value."""

    def changed(self, pieces: list[Piece]) -> list[Piece]:
        return [replace(piece, body={**piece.body, "pair": (1, 2)}) for piece in pieces]


class OneKeyForAll(Cutting):
    def changed(self, pieces: list[Piece]) -> list[Piece]:
        return [replace(piece, key=(*piece.key[:-1], ("part", 0))) for piece in pieces]


class NamesThePlace(Cutting):
    def changed(self, pieces: list[Piece]) -> list[Piece]:
        return [replace(piece, content=digest_json("wrong", [piece.body["uri"], piece.content])) for piece in pieces]


class NamesTheTime(Cutting):
    def changed(self, pieces: list[Piece]) -> list[Piece]:
        return [
            replace(piece, content=digest_json("wrong", [piece.body["identity"], piece.content])) for piece in pieces
        ]


class NamesTheNumberOnly(Cutting):
    def changed(self, pieces: list[Piece]) -> list[Piece]:
        return [replace(piece, content=digest_json("wrong", dict(piece.key))) for piece in pieces]


class OpensEagerly(JsonLines):
    def open(self, piece: Piece, data: DataAccess) -> Reader:
        reader = super().open(piece, data)
        data.read(reader._uri, 0, 1)
        return reader


class ReadsBeyondTheEnd(Cutting):
    def changed(self, pieces: list[Piece]) -> list[Piece]:
        stop = pieces[-1].body["stop"] + 1
        return [*pieces[:-1], replace(pieces[-1], body={**pieces[-1].body, "stop": stop})]


class TellsPrograms(JsonLines):
    """Writes for programs where it writes."""

    def open(self, piece: Piece, data: DataAccess) -> Reader:
        class Telling(JsonLinesReader):
            def as_files(self, folder: Path) -> Mapping[str, Path]:
                files = super().as_files(folder)
                files[""].write_text(f"# {folder}\n" + files[""].read_text())
                return files

        return Telling(piece, data)


class WritesUncounted(JsonLines):
    """Counts nothing of what it writes for programs."""

    def open(self, piece: Piece, data: DataAccess) -> Reader:
        class Uncounted(JsonLinesReader):
            def as_files(self, folder: Path) -> Mapping[str, Path]:
                files = super().as_files(folder)
                self._consumed = 0
                return files

        return Uncounted(piece, data)


class PointsBeyond(JsonLines):
    """Says that a piece lies where its file has ended."""

    def places(self, piece: Piece) -> Sequence[Place]:
        return [replace(place, bytes=(place.bytes[1], place.bytes[1] + 9)) for place in super().places(piece)]


class TakesAnySize(JsonLines):
    def cut(self, layout: Layout, *, size: int = 1) -> Sequence[Piece]:
        return super().cut(layout, size=max(size, 1))


WRONG = [
    (LosesTheLastPiece, "test_each_record_comes_once_and_in_order"),
    (DoublesAtABorder, "test_each_record_comes_once_and_in_order"),
    (TurnsRound, "test_each_record_comes_once_and_in_order"),
    (CountsTooMany, "test_pieces_readers_and_layouts_count_the_same"),
    (TrustsThePieces, "test_pieces_readers_and_layouts_count_the_same"),
    (ForgetsToCount, "test_pieces_readers_and_layouts_count_the_same"),
    (SharesItsPlace, "test_the_order_of_reading_does_not_matter"),
    (LooksAgain, "test_layout_and_cut_are_pure_and_read_nothing"),
    (Rolls, "test_the_index_is_the_same_when_made_again"),
    (KeepsATuple, "test_descriptions_survive_json"),
    (OneKeyForAll, "test_keys_are_distinct_and_of_one_shape"),
    (NamesThePlace, "test_the_content_of_a_piece_does_not_depend_on_its_place_and_time"),
    (NamesTheTime, "test_the_content_of_a_piece_does_not_depend_on_its_place_and_time"),
    (NamesTheNumberOnly, "test_the_content_of_a_piece_follows_its_data"),
    (OpensEagerly, "test_opening_reads_nothing"),
    (ReadsBeyondTheEnd, "test_readers_stay_inside_their_objects"),
    (TellsPrograms, "test_files_for_programs_are_the_same_anywhere_and_hold_all_records"),
    (WritesUncounted, "test_files_for_programs_are_the_same_anywhere_and_hold_all_records"),
    (PointsBeyond, "test_places_lie_in_their_files"),
    (TakesAnySize, "test_a_size_below_one_is_refused"),
]
PROMISES = sorted(name for name in dir(PartitionerContract) if name.startswith("test_"))


def run(kind: type[Partitioner], promise: str, tmp_path: Path) -> None:
    """Run one test of the suite as pytest would."""
    suite, folder = Contract(kind), tmp_path / "source"
    folder.mkdir()
    given = {"folder": folder, "tmp_path": tmp_path}
    given["cut_source"] = CutSource(suite.partitioner(), suite.source(folder), MemoryAccess(tmp_path))
    test = getattr(suite, promise)
    test(**{name: value for name, value in given.items() if name in inspect.signature(test).parameters})


@pytest.mark.parametrize(("wrong", "promise"), WRONG, ids=[f"{wrong.__name__}-{promise}" for wrong, promise in WRONG])
def test_a_wrong_partitioner_fails(wrong: type[Partitioner], promise: str, tmp_path: Path) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        run(wrong, promise, tmp_path)


@pytest.mark.parametrize("promise", PROMISES)
def test_the_right_one_passes(promise: str, tmp_path: Path) -> None:
    run(JsonLines, promise, tmp_path)


def test_every_promise_is_broken_by_a_wrong_partitioner() -> None:
    assert sorted({promise for _, promise in WRONG}) == PROMISES
