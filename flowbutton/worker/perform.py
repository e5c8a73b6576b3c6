"""One task: open its inputs, call the function, store what it returned, count, measure.

Not here: batches, packs and how failures are told (`worker.entry`). Imports `flowbutton.model`, `stages`, `worker`.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import NamedTuple

from pydantic import BaseModel

from flowbutton.model.composite import COMPOSITE
from flowbutton.model.errors import Bug
from flowbutton.model.records import ASIDE, KEPT, NOTHING_COUNTED, Artifact, LedgerCounts, Measures, TaskRecord
from flowbutton.model.registry import partitioner_named
from flowbutton.model.stage import StageDefinition, Tally
from flowbutton.stages.bundles import Footer
from flowbutton.stages.codecs import Encoded
from flowbutton.stages.define import find_stage
from flowbutton.worker.context import WorkerContext
from flowbutton.worker.inputs import Opened, gathered
from flowbutton.worker.outputs import store_one, store_outputs
from flowbutton.worker.payload import (
    ArtifactInput,
    CallOrder,
    GatherInput,
    IndexWork,
    StageWork,
    StoredRow,
    TaskOrder,
    TransposeWork,
)
from flowbutton.worker.transpose import transpose

FindStage = Callable[[str], StageDefinition]


class Done(NamedTuple):
    """What a task made: artifacts, counts, and how many source bytes it read."""

    artifacts: Mapping[str, Artifact]
    ledger: LedgerCounts
    read_bytes: int = 0


def perform(order: CallOrder, task: TaskOrder, context: WorkerContext) -> TaskRecord:
    """Do one task of a call; return its record without a log. Raises whatever the function raises."""
    return Performer(order, context).perform(task)


class Performer:
    """Does the tasks of one call; what they have in common is looked up once, when the first one needs it."""

    def __init__(self, order: CallOrder, context: WorkerContext, find: FindStage = find_stage) -> None:
        self.order, self.context, self._find = order, context, find
        self._stages: dict[str, StageDefinition] = {}

    def perform(self, task: TaskOrder) -> TaskRecord:
        """Do one task; return its record without a log. Raises whatever the function raises."""
        meter = Meter()
        if not self._stages:
            self.context.read_ahead(_records_of(self.order))
        match self.order.work:
            case StageWork(uses, options):
                stage = self._stage(uses)
                done = _run_stage(stage, stage.options(**options), self.order, task, self.context)
            case IndexWork(name):
                done = _index(name, task, self.context)
            case TransposeWork():
                done = _transpose(self.order, self.context)
        written = sum(item.size for item in done.artifacts.values() if item.kind != COMPOSITE)
        measures = meter.stop(done.read_bytes, written)
        return TaskRecord(task.fingerprint, done.artifacts, done.ledger, measures)

    def _stage(self, uses: str) -> StageDefinition:
        if uses not in self._stages:
            self._stages[uses] = self._find(uses)
        return self._stages[uses]


def _records_of(order: CallOrder) -> list[StoredRow]:
    """Return the rows of the task records that the tasks of a call read one by one."""
    return [item.record for task in order.tasks for item in task.inputs.values() if isinstance(item, ArtifactInput)]


def _run_stage(
    stage: StageDefinition, chosen: BaseModel, order: CallOrder, task: TaskOrder, context: WorkerContext
) -> Done:
    access, tally = context.access(), Tally(tolerated=order.tolerate)
    opened = Opened(context, access)
    opened.open({**order.shared, **task.inputs}, stage.inputs)
    # Without a ledger nothing would count what is left out.
    if order.tolerate and stage.ledger is not None and stage.ledger.argument in opened.readers:
        opened.readers[stage.ledger.argument].tolerate(tally)
    arguments = {**opened.arguments, **vars(chosen)}
    if stage.tally is not None:
        arguments[stage.tally] = tally
    with _scratch(wanted=stage.scratch is not None) as folder:
        if stage.scratch is not None:
            arguments[stage.scratch] = folder
        artifacts = store_outputs(stage.function(**arguments), stage.outputs, context.objects)
    for name, reader in opened.readers.items():
        tally.consumed(name, reader.consumed)
    if tally.aside:
        lines = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in tally.aside)
        artifacts[ASIDE] = store_one(Encoded("lines", lines), context.objects)
    return Done(artifacts, counts_of(tally), access.read_bytes)


def _scratch(*, wanted: bool) -> AbstractContextManager[str]:
    """Return a folder that goes with the task; none for a stage that asks for none, since making one costs."""
    return tempfile.TemporaryDirectory(prefix="flowbutton-task-") if wanted else nullcontext("")


def counts_of(tally: Tally) -> LedgerCounts:
    """Return a tally's counts as the ledger keeps them."""
    if tally.counted_nothing:
        return NOTHING_COUNTED
    return LedgerCounts(
        consumed=tally.consumed_by,
        out=tally.made,
        filtered=tally.filtered_by,
        set_aside=tally.aside_by,
        apart=tally.apart_by,
        samples=tuple(tally.samples),
        warnings=tuple(tally.warnings),
    )


