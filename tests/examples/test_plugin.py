"""The example plug-in, installed by pip: it is found, described, run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from installed import pip_install

from flowbutton.dag.load import load

PLUGIN = Path(__file__).resolve().parents[2] / "examples/plugin"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return pip_install(PLUGIN, tmp_path_factory.mktemp("plugin") / "site")


@pytest.fixture(scope="module")
def flowbutton(site, tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    shutil.copy(PLUGIN / "earthquakes.yaml", folder)
    shutil.copytree(PLUGIN / "data", folder / "data")

    def call(*arguments):
        command = [sys.executable, "-m", "flowbutton", *arguments]
        env = {**os.environ, "PYTHONPATH": str(site)}
        return subprocess.run(
            command, cwd=folder, env=env, text=True, capture_output=True, timeout=300, check=True
        ).stdout

    call.folder = folder
    return call


def test_its_pipeline_runs_and_is_done(flowbutton):
    flowbutton("run", "earthquakes.yaml", "-q", "-p", "chunk_size=64KiB", "--workers", "2")
    law = json.loads((flowbutton.folder / "results/law.json").read_text())
    assert abs(law["b"] - 1) < 3 * law["error"]
    assert "nothing to run" in flowbutton("plan", "earthquakes.yaml", "-p", "chunk_size=64KiB")


def test_its_store_keeps_the_work(flowbutton):
    store = f"sqlite://{flowbutton.folder / 'work.sqlite'}"
    asked = ("earthquakes.yaml", "--store", store, "--results", "elsewhere", "-p", "chunk_size=64KiB")
    assert "0 reused" in flowbutton("run", *asked, "--workers", "2").splitlines()[-1]
    assert "nothing to run" in flowbutton("plan", *asked)


def test_it_is_listed_with_where_it_comes_from(flowbutton):
    listed = flowbutton("stages").split("\n\n")
    assert listed[0].startswith("flowbutton ")
    assert listed[1].splitlines()[0] == "flowbutton-earthquakes 0.1.0"
    assert "earthquakes.count Count the events of a piece by magnitude." in " ".join(listed[1].split())
    assert "pieces of json_lines" in flowbutton("stages", "earthquakes.count")
    assert "  size  int  = 33554432  Wanted bytes per piece, at least 1." in flowbutton("partitioners", "json_lines")


def test_the_schema_knows_it(flowbutton):
    validator = jsonschema.Draft202012Validator(json.loads(flowbutton("schema")))
    value = load((PLUGIN / "earthquakes.yaml").read_text(), file="").value
    assert validator.is_valid(value)
    value["stages"]["law"]["with"] = {"complete": 2.0}
    assert not validator.is_valid(value)


@pytest.mark.slow
def test_its_own_tests_pass(site, tmp_path):
    shutil.copytree(PLUGIN, tmp_path / "copy", ignore=shutil.ignore_patterns(".*", "earthquakes"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    env = {**os.environ, "PYTHONPATH": str(site)}
    ended = subprocess.run(
        command, cwd=tmp_path / "copy", env=env, text=True, capture_output=True, timeout=1200, check=False
    )
    assert ended.returncode == 0, ended.stdout
    assert " passed" in ended.stdout
