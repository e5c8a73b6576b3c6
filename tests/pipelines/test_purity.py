"""Tasks are pure: two runs apart in place, time zone, language, executor and worker count leave the same artifacts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from pipeline_runs import ROOT

from flowbutton.stores.opening import open_store
from flowbutton.stores.records import RecordLog


def artifacts(store: Path) -> dict[str, dict[str, str]]:
    """Return the digests of all artifacts of a store, by fingerprint and output."""
    opened = open_store(str(store))
    stages = {key.split("/")[1] for key in opened.list("records/")}
    found = {}
    for stage in stages:
        log = RecordLog(opened, stage)
        for record in log.read_many([outlined.row for outlined in log.load().values()]):
            found[record.fingerprint] = {name: item.digest for name, item in record.artifacts.items()}
    return found


def run(folder: Path, data: Path, *options: str, **environment: str) -> dict[str, dict[str, str]]:
    folder.mkdir()
    command = [sys.executable, "-m", "flowbutton", "run", str(ROOT / "pipelines" / "genomics.yaml"), *options]
    command += ["--store", "store", "--results", "out", "-p", f"reads={data / 'samples.tsv'}"]
    command += ["-p", f"reference={data / 'ref.fa'}", "-p", "chunk_size=50KiB", "-p", "region_size=3000"]
    subprocess.run(command, check=True, capture_output=True, cwd=folder, env={**os.environ, **environment})
    return artifacts(folder / "store")


def test_a_task_is_a_function_of_its_fingerprint(shared: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(shared / "data" / "genomics" / "human-na12878-chr22", data)
    one = run(tmp_path / "one", data, "--workers", "2", TZ="Asia/Tokyo", LC_ALL="C.UTF-8", PYTHONHASHSEED="1")
    other = run(tmp_path / "other place", data, "--executor", "serial", TZ="America/Lima", PYTHONHASHSEED="2")
    assert one == other
    assert len(one) > 20
