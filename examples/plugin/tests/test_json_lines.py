"""JSON lines hold the contract of partitioners, and say what is wrong with a line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from earthquakes.json_lines import JsonLines

from flowbutton.model.errors import MalformedRecord, UncuttableSource
from flowbutton.model.partitioner import Partitioner, Reader
from flowbutton.model.pieces import Source
from flowbutton.model.stage import Tally
from flowbutton.testing.partitioners import CutSource, MemoryAccess, PartitionerContract

ODD = (
    '{"a": 1}\r\n'
    "\n"
    '{"a": "newlines \\n and ] } \\" quotes"}\n'
    '{"a": "ü", "long": "' + 300 * "x" + '"}\n'
    "   \n"
    "\n"
    '{"a": [1, {"b": null}]}\n'
    "{}\n"
    '{"a": "no newline at the end"}'
)


class TestJsonLines(PartitionerContract):
    """Parts of 50 bytes and blocks of 10, so that lines lie across both."""

    def partitioner(self) -> Partitioner:
        return JsonLines(part_bytes=50, block_bytes=10)

    def source(self, folder: Path) -> Source:
        (folder / "a.jsonl").write_bytes(ODD.encode())
        (folder / "b.jsonl").write_bytes(b'\n\n{"b": 2}\n' + b"\n" * 70)
        return Source("events", str(folder / "*.jsonl"), {})

    def change(self, folder: Path) -> None:
        for path in folder.glob("*.jsonl"):
            path.write_bytes(path.read_bytes().rstrip() + b"\n" + json.dumps({"changed": path.name}).encode())

    def oracle(self, folder: Path) -> list[bytes]:
        text = "\n".join(path.read_text() for path in sorted(folder.glob("*.jsonl")))
        return [json.dumps(json.loads(line)).encode() for line in text.split("\n") if line.strip()]

    def read(self, reader: Reader) -> list[bytes]:
        return [json.dumps(found).encode() for found in reader]  # type: ignore[attr-defined]

    def options(self, size: int) -> Mapping[str, Any]:
        return {"size": size}


def opened(folder: Path, text: str) -> list[Reader]:
    path = folder / "some.jsonl"
    path.write_text(text)
    cut = CutSource(JsonLines(part_bytes=50, block_bytes=10), Source("events", str(path), {}), MemoryAccess(folder))
    return [cut.open(piece) for piece in cut.pieces({"size": 12})]


def test_a_bad_line_is_told_by_its_number_and_byte(tmp_path: Path) -> None:
    readers = opened(tmp_path, '{"a": 1}\n\n{"a": 2}\n{"a": \n{"a": 4}\n')
    with pytest.raises(MalformedRecord) as caught:
        [[*reader] for reader in readers]  # type: ignore[misc]
    assert (caught.value.where["record"], caught.value.where["byte"]) == (3, 19)


def test_what_is_no_object_is_told(tmp_path: Path) -> None:
    with pytest.raises(MalformedRecord, match="no object"):
        [[*reader] for reader in opened(tmp_path, "[1, 2]\n")]  # type: ignore[misc]


def test_bad_lines_are_set_aside_once_where_that_is_allowed(tmp_path: Path) -> None:
    tally, found = Tally(), []
    for reader in opened(tmp_path, '{"a": 1}\nno\n{"a": 3}\n[]\n'):
        reader.tolerate(tally)
        found += [*reader]  # type: ignore[misc]
        assert [*reader]  # type: ignore[misc]
        assert reader.consumed == 2
    assert found == [{"a": 1}, {"a": 3}]
    assert tally.aside_by == {"a line is not JSON": 1, "a line is JSON, but no object": 1}
    assert [(kept["record"], kept["line"]) for kept in tally.aside] == [
        ("some.jsonl, record 2", "no"),
        ("some.jsonl, record 4", "[]"),
    ]


def test_a_file_without_lines_has_no_pieces(tmp_path: Path) -> None:
    assert opened(tmp_path, "") == opened(tmp_path, "\n\n") == []


def test_a_packed_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(gzip.compress(b'{"a": 1}\n'))
    with pytest.raises(UncuttableSource, match="packed"):
        JsonLines().probe(Source("events", str(tmp_path / "a.jsonl"), {}), MemoryAccess(tmp_path))


def test_a_piece_is_written_for_programs(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    readers = opened(tmp_path, '{"a": 1}\r\n\n{"a": 2}')
    written = [reader.as_files(tmp_path / "out")[""].read_text() for reader in readers]  # type: ignore[attr-defined]
    assert written == ['{"a": 1}\n', '{"a": 2}\n']
    assert sum(reader.consumed for reader in readers) == 2
