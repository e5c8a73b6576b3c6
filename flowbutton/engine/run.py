"""The two doors of the engine: `plan` and `run`.

Both probe the sources, expand the graph and settle what is done; `plan` stops there. Imports all rooms below.
"""

from __future__ import annotations

import os
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from flowbutton import __version__
from flowbutton.dag.graph import Graph
from flowbutton.dag.plan import Plan
from flowbutton.engine.drive import Drive, Ended, FailedTask
from flowbutton.engine.expansion import Expansion, SourceFacts
from flowbutton.engine.failures import Told, told, told_task
from flowbutton.engine.hiding import Hidden
from flowbutton.engine.identity import Identities
from flowbutton.engine.journal import Journal, begin_run
from flowbutton.engine.ledger import LedgerLine
from flowbutton.engine.past import PastRun, keep_past, read_past
from flowbutton.engine.planning import History, plan_of
from flowbutton.engine.publish import publications, publish, settled_names
from flowbutton.engine.reach import check_reach
from flowbutton.engine.reuse import Records, settle_soundly
from flowbutton.engine.scratch import scratch_folder
from flowbutton.engine.settings import Settings
from flowbutton.engine.sites import Sites
from flowbutton.engine.sources import probe_sources
from flowbutton.engine.tasks import Result, Task
from flowbutton.executors.machine import cpu_slots, memory_bytes
from flowbutton.executors.opening import open_executor
from flowbutton.model.canonical import Json, digest_json
from flowbutton.model.errors import CorruptObject, FlowbuttonError, OptionError
from flowbutton.model.executor import Executor
from flowbutton.model.store import Store
from flowbutton.model.units import counted
from flowbutton.stages.by_value import Carried, carried
from flowbutton.stages.kept_code import identify_kept
from flowbutton.stores.access import StoreAccess
from flowbutton.stores.intermediates import Intermediates, durable_part, joined
from flowbutton.stores.leases import CLEANING, Lease, LeaseOwner, hold, renewing
from flowbutton.stores.opening import open_store
from flowbutton.stores.publishing import Publisher, publisher_for
from flowbutton.stores.uris import path_of, scheme_of
from flowbutton.worker.context import forget_contexts
from flowbutton.worker.entry import work


class Status(StrEnum):
    """How a run ended."""

    DONE = "done"
    TOLERATED = "finished with failures"
    FAILED = "failed"
    DRAINED = "stopped"


@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """What a run came to. ``errors`` are the failures as ``error.json`` has them."""

    run_id: str
    folder: Path
    status: Status
    plan: Plan
    outputs: Sequence[dict[str, object]] = ()
    failures: Sequence[FailedTask] = ()
    errors: Sequence[Told] = ()
    ledger: Sequence[LedgerLine] = ()
    warnings: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by stage: what to know before believing
    ran: int = 0
    reused: int = 0

    @property
    def files(self) -> Mapping[str, Path]:
        """The published files by the names of their outputs.

        Raises:
            OptionError: they are in a bucket; `addresses` has their URIs.
        """
        for address in self.addresses.values():
            if scheme_of(address) != "file":
                hint = "use report.addresses, which has their URIs"
                raise OptionError("the outputs are no files of this machine", why="", hint=hint, uri=address)
        return {name: Path(address) for name, address in self.addresses.items()}

    @property
    def addresses(self) -> Mapping[str, str]:
        """Where each output is, by its name: a path, or a URI."""
        return {str(output["name"]): str(output["path"]) for output in self.outputs}

    def __str__(self) -> str:
        done = f"{self.status.value}: {self.ran} tasks ran, {self.reused} reused"
        return f"{done}; {counted(len(self.outputs), 'output')}; run folder {self.folder}"

    def __repr__(self) -> str:
        return f"<Report {self}>"


@dataclass(frozen=True, slots=True)
class _Opened:
    """A store, its records, and a graph over probed sources."""

    store: Store
    records: Records
    graph: Graph
    sources: Mapping[str, SourceFacts]

    def expand(self) -> Expansion:
        """Return the expansion of the graph, of which nothing is done yet."""
        return Expansion(self.graph, self.sources, _code_digest)


def plan(graph: Graph, settings: Settings, *, spec_text: str) -> Plan:
    """Return what would run, and why. Nothing runs and nothing is written but adopted records and generated samples.

    Raises:
        OptionError: results can't be where they are to go.
        FlowbuttonError: a source is missing or can't be used.
    """
    _check_results(graph, settings)
    opened = _open(graph, settings)
    expansion, fresh, _ = settle_soundly(opened.expand, opened.records)
    history = _history(opened, expansion, _name(graph, settings), Hidden.of(spec_text, os.environ))
    return plan_of(expansion, fresh, durable_part(opened.store.uri), history, settings.executor_of)


def _check_results(graph: Graph, settings: Settings) -> None:
    publisher_for(settings.results, graph.name).check(_store_uri(settings), settled_names(graph.outputs))