def _index(name: str, task: TaskOrder, context: WorkerContext) -> Done:
    if task.part is None:
        raise Bug("an indexing task came without its part", why="", hint="", fingerprint=task.fingerprint)
    access = context.access()
    data = partitioner_named(name).index(task.part, access)
    artifacts = {"": store_one(Encoded("index", data), context.objects)}
    if access.kept:
        artifacts[KEPT] = store_one(Encoded("digests", "\n".join(access.kept).encode()), context.objects)
    return Done(artifacts, NOTHING_COUNTED, access.read_bytes)


def _transpose(order: CallOrder, context: WorkerContext) -> Done:
    reference = order.shared["bundles"]
    if not isinstance(reference, GatherInput):
        raise Bug("a transposition came without its bundles", why="", hint="")
    bundles = []
    for record in gathered(context, reference):
        artifact = record.artifacts[reference.output or ""]
        bundles.append((artifact.digest, artifact.size, Footer.read(artifact.size, context.reader(artifact))))
    return Done({"": store_one(Encoded("transposed", transpose(bundles)), context.objects)}, NOTHING_COUNTED)


_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


class Meter:
    """Wall time, CPU time and peak resident memory of what runs in this process, from birth to `stop`.

    Programs that it started and waited for count too; the system tells the largest of all that this process ever had,
    so a smaller one after it is not seen in the peak.
    """

    def __init__(self) -> None:
        _reset_peak()
        self._wall, self._cpu = time.monotonic(), time.process_time()
        self._programs = resource.getrusage(resource.RUSAGE_CHILDREN)

    def stop(self, read_bytes: int, written_bytes: int) -> Measures:
        """Return the measures since birth."""
        before, after = self._programs, resource.getrusage(resource.RUSAGE_CHILDREN)
        programs_cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        programs_peak = after.ru_maxrss * _RSS_UNIT if after.ru_maxrss > before.ru_maxrss else 0
        return Measures(
            wall_s=round(time.monotonic() - self._wall, 4),
            cpu_s=round(time.process_time() - self._cpu + programs_cpu, 4),
            peak_rss_bytes=max(_peak(), programs_peak),
            read_bytes=read_bytes,
            written_bytes=written_bytes,
        )


def _reset_peak() -> None:
    """Make the kernel forget the process's peak (Linux: proc(5), clear_refs 5); elsewhere the peak is the process's."""
    handle = _forgetting(os.getpid())
    if handle is not None:
        os.pwrite(handle, b"5", 0)


@cache
def _forgetting(pid: int) -> int | None:
    """Return a descriptor that stays open as long as the process lives."""
    try:
        return os.open(f"/proc/{pid}/clear_refs", os.O_WRONLY)
    except OSError:
        return None


def _peak() -> int:
    """Return the peak resident memory in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT
