"""Packs, segments, manifests: each fingerprint has one row, whoever writes, dies or answers late."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowbutton.model.canonical import digest_bytes, digest_json
from flowbutton.model.errors import CorruptObject, NoSpace, NotInStore, Throttled
from flowbutton.model.outlines import Outlined
from flowbutton.model.records import Artifact, LedgerCounts, Measures, Row, TaskRecord
from flowbutton.model.store import Store
from flowbutton.stores.layout import manifest_key, pack_key, segment_key
from flowbutton.stores.local import LocalStore
from flowbutton.stores.memory import MemoryStore
from flowbutton.stores.packs import read_head
from flowbutton.stores.records import RecordLog, put_selection, read_selection, write_pack
from flowbutton.testing.faulty import Crash, CrashingStore, FullStore, LostAnswer, WrappedStore

STAGE = "5" * 64
_numbers = itertools.count()


def fresh() -> MemoryStore:
    return MemoryStore(f"records-{next(_numbers)}")


def fingerprint(number: int) -> str:
    return digest_json("test", number)


def record(number: int, wall_s: float = 0.0, log: str = "") -> TaskRecord:
    data = b"answer %d" % number
    artifact = Artifact("json", digest_bytes(data), len(data), data)
    ledger = LedgerCounts(consumed={"reads": number}, out=number)
    return TaskRecord(fingerprint(number), {"": artifact}, ledger, Measures(wall_s=wall_s), log)


def by_fingerprint(rows: Sequence[Outlined]) -> dict[str, Outlined]:
    return {row.fingerprint: row for row in rows}


def rows_of(outlined: Iterable[Outlined]) -> list[Row]:
    return [one.row for one in outlined]


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return LocalStore(tmp_path) if request.param == "file" else fresh()


def test_a_stage_is_written_committed_finished_and_found_again(store: Store) -> None:
    records = [record(number, log="x" * number) for number in range(700)]
    log = RecordLog(store, STAGE)
    for start in range(0, 700, 64):
        rows = write_pack(store, STAGE, records[start : start + 64])
        assert log.commit(rows) == by_fingerprint(rows)
    wanted = [item.fingerprint for item in records]
    assert RecordLog(store, STAGE).find(wanted) == RecordLog(store, STAGE).load()
    log.finish(wanted)
    found = RecordLog(store, STAGE).find(wanted[::-1])
    assert log.read_many([found[name].row for name in wanted]) == records
    assert log.read_many([found[name].row for name in wanted[::-1]]) == records[::-1]
    assert log.read(found[wanted[3]].row) == records[3]
    assert RecordLog(store, "6" * 64).load() == {}


def test_a_head_longer_than_the_first_read_is_read(store: Store) -> None:
    rows = write_pack(store, STAGE, [record(number) for number in range(900)])
    assert read_head(store, STAGE, rows[0].pack) == rows_of(rows)


def test_an_exact_rerun_reads_one_list_and_looks_whether_packs_are_there() -> None:
    inner = fresh()
    log = RecordLog(inner, STAGE)
    wanted = [fingerprint(number) for number in range(50)]
    log.commit(write_pack(inner, STAGE, [record(number) for number in range(50)]))
    log.finish(wanted)
    steps: list[str] = []
    watched = WrappedStore(inner, lambda method, key: steps.append(f"{method} {key.split('/')[0]}"))
    again = RecordLog(watched, STAGE)
    again.find(wanted)
    assert steps == ["get manifests", "head records"]
    again.finish(wanted)
    assert steps == ["get manifests", "head records", "get manifests"]


def test_neighbours_in_a_pack_are_read_together() -> None:
    inner = fresh()
    rows = write_pack(inner, STAGE, [record(number) for number in range(100)])
    gets: list[str] = []
    log = RecordLog(WrappedStore(inner, lambda _, key: gets.append(key)), STAGE)
    assert len(log.read_many(rows_of(rows[10:90]))) == 80
    assert len(gets) == 1


def test_a_pack_that_was_written_before_gives_its_own_rows(store: Store) -> None:
    first = write_pack(store, STAGE, [record(number, wall_s=0.1) for number in range(5)])
    second = write_pack(store, STAGE, [record(number, wall_s=3.14159) for number in range(5)])
    assert second == first
    turned = write_pack(store, STAGE, [record(number) for number in reversed(range(5))])
    assert turned == first[::-1]
    assert RecordLog(store, STAGE).read_many(rows_of(first))[0].measures.wall_s == 0.1


@pytest.mark.parametrize("cut", [0, 5, 200, -1, -400])
def test_a_torn_pack_does_not_hold_its_batch_for_ever(store: Store, cut: int) -> None:
    rows = write_pack(store, STAGE, [record(number) for number in range(5)])
    key = pack_key(STAGE, rows[0].pack)
    store.put(key, store.get(key)[:cut])
    again = write_pack(store, STAGE, [record(number) for number in range(5)])
    assert again[0].pack != rows[0].pack
    assert RecordLog(store, STAGE).read_many(rows_of(again)) == [record(number) for number in range(5)]
    assert write_pack(store, STAGE, [record(number, wall_s=2) for number in range(5)]) == again


@pytest.mark.parametrize("records", [[], [record(1), record(1)]], ids=["none", "twice"])
def test_a_pack_needs_distinct_fingerprints(records: list[TaskRecord]) -> None:
    with pytest.raises(ValueError, match="distinct"):
        write_pack(fresh(), STAGE, records)


def test_a_pack_that_no_segment_names_is_adopted() -> None:
    inner = fresh()
    driver = RecordLog(inner, STAGE)
    driver.commit(write_pack(inner, STAGE, [record(1)]))
    dying = CrashingStore(inner, 2, after_put=False)
    rows = write_pack(dying, STAGE, [record(2), record(3)])
    with pytest.raises(Crash):
        RecordLog(dying, STAGE).commit(rows)
    with pytest.raises(Crash):
        dying.head("objects")
    assert by_fingerprint(rows).items() <= RecordLog(inner, STAGE).load().items()
    assert driver.refresh() == RecordLog(inner, STAGE).refresh()
    assert driver.refresh().keys() == {fingerprint(1), fingerprint(2), fingerprint(3)}


def test_packs_are_adopted_in_the_order_of_their_names() -> None:
    inner = fresh()
    cuts = [[1, 2], [2, 3], [1, 3], [1], [2]]
    packs = [write_pack(inner, STAGE, [record(number, wall_s=len(cut)) for number in cut]) for cut in cuts]
    expected: dict[str, Outlined] = {}
    for row in sorted((row for rows in packs for row in rows), key=lambda row: row.pack):
        expected.setdefault(row.fingerprint, row)
    assert RecordLog(inner, STAGE).load() == expected


@pytest.mark.parametrize("after_put", [False, True])
@pytest.mark.parametrize("nth", range(1, 6))
def test_killed_at_any_put_running_again_recovers(nth: int, after_put: bool) -> None:
    inner = fresh()

    def run(store: Store) -> dict[str, Outlined]:
        log = RecordLog(store, STAGE)
        wanted = [fingerprint(number) for number in range(4)]
        done = log.find(wanted)
        for pair in ((0, 1), (2, 3)):
            left = [record(number) for number in pair if fingerprint(number) not in done]
            if left:
                log.commit(write_pack(store, STAGE, left))
        log.finish(wanted)
        return log.find(wanted)

    with pytest.raises(Crash):
        run(CrashingStore(inner, nth, after_put=after_put))
    again = run(inner)
    assert RecordLog(inner, STAGE).read_many(rows_of(again.values())) == [record(number) for number in range(4)]
    assert len([*inner.list("records/" + STAGE + "/packs/")]) == 2


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_lost_answer_leaves_one_winner(nth: int) -> None:
    inner = fresh()
    lossy = LostAnswer(inner, nth)
    log = RecordLog(lossy, STAGE)

    answers, lost = [], 0
    for _ in range(4):
        try:
            answers.append(log.commit(write_pack(lossy, STAGE, [record(7), record(8)])))
        except Throttled:
            lost += 1
    assert lost == 1
    assert answers == [RecordLog(inner, STAGE).load()] * 3
    assert [*inner.list(f"records/{STAGE}/segments/")] == [segment_key(STAGE, 0)]


@pytest.mark.parametrize("nth", [1, 2])
def test_a_full_disk_says_so_and_later_all_is_well(nth: int) -> None:
    inner = fresh()
    full = FullStore(inner, nth)
    log = RecordLog(full, STAGE)
    with pytest.raises(NoSpace):
        log.commit(write_pack(full, STAGE, [record(7)]))
    assert log.commit(write_pack(full, STAGE, [record(7)])) == RecordLog(inner, STAGE).load()


@pytest.mark.parametrize("damage", [b"", b"not JSON", b'{"rows":[],"void":[]} 00\n'])
def test_a_damaged_segment_counts_as_absent(damage: bytes) -> None:
    inner = fresh()
    log = RecordLog(inner, STAGE)
    one, two = write_pack(inner, STAGE, [record(1)]), write_pack(inner, STAGE, [record(2)])
    log.commit(one)
    log.commit(two)
    inner.put(segment_key(STAGE, 0), damage)
    assert RecordLog(inner, STAGE).refresh() == by_fingerprint(two)
    assert RecordLog(inner, STAGE).load() == by_fingerprint(one + two)  # its pack is adopted


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize("gone", [False, True])
def test_a_damaged_record_counts_as_absent_and_is_replaced_for_all(gone: bool, finished: bool) -> None:
    inner = fresh()
    bystander, log = RecordLog(inner, STAGE), RecordLog(inner, STAGE)
    wanted = [fingerprint(number) for number in range(3)]
    rows = write_pack(inner, STAGE, [record(number) for number in range(2)])
    rows += write_pack(inner, STAGE, [record(2)])
    log.commit(rows)
    bystander.load()
    if finished:
        log.finish(wanted)
    key = pack_key(STAGE, rows[0].pack)
    data = inner.get(key)
    if gone:
        inner.delete(key)
    else:
        inner.put(key, data[: rows[1].row.offset] + bytes(rows[1].row.length))
    resumed = RecordLog(inner, STAGE)
    found = resumed.find(wanted)
    if not gone:  # a pack that is gone is missed at once, damaged bytes when they are read
        with pytest.raises(CorruptObject) as caught:
            resumed.read_many([found[name].row for name in wanted])
        assert caught.value.where["key"] == key
    left = resumed.find(wanted)
    assert left.keys() == ({wanted[2]} if gone else {wanted[0], wanted[2]})
    redone = write_pack(inner, STAGE, [record(number, wall_s=9.5) for number in range(2) if wanted[number] not in left])
    resumed.commit(redone)
    resumed.finish(wanted)
    for reader in (resumed, bystander, RecordLog(inner, STAGE)):
        reader.refresh()
        rows_now = reader.find(wanted)
        assert by_fingerprint(redone).items() <= rows_now.items()
        assert [item.fingerprint for item in reader.read_many([rows_now[name].row for name in wanted])] == wanted


def test_a_damaged_manifest_counts_as_absent() -> None:
    inner = fresh()
    log = RecordLog(inner, STAGE)
    rows = write_pack(inner, STAGE, [record(1)])
    log.commit(rows)
    log.finish([fingerprint(1)])
    key = manifest_key(STAGE, digest_json("set", [fingerprint(1)]))
    inner.put(key, inner.get(key)[:-9])
    assert RecordLog(inner, STAGE).find([fingerprint(1)]) == by_fingerprint(rows)


def test_a_stage_with_an_open_task_is_not_finished() -> None:
    log = RecordLog(fresh(), STAGE)
    with pytest.raises(ValueError, match="1 of 1 tasks are not committed"):
        log.finish([fingerprint(1)])


def test_a_stage_of_no_task_is_finished_and_found() -> None:
    inner = fresh()
    RecordLog(inner, STAGE).finish([])
    assert RecordLog(inner, STAGE).find([]) == {}


def test_a_selection_keeps_order_and_repetition(store: Store) -> None:
    rows = [row.bare for pack in ([1, 2], [3]) for row in write_pack(store, STAGE, [record(number) for number in pack])]
    wanted = [rows[2], rows[0], rows[2], rows[1]]
    key = put_selection(store, STAGE, wanted)
    assert put_selection(store, STAGE, wanted) == key
    assert put_selection(store, STAGE, wanted[::-1]) != key
    assert read_selection(store, key) == [packed.row for packed in wanted]
    store.put(key, b"torn")
    with pytest.raises(CorruptObject):
        read_selection(store, key)
    assert put_selection(store, STAGE, wanted) == key
    assert read_selection(store, key) == [packed.row for packed in wanted]
    store.delete(key)
    with pytest.raises(NotInStore):
        read_selection(store, key)


class Turns:
    """Lets threads take their steps in a given order: one runs at a time, from store call to store call."""

    def __init__(self, order: Sequence[int], drivers: int) -> None:
        self._order = [*order]
        self._alive = set(range(drivers))
        self._changed = threading.Condition()

    def step(self, driver: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: not self._order or self._order[0] == driver, timeout=300)
            if self._order:
                self._order.pop(0)
            self._skip()

    def leave(self, driver: int) -> None:
        with self._changed:
            self._alive.discard(driver)
            self._skip()

    def _skip(self) -> None:
        while self._order and self._order[0] not in self._alive:
            self._order.pop(0)
        self._changed.notify_all()


@settings(max_examples=150, deadline=None)
@given(
    order=st.lists(st.integers(0, 1), max_size=40),
    batches=st.lists(
        st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True), max_size=3), min_size=2, max_size=2
    ),
    prior=st.lists(st.integers(0, 5), max_size=2, unique=True),
)
def test_two_drivers_interleaved_at_every_step_agree(
    order: list[int], batches: list[list[list[int]]], prior: list[int]
) -> None:
    inner = fresh()
    if prior:
        write_pack(inner, STAGE, [record(number, wall_s=77) for number in prior])
    turns = Turns(order, 2)

    def drive(driver: int) -> tuple[RecordLog, list[dict[str, Outlined]]]:
        store = WrappedStore(inner, lambda method, key: turns.step(driver))  # noqa: ARG005
        log, answers = RecordLog(store, STAGE), []
        try:
            answers.append(log.load())
            for batch in batches[driver]:
                rows = write_pack(store, STAGE, [record(number, wall_s=driver + 0.25) for number in batch])
                answers.append(log.commit(rows))
        finally:
            turns.leave(driver)
        return log, answers

    with ThreadPoolExecutor(2) as pool:
        driven = [*pool.map(drive, range(2))]
    final = RecordLog(inner, STAGE).load()
    assert final.keys() == {fingerprint(n) for n in (*prior, *(n for driver in batches for b in driver for n in b))}
    for log, answers in driven:
        assert all(answer.items() <= final.items() for answer in answers)
        assert log.refresh() == final
    reader = RecordLog(inner, STAGE)
    assert [item.fingerprint for item in reader.read_many(rows_of(final.values()))] == [*final]
