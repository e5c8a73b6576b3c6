"""Code identity: what changes it and what does not, on small packages written for each test."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from flowbutton.stages import code, libraries
from flowbutton.stages.code import CodeIdentity, identify

CACHES = (
    code.identify,
    code._parse,
    code._facts,
    code._version,
    code._find,
    libraries.providers,
    code._source_digest,
)
Identify = Callable[..., CodeIdentity]

STAGES = '''
"""Stages."""
from pack.counting import count, LIMIT
import pack.deep.inner
from pack import shapes


def work(text):
    """Say what it does."""
    return count(text) + pack.deep.inner.depth(text) + shapes.area(2)


def unrelated(text):
    return text
'''
FILES = {
    "pack/__init__.py": "",
    "pack/stages.py": STAGES,
    "pack/counting.py": "LIMIT = 3\nTABLE = {}\n\ndef count(text):\n    return helper(text) + LIMIT\n\n"
    "def helper(text):\n    return len(text) + len(TABLE)\n\ndef other():\n    return 1\n",
    "pack/deep/__init__.py": "",
    "pack/deep/inner.py": "def depth(text):\n    return 7\n\ndef spare():\n    return 8\n",
    "pack/shapes.py": "def area(side):\n    return side * side\n",
}


@pytest.fixture
def identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Identify]:
    """Identify ``function`` of files as a process would that starts with them."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def found(files: Mapping[str, str], function: str = "pack.stages:work") -> CodeIdentity:
        _forget(tmp_path)
        for place in tmp_path.rglob("*.py"):
            place.unlink()
        for name, text in files.items():
            place = tmp_path / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        module, _, name = function.partition(":")
        return identify(getattr(importlib.import_module(module), name))

    yield found
    _forget(tmp_path)


