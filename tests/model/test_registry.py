"""Plug-ins as pip installs them: found by their names, and told by their package's name when something is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from installed import install

from flowbutton.model import registry
from flowbutton.model.errors import FlowbuttonError, MissingExtra, OptionError

Install = Callable[[str, Mapping[str, str], Mapping[str, str]], Path]


@pytest.fixture
def installing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a package for this test: its name, its entry points, its modules."""

    def put(distribution: str, points: Mapping[str, str], modules: Mapping[str, str]) -> Path:
        folder = install(tmp_path / distribution, distribution, points, modules)
        monkeypatch.syspath_prepend(str(folder))
        registry._all_points.cache_clear()
        registry._points.cache_clear()
        return folder

    yield put
    registry._all_points.cache_clear()
    registry._points.cache_clear()


def told(group: str, name: str) -> FlowbuttonError:
    """Return the error of loading a plug-in."""
    with pytest.raises(FlowbuttonError) as caught:
        registry.load(group, name)
    return caught.value


def test_a_plug_in_is_found_by_its_name(installing: Install) -> None:
    installing("more-stores", {"stores more": "morestores:More"}, {"morestores.py": "class More:\n    open = print\n"})
    assert registry.load("stores", "more").__name__ == "More"
    assert registry.distribution_of(registry.registered("stores")["more"]) == "more-stores 0.5"


@pytest.mark.parametrize(
    ("module", "why"),
    [
        ("def broken(:\n", "SyntaxError"),
        ("raise RuntimeError('at import')\n", "RuntimeError: at import"),
        ("Other = 1\n", "AttributeError"),
    ],
)
def test_one_that_fails_to_import_names_its_package(installing: Install, module: str, why: str) -> None:
    installing("bad-plugin", {"executors bad": "badplugin:Bad"}, {"badplugin.py": module})
    sys.modules.pop("badplugin", None)
    error = told("executors", "bad")
    assert isinstance(error, OptionError)
    assert error.what == "the executor 'bad' can't be imported"
    assert why in error.why
    assert error.hint == "correct or uninstall bad-plugin 0.5"


def test_a_library_that_a_plug_in_lacks_is_named_with_it(installing: Install) -> None:
    installing("needy", {"partitioners needy": "needy:Needy"}, {"needy.py": "import pysam_that_is_missing\n"})
    error = told("partitioners", "needy")
    assert isinstance(error, MissingExtra)
    assert error.what == "the partitioner 'needy' needs the library 'pysam_that_is_missing', which is not installed"
    assert error.why == "needy 0.5 is installed without it"
    assert error.hint == "run: pip install pysam_that_is_missing"


def test_a_name_that_two_packages_register_is_an_error_that_names_both(installing: Install) -> None:
    installing("one", {"partitioners whole": "one:Whole"}, {"one.py": ""})
    error = told("partitioners", "whole")
    assert error.what == "the name of partitioner 'whole' is taken twice"
    assert error.why.startswith("by flowbutton ")
    assert error.why.endswith(" and one 0.5")
    assert error.hint == "uninstall one of them"
    assert registry.load("partitioners", "regions").name == "regions"


WRONG = """
from flowbutton.partitioners.whole import Whole

number = 1


class Renamed(Whole):
    pass
"""


@pytest.mark.parametrize(
    ("point", "value", "why"),
    [
        ("stages wrong", "wrongs:number", "it is no module with stages, but 1"),
        ("partitioners wrong", "wrongs:number", "it is no Partitioner, but 1"),
        ("partitioners wrong", "wrongs:Renamed", "it is called 'whole' in its class"),
        ("stores wrong", "wrongs:number", "it has no open(uri), as a Store has: 1"),
        ("executors wrong", "wrongs:number", "it can't be called, as an Executor's class can: 1"),
    ],
)
def test_what_is_not_what_its_group_is_for_is_refused(installing: Install, point: str, value: str, why: str) -> None:
    installing("wrong-kind", {point: value}, {"wrongs.py": WRONG})
    group, name = point.split()
    error = told(group, name)
    assert (error.why, error.hint) == (why, "correct or uninstall wrong-kind 0.5")


PLUGIN = """
from collections.abc import Sequence
from pathlib import Path

from flowbutton import Partitioner, gather_stage, map_stage, reduces
from flowbutton.executors.serial import SerialExecutor
from flowbutton.partitioners.whole import Whole, WholeFile
from flowbutton.stores.local import LocalStore


class Counted(Whole):
    name = "counted"


class InTurn(SerialExecutor):
    pass


class Shelf(LocalStore):
    @classmethod
    def open(cls, uri: str) -> "Shelf":
        made = cls(Path(uri.partition("://")[2]))
        made.uri = uri
        return made


@map_stage("inturn.size", ledger=reduces("file"))
def size(file: WholeFile) -> int:
    return len(file.read())


@gather_stage("inturn.add")
def add(parts: Sequence[int]) -> int:
    return sum(parts)
"""
PIPELINE = """\
flowbutton: 1
name: plugged
sources: {files: {partitioner: counted, from: "*.txt"}}
stages:
  size: {uses: inturn.size, for_each: {file: files}}
  total: {uses: inturn.add, gather: {parts: size}}
outputs: {total.json: total}
"""


def test_a_package_brings_stages_a_partitioner_an_executor_and_a_store(tmp_path: Path) -> None:
    points = {
        "stages inturn": "inturn_plugin",
        "partitioners counted": "inturn_plugin:Counted",
        "executors inturn": "inturn_plugin:InTurn",
        "stores shelf": "inturn_plugin:Shelf",
    }
    folder = install(tmp_path / "site", "in-turn", points, {"inturn_plugin.py": PLUGIN})
    (tmp_path / "plugged.yaml").write_text(PIPELINE)
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text("x" * number)
    asked = ["run", "plugged.yaml", "-q", "--executor", "inturn", "--store", f"shelf://{tmp_path}/shelf"]
    for says in ("done: 7 tasks ran", "nothing to do: all 7 tasks are done"):
        ended = subprocess.run(
            [sys.executable, "-m", "flowbutton", *asked],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert says in ended.stdout, ended.stderr
    assert (tmp_path / "results/total.json").read_text().strip() == "3"
    assert (tmp_path / "shelf/objects").is_dir() or (tmp_path / "shelf/records").is_dir()
