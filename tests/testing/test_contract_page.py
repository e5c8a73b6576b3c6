"""The page on contract tests: it names every promise, and its examples pass."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flowbutton.testing.executors import ExecutorContract
from flowbutton.testing.partitioners import PartitionerContract
from flowbutton.testing.stages import StageContract
from flowbutton.testing.stores import StoreContract

PAGE = (Path(__file__).resolve().parents[2] / "docs/contract-tests.md").read_text()
SUITES = {
    "Partitioners": PartitionerContract,
    "Stages": StageContract,
    "Stores": StoreContract,
    "Executors": ExecutorContract,
}


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("title", SUITES)
def test_every_promise_is_in_the_table(title):
    suite = SUITES[title]
    promises = [name for base in reversed(suite.__mro__) for name in vars(base) if name.startswith("test_")]
    told = re.findall(r"^\| (.*?) \| .*\|$", section(title), re.MULTILINE)
    assert told[0] == "promise"
    assert told[1:] == [name.removeprefix("test_").replace("_", " ") for name in promises]


@pytest.mark.parametrize(
    "title",
    ["Partitioners", "Stages", *(pytest.param(title, marks=pytest.mark.slow) for title in ("Stores", "Executors"))],
)
def test_the_example_passes(tmp_path, title):
    code = re.search(r"^```python\n(.*?)^```$", section(title), re.MULTILINE | re.DOTALL)
    assert code is not None
    (tmp_path / "test_example.py").write_text(code[1])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "test_example.py"]
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    ended = subprocess.run(command, cwd=tmp_path, env=env, text=True, capture_output=True, timeout=1200, check=False)
    assert ended.returncode == 0, ended.stdout
    assert " passed" in ended.stdout
