"""What people read of a failure: the cause, the stage and its piece, the log's end, and how to repeat the task alone.

It is made of what ``error.json`` holds (`engine.failures`), so it is the same at the end of a run, in `show` and in CI.
Imports `flowbutton.model`, `stores.uris`, `ui`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flowbutton.model.errors import Failure, FlowbuttonError
from flowbutton.model.units import counted, show_bytes
from flowbutton.stores.uris import default_store
from flowbutton.ui.errors import show
from flowbutton.ui.words import shown_path

_LOG_LINES = 12
_FRAME = re.compile(r'^  File "([^"]+)", line (\d+), in (\S+)$', re.MULTILINE)

Told = Mapping[str, Any]
"""A failure as ``error.json`` has it."""


def failures_text(errors: Sequence[Told], folder: Path) -> str:
    """Return the first cause in full, and how many others there are."""
    rows = [failure_text(errors[0])]
    if len(errors) > 1:
        rows.append(f"  {counted(len(errors) - 1, 'other task')} failed too")
    rows.append(f"  more:  {_evidence(folder)}")
    return "\n".join(rows)


def failure_text(told: Told) -> str:
    """Return one failure in full."""
    rows = [show(FlowbuttonError(told["what"], why=told["why"], hint=told["hint"], **told["where"]))]
    if "task" not in told:
        return rows[0]
    frame = _last_frame(told)
    if frame:
        rows.append(f"  code:  {frame}")
    rows.append(f"  task:  {task_name(told)}, number {told['task']}")
    rows += [f"  piece: {_piece(piece)}" for piece in told["pieces"]]
    tail = told["log"].rstrip().splitlines()[-_LOG_LINES:]
    if tail:
        rows += ["  its log ends with:", *(f"    {line}" for line in tail)]
    rows.append(f"  redo:  {repeat_command(told)}")
    return "\n".join(rows)


def task_name(told: Told) -> str:
    """Return a task's name: ``align[sample=a,ordinal=3]``, as `debug` takes it too."""
    key = ",".join(f"{name}={value}" for name, value in told["key"].items())
    return f"{told['stage']}[{key}]" if key else str(told["stage"])


def repeat_command(told: Told) -> str:
    """Return the command that repeats a failed task alone; the store is left out where it is found without."""
    here = Path(default_store("results")).as_uri()
    return str(told["repeat"]).removesuffix(f" --store {here}")


def _piece(piece: Told) -> str:
    """Write what a task read: ``of reads: a.fastq, records 1 to 4,000, bytes 0 to 1,048,576 (1.0 MiB)``."""
    parts = [f"of {piece['source']}: " + "; ".join(_place(place) for place in piece["places"])]
    if piece["records"] is not None and not any(place["records"] for place in piece["places"]):
        parts.append(counted(piece["records"], "record"))
    if piece["bytes"]:
        parts.append(show_bytes(piece["bytes"]))
    return ", ".join(parts)


def _place(place: Told) -> str:
    text = shown_path(place["file"])
    if place["records"]:
        first, stop = place["records"]
        text += f", records {first:,} to {stop - 1:,}"
    if place["bytes"]:
        start, stop = place["bytes"]
        text += f", bytes {start:,} to {stop:,}"
    return text


def _last_frame(told: Told) -> str:
    """Return where in the code a stage's fault is: the last call of its traceback."""
    frames = _FRAME.findall(told["traceback"])
    raised = told["traceback"].rstrip().rpartition("\n")[2]
    # An error of ours says itself where to look; where it was raised is nothing to its reader.
    if told["class"] != Failure.BUG.value or not frames or raised.startswith("flowbutton.model.errors."):
        return ""
    file, line, function = frames[-1]
    return f"{file}:{line}, in {function}"


def _evidence(folder: Path) -> str:
    logs = [str(folder / "logs")] if (folder / "logs").is_dir() else []
    return ", ".join(shown_path(place) for place in [str(folder / "error.json"), *logs])
