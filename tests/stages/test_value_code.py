"""What names a function that no module has: what changes its answer changes its identity, and nothing else does."""

from __future__ import annotations

import importlib
import linecache
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from flowbutton.model.errors import OptionError
from flowbutton.stages.by_value import ByValue, Carried, carried, given_stage
from flowbutton.stages.code import CodeIdentity
from flowbutton.stages.value_code import identify_value

_CELLS = count()


def cell(text: str) -> dict[str, Any]:
    """Run text as a notebook runs a cell; return what it defines."""
    name = f"<cell {next(_CELLS)}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    found: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(text, name, "exec"), found)
    return found


def identity(text: str, name: str = "f") -> CodeIdentity:
    """Return the identity of a function that a cell defines."""
    function = cell(text)[name]
    return identify_value(function, get_type_hints(function))[0]


BASE = """
import math
from dataclasses import dataclass
from enum import Enum
from pydantic import BaseModel

SCALE = {"a": [1, 2.5], "b": {3, 4}}

class Colour(Enum):
    RED = 1

class Row(BaseModel):
    n: int = 1

@dataclass
class Point:
    x: int = 0
    def double(self): return self.x * 2

def helper(x, *, by=2):
    "Words."
    return math.floor(x * by)

def f(x: int, row: Row | None = None, *, least: int = 3) -> Row:
    "More words."
    names = [str(value) + "s" for value in range(x) if value in (1, 2)]
    point = Point(x)
    return Row(n=helper(x) + SCALE["a"][0] + Colour.RED.value + len(names) + point.double() + least)
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"Words."', '"Other words."'),
        ('"More words."', '""'),
        ("def helper", "# a comment\n\n\ndef helper"),
        ("SCALE = {", "OTHER = 5\nSCALE = {"),
        ("x * by", "(x * by)"),
    ],
)
def test_words_and_places_do_not_count(old: str, new: str) -> None:
    assert identity(BASE.replace(old, new)).digest == identity(BASE).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x * by", "x + by"),
        ("by=2", "by=3"),
        ("least: int = 3", "least: int = 4"),
        ("[1, 2.5]", "[1.0, 2.5]"),
        ("{3, 4}", "{3, 5}"),
        ("RED = 1", "RED = 2"),
        ("n: int = 1", "n: int = 2"),
        ("n: int = 1", "n: float = 1"),
        ("x: int = 0", "x: int = 1"),
        ("self.x * 2", "self.x * 3"),
        ('+ "s"', '+ "t"'),
        ("in (1, 2)", "in (1, 3)"),
        ("math.floor", "math.ceil"),
        ("x: int, row", "x: float, row"),
    ],
)
def test_what_changes_the_answer_counts(old: str, new: str) -> None:
    assert BASE.count(old) == 1
    assert identity(BASE.replace(old, new)).digest != identity(BASE).digest


def test_what_changed_is_told_by_its_name() -> None:
    one, other = identity(BASE).parts, identity(BASE.replace("x * by", "x + by")).parts
    assert [name for name in one if one[name] != other[name]] == ["__main__:helper"]


def test_closures_and_lambdas_count_with_what_they_hold() -> None:
    text = "def made(n):\n    return lambda x: x + n\nf, g = made({0}), lambda x: x * 2\n"
    assert identity(text.format(1)).digest == identity(text.format(1)).digest
    assert (
        len({identity(text.format(1)).digest, identity(text.format(2)).digest, identity(text.format(1), "g").digest})
        == 3
    )


def test_functions_that_call_each_other_come_to_an_end() -> None:
    text = "def f(x):\n    return g(x - 1) if x else {}\ndef g(x):\n    return f(x)\n"
    assert identity(text.format(0)).digest != identity(text.format(1)).digest


def test_libraries_count_by_their_version() -> None:
    found = identity("import numpy as np\nfrom pydantic import BaseModel\ndef f(x):\n    return np.sum(x), BaseModel\n")
    assert {"numpy", "pydantic"} <= {*found.libraries}
    assert not [part for part in found.parts if part.startswith("numpy")]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("from flowbutton import Tally\ndef f(x: Tally):\n    return x\n", True),
        ("import flowbutton\ndef f(x):\n    return flowbutton.Tally\n", False),
    ],
)
def test_of_flowbutton_what_is_named_counts_by_its_code(text: str, named: bool) -> None:
    found = identity(text)
    assert ("flowbutton.model.stage:Tally" in found.parts) is named
    assert not [part for part in found.parts if part.endswith(":*")], "the package as a value counts by its version"


def test_a_module_beside_the_notebook_counts_by_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, text in (("beside_one", "K = 1\n"), ("beside_two", "K = 2\n")):
        (tmp_path / f"{name}.py").write_text(f"{text}\n\ndef g(x):\n    return x + K\n")
    whole = "import {0} as beside\ndef f(x):\n    return beside.g(x)\n"
    assert any("beside_one" in part for part in identity(whole.format("beside_one")).parts)
    named = "from {0} import g\ndef f(x):\n    return g(x)\n"
    assert "beside_one:K" in identity(named.format("beside_one")).parts
    assert identity(named.format("beside_one")).digest != identity(named.format("beside_two")).digest


def test_what_can_not_be_described_counts_by_its_bytes_and_is_noted() -> None:
    text = "import decimal\nvalue = decimal.Decimal({0!r})\ndef f(x):\n    return x + value\n"
    functions = [cell(text.format(number))["f"] for number in ("1.5", "1.5", "2.5")]
    found = [identify_value(function, {}) for function in functions]
    assert found[0][0].digest == found[1][0].digest != found[2][0].digest
    assert found[0][1] == ("'value' (Decimal) counts by its pickled bytes",)


def stage_function(text: str) -> Callable[..., Any]:
    """Return the function of a cell."""
    function: Callable[..., Any] = cell(text)["f"]
    return function


def test_a_stage_travels_and_is_itself_again() -> None:
    text = "from __future__ import annotations\nfrom pathlib import Path\nK = 5\n"
    stage = given_stage("my.f", stage_function(text + "def f(x: int, *, by: int = 2) -> int:\n    return x * by + K\n"))
    assert isinstance(stage.function, ByValue)
    assert stage(3) == 11
    packed = carried([stage])
    again = Carried(packed)("my.f")
    assert (again.uses, again(3, by=3), again.inputs, again.outputs) == ("my.f", 14, stage.inputs, stage.outputs)
    assert Carried(packed)("letters:count").uses == "letters:count"
    assert carried([Carried(packed)("letters:count")]) == {}


def test_a_function_inside_a_class_of_a_module_travels_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "tools_there.py").write_text(
        "def g(x: int) -> int:\n    return x\n\n\nclass Tools:\n"
        "    @staticmethod\n    def f(x: int) -> int:\n        return g(x) + 1\n"
    )
    module = importlib.import_module("tools_there")
    assert given_stage("my.g", module.g).uses == "tools_there:g"
    stage = given_stage("my.f", module.Tools.f)
    assert isinstance(stage.function, ByValue)
    assert Carried(carried([stage]))("my.f")(1) == 2


class Adder:
    """Something with a method."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def add(self, x: int) -> int:
        """Add one."""
        with self.lock:
            return x + 1


