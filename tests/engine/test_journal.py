"""The run folder: on a full disk the first loss is an error, later ones do not hide its cause."""

from __future__ import annotations

import errno
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowbutton.engine.folders import is_run
from flowbutton.engine.journal import Journal, begin_run, new_run_id, read_events
from flowbutton.model.errors import NoSpace
from flowbutton.stores.local import LocalStore


class Full(io.StringIO):
    """A file on a full disk."""

    def write(self, _text: str, /) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_told_once(tmp_path: Path) -> None:
    heard: list[str] = []
    journal = Journal(begin_run(tmp_path / "runs"), [lambda kind, _: heard.append(kind)])
    journal.event("first")
    whole, journal._events = journal._events, Full()
    with pytest.raises(NoSpace):
        journal.event("second")
    journal.event("third")
    assert heard == ["first", "third"]
    whole.close()
    journal.close(LocalStore(tmp_path))
    assert [event["event"] for event in read_events(journal.folder)] == ["first"]


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    journal = Journal(begin_run(tmp_path / "runs"), [])
    journal.event("one")
    journal.close(LocalStore(tmp_path))
    with (journal.folder / "events.jsonl").open("a") as file:
        file.write('{"at": "2026-')
    assert [event["event"] for event in read_events(tmp_path / "runs" / "latest")] == ["one"]


@given(st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC)), st.integers(16, 10**7))
def test_ids_sort_by_time_within_a_second_too(first: datetime, later_us: int) -> None:
    one, other = new_run_id(first), new_run_id(first + timedelta(microseconds=later_us))
    assert is_run(one)
    assert one < other, "else `clean` takes the newer run for the older one"


def test_runs_that_begin_at_once_have_folders_of_their_own_in_their_order(tmp_path: Path) -> None:
    begun = [begin_run(tmp_path / "runs") for _ in range(50)]
    assert begun == sorted(set(begun))
