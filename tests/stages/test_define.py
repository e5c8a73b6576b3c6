"""A typed function becomes a stage: what its signature says, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel, ValidationError

from flowbutton.model.bundle import Parts
from flowbutton.model.errors import MissingExtra, OptionError
from flowbutton.model.stage import Parameter, Scratch, StageDefinition, Tally, reduces
from flowbutton.partitioners.whole import WholeFile
from flowbutton.stages.define import find_stage, gather_stage, map_stage

Decorator = Callable[[Callable[..., Any]], StageDefinition]


class Two(NamedTuple):
    """Two outputs."""

    table: Path
    count: int


class Row(BaseModel):
    """A small value."""

    name: str


@map_stage("tests.work", version=3, ledger=reduces("file"))
def work(file: WholeFile, row: Row | None = None, *, scratch: Scratch, tally: Tally, size: int = 4, name: str) -> Two:
    """Do something.

    At length.
    """
    tally.out(size + (row is not None) + (file is not None))
    return Two(Path(scratch) / name, size)


@gather_stage("tests.join")
def join(parts: Sequence[Row], bins: Parts, header: Path) -> str:
    """Join rows."""
    return header.name.join(row.name for row in parts) + str(len(bins.keys()))


def test_the_signature_is_the_stage() -> None:
    assert (work.uses, work.version, work.help) == ("tests.work", 3, "Do something.\n\nAt length.")
    assert work.inputs == {
        "file": Parameter("file", WholeFile, gathers=False),
        "row": Parameter("row", Row | None, gathers=False, optional=True),
    }
    assert work.outputs == {"table": Path, "count": int}
    assert (work.scratch, work.tally) == ("scratch", "tally")


def test_what_gathers_says_so_by_its_type() -> None:
    assert {name: (item.type, item.gathers) for name, item in join.inputs.items()} == {
        "parts": (Row, True),
        "bins": (Parts, True),
        "header": (Path, False),
    }
    assert join.outputs == {"": str}


def test_keyword_only_parameters_are_options() -> None:
    assert work.options(name="a").model_dump() == {"size": 4, "name": "a"}
    assert work.options.model_json_schema()["required"] == ["name"]
    for wrong in ({}, {"name": "a", "sise": 1}, {"name": "a", "size": "many"}):
        with pytest.raises(ValidationError):
            work.options(**wrong)
    with pytest.raises(ValidationError, match="frozen"):
        work.options(name="a").name = "b"  # type: ignore[attr-defined]


def test_the_function_runs_alone() -> None:
    tally = Tally()
    assert work(None, scratch=Scratch("/x"), tally=tally, name="n") == Two(Path("/x/n"), 4)
    assert tally.made == 4


def no_type(file) -> str:  # type: ignore[no-untyped-def]
    return str(file)


def no_return(file: WholeFile):  # type: ignore[no-untyped-def]
    return str(file)


def many(*files: WholeFile) -> str:
    return str(files)


def any_names(file: WholeFile, **more: int) -> str:
    return str((file, more))


def by_place(file: WholeFile, /) -> str:
    return str(file)


def gathers(files: Sequence[Row]) -> str:
    return str(files)


def single(file: WholeFile) -> str:
    return str(file)


@pytest.mark.parametrize(
    ("decorate", "function", "told"),
    [
        (map_stage("a.b"), no_type, "'file' of no_type has no type"),
        (map_stage("a.b"), no_return, "no_return has no return type"),
        (map_stage("a.b"), many, "'files' of many can't be given by its name"),
        (map_stage("a.b"), any_names, "'more' of any_names can't be given by its name"),
        (map_stage("a.b"), by_place, "'file' of by_place can't be given by its name"),
        (map_stage("a.b"), gathers, "use @gather_stage"),
        (gather_stage("a.b"), single, "needs an argument of Sequence"),
        (map_stage("a.b", ledger=reduces("reads")), single, "names 'reads', which is not an input"),
    ],
)
def test_what_can_be_no_stage_is_refused_when_it_is_defined(
    decorate: Decorator, function: Callable[..., Any], told: str
) -> None:
    with pytest.raises(TypeError, match=told):
        decorate(function)


def test_a_function_of_a_module_is_a_stage_by_its_place() -> None:
    assert find_stage("letters:count").uses == "letters:count"
    assert find_stage("letters:count").ledger == reduces("file")


@pytest.mark.parametrize(
    ("uses", "told"),
    [
        ("nowhere.stage", "there is no stage called 'nowhere.stage'"),
        ("nomodule_at_all:f", "there is no module 'nomodule_at_all'"),
        ("letters.sub:f", "there is no module 'letters.sub'"),
        ("letters:nothing", "module 'letters' has no function 'nothing'"),
    ],
)
def test_what_is_not_there_is_told(uses: str, told: str) -> None:
    with pytest.raises(OptionError, match=told) as caught:
        find_stage(uses)
    assert caught.value.hint


@pytest.mark.parametrize("library", ["isal_that_is_missing", "needs_somethin"])
def test_a_library_that_a_stages_module_needs_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    module = f"needs_something_{library}"
    (tmp_path / f"{module}.py").write_text(f"import {library}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingExtra, match=f"needs the library '{library}'") as caught:
        find_stage(f"{module}:f")
    assert "pip install" in caught.value.hint
