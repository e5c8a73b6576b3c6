"""Cleaning a store: what `engine.cleaning` decides, done while no run is at work.

Who cleans takes the store's own lease, then waits for those of all runs (`leases.hold`). Packs go before what names
them, and objects last: a cleaning that is killed leaves names of what is gone, and those count as absent. Only what the
engine wrote is touched. Imports `flowbutton.model`, `stores`, `engine`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flowbutton.engine.cleaning import Decision, Goes, Inventory, RunFacts, Wish, decide
from flowbutton.engine.folders import (
    ENDED_WELL,
    MARK_DIGITS,
    began_s,
    files_of_run,
    last_event,
    read_asked,
    read_trace,
    run_folders,
)
from flowbutton.engine.journal import CALLS, point_latest
from flowbutton.model.errors import CorruptObject, NotInStore
from flowbutton.model.records import TaskRecord
from flowbutton.model.store import Entry, Store
from flowbutton.stores.artifacts import needed_objects
from flowbutton.stores.layout import Kind, lease_prefix, pack_key, run_key, written
from flowbutton.stores.leases import CLEANING, held_names, hold, renewing
from flowbutton.stores.objects import Objects
from flowbutton.stores.packs import read_head
from flowbutton.stores.records import Segment
from flowbutton.worker.payload import CallOrder, GatherInput

GRACE_S = 3600.0
"""What was written within this time stays, whoever needs it."""

_ORDER = (Goes.LEFT, Goes.RECORDS, Goes.LISTS, Goes.OBJECTS)
_TTL_S = 30.0


def plan_clean(store: Store, runs: Path, wish: Wish, *, grace_s: float = GRACE_S) -> Decision:
    """Return what cleaning would remove now. Reads only."""
    return _Survey(store, runs, lambda: None).decide(wish, now_s=time.time(), grace_s=grace_s)


def clean(store: Store, runs: Path, wish: Wish, *, grace_s: float = GRACE_S, wait_s: float | None = 0.0) -> Decision:
    """Remove what `plan_clean` would; return what it was. ``runs`` is where the run folders are.

    Args:
        wait_s: How long to wait for runs at work, in seconds; 0 fails at once, None waits as long as it takes.

    Raises:
        Locked: a run is at work, or somebody else cleans.
    """

    def runs_at_work() -> list[str]:
        return [name for name in held_names(store) if name != CLEANING]

    with hold(store, CLEANING, beside=runs_at_work, ttl_s=_TTL_S, wait_s=wait_s) as lease:
        now_s = max(entry.modified_s for entry in store.entries(lease_prefix(CLEANING)))
        renew = renewing(lease, time.monotonic)
        decision = _Survey(store, runs, renew).decide(wish, now_s=now_s, grace_s=grace_s)
        lease.renew()  # or it was taken over meanwhile, and nothing may go
        _remove(store, runs, decision, renew)
    return decision


def _remove(store: Store, runs: Path, decision: Decision, renew: Callable[[], None]) -> None:
    for run in decision.runs:
        renew()
        _remove_run(store, runs / run.id)
    for kind in _ORDER:
        for entry in decision.keys.get(kind, ()):
            renew()
            store.drop_leftover(entry.key) if kind is Goes.LEFT else store.delete(entry.key)
    if decision.runs:
        _renew_latest(runs)


def _remove_run(store: Store, folder: Path) -> None:
    """Remove the files of a run, here and where they were shipped; the folder too, if nothing else is in it."""
    for place in files_of_run(folder):
        place.unlink()
        store.delete(run_key(folder.name, place.relative_to(folder).as_posix()))
    for place in (folder / "logs", folder / "set-aside", folder / CALLS, folder):
        with suppress(OSError):  # not there, or somebody put something into it
            place.rmdir()


def _renew_latest(runs: Path) -> None:
    """Let ``latest`` point to the last run that is left."""
    left = run_folders(runs)
    if left:
        point_latest(runs, left[-1].name)
    else:
        for name in ("latest", "latest.json"):
            (runs / name).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Survey:
    """Reads what deciding needs to know."""

    store: Store
    runs: Path
    renew: Callable[[], None]

    def decide(self, wish: Wish, *, now_s: float, grace_s: float) -> Decision:
        facts = []
        for folder in run_folders(self.runs):
            self.renew()
            facts.append(_facts(folder))
        return decide(facts, self._inventory(), cache(self._objects_of), wish, now_s=now_s, grace_s=grace_s)

    def _inventory(self) -> Inventory:
        entries = [entry for prefix in _PREFIXES for entry in self.store.entries(prefix)]
        named: dict[str, frozenset[str]] = {}
        marks: dict[str, set[str]] = {}
        for entry in entries:
            key = written(entry.key)
            if key is not None and key.kind in (Kind.SEGMENT, Kind.MANIFEST):
                segment = self._segment(entry)
                packs = {row.pack for row in segment.rows} | {row.pack for row in segment.void}
                named[entry.key] = frozenset(pack_key(key.digest, pack) for pack in packs)
                for row in segment.rows:
                    marks.setdefault(pack_key(key.digest, row.pack), set()).add(row.fingerprint[:MARK_DIGITS])
        return Inventory(entries, [*self.store.leftovers()], {key: frozenset(m) for key, m in marks.items()}, named)

    def _segment(self, entry: Entry) -> Segment:
        self.renew()
        try:
            return Segment.decode(self.store.get(entry.key), entry.key)
        except (CorruptObject, NotInStore):
            return Segment([])

    def _objects_of(self, key: str) -> frozenset[str]:
        """Return the digests of the objects that a pack's records refer to; a damaged record refers to none."""
        self.renew()
        place = written(key)
        found: set[str] = set()
        with suppress(CorruptObject, NotInStore):
            data = self.store.get(key)
            for row in read_head(self.store, place.digest, place.name) if place else ():
                with suppress(CorruptObject, NotInStore):
                    record = TaskRecord.decode(data[row.offset : row.offset + row.length], key=key)
                    found.update(needed_objects(record, Objects(self.store)))
        return frozenset(found)


def _facts(folder: Path) -> RunFacts:
    asked, last = read_asked(folder), last_event(folder)
    size = sum(place.stat().st_size for place in files_of_run(folder))
    last_s = (folder / "events.jsonl").stat().st_mtime
    if asked is None:
        return RunFacts(folder.name, None, ended_well=False, began_s=began_s(folder), last_s=last_s, bytes=size)
    tasks: dict[str, set[str]] = {digest: set() for digest in asked.stages.values()}
    for task in read_trace(folder):
        if task.status in ("done", "reused"):
            tasks[asked.stages[task.stage]].add(task.mark)
    return RunFacts(
        folder.name,
        (asked.pipeline, asked.results),
        ended_well=last is not None and last.get("status") in ENDED_WELL,
        began_s=began_s(folder),
        last_s=last_s,
        tasks={digest: frozenset(marks) for digest, marks in tasks.items()},
        selections=frozenset(_selections(folder)),
        bytes=size,
    )


def _selections(folder: Path) -> Iterator[str]:
    """Yield the selections that kept calls name: `engine.repeat` reads them."""
    for place in (folder / CALLS).glob("*.json"):
        try:
            order = CallOrder.decode(place.read_bytes())
        except (ValueError, KeyError, TypeError):  # torn, or written by another version: nobody can repeat it
            continue
        for inputs in (order.shared, *(task.inputs for task in order.tasks)):
            found = [item.selection for item in inputs.values() if isinstance(item, GatherInput)]
            yield from filter(None, found)


_PREFIXES = ("objects/", "records/", "manifests/", "pasts/")
