"""The run folder: on a full disk the first loss is an error, later ones do not hide its cause."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import pytest

from flowbutton.engine.journal import Journal, read_events
from flowbutton.model.errors import NoSpace
from flowbutton.stores.local import LocalStore


class Full(io.StringIO):
    """A file on a full disk."""

    def write(self, _text: str, /) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_told_once(tmp_path: Path) -> None:
    heard: list[str] = []
    journal = Journal(tmp_path / "runs", "r1", [lambda kind, _: heard.append(kind)])
    journal.event("first")
    whole, journal._events = journal._events, Full()
    with pytest.raises(NoSpace):
        journal.event("second")
    journal.event("third")
    assert heard == ["first", "third"]
    whole.close()
    journal.close(LocalStore(tmp_path))
    assert [event["event"] for event in read_events(tmp_path / "runs" / "r1")] == ["first"]


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "runs", "r1", [])
    journal.event("one")
    journal.close(LocalStore(tmp_path))
    with (tmp_path / "runs" / "r1" / "events.jsonl").open("a") as file:
        file.write('{"at": "2026-')
    assert [event["event"] for event in read_events(tmp_path / "runs" / "latest")] == ["one"]