def settled(graph: Graph, settings: Settings) -> tuple[Expansion, Records]:
    """Return a graph's nodes with all that is done of them, and the records that say so. Nothing runs."""
    opened = _open(graph, settings)
    return settle_soundly(opened.expand, opened.records).expansion, opened.records


def run(graph: Graph, settings: Settings, *, spec_text: str) -> Report:
    """Run a graph to its end, publish its outputs, and return what it came to.

    Raises:
        Locked: another run holds the same pipeline and results.
        OptionError: the results can't be written there.
        FlowbuttonError: a source is missing, the ledger is broken, or the disk is full; told in ``error.json`` too.
        KeyboardInterrupt: the user stopped it; everything is stopped, and running again goes on from there.
    """
    _check_results(graph, settings)
    opened = _open(graph, settings)
    name = _name(graph, settings)
    ttl_s, wait_s = settings.lease_ttl_s, settings.wait_s
    with hold(opened.store, name, beside=lambda: [CLEANING], ttl_s=ttl_s, wait_s=wait_s) as lease:
        return _journaled(graph, settings, spec_text, opened, lease)


def _journaled(graph: Graph, settings: Settings, spec_text: str, opened: _Opened, lease: Lease) -> Report:
    hidden = Hidden.of(spec_text, os.environ)
    journal = Journal(begin_run(runs_folder(settings.store)), settings.listeners, hidden)
    try:
        return _run(graph, settings, spec_text, opened, journal, lease)
    except KeyboardInterrupt:
        journal.event("interrupted")
        raise
    except BrokenPipeError:  # a listener prints, and who reads that has left
        with suppress(BrokenPipeError):
            journal.event("interrupted")
        raise
    except FlowbuttonError as error:
        journal.write("error.json", [told(error, hidden)])
        journal.event("error", error=str(error))
        raise
    except Exception as error:  # a fault of ours or of a listener, or the system refused: told by who called
        with suppress(Exception):  # a listener that raised may raise again; what is told is the first
            journal.event("error", error=f"{type(error).__name__}: {error}")
        raise
    finally:
        journal.close(opened.store)


def _run(graph: Graph, settings: Settings, spec_text: str, opened: _Opened, journal: Journal, lease: Lease) -> Report:
    journal.write("run.json", _asked(graph, settings, opened, journal))
    journal.write("spec.yaml", spec_text)
    expansion, fresh, reused = settle_soundly(opened.expand, opened.records)
    name = _name(graph, settings)
    history = _history(opened, expansion, name, journal.hidden)
    found = plan_of(expansion, fresh, durable_part(opened.store.uri), history, settings.executor_of)
    journal.write("plan.json", found.to_json())
    if not found.nothing_to_run:
        publisher_for(settings.results, graph.name).check_access()
    journal.event("planned", run=journal.run_id, folder=str(journal.folder), nothing=found.nothing_to_run)
    ended = _drive(opened, expansion, fresh, reused, settings, journal, lease)
    if ended.ran or not history.is_as_before:
        keep_past(opened.store, name, history.past, PastRun(journal.run_id, history.identities.finished()))
    status = _status(ended)
    outputs: list[dict[str, object]] = []
    if status in (Status.DONE, Status.TOLERATED):
        outputs = _publish(expansion, opened.records, publisher_for(settings.results, graph.name))
        journal.write("outputs.json", {str(item["name"]): item for item in outputs})
    journal.write("ledger.json", [line.to_json() for line in ended.ledger])
    errors = [
        told_task(failure, expansion, journal.hidden, run_id=journal.run_id, store=durable_part(opened.store.uri))
        for failure in ended.failures
    ]
    if errors:
        journal.write("error.json", errors)
    journal.event("ended", status=status.value, ran=ended.ran, reused=ended.reused, outputs=outputs)
    return Report(
        journal.run_id,
        journal.folder,
        status,
        found,
        outputs,
        tuple(ended.failures),
        errors,
        tuple(ended.ledger),
        ended.warnings,
        ended.ran,
        ended.reused,
    )


def _drive(
    opened: _Opened,
    expansion: Expansion,
    fresh: Sequence[Task],
    reused: Sequence[tuple[Task, Result]],
    settings: Settings,
    journal: Journal,
    lease: Lease,
) -> Ended:
    with scratch_folder(), _executors(opened.graph, settings) as executors:
        for name, executor in executors.items():
            check_reach(executor, name, settings.store, opened.sources)
        drive = Drive(
            expansion,
            opened.records,
            Sites(executors, settings.executor_of),
            journal,
            ranks=_ranks(expansion),
            now=time.monotonic,
            pause=time.sleep,
            tick=renewing(lease, time.monotonic),
        )
        with _draining_on_term(drive.drain):
            return drive.run(fresh, reused)