def _forget(folder: Path) -> None:
    """Let this process know nothing of the folder's modules, as a new one does."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]
    importlib.invalidate_caches()
    for cached in CACHES:
        cached.cache_clear()


@pytest.fixture(autouse=True)
def _no_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of one size that are written twice in a second must be compiled twice."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


def changed(name: str, old: str, new: str) -> dict[str, str]:
    assert old in FILES[name]
    return {**FILES, name: FILES[name].replace(old, new)}


def whole(identity: CodeIdentity) -> list[str]:
    return [part.removesuffix(":*") for part in identity.parts if part.endswith(":*")]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        pytest.param("pack/stages.py", "Say what it does.", "Say it in other words.", id="docstring"),
        pytest.param("pack/stages.py", '    """Say what it does."""\n', "", id="no docstring"),
        pytest.param("pack/stages.py", "def work", "# a comment\n\n\ndef work", id="comment and position"),
        pytest.param("pack/stages.py", "return text", "return text * 2", id="unrelated function"),
        pytest.param("pack/counting.py", "return 1", "return 2", id="unrelated function of another module"),
        pytest.param("pack/deep/inner.py", "return 8", "return 9", id="unrelated function of a deep module"),
        pytest.param("pack/counting.py", "return helper(text) + LIMIT", "return (helper(text) + LIMIT)", id="brackets"),
    ],
)
def test_what_is_not_code_or_not_used_does_not_count(identity: Identify, name: str, old: str, new: str) -> None:
    assert identity(FILES).digest == identity(changed(name, old, new)).digest


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        pytest.param("pack/stages.py", "area(2)", "area(3)", id="its own body"),
        pytest.param("pack/counting.py", "LIMIT = 3", "LIMIT = 4", id="a constant of another module"),
        pytest.param("pack/counting.py", "len(text)", "len(text) + 1", id="a helper's helper"),
        pytest.param("pack/deep/inner.py", "return 7", "return 8", id="a module by its dotted name"),
        pytest.param("pack/shapes.py", "side * side", "side + side", id="a module imported from its package"),
        pytest.param("pack/counting.py", "\ndef other", "\nTABLE.update(a=1)\n\ndef other", id="a filled table"),
        pytest.param("pack/counting.py", "\ndef other", "\nTABLE['a'] = 1\n\ndef other", id="a table that is set"),
        pytest.param("pack/counting.py", "TABLE = {}", "TABLE = {1: 2}", id="a table"),
    ],
)
def test_what_is_used_counts(identity: Identify, name: str, old: str, new: str) -> None:
    assert identity(FILES).digest != identity(changed(name, old, new)).digest


def test_the_one_part_that_changed_is_known(identity: Identify) -> None:
    before, now = identity(FILES), identity(changed("pack/counting.py", "len(text)", "len(text) + 1"))
    assert [name for name in now.parts if now.parts[name] != before.parts[name]] == ["pack.counting:helper"]


def test_one_name_of_a_module_does_not_bring_the_others(identity: Identify) -> None:
    found = identity(FILES)
    assert "pack.counting:helper" in found.parts
    assert "pack.counting:other" not in found.parts
    assert "pack.stages:unrelated" not in found.parts
    assert whole(found) == []


def test_a_name_that_is_only_bound_is_no_use_of_it(identity: Identify) -> None:
    text = (
        "from pack.counting import other\n\n\nclass Work:\n    other: int = 1\n\n    def go(self):\n        other = 2\n"
    )
    assert [*identity({**FILES, "pack/stages.py": text}, "pack.stages:Work").parts] == ["pack.stages:Work"]
    text = "TOTAL = 1\n\n\ndef work():\n    global TOTAL\n    TOTAL += 1\n"
    assert [*identity({**FILES, "pack/stages.py": text}).parts] == ["pack.stages:TOTAL", "pack.stages:work"]


def test_a_neighbour_in_the_folder_is_local_too(identity: Identify) -> None:
    files = {"mine.py": "import beside\n\ndef work():\n    return beside.answer()\n"}
    first = identity({**files, "beside.py": "def answer():\n    return 1\n"}, "mine:work")
    second = identity({**files, "beside.py": "def answer():\n    return 2\n"}, "mine:work")
    assert first.digest != second.digest
    assert [*first.parts] == ["beside:answer", "mine:work"]


@pytest.mark.parametrize(
    ("imports", "uses"),
    [
        ("from pack.deep.inner import *", "depth(text)"),
        ("import pack.deep.inner as inner", "getattr(inner, 'de' + 'pth')(text)"),
        ("from pack.deep import inner", "eval('inner.depth(text)')"),
    ],
)
def test_what_cannot_be_followed_counts_whole(identity: Identify, imports: str, uses: str) -> None:
    files = {**FILES, "pack/stages.py": f"{imports}\n\ndef work(text):\n    return {uses}\n"}
    first = identity(files)
    assert whole(first), "the plan says so"
    if "eval" in uses:  # what runs by eval is the module's own text; names in a string are nobody's
        assert whole(first) == ["pack.stages"]
        return
    assert "pack.deep.inner" in whole(first)
    files["pack/deep/inner.py"] = FILES["pack/deep/inner.py"].replace("return 8", "return 9")
    assert identity(files).digest != first.digest


def test_a_fallback_for_a_missing_library_counts(identity: Identify) -> None:
    text = "try:\n    from fast_one import go\nexcept ImportError:\n    def go(text):\n        return {0}\n\n"
    text += "def work(text):\n    return go(text)\n"
    first = identity({**FILES, "pack/stages.py": text.replace("{0}", "1")})
    assert identity({**FILES, "pack/stages.py": text.replace("{0}", "2")}).digest != first.digest


def test_imports_inside_functions_and_relative_ones_are_followed(identity: Identify) -> None:
    text = "def work(text):\n    from .counting import count\n    from . import shapes\n"
    text += "    return count(text) + shapes.area(1)\n"
    files = {**FILES, "pack/stages.py": text}
    first = identity(files)
    assert {"pack.counting:count", "pack.counting:helper", "pack.shapes:area"} <= set(first.parts)


def test_a_name_handed_on_by_a_package_is_followed(identity: Identify) -> None:
    files = {**FILES, "pack/__init__.py": "from .counting import count\n"}
    files["pack/stages.py"] = "import pack\n\ndef work(text):\n    return pack.count(text)\n"
    assert "pack.counting:helper" in identity(files).parts


def test_base_classes_count_and_circles_end(identity: Identify) -> None:
    files = {
        **FILES,
        "pack/stages.py": "from pack.base import Base\n\nclass Work(Base):\n    pass\n\nBACK = 1\n",
        "pack/base.py": "import pack.stages\n\nclass Base:\n    def go(self):\n        return pack.stages.BACK\n",
    }
    first = identity(files, "pack.stages:Work")
    assert [*first.parts] == ["pack.base:Base", "pack.stages:BACK", "pack.stages:Work"]
    files["pack/base.py"] += "        # unreachable\n        return 2\n"
    assert identity(files, "pack.stages:Work").digest != first.digest


def test_a_library_counts_by_its_version(identity: Identify, tmp_path: Path) -> None:
    files = {"mine.py": "import thirdlib\nimport json\n\ndef work():\n    return thirdlib.go(), json.dumps(1)\n"}
    found: list[CodeIdentity] = []
    for version, text in (("1.0", "def go(): return 1"), ("1.0", "def go(): return 2"), ("1.1", "def go(): return 2")):
        info = tmp_path / "thirdlib.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: thirdlib\nVersion: {version}\n")
        (info / "top_level.txt").write_text("thirdlib\n")
        found.append(identity({**files, "thirdlib.py": text}, "mine:work"))
    first, same, other = found
    assert first.libraries == {"thirdlib": "1.0"}
    assert first.digest == same.digest, "a library is known by its version alone"
    assert other.digest != first.digest


def test_what_the_decorator_says_is_no_code(identity: Identify) -> None:
    text = "from flowbutton.stages.define import map_stage\n\n\n@map_stage('mine.work', version={0})\n"
    text += "def work(text: str) -> str:\n    return text\n\n\nfunction = work.function\n"
    first = identity({"mine.py": text.replace("{0}", "1")}, "mine:function")
    assert identity({"mine.py": text.replace("{0}", "2")}, "mine:function").digest == first.digest
    assert not first.libraries


@pytest.mark.parametrize(
    "head",
    [
        "from flowbutton import Tally\nfrom flowbutton.partitioners.whole import WholeFile\n",
        "import flowbutton\nfrom flowbutton.partitioners.whole import WholeFile\nTally = flowbutton.Tally\n",
        "import flowbutton.partitioners.whole as files\nfrom flowbutton.model.stage import Tally\n"
        "WholeFile = files.WholeFile\n",
    ],
)
def test_of_flowbutton_what_is_named_counts_and_never_its_version(identity: Identify, head: str) -> None:
    text = f"{head}def work(file: WholeFile, tally: Tally) -> None: ...\n"
    found = identity({"mine.py": text}, "mine:work")
    ours = {name for name in found.parts if name.startswith("flowbutton")}
    assert {"flowbutton.model.stage:Tally", "flowbutton.partitioners.whole:WholeFile"} <= ours
    assert not {name for name in ours if name.startswith("flowbutton:") or name.endswith(":*")}
    assert "flowbutton" not in found.libraries


def test_a_function_inside_another_is_known_by_its_text() -> None:
    def made(number: int) -> Callable[[], int]:
        def work() -> int:
            return number

        return work

    assert identify(made(1)).digest == identify(made(2)).digest
    assert [*identify(made(1)).parts] == ["work"]
