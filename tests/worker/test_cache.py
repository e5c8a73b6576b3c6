"""What a worker keeps stays within its bounds, and what is used stays."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from flowbutton.model.records import NOTHING_COUNTED, Artifact, Measures, TaskRecord
from flowbutton.worker.cache import FetchCache, RecordCache


def test_the_files_used_last_stay_and_the_rest_makes_room() -> None:
    cache = FetchCache(limit_bytes=250)
    places = [cache.folder / f"f{n}" for n in range(4)]
    for age, place in enumerate(places):
        place.write_bytes(b"x" * 100)
        os.utime(place, (age, age))
    assert cache.used(places[0]) == places[0]
    cache.tidy()
    assert sorted(cache.folder.iterdir()) == [places[0], places[3]]


def test_what_lies_elsewhere_is_left_alone(tmp_path: Path) -> None:
    stored = tmp_path / "object"
    stored.write_bytes(b"x" * 100)
    os.utime(stored, (1, 1))
    cache = FetchCache(limit_bytes=10)
    (cache.folder / "link").symlink_to(stored)
    cache.used(stored)
    cache.used(cache.folder / "link")
    cache.tidy()
    assert stored.stat().st_mtime == 1
    assert stored.exists()


def test_a_folder_that_went_with_its_run_is_made_again() -> None:
    cache = FetchCache()
    cache.tidy()
    before = cache.folder
    shutil.rmtree(before)
    cache.tidy()
    assert cache.folder.is_dir()
    assert cache.folder != before


def record(number: int, size: int) -> TaskRecord:
    artifact = Artifact("bytes", f"{number:064x}", size, b"x" * size)
    return TaskRecord(f"{number:064x}", {"": artifact}, NOTHING_COUNTED, Measures())


@given(sizes=st.lists(st.integers(0, 4096), max_size=30), limit=st.integers(1000, 20_000))
def test_records_are_held_within_a_limit_and_the_last_one_always(sizes: list[int], limit: int) -> None:
    cache = RecordCache(limit)
    for number, size in enumerate(sizes):
        cache.add(str(number), record(number, size))
        held = [found for one in range(number + 1) if (found := cache.get(str(one))) is not None]
        assert cache.get(str(number)) is not None
        assert len(held) == 1 or sum(one.bytes_held for one in held) <= limit
