"""Libraries are loaded when something of them is asked for, and are then what they are without."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module, util
from pathlib import Path
from subprocess import run
from threading import Barrier

import pytest

from flowbutton.model.late import Late, put_off

NAME = "library_for_late"
MODULES = {"__init__": f"from {NAME} import part\nVALUE = object()\n", "part": "class Thing: ...\n"}


@pytest.fixture(autouse=True)
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / NAME).mkdir()
    for name, text in MODULES.items():
        (tmp_path / NAME / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    for name in (NAME, f"{NAME}.part"):
        monkeypatch.setitem(sys.modules, name, sys)  # so that it is as it was in the end
        del sys.modules[name]


def is_loaded() -> bool:
    return f"{NAME}.part" in sys.modules


def test_importing_it_does_not_load_it_and_using_it_does() -> None:
    put_off(NAME)
    held = import_module(NAME)
    assert util.find_spec(NAME) is not None
    assert not is_loaded()
    assert held.VALUE is import_module(NAME).VALUE
    assert not isinstance(sys.modules[NAME], Late)
    assert held.part is sys.modules[f"{NAME}.part"]


@pytest.mark.parametrize(
    "statement", [f"from {NAME} import VALUE", f"import {NAME}.part", f"from {NAME}.part import Thing"]
)
def test_every_kind_of_import_works(statement: str) -> None:
    put_off(NAME)
    names: dict[str, object] = {}
    exec(statement, names)
    assert is_loaded()
    found = names.get("VALUE", names.get("Thing", names.get(NAME)))
    real = import_module(NAME)
    assert found in (real.VALUE, real.part.Thing, real)


def test_what_it_does_not_have_is_an_error() -> None:
    put_off(NAME)
    held = sys.modules[NAME]
    with pytest.raises(AttributeError, match="nothing_of_it"):
        held.nothing_of_it  # noqa: B018


@pytest.mark.parametrize("_time", range(10))
def test_threads_may_ask_at_once(_time: int) -> None:
    put_off(NAME)
    held, together = sys.modules[NAME], Barrier(4)

    def ask(_: int) -> object:
        together.wait()
        return held.VALUE

    with ThreadPoolExecutor(4) as pool:
        found = [*pool.map(ask, range(4))]
    assert {*found} == {import_module(NAME).VALUE}


def test_what_is_loaded_or_not_installed_stays_as_it_is() -> None:
    real = import_module(NAME)
    put_off(NAME, "no_such_library_for_late")
    assert sys.modules[NAME] is real
    assert "no_such_library_for_late" not in sys.modules


def test_rasterio_and_pyogrio_load_nothing_that_stages_do_not_use() -> None:
    pytest.importorskip("pyogrio", reason="needs the extra 'geospatial'")
    code = """
import sys
from flowbutton.model.late import OF_OTHERS, put_off
put_off(*OF_OTHERS)
import pyogrio, rasterio.session
print(sorted({"botocore", "pandas.core", "pyarrow.lib"} & {*sys.modules}))
import boto3
print(rasterio.session.boto3.Session is boto3.Session)
"""
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "True"]
