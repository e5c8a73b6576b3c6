"""What must hold after kills: the laws, held against a bench's store, runs and results."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from bench import Bench
from driver import runs, traced

from flowbutton.model.canonical import canonical
from flowbutton.model.records import TaskRecord
from flowbutton.model.store import Store
from flowbutton.stores.layout import Kind, pack_key, written
from flowbutton.stores.local import LocalStore
from flowbutton.stores.objects import damages
from flowbutton.stores.packs import read_head

OUTPUTS = ("total.json", "order.json", "all.txt")


def answers(bench: Bench, results: str = "results") -> dict[str, str]:
    """What a run of the bench published."""
    return {name: (bench.folder / results / name).read_text() for name in OUTPUTS}


def recorded(store: Store) -> dict[str, set[bytes]]:
    """Return the artifacts that all packs of a store give for each fingerprint."""
    found: dict[str, set[bytes]] = defaultdict(set)
    for key in store.list("records/"):
        _, stage, kind, *rest = key.split("/")
        if kind == "packs":
            data = store.get(pack_key(stage, rest[0]))
            for row in read_head(store, stage, rest[0]):
                record = TaskRecord.decode(data[row.offset : row.offset + row.length])
                artifacts = {name: item.to_json() for name, item in record.artifacts.items()}
                found[row.fingerprint].add(canonical(artifacts))
    return found


def damaged_objects(store: Store) -> list[str]:
    """Return the keys of all visible objects that are not whole."""
    digests = {key.digest for name in store.list("objects/") if (key := written(name)) and key.kind is Kind.OBJECT}
    return [damage.key for digest in digests for damage in damages(store, digest)]


def check_recovery(bench: Bench, undisturbed: dict[str, str], store: Store | None = None) -> None:
    """Hold the store and the runs of a bench, whose last run went through, to the laws."""
    store = store or LocalStore(bench.folder / ".flowbutton")
    assert answers(bench) == undisturbed
    assert all(len(artifacts) == 1 for artifacts in recorded(store).values())
    assert not damaged_objects(store), "nothing half is visible"
    done: set[str] = set()
    for folder in runs(bench):
        ran = traced(folder, "done")
        assert len(ran) == len(set(ran))
        assert done.isdisjoint(ran), "a finished task was repeated"
        done.update(ran)
    assert not list((bench.folder / "results").glob(".*.partial")), "nothing half is left"


def workers_of(pid: int) -> list[int]:
    """Return the workers of a driver: the children of its children."""
    parents: dict[int, list[int]] = defaultdict(list)
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(place.read_text().rpartition(")")[2].split()[1])].append(int(place.parent.name))
        except OSError:  # it has ended
            continue
    return [worker for child in parents[pid] for worker in parents[child]]
