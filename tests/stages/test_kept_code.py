"""Kept code identities: taken from the cache exactly while everything that they were found from is as it was."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flowbutton.stages import code, kept_code, libraries
from flowbutton.stages.code import CodeIdentity, identify
from flowbutton.stages.kept_code import cache_folder, identify_kept

FILES = {
    "kept_pack/__init__.py": "",
    "kept_pack/stages.py": "from kept_pack.inner import depth\nimport kept_beside\n\n\n"
    "def work(text):\n    return depth(text) + kept_beside.answer()\n",
    "kept_pack/inner.py": "def depth(text):\n    return 7\n",
    "kept_pack/unused.py": "def depth(text):\n    return 9\n",
    "kept_beside.py": "def answer():\n    return 1\n",
}


class Workshop:
    """A folder of modules on the path, and fresh processes that identify ``kept_pack.stages.work``."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.followed = folder, 0
        for name, text in FILES.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        """Write a module."""
        place = self.folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def forget(self) -> None:
        """Let this process know nothing of the modules, as a new one does."""
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(str(self.folder)):
                del sys.modules[name]
        importlib.invalidate_caches()
        for cached in (*vars(code).values(), *vars(kept_code).values()):
            if hasattr(cached, "cache_clear") and cached is not libraries.providers:  # slow, and mostly as it was
                cached.cache_clear()

    def function(self) -> Callable[..., object]:
        """Import the function as a new process does."""
        self.forget()
        found: Callable[..., object] = importlib.import_module("kept_pack.stages").work
        return found

    def identity(self) -> CodeIdentity:
        """Return the identity; it is always what following the code gives."""
        found = identify_kept(self.function())
        assert found == identify(self.function())
        return found


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    """A workshop whose cache is its own; ``followed`` counts how often code was followed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    made = Workshop(tmp_path / "modules")

    def follow(module: str, name: str) -> tuple[CodeIdentity, code.Witness]:
        made.followed += 1
        return code.follow(module, name)

    monkeypatch.setattr(kept_code, "follow", follow)
    yield made
    made.forget()


def entry() -> Path:
    folder = cache_folder()
    assert folder is not None
    [place] = folder.iterdir()
    return place


def test_the_second_process_takes_what_the_first_has_kept(workshop: Workshop) -> None:
    first = workshop.identity()
    assert workshop.identity() == first
    assert workshop.followed == 1


def test_what_is_kept_is_taken_as_it_is(workshop: Workshop) -> None:
    workshop.identity()
    value = json.loads(entry().read_bytes())
    entry().write_text(json.dumps({**value, "digest": "from the cache"}))
    assert identify_kept(workshop.function()).digest == "from the cache"


@pytest.mark.parametrize("name", ["kept_pack/stages.py", "kept_pack/inner.py", "kept_beside.py"])
def test_a_changed_module_is_followed_again(workshop: Workshop, name: str) -> None:
    first = workshop.identity()
    workshop.write(name, FILES[name].replace("return ", "return 1 + "))
    assert workshop.identity().digest != first.digest
    assert workshop.followed == 2
    assert entry(), "the new entry is in the place of the old one"


def test_bytes_decide_and_not_times(workshop: Workshop) -> None:
    workshop.identity()
    for name, text in FILES.items():
        workshop.write(name, text)
    workshop.write("kept_pack/unused.py", "")
    workshop.identity()
    assert workshop.followed == 1


def test_a_module_that_hides_another_is_found(workshop: Workshop) -> None:
    first = workshop.identity()
    workshop.write("kept_beside/__init__.py", "def answer():\n    return 2\n")  # a package goes before a module
    assert workshop.identity().digest != first.digest


def test_a_module_where_there_was_none_is_found(workshop: Workshop) -> None:
    workshop.write("kept_pack/stages.py", "import kept_pack\n\n\ndef work(text):\n    return kept_pack.late(text)\n")
    first = workshop.identity()
    workshop.write("kept_pack/late.py", "def late(text):\n    return 1\n")
    assert workshop.identity().digest != first.digest


def test_another_version_of_a_library_is_followed_again(workshop: Workshop) -> None:
    workshop.write("kept_pack/inner.py", "import keptlib\n\n\ndef depth(text):\n    return keptlib.go()\n")
    workshop.write("keptlib.py", "def go():\n    return 1\n")
    digests = set()
    for version in ("1.0", "1.1"):
        workshop.write(
            f"keptlib-{version}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: keptlib\nVersion: {version}\n"
        )
        workshop.write(f"keptlib-{version}.dist-info/top_level.txt", "keptlib\n")
        libraries.providers.cache_clear()
        found = workshop.identity()
        assert found.libraries == {"keptlib": version}
        digests.add(found.digest)
        (workshop.folder / f"keptlib-{version}.dist-info" / "METADATA").unlink()
        (workshop.folder / f"keptlib-{version}.dist-info" / "top_level.txt").unlink()
        (workshop.folder / f"keptlib-{version}.dist-info").rmdir()
    libraries.providers.cache_clear()
    assert len(digests) == 2


def test_other_rules_of_following_count(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    workshop.identity()
    monkeypatch.setattr(sys, "version", "3.99")
    workshop.identity()
    assert workshop.followed == 2


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe"])
def test_a_damaged_entry_is_none(workshop: Workshop, damage: bytes) -> None:
    first = workshop.identity()
    entry().write_bytes(damage)
    assert workshop.identity() == first
    assert workshop.followed == 2


def test_a_cache_that_cannot_be_written_is_done_without(workshop: Workshop, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder")
    first = workshop.identity()
    assert workshop.identity() == first
    assert workshop.followed == 2


def test_a_user_without_a_home_has_no_cache(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    assert cache_folder() is None
    assert workshop.identity().digest


def test_a_function_inside_another_is_not_kept(workshop: Workshop) -> None:
    def work() -> int:
        return 1

    assert identify_kept(work) == identify(work)
    assert workshop.followed == 0