def test_what_can_not_travel_is_told() -> None:
    lock = threading.Lock()

    def locked(x: int) -> int:
        with lock:
            return x

    with pytest.raises(OptionError, match="'lock' can't be sent to workers") as caught:
        given_stage("my.f", locked)
    assert "inside the function" in caught.value.hint
    with pytest.raises(OptionError, match=r"'my\.f' can't be sent to workers") as caught:
        given_stage("my.f", Adder().add)
    assert caught.value.hint == "write a function that calls it"
    with pytest.raises(OptionError, match="can't be a stage"):
        given_stage("my.f", lambda x: x)


def test_what_is_too_large_to_travel_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowbutton.stages.by_value.BYTES_LIMIT", 1024**2)
    table = bytes(3 * 1024**2)

    def f(x: int) -> int:
        return len(table) + x

    with pytest.raises(OptionError, match=r"holds 3 MiB") as caught:
        given_stage("my.f", f)
    assert "under share" in caught.value.hint


def test_values_that_are_not_followed_warn() -> None:
    text = "import decimal\nvalue = decimal.Decimal(1)\ndef f(x: int) -> int:\n    return x + int(value)\n"
    with pytest.warns(UserWarning, match=r"stage 'my\.f': 'value' \(Decimal\) counts by its pickled bytes"):
        given_stage("my.f", stage_function(text))
