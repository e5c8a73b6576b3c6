"""The loop around the state machine: dull on purpose.

It submits what the schedule says, commits what workers wrote, hands results to the expansion, and tells the journal.
All decisions are elsewhere: what exists (`engine.expansion`), what runs when (`engine.schedule`), what is retried
(`engine.retry`), whether the counts hold (`engine.ledger`). Imports `flowbutton.model`, `worker`, `engine`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from flowbutton.engine.aside import keep_aside
from flowbutton.engine.collector import uncollected
from flowbutton.engine.expansion import Expansion
from flowbutton.engine.journal import Journal
from flowbutton.engine.ledger import LedgerLine, balance
from flowbutton.engine.reuse import Records, content_reader, settle
from flowbutton.engine.schedule import Demand
from flowbutton.engine.serial import serial_share
from flowbutton.engine.sites import Sites
from flowbutton.engine.steady import Pause, steadily
from flowbutton.engine.tasks import RangeReader, Result, RowsInput, Task, by_node
from flowbutton.model.canonical import Json
from flowbutton.model.errors import Bug, CorruptObject, FlowbuttonError, NotInStore, ResourceExhausted, WorkerLost
from flowbutton.model.executor import Call, Event, Lost, Progressed, Raised, Returned, Started, TimedOut
from flowbutton.model.outlines import Outlined
from flowbutton.model.records import Measures
from flowbutton.model.stage import Resources
from flowbutton.stores.layout import run_key
from flowbutton.stores.records import put_selection
from flowbutton.worker.messages import PackWritten, TaskFailed, decode
from flowbutton.worker.payload import CallOrder, GatherInput, Input, TaskOrder

TICK_S = 0.5
"""The longest wait for an event: signals, leases and delayed tasks are looked at this often."""


@dataclass(frozen=True, slots=True)
class FailedTask:
    """A task that has failed for good."""

    task: Task
    error: FlowbuttonError
    traceback: str
    log: str


@dataclass(slots=True)
class Ended:
    """How the loop ended: failures (with `on_error: continue` there may be several), the ledger, or a drain."""

    failures: list[FailedTask] = field(default_factory=list)
    ledger: list[LedgerLine] = field(default_factory=list)
    warnings: dict[str, Sequence[str]] = field(default_factory=dict)  # by stage
    drained: bool = False
    stopped: bool = False  # a failure ended the run
    ran: int = 0
    reused: int = 0


class Drive:
    """Runs an expansion to its end on its executors."""

    def __init__(
        self,
        expansion: Expansion,
        records: Records,
        sites: Sites,
        journal: Journal,
        *,
        ranks: Callable[[str], int],
        now: Callable[[], float],
        pause: Pause,
        tick: Callable[[], None],
    ) -> None:
        self._expansion, self._records, self._sites, self._journal = expansion, records, sites, journal
        self._ranks, self._now, self._pause, self._tick = ranks, now, pause, tick
        self._twins: dict[str, tuple[Task, ...]] = {}  # what is not done, by fingerprint: only the first of it runs
        self._calls: dict[int, tuple[Task, ...]] = {}
        self._selections: dict[RowsInput, str] = {}
        self._terms: dict[str, tuple[int, Resources, int]] = {}  # rank, resources and retries of a node
        self._closed: set[str] = set()
        self.ended = Ended()

    def drain(self) -> None:
        """Start nothing more; what runs may end."""
        self.ended.drained = True
        self._sites.drain()

    def run(self, ready: Sequence[Task], reused: Sequence[tuple[Task, Result]]) -> Ended:
        """Run from the tasks that are ready, and those known to be done, to the end; return how it ended.

        Raises:
            FlowbuttonError: the run can't go on (a broken ledger, a cut that failed, a lost lease, a full disk).
        """
        with uncollected():
            self._tell_reused(reused)
            self._take(ready)
        while not self._sites.idle and not self.ended.stopped:
            self._submit()
            wait = self._sites.wake_s(self._now())
            events = self._sites.events(TICK_S if wait is None else min(wait, TICK_S))
            with uncollected():
                self._handle(events)
            self._tick()
        if not (self.ended.failures or self.ended.drained or self._expansion.finished):
            left = [name for name, node in self._expansion.nodes.items() if not node.finished]
            raise Bug(f"nothing is left to run, but {', '.join(left)} did not finish", why="", hint="report this")
        return self.ended

    def _take(self, ready: Sequence[Task]) -> None:
        """Reuse what is done, schedule the rest; of tasks with one fingerprint only the first runs."""
        fresh, reused = settle(self._expansion, ready, self._records)
        demands = []
        for task in fresh:
            twins = self._twins.get(task.fingerprint)
            self._twins[task.fingerprint] = (task,) if twins is None else (*twins, task)
            if twins is None:
                demands.append(self._demand(task))
        self._sites.add(demands)
        self._tell_reused(reused)
        self._close_finished()

    def _demand(self, task: Task) -> Demand:
        terms = self._terms.get(task.node)
        if terms is None:
            spec = self._expansion.nodes[task.node].spec
            terms = self._terms[task.node] = self._ranks(task.node), spec.resources, spec.retries
        rank, resources, retries = terms
        return Demand(task, rank, task.memory_bytes(resources), resources.timeout_s, retries)

    def _tell_reused(self, reused: Sequence[tuple[Task, Result]]) -> None:
        self.ended.reused += len(reused)
        self._journal.trace("reused", [(task, 0, result.outlined.measures) for task, result in reused])
        for node, tasks in by_node([task for task, _ in reused]).items():
            self._journal.event("reused", **self._progress(node), tasks=[task.id for task in tasks])

    def _progress(self, node: str) -> dict[str, Json]:
        return {"stage": node, "expected": self._expansion.nodes[node].expected()[0]}

    # Out: calls

    def _submit(self) -> None:
        """Start what the schedule says."""
        calls = []
        for submit in [] if self.ended.stopped else self._sites.next(self._now()):
            self._calls[submit.call] = submit.tasks
            payload = self._order(submit.tasks).payload(self._put_object)
            calls.append(Call(submit.call, payload, submit.memory_bytes, submit.timeout_s))
            self._journal.event(
                "submitted",
                call=submit.call,
                stage=submit.tasks[0].node,
                tasks=[task.id for task in submit.tasks],
                memory_bytes=submit.memory_bytes,
            )
        if calls:
            self._sites.submit(calls)

    def _put_object(self, data: bytes) -> str:
        return steadily(lambda: self._records.objects.put(data)[0], pause=self._pause)

    def _order(self, tasks: Sequence[Task]) -> CallOrder:
        node = self._expansion.node_of(tasks[0].id)
        shared = {**node.shared, **{name: self._gather(rows) for name, rows in node.shared_gathers.items()}}
        orders = []
        for task in tasks:
            inputs = task.inputs
            if task.gathers:
                inputs = {**inputs, **{name: self._gather(rows) for name, rows in task.gathers.items()}}
            orders.append(TaskOrder(task.fingerprint, inputs, task.part))
        return CallOrder(
            store=self._records.store.uri,
            stage=node.spec.stage_digest,
            work=node.spec.work,
            shared=shared,
            tasks=tuple(orders),
            log_key=run_key(self._journal.run_id, "logs"),
            tolerate=node.spec.tolerate_records,
        )

    def _gather(self, rows: RowsInput) -> Input:
        """Put the selection that a payload names instead of the rows."""
        if not rows.rows:
            return GatherInput(rows.stage, None, rows.output)
        if rows not in self._selections:
            self._selections[rows] = steadily(lambda: self._put_selection(rows), pause=self._pause)
        return GatherInput(rows.stage, self._selections[rows], rows.output)

    def _put_selection(self, rows: RowsInput) -> str:
        return put_selection(self._records.store, rows.stage, (stored.packed for stored in rows.rows))

    # In: events

    def _handle(self, events: Sequence[Event]) -> None:
        """Take in events; the packs of one stage that came together are named by one segment.

        Who has answered gets its next call first: workers go on while what they wrote is named.
        """
        written: dict[str, list[Outlined]] = defaultdict(list)
        for event in events:
            if isinstance(event, Progressed):
                message = decode(event.message)
                if isinstance(message, PackWritten):
                    written[self._stage_digest(event.id)] += message.rows
                    twins = [self._twins.get(row.fingerprint) for row in message.rows]
                    self._sites.written([tasks[0].id for tasks in twins if tasks])
                else:
                    self._hear(event.id, message)
            elif isinstance(event, Started):
                self._journal.event("started", call=event.id, **self._progress(self._calls[event.id][0].node))
        for event in events:
            self._end(event)
        self._submit()
        for stage_digest, rows in written.items():
            self._commit(stage_digest, rows)

    def _stage_digest(self, call: int) -> str:
        return self._expansion.node_of(self._calls[call][0].id).spec.stage_digest

    def _hear(self, call: int, failed: TaskFailed) -> None:
        self._fail(FailedTask(self._calls[call][failed.position], failed.error, failed.traceback, failed.log))

    def _end(self, event: Event) -> None:
        match event:
            case Started() | Progressed():
                return
            case Returned(call, _):
                item = None
                error: FlowbuttonError = Bug("a call returned without its records", why="", hint="report this")
                trace = ""
            case Raised(call, trace, item):
                error = Bug("the worker itself failed", why=trace.strip().rpartition("\n")[2], hint="report this")
            case Lost(call, why, item):
                error = WorkerLost(
                    "the worker of a task is gone",
                    why=why,
                    hint="if memory ran out, give the stage more under resources: memory",
                )
                trace = ""
            case TimedOut(call, after_s, item):
                error = ResourceExhausted(
                    f"a task took longer than {after_s:.0f} s",
                    why="it was stopped at its time limit",
                    hint="raise 'resources: {timeout: ...}' of the stage",
                )
                trace = ""
        if not isinstance(event, Returned):
            self._recover(call)
        tasks = self._calls.pop(call)
        suspect, _ = self._sites.ended(call, None if item is None else tasks[item].id)
        self._journal.event("over", call=call, stage=tasks[0].node, how=type(event).__name__.lower())
        if suspect is not None:
            self._fail(FailedTask(next(task for task in tasks if task.id == suspect), error, trace, ""))

    def _recover(self, call: int) -> None:
        """A call broke off: what it had written counts all the same."""
        digest = self._stage_digest(call)
        steadily(lambda: self._records.reload(digest), pause=self._pause)
        left = [task.fingerprint for task in self._calls[call] if task.fingerprint in self._twins]
        self._finish(digest, self._records.find(digest, left))

    def _commit(self, stage_digest: str, rows: Sequence[Outlined]) -> None:
        found = steadily(lambda: self._records.commit(stage_digest, rows), pause=self._pause)
        self._finish(stage_digest, found)

    def _finish(self, stage_digest: str, found: Mapping[str, Outlined]) -> None:
        done: list[tuple[int, Result, RangeReader | None]] = []
        traced: dict[str, list[tuple[Task, int, Measures]]] = defaultdict(list)
        twins: list[tuple[Task, Result]] = []
        for mark, outlined in found.items():
            result, measures = Result(stage_digest, outlined, reused=False), outlined.measures
            tasks = self._twins.pop(mark, ())
            for task in tasks[:1]:
                failed = self._sites.done(task.id, measures.wall_s)
                traced[task.node].append((task, failed + 1, measures))
            twins += [(task, result._replace(reused=True)) for task in tasks[1:]]
            done += [(task.id, result, self._reader(task, result)) for task in tasks[:1]]
        done += [(task.id, result, self._reader(task, result)) for task, result in twins]
        self.ended.ran += sum(map(len, traced.values()))
        self._journal.trace("done", chain.from_iterable(traced.values()))
        ready = self._expansion.done(done)
        for node, ended in traced.items():
            self._journal.event(
                "done",
                **self._progress(node),
                tasks=[task.id for task, _, _ in ended],
                wall_s=round(sum(measures.wall_s for _, _, measures in ended), 4),
                rss=max(measures.peak_rss_bytes for _, _, measures in ended),
            )
        self._tell_reused(twins)
        self._take(ready)

    def _reader(self, task: Task, result: Result) -> RangeReader | None:
        return content_reader(self._expansion.nodes[task.node], result, self._records)

    def _fail(self, failure: FailedTask) -> None:
        task = failure.task
        again = self._sites.failed(task.id, failure.error, self._now())
        attempt = self._sites.attempts(task.id)
        told = {"task": task.id, "stage": task.node, "attempt": attempt, "error": str(failure.error)}
        if again is not None:
            self._journal.event("retried", **told, delay_s=round(again.delay_s, 3))
            return
        self.ended.failures.append(failure)
        self._journal.keep_call(task.id, self._order((task,)))
        if isinstance(failure.error, CorruptObject | NotInStore):
            self._records.drop_damaged(str(failure.error.where.get("key", "")))
        self.ended.stopped |= self._expansion.node_of(task.id).spec.on_error == "fail"
        self._journal.trace("failed", [(task, attempt, None)])
        self._journal.event("failed", **told, traceback=failure.traceback, log=failure.log)

    def _close_finished(self) -> None:
        """Hold the ledger of each stage that has finished, and write its manifest."""
        for name, node in self._expansion.nodes.items():
            if name in self._closed or not node.finished:
                continue
            self._closed.add(name)
            if node.counts.set_aside:
                keep_aside(node, self._records, self._journal)
            line = balance(self._expansion.graph, self._expansion.nodes, name)
            if line is not None:
                self.ended.ledger.append(line)
            warnings = sorted(node.counts.warnings)
            if warnings:
                self.ended.warnings[name] = warnings
            if node.results.reused < len(node.results):
                marks = [node.results.fingerprint(task) for task in sorted(node.results)]
                log = self._records.log(node.spec.stage_digest)
                steadily(partial(log.finish, marks), pause=self._pause)
            self._journal.event(
                "finished",
                stage=name,
                tasks=len(node.results),
                reused=node.results.reused,
                largest_share=round(serial_share(self._expansion.graph, self._expansion.nodes, name), 3),
                ledger=line.to_json() if line else None,
                warnings=warnings,
            )
