"""What was set aside, copied from the store into the run's folder: a file per stage, a line of JSON per record.

Imports `flowbutton.model`, `engine`.
"""

from __future__ import annotations

from pathlib import Path

from flowbutton.engine.journal import Journal
from flowbutton.engine.nodes import Node
from flowbutton.engine.reuse import Records
from flowbutton.model.records import ASIDE

_STEP = 1 << 20


def aside_file(folder: Path, stage: str) -> Path:
    """Return where a run's folder has the records that a stage set aside."""
    return folder / "set-aside" / f"{stage}.jsonl"


def keep_aside(node: Node, records: Records, journal: Journal) -> None:
    """Copy what the tasks of a finished stage set aside, in the order of the data."""
    place = aside_file(journal.folder, node.name)
    log = records.log(node.spec.stage_digest)
    for task in sorted(node.results, key=node.orders.__getitem__):
        result = node.results[task]
        if not result.ledger.set_aside:
            continue
        artifact = log.read(result.stored.row).artifacts[ASIDE]
        read = records.reader(artifact)
        for start in range(0, artifact.size, _STEP):
            journal.append(place, read(start, min(start + _STEP, artifact.size)))
