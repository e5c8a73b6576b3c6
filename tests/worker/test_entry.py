"""A call in the worker: packs, failures inside a batch, logs, and attempts that meet each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from flowbutton.model.errors import Bug, NoSpace, ResourceExhausted
from flowbutton.model.records import TaskRecord
from flowbutton.stores.local import LocalStore
from flowbutton.stores.records import RecordLog
from flowbutton.worker.entry import classify, work
from flowbutton.worker.logs import TAIL_BYTES
from flowbutton.worker.messages import Message, PackWritten, TaskFailed, decode
from flowbutton.worker.payload import CallOrder, StageWork, TaskOrder, ValueInput

STAGE = "a" * 64


def call(store: str, totals: Sequence[Mapping[str, int]], *, size: int = 10) -> list[Message]:
    """Run a call over letter counts; return what it said."""
    tasks = tuple(
        TaskOrder(f"{number:064x}", {"total": ValueInput({"letters": dict(total)})})
        for number, total in enumerate(totals)
    )
    order = CallOrder(store, STAGE, StageWork("troubled:talk", {"size": size}), {}, tasks, "runs/one/logs")
    said = Said()
    assert work(order.encode(), said) == b""
    assert said.items == list(range(len(tasks))), "each task is begun, in order"
    return said.messages


class Said:
    """What a call says."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.items: list[int] = []

    def __call__(self, message: bytes) -> None:
        self.messages.append(decode(message))

    def at(self, item: int) -> None:
        self.items.append(item)


def records(store: Path, said: Sequence[Message]) -> list[TaskRecord]:
    rows = [row for message in said if isinstance(message, PackWritten) for row in message.rows]
    return RecordLog(LocalStore(store), STAGE).read_many([row.row for row in rows])


def test_quick_tasks_share_a_pack(tmp_path: Path) -> None:
    said = call(str(tmp_path), [{"a": n} for n in range(20)])
    assert len(said) == 1
    assert [record.fingerprint for record in records(tmp_path, said)] == [f"{n:064x}" for n in range(20)]


def test_nothing_is_named_by_the_worker(tmp_path: Path) -> None:
    call(str(tmp_path), [{"a": 1}])
    assert not list(tmp_path.glob("records/*/segments/*"))


def test_a_failure_costs_its_task_and_the_batch_goes_on(tmp_path: Path) -> None:
    said = call(str(tmp_path), [{"a": 1}, {"!": 1}, {"b": 1}])
    [failure] = [message for message in said if isinstance(message, TaskFailed)]
    assert failure.position == 1
    assert isinstance(failure.error, ResourceExhausted)
    assert "as if" in failure.traceback
    assert failure.log == "xxxxxxend\n"
    assert [record.fingerprint[-1] for record in records(tmp_path, said)] == ["0", "2"]


def test_a_log_is_kept_by_its_end_and_whole_when_it_is_longer(tmp_path: Path) -> None:
    [short] = records(tmp_path, call(str(tmp_path), [{"a": 1}], size=50))
    assert short.log == "x" * 46 + "end\n"
    assert not (tmp_path / "runs").exists()
    [long] = records(tmp_path / "b", call(str(tmp_path / "b"), [{"a": 1}], size=3 * TAIL_BYTES))
    assert len(long.log) == TAIL_BYTES
    [kept] = (tmp_path / "b" / "runs" / "one" / "logs").iterdir()
    assert kept.stat().st_size == 3 * TAIL_BYTES
    assert kept.read_bytes().endswith(b"end\n")


def test_a_second_attempt_meets_the_first(tmp_path: Path) -> None:
    """Measures differ between attempts; the rows are those of the first, whatever the second wrote."""
    first = call(str(tmp_path), [{"a": 1}, {"b": 1}])
    assert call(str(tmp_path), [{"a": 1}, {"b": 1}]) == first
    assert len(list(tmp_path.glob("records/*/packs/*"))) == 1


def test_a_pack_that_does_not_fit_fails_each_of_its_tasks_by_the_cause(tmp_path: Path) -> None:
    (tmp_path / "store.full").write_text("records/")
    said = call(f"full://{tmp_path / 'store'}", [{"a": 1}, {"!": 1}, {"b": 1}])
    failures = {message.position: type(message.error) for message in said if isinstance(message, TaskFailed)}
    assert failures == {0: NoSpace, 1: ResourceExhausted, 2: NoSpace}
    assert not [message for message in said if isinstance(message, PackWritten)]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError("m"), ResourceExhausted),
        (OSError(28, "No space left on device", "a"), NoSpace),
        (OSError(122, "Disk quota exceeded", "a"), NoSpace),
        (OSError(2, "No such file", "a"), Bug),
        (ValueError("v"), Bug),
        (SystemExit(1), Bug),
    ],
    ids=repr,
)
def test_what_functions_raise_has_its_class(error: BaseException, kind: type[Exception]) -> None:
    found = classify(error)
    assert type(found) is kind
    assert found.hint


def test_our_errors_stay_as_they_are() -> None:
    error = NoSpace("what", why="", hint="")
    assert classify(error) is error
