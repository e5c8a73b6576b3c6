"""Records that are lost or damaged after they were named: lists tell what is done, so nobody looks into packs."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from bench import WHOLE, Bench

from flowbutton.engine.run import Report, Status
from flowbutton.engine.verify import drop, verify
from flowbutton.model.records import Row
from flowbutton.stores.local import LocalStore
from flowbutton.stores.packs import read_head, seal
from flowbutton.stores.records import Segment

OTHER = WHOLE.replace("fan_in: 2", "fan_in: 3")


def stored(bench: Bench) -> LocalStore:
    return LocalStore(bench.folder / ".flowbutton")


def packs(bench: Bench) -> dict[str, list[Row]]:
    """The rows of all packs, by key."""
    store = stored(bench)
    parts = [(key, key.split("/")) for key in store.list("records/")]
    return {key: read_head(store, stage, rest[0]) for key, (_, stage, kind, *rest) in parts if kind == "packs"}


def short(marks: Iterable[str]) -> set[str]:
    return {mark[:16] for mark in marks}


def traced(report: Report, column: int, value: str) -> set[str]:
    """The fingerprints of a run's tasks of one stage (column 1) or status (4)."""
    lines = [line.split("\t") for line in (report.folder / "trace.tsv").read_text().splitlines()]
    return {line[3] for line in lines if line[column] == value}


def damage(bench: Bench, key: str, row: Row) -> None:
    place = stored(bench).local_path(key)
    assert place is not None
    data = bytearray(place.read_bytes())
    data[row.offset + 9] ^= 0xFF
    place.chmod(0o644)
    place.write_bytes(data)


def test_of_a_lost_pack_only_its_tasks_run_again(bench: Bench) -> None:
    """Nobody reads it any more: that it is gone is found by looking whether it is there."""
    bench.run()
    for key, rows in packs(bench).items():
        lost = short(row.fingerprint for row in rows)
        stored(bench).delete(key)
        assert sum(stage.to_run or 0 for stage in bench.plan().stages) >= len(lost)
        assert traced(bench.run(), 4, "done") == lost
    assert bench.run().ran == 0


def test_a_damaged_record_that_a_task_will_read_is_found_before_it_runs(bench: Bench) -> None:
    report = bench.run()
    counted = traced(report, 1, "count")
    for key, rows in packs(bench).items():
        for row in rows:
            damage(bench, key, row)
    again = bench.run(OTHER)
    assert again.status is Status.DONE
    assert bench.stages_run().keys() >= {"count", "total", "order", "all"}
    assert traced(again, 4, "done") >= counted
    assert bench.run(OTHER).ran == 0


def test_a_damaged_record_that_nobody_reads_is_made_again_when_it_was_dropped(bench: Bench) -> None:
    report = bench.run()
    before = {name: bench.result(name) for name in ("total.json", "order.json", "all.txt")}
    counted = traced(report, 1, "count")
    key, row = next((key, rows[0]) for key, rows in packs(bench).items() if short([rows[0].fingerprint]) <= counted)
    damage(bench, key, row)
    assert bench.run().ran == 0
    found = verify(report.folder, stored(bench))
    assert [(miss.place, miss.byte) for miss in found.mismatches] == [(key, row.offset)]
    assert drop(found, stored(bench)) == (0, 1)
    again = bench.run()
    assert traced(again, 4, "done") == short([row.fingerprint])
    assert {name: bench.result(name) for name in before} == before
    assert not verify(again.folder, stored(bench)).mismatches
    assert bench.run().ran == 0


def test_a_run_that_reuses_all_reads_the_records_of_outputs_only(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    report = bench.run()
    wanted = set[str]()
    for stage in ("total", "order", "all", "files", "ranges", "bundle by key"):  # outputs, and what decides about tasks
        wanted |= traced(report, 1, stage)
    expected = {key for key, rows in packs(bench).items() if short(row.fingerprint for row in rows) & wanted}
    seen: set[str] = set()
    get = LocalStore.get

    def counted(store: LocalStore, key: str, start: int = 0, stop: int | None = None) -> bytes:
        seen.add(key)
        return get(store, key, start, stop)

    monkeypatch.setattr(LocalStore, "get", counted)
    assert bench.run().ran == 0
    assert {key for key in seen if "/packs/" in key} == expected


def test_lists_from_before_there_were_outlines_are_read(bench: Bench) -> None:
    bench.run()
    store = stored(bench)
    for key in (*store.list("records/"), *store.list("manifests/")):
        if "/segments/" in key or key.startswith("manifests/"):
            rows = [one.row for one in Segment.decode(store.get(key), key).rows]
            old = [[row.pack, [[row.fingerprint, row.digest, row.offset, row.length]]] for row in rows]
            store.put(key, seal({"rows": old, "void": []}))
    assert bench.run().ran == 0
