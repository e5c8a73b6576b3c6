"""A run's temporary folder, for its workers: what a killed task leaves behind goes with it.

Workers inherit it as TMPDIR. A driver that was killed leaves its folder; the next run on the machine removes it.
Imports `model.process` (who is gone).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flowbutton.model.process import process_start

_PREFIX = "flowbutton-run-"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make the folder, let it be everybody's TMPDIR in this process and its children, and remove it in the end."""
    base = Path(tempfile.gettempdir())
    _sweep(base)
    before, chosen = os.environ.get("TMPDIR"), tempfile.tempdir
    name = f"{_PREFIX}{os.getpid()}-{process_start(os.getpid())}-"
    folder = Path(tempfile.mkdtemp(prefix=name, dir=base))
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    try:
        yield folder
    finally:
        tempfile.tempdir = chosen
        if before is None:
            os.environ.pop("TMPDIR", None)
        else:
            os.environ["TMPDIR"] = before
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(base: Path) -> None:
    """Remove the folders of drivers that are gone."""
    for folder in base.glob(f"{_PREFIX}*"):
        pid, _, rest = folder.name.removeprefix(_PREFIX).partition("-")
        started = rest.partition("-")[0]
        if pid.isdigit() and process_start(int(pid)) != started:
            shutil.rmtree(folder, ignore_errors=True)
