"""Stages named as ``module:function``: what is wrong with the module is told as the author's fault, not as ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowbutton.model.errors import MissingExtra, OptionError
from flowbutton.stages.define import find_stage

MODULES = {
    "no_syntax": "def broken(:\n",
    "raises": "raise RuntimeError('at import')\n",
    "needs_more": "import a_library_nobody_has\n",
    "untyped": "def stage(x):\n    return x\n",
    "fine": "def stage(x: int) -> int:\n    return x\n",
}


@pytest.fixture(autouse=True)
def _modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, text in MODULES.items():
        (tmp_path / f"local_{name}.py").write_text(text)


@pytest.mark.parametrize(
    ("uses", "kind", "told"),
    [
        ("local_no_syntax:stage", OptionError, "SyntaxError"),
        ("local_raises:stage", OptionError, "at import"),
        ("local_needs_more:stage", MissingExtra, "pip install a_library_nobody_has"),
        ("local_nowhere:stage", OptionError, "no module 'local_nowhere'"),
        ("local_fine:stages", OptionError, "no function 'stages'"),
        ("local_untyped:stage", OptionError, "has no type"),
        ("genomics.aling", OptionError, "genomics.align"),
        ("genomic.align", OptionError, "no domain 'genomic'"),
    ],
)
def test_what_is_wrong_is_told(uses: str, kind: type[Exception], told: str) -> None:
    with pytest.raises(kind) as caught:
        find_stage(uses)
    assert told in str(caught.value)


def test_a_plain_function_is_a_stage() -> None:
    assert find_stage("local_fine:stage")(3) == 3
