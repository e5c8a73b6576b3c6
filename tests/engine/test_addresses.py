"""Where a report says that outputs are."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowbutton.dag.plan import Plan
from flowbutton.engine.run import Report, Status
from flowbutton.model.errors import OptionError


def report(path: str) -> Report:
    outputs = [{"name": "a.txt", "path": path, "digest": "", "bytes": 1}]
    return Report("1", Path("run"), Status.DONE, Plan("words", "store", (), ()), outputs)


def test_outputs_in_a_folder_are_files() -> None:
    assert report("results/a.txt").files == {"a.txt": Path("results/a.txt")}
    assert report("results/a.txt").addresses == {"a.txt": "results/a.txt"}


def test_outputs_in_a_bucket_have_addresses_only() -> None:
    assert report("s3://lab/out/a.txt").addresses == {"a.txt": "s3://lab/out/a.txt"}
    with pytest.raises(OptionError, match="no files of this machine"):
        _ = report("s3://lab/out/a.txt").files
