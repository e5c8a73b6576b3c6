"""A folder with texts and a pipeline over them, which is the current one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowbutton.stages import code
from flowbutton.stages.kept_code import identify_kept

PIPELINE = """\
flowbutton: 1
name: words
params:
  texts: {type: uri, default: "texts/*.txt"}
  least: {type: int, default: 1, min: 0}
sources:
  texts: {partitioner: whole, from: "${params.texts}"}
stages:
  count: {uses: my.count, for_each: {file: texts}, with: {least: "${params.least}"}}
  total: {uses: my.add, gather: {parts: count}}
outputs:
  total.json: total
profiles:
  one: {executor: serial, results: of_profile}
"""

MODULE = '''\
"""Stages of a module beside the pipeline."""

from collections.abc import Sequence

from flowbutton.partitioners.whole import WholeFile


def count(file: WholeFile, *, least: int) -> int:
    """Count the words of at least some length."""
    text = file.read().decode()
    if "refuse" in text:
        raise ValueError("the text says refuse")
    return sum(len(word) >= least for word in text.split())


def add(parts: Sequence[int]) -> int:
    """Add counts."""
    return sum(parts)
'''


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """Let this process forget the modules that a test's pipelines imported, as another process would."""
    code._LOOKED_AT.clear()
    yield
    for name in [name for name in sys.modules if name.startswith("words_here")]:
        del sys.modules[name]
    found = (value for value in vars(code).values() if hasattr(value, "cache_clear"))
    for cached in (*found, identify_kept):
        cached.cache_clear()
    code._LOOKED_AT.clear()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder: ``words.yaml`` uses functions that are given, ``local.yaml`` those of ``words_here.py``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/a.txt").write_text("one two three\n")
    (tmp_path / "texts/b.txt").write_text("four\n")
    (tmp_path / "words.yaml").write_text(PIPELINE)
    (tmp_path / "local.yaml").write_text(PIPELINE.replace("my.", "words_here:"))
    (tmp_path / "words_here.py").write_text(MODULE)
    return tmp_path
