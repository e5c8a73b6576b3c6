"""What of a store is still needed, and what goes: the decision, pure. The act is `engine.clean`.

A run needs the task records that its trace names, and they need their objects. Which runs go is a wish; what no run
that stays needs goes with them. The pack is the smallest part: one that holds a needed record stays as it is.
In doubt something stays: what is young, since somebody may be about to use it, and what was written since a run began
that did not end well, since its trace may not tell all. Imports `flowbutton.model`, `stores.layout`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from flowbutton.model.store import Entry
from flowbutton.stores.layout import Kind, Written, written

Objects = Callable[[str], frozenset[str]]
"""The digests of the objects that a pack's records refer to, by the pack's key."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What deciding needs to know of a run; ids sort by time. Times are in seconds since 1970.

    ``group``: pipeline and results folder; None where the run was killed before it said so. ``tasks``: by stage digest
    the beginnings of the fingerprints of all tasks that it found done or did. ``bytes`` are those of its folder.
    """

    id: str
    group: tuple[str, str] | None
    ended_well: bool
    began_s: float
    last_s: float
    tasks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    selections: frozenset[str] = frozenset()
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Inventory:
    """What lies in a store.

    ``marks``: by the key of each pack that rows name, the beginnings of their fingerprints. ``named``: by the key of
    each segment and manifest, the packs that it names.
    """

    entries: Sequence[Entry]
    leftovers: Sequence[Entry]
    marks: Mapping[str, frozenset[str]]
    named: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Wish:
    """Which runs shall go. Without any of it: those that a later run replaced.

    ``older_than_s`` and ``keep_bytes`` choose among these: the old ones, and so many, the oldest first, that what stays
    takes no more. ``runs`` and ``everything`` name others too.
    """

    runs: frozenset[str] = frozenset()
    everything: bool = False
    older_than_s: float | None = None
    keep_bytes: int | None = None


class Goes(StrEnum):
    """What is removed, for people."""

    OBJECTS = "objects"
    RECORDS = "task records"
    LISTS = "lists of records"
    LEFT = "left by killed writers"


@dataclass(frozen=True, slots=True)
class Decision:
    """What goes: runs, keys by kind, leftovers by name; and the bytes of what stays, run folders too.

    ``young_bytes`` are of what nobody needs, but stays since it is young.
    """

    runs: tuple[RunFacts, ...]
    keys: Mapping[Goes, Sequence[Entry]]
    stays_bytes: int
    young_bytes: int

    @property
    def bytes(self) -> int:
        """How many bytes go."""
        return sum(run.bytes for run in self.runs) + sum(entry.size for kind in self.keys.values() for entry in kind)


def decide(
    runs: Sequence[RunFacts], inventory: Inventory, objects: Objects, wish: Wish, *, now_s: float, grace_s: float
) -> Decision:
    """Return what goes.

    Args:
        now_s: The present, on the store's clock.
        grace_s: What was written within this time stays, whoever needs it.
    """
    store = _Stock(inventory, objects, young_s=now_s - grace_s)
    going = _chosen(runs, wish, now_s, store)
    left = [run for run in runs if run.id not in going]
    live = store.live(left)
    go: dict[Goes, list[Entry]] = defaultdict(list)
    young = 0
    for entry in inventory.entries:
        key = written(entry.key)
        if key is None or live.holds(entry, key):
            continue
        if entry.modified_s >= store.young_s:
            young += entry.size
        else:
            go[_GOES[key.kind]].append(entry)
    go[Goes.LEFT] += [entry for entry in inventory.leftovers if entry.modified_s < store.young_s]
    total = sum(entry.size for entry in (*inventory.entries, *inventory.leftovers)) + sum(run.bytes for run in left)
    gone = sum(entry.size for kind in go.values() for entry in kind)
    return Decision(
        tuple(run for run in runs if run.id in going),
        {kind: go[kind] for kind in Goes if go[kind]},
        total - gone,
        young,
    )


_GOES = {
    Kind.OBJECT: Goes.OBJECTS,
    Kind.PACK: Goes.RECORDS,
    Kind.SEGMENT: Goes.LISTS,
    Kind.SELECTION: Goes.LISTS,
    Kind.MANIFEST: Goes.LISTS,
    Kind.PAST: Goes.LISTS,
}


def replaced(runs: Iterable[RunFacts]) -> list[RunFacts]:
    """Return the runs, the oldest first, of which a resume needs nothing: a later run of the same group ended well.

    A run that was killed before it told its group did nothing.
    """
    in_order = sorted(runs, key=lambda run: run.id)
    last = {run.group: run.id for run in in_order if run.ended_well}
    return [run for run in in_order if run.group is None or run.id < last.get(run.group, "")]


def _chosen(runs: Sequence[RunFacts], wish: Wish, now_s: float, store: _Stock) -> set[str]:
    if wish.everything:
        return {run.id for run in runs}
    going = {run.id for run in runs if run.id in wish.runs}
    candidates = replaced(runs)
    if wish.older_than_s is not None:
        going |= {run.id for run in candidates if run.last_s < now_s - wish.older_than_s}
    elif not wish.runs and wish.keep_bytes is None:
        going |= {run.id for run in candidates}
    if wish.keep_bytes is not None:
        left = [run for run in runs if run.id not in going]
        going |= store.beyond(wish.keep_bytes, left, [run for run in candidates if run.id not in going])
    return going


@dataclass(frozen=True, slots=True)
class _Live:
    """What is needed."""

    packs: frozenset[str]
    objects: frozenset[str]
    selections: frozenset[str]
    last_segments: frozenset[str]
    named: Mapping[str, frozenset[str]]
    any_run: bool

    def holds(self, entry: Entry, key: Written) -> bool:
        match key.kind:
            case Kind.OBJECT:
                return key.digest in self.objects
            case Kind.PACK:
                return entry.key in self.packs
            case Kind.SEGMENT:
                # The last one stays, so that no number is used twice.
                return entry.key in self.last_segments or not self.packs.isdisjoint(self.named.get(entry.key, ()))
            case Kind.SELECTION:
                return entry.key in self.selections
            case Kind.MANIFEST:
                named = self.named.get(entry.key, frozenset())
                return bool(named) and self.packs >= named
            case Kind.PAST:
                return self.any_run


class _Stock:
    """The inventory, by what runs ask of it."""

    def __init__(self, inventory: Inventory, objects: Objects, *, young_s: float) -> None:
        self._inventory, self._objects, self.young_s = inventory, objects, young_s
        self._packs: dict[str, list[Entry]] = defaultdict(list)
        self._holding: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self._sizes: dict[str, int] = defaultdict(int)
        self._last_segments: dict[str, str] = {}
        for entry in inventory.entries:
            key = written(entry.key)
            if key is None:
                continue
            if key.kind is Kind.PACK:
                self._packs[key.digest].append(entry)
                for mark in inventory.marks.get(entry.key, ()):
                    self._holding[key.digest][mark].add(entry.key)
            elif key.kind is Kind.SEGMENT:
                self._last_segments[key.digest] = entry.key  # entries are sorted
            elif key.kind is Kind.OBJECT:
                self._sizes[key.digest] += entry.size
        self._pack_bytes = {entry.key: entry.size for packs in self._packs.values() for entry in packs}

    def live(self, runs: Sequence[RunFacts]) -> _Live:
        """Return what these runs need, and what is young of records."""
        packs = self.packs_for(runs) | {
            entry.key for found in self._packs.values() for entry in found if entry.modified_s >= self.young_s
        }
        stages = {key.split("/")[1] for key in packs}
        return _Live(
            packs=frozenset(packs),
            objects=frozenset().union(*map(self._objects, packs)),
            selections=frozenset().union(*(run.selections for run in runs)),
            last_segments=frozenset(key for stage, key in self._last_segments.items() if stage in stages),
            named=self._inventory.named,
            any_run=bool(runs),
        )

    def packs_for(self, runs: Iterable[RunFacts]) -> set[str]:
        """Return the packs that runs need."""
        found: set[str] = set()
        for run in runs:
            for stage, marks in run.tasks.items():
                holding = self._holding[stage]
                found.update(*(holding[mark] for mark in marks if mark in holding))
                if not run.ended_well:
                    found |= {entry.key for entry in self._packs[stage] if entry.modified_s >= run.began_s}
        return found

    def beyond(self, budget: int, runs: Sequence[RunFacts], candidates: Sequence[RunFacts]) -> set[str]:
        """Return the first of ``candidates`` without which ``runs`` need no more than ``budget`` bytes, or all."""
        packs = {run.id: self.packs_for([run]) for run in runs}
        users = Counter(key for keys in packs.values() for key in keys)
        holders = Counter(digest for key in users for digest in self._objects(key))
        size = sum(run.bytes for run in runs) + sum(map(self._pack_bytes.__getitem__, users))
        size += sum(self._sizes[digest] for digest in holders)
        going: set[str] = set()
        for run in candidates:
            if size <= budget:
                break
            going.add(run.id)
            users.subtract(packs[run.id])
            alone = [key for key in packs[run.id] if not users[key]]
            freed = [digest for key in alone for digest in self._objects(key)]
            holders.subtract(freed)
            size -= run.bytes + sum(map(self._pack_bytes.__getitem__, alone))
            size -= sum(self._sizes[digest] for digest in {*freed} if not holders[digest])
        return going
