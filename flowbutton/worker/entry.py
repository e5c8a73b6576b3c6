"""The wall on the worker's side: a call's tasks one by one, records into packs, every error into a message.

`work` is the function that executors carry. A pack is flushed at 256 items, 1 MiB or 1 s, whichever is first: small
items travel together, an item of a second or more commits alone, and a kill loses at most a second of items or the one
that runs. Imports `flowbutton.model`, `worker`, `stores`.
"""

from __future__ import annotations

import errno
import time
import traceback

from flowbutton.model.errors import Bug, FlowbuttonError, NoSpace, ResourceExhausted
from flowbutton.model.executor import Emit
from flowbutton.model.extras import missing_extra
from flowbutton.model.records import TaskRecord
from flowbutton.model.registry import registered
from flowbutton.stages.define import Options, find_stage
from flowbutton.stores.records import write_pack
from flowbutton.worker.context import WorkerContext, context_for
from flowbutton.worker.logs import Capture, Captured
from flowbutton.worker.messages import PackWritten, TaskFailed, encode
from flowbutton.worker.payload import CallOrder, TaskOrder
from flowbutton.worker.perform import FindStage, Performer

PACK_ITEMS = 256
PACK_BYTES = 1024**2
PACK_AGE_S = 1.0


def work(payload: bytes, emit: Emit, find: FindStage = find_stage) -> bytes:
    """Run a call, whose stage is what ``find`` returns. All that happened is in the messages; the answer is empty."""
    order = CallOrder.read(payload, lambda store, digest: context_for(store).objects.get(digest))
    context = context_for(order.store)
    context.tidy()
    pack, performer = _Pack(order, context, emit), Performer(order, context, find)
    with Capture() as capture:
        for position, task in enumerate(order.tasks):
            emit.at(position)
            record = _attempt(performer, position, task, capture, emit)
            if record is not None:
                pack.add(position, record)
    pack.flush()
    return b""


def know_installed() -> None:
    """Look at all installed distributions, so that forks of this process need not.

    Entry points are asked for in them, and pydantic looks there for its own when it builds the first validator of a
    process: 30 ms where 240 distributions are installed.
    """
    registered("stages")
    Options.model_rebuild(force=True)


class _Pack:
    """Records that wait to be written together."""

    def __init__(self, order: CallOrder, context: WorkerContext, emit: Emit) -> None:
        self._order, self._context, self._emit = order, context, emit
        self._records: dict[int, TaskRecord] = {}  # by their position in the call
        self._bytes, self._since = 0, time.monotonic()

    def add(self, position: int, record: TaskRecord) -> None:
        if not self._records:
            self._since = time.monotonic() - record.measures.wall_s
        self._records[position] = record
        self._bytes += record.bytes_held
        full = len(self._records) >= PACK_ITEMS or self._bytes >= PACK_BYTES
        if full or time.monotonic() - self._since >= PACK_AGE_S:
            self.flush()

    def flush(self) -> None:
        """Write what waits; where that fails, all whose record it was have failed: nothing of them is committed."""
        records, self._records, self._bytes = self._records, {}, 0
        if not records:
            return
        try:
            rows = write_pack(self._context.store, self._order.stage, [*records.values()])
        except Exception as error:  # noqa: BLE001 - the worker's wall: each error becomes a message
            for position, record in records.items():
                self._emit(encode(TaskFailed(position, classify(error), traceback.format_exc(), record.log)))
        else:
            self._emit(encode(PackWritten(tuple(rows))))


def _attempt(performer: Performer, position: int, task: TaskOrder, capture: Capture, emit: Emit) -> TaskRecord | None:
    """Do one task inside the wall: return its record, or tell its failure and return None."""
    try:
        record = performer.perform(task)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the worker's wall: each error becomes a message
        trace, log = traceback.format_exc(), capture.take()
        _keep_log(performer, task, log)
        emit(encode(TaskFailed(position, classify(error), trace, log.tail)))
        return None
    log = capture.take()
    if not log.text:
        return record
    if log.is_longer_than_tail:
        _keep_log(performer, task, log)
    return TaskRecord(record.fingerprint, record.artifacts, record.ledger, record.measures, log.tail)


def _keep_log(performer: Performer, task: TaskOrder, log: Captured) -> None:
    if log.text:
        try:
            performer.context.store.put(f"{performer.order.log_key}/{task.fingerprint[:16]}.log", log.text)
        except FlowbuttonError:
            return  # the log's tail is in the message; a full disk must not hide the failure that it tells of


def classify(error: BaseException) -> FlowbuttonError:
    """Turn what a function raised into an error of the right failure class."""
    if isinstance(error, FlowbuttonError):
        return error
    if isinstance(error, ModuleNotFoundError):
        return missing_extra(error, "stage")
    if isinstance(error, MemoryError):
        return ResourceExhausted(
            "a task ran out of memory", why=str(error), hint="give the stage more under resources: memory"
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(
            "no space left on the device",
            why=str(error),
            hint="make room, or point TMPDIR and --store at a larger disk; finished tasks are kept",
            file=str(error.filename or ""),
        )
    return Bug(
        f"the stage's code raised {type(error).__name__}",
        why=str(error),
        hint="the traceback is in the run's error.json and log",
    )
