"""The partitioner holds the contract of partitioners."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from newname.partitioner import NewName

from flowbutton.model.partitioner import Partitioner, Reader
from flowbutton.model.pieces import Source
from flowbutton.testing.partitioners import PartitionerContract


class TestNewName(PartitionerContract):
    def partitioner(self) -> Partitioner:
        return NewName(block_bytes=10)  # small, so that a small file has many blocks

    def source(self, folder: Path) -> Source:
        (folder / "a.txt").write_bytes(b"one\r\n\n\n" + b"long " * 20 + b"\n\xff\x00\nno end")
        (folder / "b.txt").write_bytes(b"alone\n")
        (folder / "c.txt").write_bytes(b"")
        return Source("texts", str(folder / "*.txt"), {})

    def change(self, folder: Path) -> None:
        for path in folder.glob("*.txt"):
            path.write_bytes(path.read_bytes() + b"\nchanged")

    def oracle(self, folder: Path) -> list[bytes]:
        found = []
        for path in sorted(folder.glob("*.txt")):
            with path.open("rb") as file:
                found += [line.rstrip(b"\r\n") for line in file]
        return found

    def read(self, reader: Reader) -> list[bytes]:
        return [*reader]  # type: ignore[misc]  # the reader's own class can be gone through

    def options(self, size: int) -> Mapping[str, Any]:
        return {"size": size}
