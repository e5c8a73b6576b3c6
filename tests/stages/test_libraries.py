"""Modules and the distributions that they come from, beside Python's own slow answer."""

from __future__ import annotations

from importlib.metadata import distributions, packages_distributions
from pathlib import Path

import pytest

from flowbutton.stages import libraries


def test_every_module_has_the_distributions_that_python_finds() -> None:
    expected = {name: sorted(set(found)) for name, found in packages_distributions().items() if name.isidentifier()}
    ours = {name: libraries.names_of(name) for name in libraries.providers() if name.isidentifier()}
    # Python 3.11 does not look for compiled modules; later ones take folders without modules for packages.
    assert {name: found for name, found in ours.items() if name in expected} == {
        name: found for name, found in expected.items() if name in ours
    }
    assert {"pydantic", "yaml", "click", "pytest", "numpy"} <= ours.keys() & expected.keys()


@pytest.mark.parametrize(
    ("file", "text", "modules"),
    [
        ("top_level.txt", "one\ntwo\n", {"one", "two"}),
        (
            "RECORD",
            'pack/a.py,sha256=x,1\npack/b.py,,\nlone.py,,\n"odd,name/c.py",,\nnotes/d.txt,,\n',
            {"pack", "lone", "odd,name"},
        ),
        ("RECORD", "core.abi3.so,,\n../../../bin/tool,,\n", {"core"}),
        ("RECORD", "", set()),
    ],
)
def test_modules_are_declared_or_seen_among_the_files(tmp_path: Path, file: str, text: str, modules: set[str]) -> None:
    folder = tmp_path / "some-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: some\nVersion: 1.0\n")
    (folder / file).write_text(text)
    [distribution] = distributions(path=[str(tmp_path)])
    assert set(libraries._modules(distribution)) == modules
