"""Pipelines as Lithops functions on hosts that share nothing with the driver but an S3 server: some are lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from driver import until
from genomics_runs import GenomicsRun
from hosts import Hosts, lithops_hosts

from flowbutton.stores.s3_client import client_for
from flowbutton.stores.s3_places import S3Access

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("unshare") is None,
        reason="hosts are network namespaces: needs root, iproute2 and util-linux",
    ),
]
PARAMS = {"chunk_size": "60KiB", "region_size": 4000}


@pytest.fixture(scope="module")
def hosts(shared: Path, tmp_path_factory: pytest.TempPathFactory, radosgw: dict[str, str]) -> Iterator[Hosts]:
    """Two hosts, for all tests here."""
    pytest.importorskip("pika")
    with lithops_hosts(shared, tmp_path_factory.mktemp("lithops") / "hosts", 2, radosgw) as found:
        yield found


@pytest.fixture
def genome(shared: Path, tmp_path: Path) -> GenomicsRun:
    return GenomicsRun(tmp_path / "here", shared / "data" / "genomics" / "human-na12878-chr22")


def test_a_store_and_a_source_on_this_machine_are_refused(
    hosts: Hosts, genome: GenomicsRun, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in hosts.variables.items():
        monkeypatch.setenv(name, value)
    genome.folder.mkdir()
    refused = genome.run("--executor", "lithops", expect=2)
    assert "can't be used by executor 'lithops'" in refused.stderr
    assert "s3://bucket/prefix" in refused.stderr
    refused = genome.run("--executor", "lithops", "--store", f"{s3}/work", expect=2)
    assert "the source 'reads' can't be read by executor 'lithops'" in refused.stderr


def test_the_same_bytes_though_a_host_is_killed_and_another_is_lost(
    hosts: Hosts, genome: GenomicsRun, tmp_path: Path, s3: str
) -> None:
    genome.folder.mkdir()
    genome.run(**PARAMS)
    there = GenomicsRun(tmp_path / "there", genome.data)
    there.folder.mkdir()
    resting = hosts.pids("h2")
    with _started(hosts, there, s3) as run:
        _await_running(run, "align", 2)
        # These calls may be over by now, or both on the other host: what is killed has to be at work.
        until(lambda: hosts.pids("h2") - resting or run.poll() is not None)
        hosts.kill("h2")
        _await_lost(run, 1)
        hosts.restart("h2")
        _await_running(run, "call", 2)
        hosts.lose("h1")
        _, complaints = run.communicate()
    assert run.returncode == 0, complaints
    assert there.published() == genome.published()


def _started(hosts: Hosts, run: GenomicsRun, s3: str) -> subprocess.Popen[str]:
    """Start a run whose store and inputs are in S3; its events come line by line."""
    client, bucket = client_for(S3Access()), s3.removeprefix("s3://")
    for place in (place for place in run.data.iterdir() if place.is_file()):
        client.upload_file(str(place), bucket, f"in/{place.name}")
    command = [sys.executable, "-m", "flowbutton", "run", "genomics", "--log-format", "json"]
    command += ["--executor", "lithops", "--workers", "2", "--store", f"{s3}/work", "--results", str(run.results)]
    given = {"reads": f"{s3}/in/samples.tsv", "reference": f"{s3}/in/ref.fa", **PARAMS}
    for name, value in given.items():
        command += ["-p", f"{name}={value}"]
    return subprocess.Popen(
        command,
        cwd=run.folder,
        env={**os.environ, **hosts.variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _events(run: subprocess.Popen[str]) -> Iterator[dict[str, object]]:
    assert run.stdout is not None
    for line in iter(run.stdout.readline, ""):
        yield json.loads(line)
    raise AssertionError(f"the run has ended: {run.communicate()[1]}")


def _await_running(run: subprocess.Popen[str], stage: str, count: int) -> None:
    """Read events until so many calls of a stage run at once."""
    running: set[object] = set()
    for event in _events(run):
        if event["event"] == "started" and event["stage"] == stage:
            running.add(event["call"])
        if event["event"] == "over":
            running.discard(event["call"])
        if len(running) == count:
            return


def _await_lost(run: subprocess.Popen[str], count: int) -> None:
    """Read events until so many calls were lost."""
    for event in _events(run):
        count -= event["event"] == "over" and event["how"] == "lost"
        if count == 0:
            return
