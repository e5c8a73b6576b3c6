"""What earlier runs left to compare with: each stage as it was in the latest run in which it finished.

One small object in the store per pipeline and results folder, written by who holds the lease. It explains, and decides
nothing: a missing or damaged one only makes every stage look new. Here: the value, its JSON, reading and writing.
Not here: the comparison (`dag.reasons`). Imports `flowbutton.model`, `dag.reasons`, `stores`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from flowbutton.dag.reasons import Finished, Making, Taken
from flowbutton.model.canonical import Json
from flowbutton.model.errors import CorruptObject, NotInStore
from flowbutton.model.store import Store
from flowbutton.stores.layout import past_key
from flowbutton.stores.packs import seal, unseal

_FORMAT = 1
_MOST_RUNS = 8
"""Runs that are kept at most: stages that left the pipeline would hold theirs for ever."""


@dataclass(frozen=True, slots=True)
class PastRun:
    """The stages and sources that finished in one run, by name."""

    run: str
    nodes: Mapping[str, Finished]


@dataclass(frozen=True, slots=True)
class Past:
    """Runs, the latest first, each of which some stage finished last."""

    runs: tuple[PastRun, ...] = ()

    def of(self, name: str) -> Mapping[str, Finished]:
        """Return all that finished in the latest run in which ``name`` did; empty if there is none."""
        return next((run.nodes for run in self.runs if name in run.nodes), {})

    def after(self, run: PastRun) -> Past:
        """Return the past with one more run, without those that no stage needs any more."""
        seen: set[str] = set()
        kept = []
        for one in (run, *self.runs)[:_MOST_RUNS]:
            if one.nodes.keys() - seen:
                kept.append(one)
            seen |= one.nodes.keys()
        return Past(tuple(kept))

    def to_json(self) -> dict[str, Json]:
        """Return the past as JSON."""
        return {"format": _FORMAT, "runs": [_run_to_json(run) for run in self.runs]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Past:
        """Read the JSON form; another format's says nothing."""
        if value["format"] != _FORMAT:
            return cls()
        return cls(tuple(_run_from_json(run) for run in value["runs"]))


def read_past(store: Store, name: str) -> Past:
    """Return what is kept under ``name``; nothing if it is missing or damaged."""
    key = past_key(name)
    try:
        return Past.from_json(unseal(store.get(key), key))
    except (NotInStore, CorruptObject):
        return Past()


def keep_past(store: Store, name: str, past: Past, run: PastRun) -> None:
    """Keep the past under ``name`` with one more run; nothing is written where none of its stages finished."""
    if run.nodes:
        store.put(past_key(name), seal(past.after(run).to_json()))


def _run_to_json(run: PastRun) -> Json:
    """Write each part of the code once, whatever stages reach it."""
    parts = dict.fromkeys(part for node in run.nodes.values() for part in node.making.code.items())
    places = {part: place for place, part in enumerate(parts)}
    nodes: dict[str, Json] = {}
    for name, node in run.nodes.items():
        value = asdict(node)
        value["making"]["code"] = [places[part] for part in node.making.code.items()]
        nodes[name] = value
    return {"run": run.run, "code": [list(part) for part in parts], "nodes": nodes}


def _run_from_json(value: Mapping[str, Any]) -> PastRun:
    parts = value["code"]
    nodes = {}
    for name, node in value["nodes"].items():
        making = {**node["making"], "code": dict(parts[place] for place in node["making"]["code"])}
        inputs = {argument: Taken(**taken) for argument, taken in node["inputs"].items()}
        nodes[name] = Finished(Making(**making), inputs, node["tasks"], node["largest_share"])
    return PastRun(value["run"], nodes)