@contextmanager
def _executors(graph: Graph, settings: Settings) -> Iterator[Mapping[str, Executor]]:
    """Open the executor of the run, and those of single stages that are in the graph."""
    needed = [site for site in settings.elsewhere if not graph.stages.keys().isdisjoint(site.stages)]
    workers = {settings.executor: settings.workers} | {site.executor: site.workers for site in needed}
    for name in workers:
        if scheme_of(settings.store) == "memory" and name != "serial":
            raise OptionError(
                f"the store {settings.store} can't be used by executor '{name}'",
                why="it lives in the memory of one process",
                hint="choose --executor serial, or a folder as --store",
            )
    by_value = carried(stage.definition for stage in graph.stages.values())
    carry = partial(work, find=Carried(by_value)) if by_value else work
    with ExitStack() as opened:
        # Of tasks that ran in this process: another run must look at the store again.
        opened.callback(forget_contexts)
        executors: dict[str, Executor] = {}
        for name, slots in workers.items():
            executors[name] = open_executor(name, carry, slots=slots or cpu_slots(), memory_bytes=memory_bytes())
            opened.callback(executors[name].close)
        yield executors


def _open(graph: Graph, settings: Settings) -> _Opened:
    store = open_store(_store_uri(settings))
    if isinstance(store, Intermediates):
        store.fast.check()
    access = StoreAccess(store)
    sources = probe_sources(graph, access, samples_folder(settings.store))
    return _Opened(store, Records(store), graph, sources)


def _store_uri(settings: Settings) -> str:
    if scheme_of(settings.store) in ("redis", "rediss"):
        raise OptionError(
            "Redis can't be the store of a run",
            why="it may lose what it holds, and records of finished tasks must stay",
            hint="give it by --intermediates, beside a folder or bucket as --store",
        )
    return settings.store if settings.intermediates is None else joined(settings.intermediates, settings.store)


def _name(graph: Graph, settings: Settings) -> str:
    """Return what a pipeline's runs into one place are known by."""
    return digest_json("lease", [graph.name, publisher_for(settings.results, graph.name).identity])[:32]


def _history(opened: _Opened, expansion: Expansion, name: str, hidden: Hidden) -> History:
    identities = Identities(expansion, identify_kept, hidden)
    return History(identities, read_past(opened.store, name), opened.records.was_done)


def _code_digest(function: Callable[..., Any]) -> str:
    return identify_kept(function).digest


def runs_folder(store: str) -> Path:
    """Return where run folders are kept: in the store if it is a folder, else in ``.flowbutton`` here."""
    return (path_of(store) if scheme_of(store) == "file" else Path(".flowbutton")) / "runs"


def samples_folder(store: str) -> Path:
    """Return where generated samples are kept: beside the runs."""
    return runs_folder(store).with_name("samples")


def _ranks(expansion: Expansion) -> Callable[[str], int]:
    """Return the length of the path that still hangs on a node: what is on the longest path starts first."""
    producers = expansion.graph.producers
    lengths = dict.fromkeys(producers, 1)
    for name in reversed(producers):
        for producer in producers[name]:
            lengths[producer] = max(lengths[producer], lengths[name] + 1)
    longest = max(lengths.values(), default=0)
    return lambda node: lengths.get(node, longest + 1)  # transpositions are short and much waits for them


@contextmanager
def _draining_on_term(drain: Callable[[], None]) -> Iterator[None]:
    """Let SIGTERM drain the run; only the main thread may say so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: drain())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _status(ended: Ended) -> Status:
    if ended.drained:
        return Status.DRAINED
    if not ended.failures:
        return Status.DONE
    return Status.FAILED if ended.stopped else Status.TOLERATED


def _publish(expansion: Expansion, records: Records, publisher: Publisher) -> list[dict[str, object]]:
    """Publish every output whose producer has finished."""
    found = {}
    for output in expansion.graph.outputs:
        node = expansion.nodes[output.producers[0].name]
        if node.finished:
            items = list(publications(output, expansion.nodes))
            read = records.log(node.spec.stage_digest).read_many([item.result.stored.row for item in items])
            for item, record in zip(items, read, strict=True):
                artifact = record.artifacts[item.output]
                found[item.name_of(artifact)] = artifact
    try:
        return publish(found, publisher, records.objects)
    except CorruptObject as error:
        records.drop_damaged(str(error.where.get("key", "")))
        raise


def _asked(graph: Graph, settings: Settings, opened: _Opened, journal: Journal) -> dict[str, Json]:
    """Return what ``run.json`` holds: what was asked of the run, and who drives it."""
    owner = LeaseOwner.current()
    return {
        "pipeline": graph.name,
        "file": str(settings.spec_file) if settings.spec_file else None,
        "params": journal.hidden.hide(graph.params),
        "store": opened.store.uri,
        "results": publisher_for(settings.results, graph.name).uri,
        "executor": settings.executor,
        "workers": settings.workers,
        "elsewhere": {stage: site.executor for site in settings.elsewhere for stage in site.stages},
        "stages": {name: node.spec.stage_digest for name, node in opened.expand().nodes.items()},
        "driver": [owner.host, owner.pid, owner.started],
        "flowbutton": __version__,
        "python": platform.python_version(),
    }
