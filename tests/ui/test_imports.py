"""What commands must not import: a library that only some stage or store needs would cost all who start them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PIPELINE = """\
flowbutton: 1
name: counted
sources:
  files: {partitioner: whole, from: "in/*.txt"}
stages:
  count: {uses: "counted:count", for_each: {file: files}}
  add: {uses: "counted:add", gather: {parts: count}}
outputs: {total.json: add}
"""
STAGES = """\
from collections.abc import Sequence
from pathlib import Path
from flowbutton.stages.define import gather_stage, map_stage

@map_stage("counted.count")
def count(file: Path) -> int:
    return len(file.read_bytes())

@gather_stage("counted.add")
def add(parts: Sequence[int]) -> int:
    return sum(parts)
"""
CALL = """\
import sys
from flowbutton.model.late import Late
from flowbutton.ui.cli import call
call(sys.argv[2:])
open(sys.argv[1], "w").write(" ".join(name for name, found in sys.modules.items() if not isinstance(found, Late)))
"""

DOMAIN = {"numpy", "scipy", "pyarrow", "pysam", "rasterio", "laspy", "shapely", "pyogrio", "isal", "matplotlib", "PIL"}
STORES = {"boto3", "obstore", "redis", "fsspec", "aiohttp"}
OTHERS = {"rich", "lithops", "cloudpickle", "asyncio", "unittest", "networkx"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("abc")
    (tmp_path / "p.yaml").write_text(PIPELINE)
    (tmp_path / "counted.py").write_text(STAGES)
    return tmp_path


def loaded(folder: Path, *command: str) -> set[str]:
    subprocess.run([sys.executable, "-c", CALL, "modules", *command], cwd=folder, check=True, capture_output=True)
    return {*(folder / "modules").read_text().split()}


def test_validating_loads_neither_the_engine_nor_any_domain(folder: Path) -> None:
    found = loaded(folder, "validate", "p.yaml")
    assert not found & (
        DOMAIN | STORES | OTHERS | {"flowbutton.engine.run", "flowbutton.worker.context", "flowbutton.ui.view"}
    )


def test_a_run_of_plain_files_loads_no_domain_and_no_other_store_in_the_driver(folder: Path) -> None:
    loaded(folder, "run", "p.yaml", "-q", "--executor", "serial")
    assert not loaded(folder, "run", "p.yaml", "-q") & (DOMAIN | STORES | OTHERS)
